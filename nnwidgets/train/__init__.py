"""The run: its steps, what is read of them, and who may steer it."""

from ._monitor import Monitor as Monitor
from ._session import Session as Session
