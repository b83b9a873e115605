"""Saved states of a run, from which every step in reach can be made again."""

from __future__ import annotations

import time
from array import array
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import psutil

from nnwidgets.trace import is_key

# Seconds between two saved states, at least: making the steps between them again takes about as long. Where saving one is
# dear (many arrays, a slow machine) it is done so seldom that it takes this share of the run, yet once in so many seconds.
_EVERY_SECONDS, _SHARE, _AT_LAST = 0.01, 0.004, 1.0
# More states than that make going back no quicker.
_MOST = 200


@dataclass(frozen=True)
class Saved:
    """The state after `step` updates."""

    step: int
    params: Any
    state: Any
    opt_state: Any


class Timeline:
    """States by reference: arrays of JAX never change, and the session's programs donate nothing, so saving copies nothing.

    Kept are the newest state, the first one, and of those between the more the younger they are, within a memory limit.
    On an accelerator older states move to the host. Losses are kept of every step: a replay that gives others is found out.

    Args:
        memory: bytes that saved states may hold; a tenth of the free memory if None.

    Attributes:
        memory: the limit in bytes.
        losses: of each step made (steps,), float32.
        multipliers: (step, learning-rate multiplier from this step on), ascending.
        exact: False once a replay gave another loss than the first pass.
    """

    def __init__(self, memory: float | None = None) -> None:
        if memory is not None and not (isinstance(memory, (int, float)) and 0 <= memory < float("inf")):
            raise ValueError(f"timeline_memory must be a number of bytes, such as 2e9, got {memory!r}.")
        self.memory = int(psutil.virtual_memory().available // 10 if memory is None else memory)
        self.losses = array("f")
        self.multipliers: list[tuple[int, float]] = []
        self.exact = True
        self._saved: dict[int, Saved] = {}
        self._steps: list[int] = []
        self._pinned: set[int] = set()
        self._bytes, self._newest_at, self._wait = 0, float("-inf"), _EVERY_SECONDS

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps of the saved states, ascending."""
        return tuple(self._steps)

    @property
    def first(self) -> int | None:
        """The step of the first saved state."""
        return self._steps[0] if self._steps else None

    @property
    def nbytes(self) -> int:
        """Bytes held, if no two states share an array."""
        return len(self._steps) * self._bytes

    def keep(self, saved: Saved, *, pin: bool = False) -> None:
        """Save a state if the last one is not too young; with `pin` in any case, and until `forget_after` takes it."""
        now = time.perf_counter()
        if not pin and now - self._newest_at < self._wait:
            return
        self._newest_at = now
        if not self._bytes:
            leaves = jax.tree.leaves((saved.params, saved.state, saved.opt_state))
            self._bytes = sum(leaf.nbytes for leaf in leaves if hasattr(leaf, "nbytes"))
        if saved.step not in self._saved:
            self._steps.insert(bisect_right(self._steps, saved.step), saved.step)
        self._saved[saved.step] = saved
        if pin:
            self._pinned.add(saved.step)
        if len(self._steps) > 2 and jax.default_backend() != "cpu":
            self._to_host(self._steps[-3])
        while len(self._steps) > 1 and (len(self._steps) > _MOST or self.nbytes > self.memory):
            self._drop()
        self._wait = min(max(_EVERY_SECONDS, (time.perf_counter() - now) / _SHARE), _AT_LAST)

    def unpin(self, step: int) -> None:
        """This state may be forgotten again."""
        self._pinned.discard(step)

    def nearest(self, step: int) -> Saved | None:
        """The last saved state that is not after this step; None if there is none."""
        position = bisect_right(self._steps, step)
        return self._saved[self._steps[position - 1]] if position else None

    def note_multiplier(self, step: int, value: float) -> None:
        """From this step on the learning rate is multiplied by this."""
        if not self.multipliers or self.multipliers[-1][1] != value:
            self.multipliers.append((step, value))

    def multiplier(self, step: int) -> float:
        """By what the learning rate of a step was multiplied."""
        return next((value for since, value in reversed(self.multipliers) if since <= step), 1.0)

    def parted(self, first: int, losses: list[float]) -> int | None:
        """The first of these steps, from `first` on, whose loss is not the one of the first pass, bit for bit; or None."""
        now, known = np.array(losses, np.float32), np.array(self.losses[first : first + len(losses)], np.float32)
        now = now[: len(known)]
        apart = (now.view(np.uint32) != known.view(np.uint32)) & ~(np.isnan(now) & np.isnan(known))
        return first + int(apart.argmax()) if apart.any() else None

    def forget_after(self, step: int) -> None:
        """Drop what lies after a step, since the run goes another way from there."""
        for each in [each for each in self._steps if each > step]:
            self._forget(each)
        del self.losses[step:]
        self.multipliers = [each for each in self.multipliers if each[0] < step]

    def _drop(self) -> None:
        """Forget the state that is missed least: the one whose gap would be smallest beside its age."""
        steps = np.asarray(self._steps)
        gaps = np.full(len(steps), np.inf)
        gaps[1:-1] = (steps[2:] - steps[:-2]) / (steps[-1] - steps[1:-1] + 1)
        pinned = np.isin(steps, list(self._pinned))
        pinned[[0, -1]] = True
        # where nothing else is left a pinned one goes, and at the very last the first
        self._forget(int(steps[np.argmin(gaps if pinned.all() else np.where(pinned, np.inf, gaps))]))

    def _forget(self, step: int) -> None:
        self._steps.remove(step)
        self._pinned.discard(step)
        del self._saved[step]

    def _to_host(self, step: int) -> None:
        saved = self._saved[step]
        if any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(saved.params)):
            trees = (saved.params, saved.state, saved.opt_state)
            self._saved[step] = Saved(
                step, *jax.tree.map(lambda leaf: leaf if is_key(leaf) else jax.device_get(leaf), trees)
            )
