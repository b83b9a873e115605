"""The run goes on twice from one state: as it is, and with a change."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import scipy.stats

from nnwidgets.records import Fork

from ._programs import Programs
from ._timeline import Saved


@dataclass(frozen=True)
class Way:
    """One of the two ways.

    Attributes:
        programs: of its own loss and optimizer.
        start: the state.
        multiplier: of the learning rate.
    """

    programs: Programs
    start: Saved
    multiplier: float


def fork(
    ways: tuple[Way, Way],
    batches: Sequence[Any],
    key: jax.Array,
    keys: int,
    *,
    change: str,
    told: Callable[[str], None] = lambda words: None,
) -> Fork:
    """Run both ways, key by key and step by step, and compare the session's loss.

    The first key is the run's own, with the batches as they come: the unchanged way is the run itself, bit for bit. The others
    draw other random numbers, and the batches in another order, the same for both ways.

    Args:
        ways: as it is, and changed; the first one's loss is the one that is told.
        batches: one a step.
        key: of the run.
        keys: how many.
        change: in words.
        told: hears what is going on.
    """
    started = spoken = time.perf_counter()
    found = np.empty((2, keys, len(batches)), np.float32)
    for k in range(keys):
        order = (np.arange if k == 0 else np.random.default_rng(k).permutation)(len(batches)).tolist()
        mine = key if k == 0 else jax.random.fold_in(key, k)
        for side, way in enumerate(ways):
            found[side, k] = _losses(way, ways[0].programs, [batches[i] for i in order], mine)
            done = (2 * k + side + 1) / (2 * keys)
            if time.perf_counter() - spoken > 0.5:
                spoken = time.perf_counter()
                told(f"fork: {100 * done:.0f} %, about {(spoken - started) / done * (1 - done):.0f} s left")
    last = max(1, len(batches) // 10)
    gaps = (found[1, :, -last:].astype(np.float64) - found[0, :, -last:]).mean(axis=1)
    half = scipy.stats.t.ppf(0.975, keys - 1) * gaps.std(ddof=1) / np.sqrt(keys) if keys > 1 else np.inf
    mean = float(gaps.mean())
    return Fork(ways[0].start.step, change, found[0], found[1], mean, mean - float(half), mean + float(half))


def carried(opt_state: Any, initial: Any) -> tuple[Any, bool]:
    """The optimizer's state for another optimizer: the old one if it has the same form, else the initial one."""
    same = jax.tree.structure(opt_state) == jax.tree.structure(initial) and all(
        jax.typeof(old) == jax.typeof(new)
        for old, new in zip(jax.tree.leaves(opt_state), jax.tree.leaves(initial), strict=True)
    )
    return (opt_state, True) if same else (initial, False)


def _losses(way: Way, judge: Programs, batches: Sequence[Any], key: jax.Array) -> list[float]:
    """The loss of each step, by the programs that judge."""
    at, losses, factor = way.start, [], np.float32(way.multiplier)
    for batch in batches:
        step = np.uint32(at.step)
        readout, loss, grads, state = way.programs.gradient(at.params, at.state, batch, key, step)
        own = judge is way.programs
        losses.append(readout if own else judge.gradient(at.params, at.state, batch, key, step)[0])
        params, opt_state, _ = way.programs.update(at.params, at.opt_state, grads, factor, loss)
        at = Saved(at.step + 1, params, state, opt_state)
    return [float(np.asarray(each)[0]) for each in losses]
