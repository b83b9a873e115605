"""Batch norm and dropout, found in the traced loss."""

from ._batch_norm import BatchNorm as BatchNorm
from ._dropout import Dropout as Dropout
