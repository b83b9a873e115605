"""Steps, and how those that were made are made again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from ._data import Batches
from ._programs import Programs
from ._timeline import Saved, Timeline


@dataclass(frozen=True)
class Made:
    """What one step gave.

    Attributes:
        readout: loss, whether all is finite, metrics (see `Programs`).
        after: the state to go on with.
    """

    readout: jax.Array
    loss: jax.Array
    grads: Any
    updates: Any
    after: Saved


def make_step(programs: Programs, key: jax.Array, before: Saved, batch: Any, multiplier: float) -> Made:
    """One step from a state."""
    readout, loss, grads, state = programs.gradient(before.params, before.state, batch, key, np.uint32(before.step))
    factor = np.float32(multiplier)
    params, opt_state, updates = programs.update(before.params, before.opt_state, grads, factor, loss)
    return Made(readout, loss, grads, updates, Saved(before.step + 1, params, state, opt_state))


class Past:
    """Makes steps, for the first time or again; the same programs, key and batches give the same bits.

    Args:
        programs: gradient and update.
        batches: the data.
        key: of the run.
        timeline: saved states, and what the steps gave.
    """

    def __init__(self, programs: Programs, batches: Batches, key: jax.Array, timeline: Timeline) -> None:
        self._programs, self._batches, self._key, self._timeline = programs, batches, key, timeline

    def make(self, before: Saved, batch: Any, multiplier: float) -> Made:
        """One step from a state."""
        return make_step(self._programs, self._key, before, batch, multiplier)

    def again(self, before: Saved) -> tuple[Any, Made]:
        """The batch of the step that follows a state, and what that step gives; if it was made before, the same.

        Raises:
            ValueError: it was made before, and now gives another loss.
        """
        batch = self._batches.window(before.step, 1)[0]
        made = self.make(before, batch, self._timeline.multiplier(before.step))
        self._compare(before.step, [made.readout])
        return batch, made

    def state_at(self, step: int, told: Callable[[str], None] = lambda words: None) -> Saved:
        """The state after so many updates, from the nearest saved one.

        Raises:
            ValueError: no saved state is early enough; or a step made again gave another loss than the first time.
        """
        at = self._timeline.nearest(step)
        if at is None:
            raise ValueError(f"step {step} is out of reach: {self._offered()}.")
        if at.step < step and not self._timeline.exact:
            raise ValueError(f"step {step} cannot be made again, since the data is not the same: {self._offered()}.")
        first, readouts, spoken = at.step, [], time.perf_counter()
        while at.step < step:
            made = self.make(at, self._batches.peek(at.step), self._timeline.multiplier(at.step))
            readouts.append(made.readout)
            at = made.after
            if time.perf_counter() - spoken > 0.5:
                spoken = time.perf_counter()
                told(f"making step {at.step:,} of {first:,} to {step:,} again")
        self._compare(first, readouts)
        return at

    def _compare(self, first: int, readouts: list[jax.Array]) -> None:
        losses = [float(np.asarray(each)[0]) for each in readouts]
        parted = self._timeline.parted(first, losses)
        if parted is None:
            return
        self._timeline.exact = False
        now, known = losses[parted - first], self._timeline.losses[parted]
        raise ValueError(
            f"step {parted} made again has the loss {now:.6g}, the first time {known:.6g}: the data source gives other batches "
            "than before. Give a list or a callable batches(step), seed the shuffling by the epoch, and yield copies where one "
            f"buffer is filled anew; until then {self._offered()}."
        )

    def _offered(self) -> str:
        steps = self._timeline.steps
        if not steps:
            return "no state is saved; give more timeline_memory"
        shown = ", ".join(map(str, steps if len(steps) <= 8 else (*steps[:3], "...", *steps[-4:])))
        return f"saved states are those of step{'s' if len(steps) > 1 else ''} {shown}"
