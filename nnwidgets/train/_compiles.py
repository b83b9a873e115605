"""How many programs XLA has compiled in this process, and how long that took."""

from __future__ import annotations

from dataclasses import dataclass

import jax

_COMPILED = "/jax/core/compile/backend_compile_duration"
_LOWERED = "/jax/core/compile/jaxpr_to_mlir_module_duration"


@dataclass
class Compiles:
    """What JAX has told since `listen` was called first.

    Attributes:
        count: programs compiled.
        seconds: that lowering and compiling them took.
    """

    count: int = 0
    seconds: float = 0.0
    listening: bool = False

    def hear(self, event: str, duration: float, **_: object) -> None:
        """What JAX tells of its own work."""
        self.count += event == _COMPILED
        self.seconds += duration if event in (_COMPILED, _LOWERED) else 0.0


_compiles = Compiles()


def compiles() -> Compiles:
    """The one count of this process; JAX is listened to from the first call on."""
    if not _compiles.listening:
        _compiles.listening = True
        jax.monitoring.register_event_duration_secs_listener(_compiles.hear)
    return _compiles
