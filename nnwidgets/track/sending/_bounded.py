"""A call that may take so long and no longer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


def bounded(call: Callable[[], Any], seconds: float) -> Any:
    """What the call returns or raises.

    Args:
        call: that may hang, whatever its own limits say; it is then left to itself, in a thread that holds up nothing.
        seconds: to wait for it.

    Raises:
        TimeoutError: it took longer.

    Example:
        >>> bounded(lambda: 2 + 2, 1.0)
        4
    """
    results: list[Any] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, name="nnwidgets send", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(f"no answer within {seconds:.1f} s")
    return results[0]
