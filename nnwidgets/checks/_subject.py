"""What a check looks at: a run, the program of its loss, its first batches, a place to experiment."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import jax
import numpy as np

from nnwidgets.lint import Setup
from nnwidgets.records import Finding, GradientReport, History
from nnwidgets.train import Bench

# Of all batches that are trained on together.
_MOST_NUMBERS = 20_000_000


class Subject:
    """A run, as the checks see it; nothing that they do changes it.

    Args:
        make_setup: makes `setup` when it is first asked for.
        make_bench: likewise `bench`.

    Attributes:
        paths: of the parameters.
        key: of the run.
        step: updates made so far.
        history: what was read.
        gradcheck: checks all gradients at the present parameters.
        lint: looks at the set-up; what was found before the first step.
        again: why the step that led here can't be made again as it was the first time; "" if it can.
        tell: takes words on how far a long check is.
        seconds: that a check may take, about; it then says what it knows.
        step_seconds: of a step of the run, about.
    """

    def __init__(
        self,
        paths: Sequence[str],
        make_setup: Callable[[], Setup],
        make_bench: Callable[[], Bench],
        key: jax.Array,
        step: int,
        history: History,
        *,
        gradcheck: Callable[[], GradientReport],
        lint: Callable[[], Sequence[Finding]],
        again: Callable[[], str],
        tell: Callable[[str], None] = lambda words: None,
        seconds: float = 60.0,
        step_seconds: float = 0.01,
    ) -> None:
        self.paths, self._make_setup, self._make_bench = paths, make_setup, make_bench
        self.key, self.step, self.history = key, step, history
        self.gradcheck, self.lint, self.again, self.tell, self.seconds = gradcheck, lint, again, tell, seconds
        self.step_seconds = step_seconds
        self._started = time.perf_counter()

    @cached_property
    def setup(self) -> Setup:
        """The traced loss, the first batches, and the parameters as they are now."""
        return self._make_setup()

    @cached_property
    def bench(self) -> Bench:
        """The run's first state, its newest finite one, the batches of its first steps, and experiments with them."""
        return self._make_bench()

    @property
    def seconds_left(self) -> float:
        """Of the time that a check may take."""
        return self.seconds - (time.perf_counter() - self._started)

    @property
    def late(self) -> bool:
        """Whether that time is over."""
        return self.seconds_left <= 0

    def loss(
        self,
        batch: Any,
        *,
        train: bool = True,
        params: Any = None,
        state: Any = None,
        key: int = 0,
        penalty: bool = True,
    ) -> float:
        """The loss on a batch.

        Args:
            batch: the batch.
            train: as in training, or as in evaluation.
            params: the present ones if None.
            state: likewise.
            key: numbers the random numbers.
            penalty: with its declared penalty, or without.
        """
        params = self.setup.params if params is None else params
        state = self.setup.state if state is None else state
        value, (_, aux) = self.setup.loss(params, state, batch, jax.random.fold_in(self.key, key), train)
        return float(value) - (0.0 if penalty else float(aux.get("penalty", 0.0)))

    @cached_property
    def batches(self) -> list[Any]:
        """Batches of the run's first steps, to train on: as many as memory holds side by side."""
        batches = list(self.bench.batches)
        size = sum(np.size(leaf) for leaf in jax.tree.leaves(batches[0]))
        return batches[: max(1, _MOST_NUMBERS // max(size, 1))]
