"""What a check looks at: a run, the program of its loss, its first batches, a place to experiment."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax

from nnwidgets.lint import Setup
from nnwidgets.records import Finding, GradientReport, History
from nnwidgets.train import Bench


class OutOfTime(Exception):
    """The time that a check was given is over."""


@dataclass(eq=False)
class Subject:
    """A run, as the checks see it; nothing that they do changes it.

    Attributes:
        setup: the traced loss, the first batches, and the parameters as they are now.
        bench: the run's first state, its newest finite one, the batches of its first steps, and experiments with them.
        key: of the run.
        step: updates made so far.
        history: what was read.
        gradcheck: checks all gradients at the present parameters.
        findings: what the rules say now, each once; that of the set-up with them if it was looked at.
        ruled: names of the rules that have looked.
        tell: takes words on how far a long check is.
        seconds: that a check may take, about; it then says what it knows.
    """

    setup: Setup
    bench: Bench
    key: jax.Array
    step: int
    history: History
    gradcheck: Callable[[], GradientReport]
    findings: Sequence[Finding] = ()
    ruled: Sequence[str] = ()
    tell: Callable[[str], None] = lambda words: None
    seconds: float = 60.0
    _started: float = field(default_factory=time.perf_counter)

    @property
    def seconds_left(self) -> float:
        """Of the time that a check may take."""
        return self.seconds - (time.perf_counter() - self._started)

    @property
    def late(self) -> bool:
        """Whether that time is over."""
        return self.seconds_left <= 0

    def parameters(self) -> tuple[Any, Any]:
        """Parameters and model state as they are now."""
        return self.setup.params, self.setup.state
