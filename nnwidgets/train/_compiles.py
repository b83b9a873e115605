"""How many programs XLA has compiled in this process."""

from __future__ import annotations

import jax

_EVENT = "/jax/core/compile/backend_compile_duration"
_count = 0


def compiles() -> int:
    """Programs compiled since the first call of this function; JAX tells of each."""
    global _count
    if _count == 0:
        _count = 1
        jax.monitoring.register_event_duration_secs_listener(_hear)
    return _count


def _hear(event: str, duration: float, **_: object) -> None:
    global _count
    _count += event == _EVENT
