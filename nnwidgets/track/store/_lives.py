"""Whether a process still lives."""

from __future__ import annotations

import socket
import time

import psutil


def lives(host: str, pid: int, started: float, last_sign: float, silence: float) -> bool:
    """Whether a process still lives: asked on its own machine, elsewhere judged by its signs of life.

    Args:
        host: its machine.
        pid: its number there.
        started: when it was started, in seconds since 1970.
        last_sign: when it gave its newest sign of life.
        silence: seconds without one after which it counts as dead.
    """
    if host != socket.gethostname():
        return time.time() - last_sign < silence
    try:
        process = psutil.Process(pid)
        # a number is given again to another process; one that nobody has buried yet is dead all the same
        return abs(process.create_time() - started) < 1.0 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
