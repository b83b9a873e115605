"""How many programs XLA has compiled in this process, and how long that took."""

from __future__ import annotations

from dataclasses import dataclass, field

import jax

_COMPILED = "/jax/core/compile/backend_compile_duration"
_TRACED = "/jax/core/compile/jaxpr_trace_duration"
_LOWERED = "/jax/core/compile/jaxpr_to_mlir_module_duration"


@dataclass
class Compiles:
    """What JAX has told since `listen` was called first.

    Attributes:
        count: programs compiled.
        seconds: that lowering and compiling them took.
        longest: of each stage, the seconds of the program that took longest in it.
    """

    count: int = 0
    seconds: float = 0.0
    listening: bool = False
    longest: dict[str, float] = field(default_factory=dict[str, float])

    def hear(self, event: str, duration: float, **_: object) -> None:
        """What JAX tells of its own work."""
        self.count += event == _COMPILED
        self.seconds += duration if event in (_COMPILED, _LOWERED) else 0.0
        if event in (_COMPILED, _LOWERED, _TRACED):
            self.longest[event] = max(duration, self.longest.get(event, 0.0))

    @property
    def slowest(self) -> float:
        """Seconds of a program that takes as long as the longest did in each stage; 0.0 before the first one."""
        return sum(self.longest.values())


_compiles = Compiles()


def compiles() -> Compiles:
    """The one count of this process; JAX is listened to from the first call on."""
    if not _compiles.listening:
        _compiles.listening = True
        jax.monitoring.register_event_duration_secs_listener(_compiles.hear)
    return _compiles
