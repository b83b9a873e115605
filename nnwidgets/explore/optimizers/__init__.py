"""Optimizers compared, and the schedule inside one."""

from ._optimizers import Optimizers as Optimizers
from ._schedule import Schedule as Schedule
