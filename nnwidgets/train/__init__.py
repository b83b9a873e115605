"""The run: its steps, what is read of them, and who may steer it."""

from ._session import Session as Session
