"""The kernel's stop button, kept from tearing a step in two."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType


class Interrupts:
    """While entered, an interrupt waits for the end of a `protected` stretch.

    The optimizer's state is donated to the update program: an interrupt between the call and the assignment of its
    results would lose it. Outside such a stretch an interrupt acts at once, so that a data loader that hangs can be
    stopped. Only the main thread receives interrupts; elsewhere this does nothing.

    Example:
        >>> with Interrupts() as interrupts:
        ...     with interrupts.protected():
        ...         pass
    """

    def __init__(self) -> None:
        self._depth = 0
        self._waiting = False
        self._previous: object = None
        self._installed = False

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.getsignal(signal.SIGINT)
            if callable(self._previous):
                signal.signal(signal.SIGINT, self._handle)
                self._installed = True
        return self

    def __exit__(self, *_: object) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, self._previous)  # pyright: ignore[reportArgumentType]

    def protected(self) -> _Protected:
        """A context within which an interrupt is held back until its end."""
        return _Protected(self)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if self._depth:
            self._waiting = True
        else:
            raise KeyboardInterrupt


class Halted:
    """While entered, the first interrupt only sets an event, so that a loop can end and tell what it has; the next one raises.

    Only the main thread receives interrupts; elsewhere this does nothing.

    Args:
        event: is set by the interrupt.
    """

    def __init__(self, event: threading.Event) -> None:
        self._event = event
        self._previous: object = None

    def __enter__(self) -> Halted:
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.getsignal(signal.SIGINT)
            if callable(self._previous):
                signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if callable(self._previous):
            signal.signal(signal.SIGINT, self._previous)  # pyright: ignore[reportArgumentType]

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if self._event.is_set():
            raise KeyboardInterrupt
        self._event.set()


class _Protected:
    def __init__(self, owner: Interrupts) -> None:
        self._owner = owner

    def __enter__(self) -> None:
        self._owner._depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._owner._depth -= 1
        if self._owner._waiting and not self._owner._depth:
            self._owner._waiting = False
            raise KeyboardInterrupt
