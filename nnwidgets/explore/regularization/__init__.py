"""The penalty beside the data, and decoupled decay."""

from ._regularization import Regularization as Regularization
