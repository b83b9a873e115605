"""What takes longer than a moment, done in a thread of its own, one thing after the other."""

from __future__ import annotations

import atexit
import os
import threading
import traceback
from collections.abc import Callable

# Seconds that the end of the process waits for what is undone.
_LAST_CALL = 20.0


class Worker:
    """Does jobs in the order they came; of two that wait under one name, the newer one takes the older one's place.

    A job that fails is told to `failed` with its traceback, and the next one is done.
    """

    def __init__(self) -> None:
        self._jobs: dict[str, tuple[Callable[[], None], Callable[[str, str], None]]] = {}
        self._changed = threading.Condition()
        self._busy = False
        self._pid: int | None = None

    def do(self, name: str, job: Callable[[], None], failed: Callable[[str, str], None]) -> None:
        """Do this soon."""
        with self._changed:
            self._jobs[name] = (job, failed)
            # after a fork there is no thread either
            if self._pid != os.getpid():
                self._pid, self._busy = os.getpid(), False
                threading.Thread(target=self._work, name="nnwidgets jobs", daemon=True).start()
            self._changed.notify_all()

    def drain(self, seconds: float) -> bool:
        """Wait until nothing is left to do; False if that takes longer."""
        with self._changed:
            if self._pid != os.getpid():
                return True
            return self._changed.wait_for(lambda: not self._jobs and not self._busy, seconds)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._jobs)
                name = next(iter(self._jobs))
                job, failed = self._jobs.pop(name)
                self._busy = True
            try:
                job()
            except Exception as error:
                failed(str(error) or type(error).__name__, traceback.format_exc())
            # not held while waiting for the next: it may hold a model's whole state
            del job, failed


worker = Worker()


@atexit.register
def _last_call() -> None:
    worker.drain(_LAST_CALL)
