"""What an experiment works with: copies of a run, its batches, its clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, TypeVar

import jax
import numpy as np
import optax
import psutil

from nnwidgets.lint import Setup
from nnwidgets.objective import Objective
from nnwidgets.records import Cost, History, Spike
from nnwidgets.train import Saved, compiles

from ._rate import learning_rate_of

T = TypeVar("T")
# Numbers in all batches that are held side by side, and batches at most.
_MOST_NUMBERS, _MOST_BATCHES = 20_000_000, 256
# A program takes about so long to compile, as long as this process has compiled none to measure.
_COMPILE_SECONDS = 2.0
# Of the free memory, what an experiment may fill.
_SHARE = 0.25


class Lab:
    """A run, as experiments see it; nothing that they do changes it.

    Args:
        objective: the loss.
        tx: the optimizer.
        now: the state as it is.
        find_first: gives the first state in reach.
        find_visited: gives saved states of the run, oldest first.
        find_spike: looks into a step whose loss jumped, the one furthest above those before it if None; None where none is.
        draw: (count) -> batches of the coming steps; fewer if the data ends.
        make_setup: makes `setup` when it is first asked for.
        key: of the run.
        history: its readings.
        find_validation: gives batches to validate on, maybe none.

    Attributes:
        multiplier: of the learning rate, as it stands.
        tell: takes words on how far an experiment is.
        stopped: whether the user wants it to end.
        seconds: that an experiment may take, about; it then tells what it has.
        step_seconds: of a step of the run, about; None where that is not known.
        cut: whether a loop was ended early.
    """

    def __init__(
        self,
        objective: Objective,
        tx: optax.GradientTransformation,
        now: Saved,
        *,
        find_first: Callable[[], Saved],
        find_visited: Callable[[], Sequence[Saved]],
        find_spike: Callable[[int | None], Spike | None],
        draw: Callable[[int], Sequence[Any]],
        make_setup: Callable[[], Setup],
        key: jax.Array,
        history: History,
        find_validation: Callable[[], Sequence[Any]] = tuple,
        multiplier: float = 1.0,
        tell: Callable[[str], None] = lambda words: None,
        stopped: Callable[[], bool] = lambda: False,
        seconds: float = float("inf"),
        step_seconds: float | None = None,
    ) -> None:
        self.objective, self.tx, self.key, self.history = objective, tx, key, history
        self.params, self.state, self.opt_state, self.step = now.params, now.state, now.opt_state, now.step
        self.find_spike = find_spike
        self._find_first, self.visited, self._draw, self._make_setup = find_first, find_visited, draw, make_setup
        self._find_validation, self.multiplier, self.tell, self.stopped = find_validation, multiplier, tell, stopped
        self.seconds, self.step_seconds = seconds, step_seconds
        self.cut = False
        self._started = time.perf_counter()

    @cached_property
    def first(self) -> Saved:
        """The first state in reach, often that before the first step."""
        return self._find_first()

    @cached_property
    def setup(self) -> Setup:
        """The traced loss, the first batches, and the parameters as they are now."""
        return self._make_setup()

    @cached_property
    def batches(self) -> list[Any]:
        """Batches of the coming steps, all of one shape, with NumPy leaves: as many as memory holds side by side."""
        (one,) = self._draw(1)[:1]
        size = sum(np.size(leaf) for leaf in jax.tree.leaves(one))
        count = max(1, min(_MOST_BATCHES, _MOST_NUMBERS // max(size, 1)))
        return [jax.tree.map(np.asarray, batch) for batch in self._draw(count)]

    @cached_property
    def validation(self) -> list[Any]:
        """Batches to validate on, all of the first one's shape (the last may have been smaller), maybe none."""
        found = [jax.tree.map(np.asarray, batch) for batch in self._find_validation()]
        shapes = [jax.tree.map(np.shape, batch) for batch in found]
        return [batch for batch, shape in zip(found, shapes, strict=True) if shape == shapes[0]]

    def fresh(self, count: int) -> list[Any]:
        """So many batches of coming steps; where there are fewer, they come again in the same order."""
        return [self.batches[i % len(self.batches)] for i in range(count)]

    @property
    def rows(self) -> int | None:
        """Examples in a batch: the length that all its arrays share as their first axis; None if they do not."""
        lengths = {np.shape(leaf)[0] if np.ndim(leaf) else None for leaf in jax.tree.leaves(self.batches[0])}
        return lengths.pop() if len(lengths) == 1 else None

    @cached_property
    def learning_rate(self) -> float | None:
        """The learning rate of the coming step, multiplier included; None where the optimizer does not show it."""
        found = learning_rate_of(self.tx, self.params, self.opt_state)
        return None if found is None else found * self.multiplier

    def cost(self, steps: int, programs: int = 1) -> Cost:
        """What so many gradients of a batch, and so many programs, will take."""
        pace = self.step_seconds
        compiling = programs * (compiles().slowest or _COMPILE_SECONDS)
        return Cost(steps, programs, 0.0 if pace is None else steps * pace + compiling)

    def each(self, items: Sequence[T], what: str, *, of: int | None = None, at_once: int = 1) -> Iterator[T]:
        """Go through items and tell how far it is; ends early where the user wants that, or the time is over.

        The first item is always given. Afterwards `cut` tells whether it ended early.

        Args:
            items: to go through.
            what: they are, in the plural: "learning rates".
            of: how many that is for the user, if an item stands for several.
            at_once: for how many an item stands.
        """
        started = spoken = time.perf_counter()
        total = len(items) if of is None else of
        for number, item in enumerate(items):
            now = time.perf_counter()
            if number and (self.stopped() or now - self._started > self.seconds):
                self.cut = True
                return
            if number and now - spoken > 0.3:
                spoken = now
                left = (now - started) / number * (len(items) - number)
                self.tell(f"{what}: {min(number * at_once, total)} of {total}, about {left:.0f} s left")
            yield item

    def room(self, bytes_each: int) -> int:
        """How many of something fit into a quarter of the free memory, at least 1."""
        return max(1, int(_SHARE * psutil.virtual_memory().available / max(bytes_each, 1)))
