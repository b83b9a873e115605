"""The run goes on twice from one state: as it is, and with a change."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy.special import stdtrit

from nnwidgets.objective import Objective
from nnwidgets.records import Fork

from ._arguments import check_multiplier, check_objective, check_optimizer
from ._past import make_step
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


@dataclass(frozen=True, eq=False)
class Change:
    """What a fork does differently; each as `Session.fork` takes it, None for as it is."""

    multiplier: float | None = None
    tx: optax.GradientTransformation | None = None
    objective: Objective | None = None
    params: Any = None

    @property
    def words(self) -> str:
        """What is changed."""
        named = (f"learning rate \u00d7 {self.multiplier or 0:.3g}", "optimizer", "loss", "parameters")
        return " and ".join(
            name for name, field in zip(named, fields(self), strict=True) if getattr(self, field.name) is not None
        )

    def check(self, params: Any) -> None:
        """Raise a ValueError or TypeError where it does not fit these parameters, or changes nothing."""
        if not any(getattr(self, field.name) is not None for field in fields(self)):
            raise ValueError(
                "fork tries a change: type session.fork(100, multiplier=0.1), or tx=, objective= or params=."
            )
        if self.multiplier is not None:
            check_multiplier(self.multiplier)
        if self.tx is not None:
            check_optimizer(self.tx)
        if self.objective is not None:
            check_objective(self.objective)
        if self.params is not None and jax.tree.map(jnp.shape, self.params) != jax.tree.map(jnp.shape, params):
            raise ValueError(f"params must have the form of session.params, {jax.tree.map(jnp.shape, params)}.")

    def way(self, unchanged: Way, objective: Objective, tx: optax.GradientTransformation) -> tuple[Way, str]:
        """The changed way, and the change in words; the optimizer's state is kept where the other one's has the same form."""
        at, programs = unchanged.start, unchanged.programs
        if self.tx is not None or self.objective is not None:
            programs = Programs(self.objective or objective, self.tx or tx)
        params = at.params if self.params is None else jax.tree.map(jnp.asarray, self.params)
        opt_state, words = at.opt_state, self.words
        if self.tx is not None or self.params is not None:
            initial = (self.tx or tx).init(params)
            if self.params is not None or not _alike(opt_state, initial):
                opt_state, words = initial, f"{words} (its state anew)"
        multiplier = unchanged.multiplier if self.multiplier is None else self.multiplier
        return Way(programs, Saved(at.step, params, at.state, opt_state), multiplier), words


def fork(
    ways: tuple[Way, Way],
    batches: Sequence[Any],
    key: jax.Array,
    keys: int,
    *,
    change: str,
    other: Sequence[Any] | None = None,
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
        other: the changed way's batches, where they are the change; each way's loss is then that on its own.
        told: hears what is going on.
    """
    started = spoken = time.perf_counter()
    found = np.empty((2, keys, len(batches)), np.float32)
    for k in range(keys):
        order = (np.arange if k == 0 else np.random.default_rng(k).permutation)(len(batches)).tolist()
        mine = key if k == 0 else jax.random.fold_in(key, k)
        for side, way in enumerate(ways):
            judge, mine_of = (ways[0].programs, batches) if other is None or side == 0 else (way.programs, other)
            found[side, k] = _losses(way, judge, [mine_of[i] for i in order], mine)
            done = (2 * k + side + 1) / (2 * keys)
            if time.perf_counter() - spoken > 0.5:
                spoken = time.perf_counter()
                told(f"fork: {100 * done:.0f} %, about {(spoken - started) / done * (1 - done):.0f} s left")
    last = max(1, len(batches) // 10)
    # a loss that is infinite leaves NaN, and no warning in the user's cell
    with np.errstate(invalid="ignore", over="ignore"):
        gaps = (found[1, :, -last:].astype(np.float64) - found[0, :, -last:]).mean(axis=1)
        half = stdtrit(keys - 1, 0.975) * gaps.std(ddof=1) / np.sqrt(keys) if keys > 1 else np.inf
    mean = float(gaps.mean())
    return Fork(ways[0].start.step, change, found[0], found[1], mean, mean - float(half), mean + float(half))


def _alike(one: Any, other: Any) -> bool:
    leaves = [jax.tree.leaves(each) for each in (one, other)]
    return jax.tree.structure(one) == jax.tree.structure(other) and all(
        jax.typeof(a) == jax.typeof(b) for a, b in zip(*leaves, strict=True)
    )


def _losses(way: Way, judge: Programs, batches: Sequence[Any], key: jax.Array) -> list[float]:
    """The loss of each step, by the programs that judge."""
    at, losses = way.start, []
    for batch in batches:
        made, step = make_step(way.programs, key, at, batch, way.multiplier), np.uint32(at.step)
        own = judge is way.programs
        losses.append(made.readout if own else judge.gradient(at.params, at.state, batch, key, step)[0])
        at = made.after
    return [float(np.asarray(each)[0]) for each in losses]
