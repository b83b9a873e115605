"""What watching costs: ``python -m tests.benchmarks.watching [--quick] [--json]``.

For each reference model (Linen, Adam, batch 32) all variants train in turn, in one process, for equal time. A ratio is the
median over the rounds of one variant's seconds a step by another's in the same round, with its 95 % interval. A budget is
kept by the session's own accounts, from its first step on (after compiling), and if the ratio's lower end does not
contradict them. There is no front end here, so nothing is redrawn.
"""

from __future__ import annotations

import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from nnwidgets.train._governor import FLOOR_SECONDS
from nnwidgets.train._programs import Programs

from ._measure import Row, Turn, options, paired, progress, report, take_turns
from ._models import MODELS, Reference

BUDGETS = {"budget 1 %": 0.01, "budget 5 %": 0.05, "no limit": math.inf}
UNWATCHED, AGAIN, FUSED, SPLIT = "not watched", "not watched, again", "one fused donated step", "gradient and update"
BY_HAND, WITH_HISTOGRAMS = "by hand: statistics", "by hand: statistics and jnp.histogram"
MOST_STEPS = 1000
HISTORY_BYTES = 200e6


class Loop:
    """A training loop of a user's own, whose losses are read one step late unless it `waits`.

    Args:
        step: (params, opt_state, batch, k) -> (params, opt_state, what is fetched).
        waits: fetch at once, as people do who write numbers down by hand.
    """

    def __init__(self, reference: Reference, tx: optax.GradientTransformation, step: Any, waits: bool = False) -> None:
        self._batches, self._step, self._waits = reference.batches, step, waits
        self._params = reference.variables()["params"]
        self._opt_state, self._made = tx.init(self._params), 0

    def run(self, steps: int) -> None:
        """Make so many steps and wait for the last."""
        before = None
        for _ in range(steps):
            batch = self._batches[self._made % len(self._batches)]
            self._params, self._opt_state, out = self._step(self._params, self._opt_state, batch, self._made)
            self._made += 1
            jax.device_get(out if self._waits else before)
            before = out
        jax.block_until_ready(self._params)


def fused(reference: Reference, tx: optax.GradientTransformation, read: Callable[..., Any] | None = None) -> Any:
    """The step that everybody writes: one program, everything donated; `read` adds numbers to what it returns."""

    def step(params: Any, opt_state: Any, batch: Any, made: Any) -> Any:
        loss, grads = jax.value_and_grad(reference.loss)(params, batch)
        updates, opt_state = tx.update(grads, opt_state, params)
        numbers = read(gradient=grads, update=updates, parameter=params) if read else {}
        return optax.apply_updates(params, updates), opt_state, {"loss": loss, **numbers}

    return jax.jit(step, donate_argnums=(0, 1))


def split(reference: Reference, tx: optax.GradientTransformation) -> Any:
    """The two programs of a `Session`, without the session."""
    objective = reference.objective()
    programs, key, one = Programs(objective, tx), jax.random.key(0), np.float32(1)

    def step(params: Any, opt_state: Any, batch: Any, made: int) -> Any:
        readout, loss, grads, _ = programs.gradient(params, objective.state, batch, key, np.uint32(made))
        params, opt_state, _ = programs.update(params, opt_state, grads, one, loss)
        return params, opt_state, readout

    return step


def statistics_by_hand(**trees: Any) -> dict[str, Any]:
    """Seven numbers of each tensor, in a dict."""

    def read(leaf: jax.Array) -> dict[str, jax.Array]:
        return {
            "mean": jnp.mean(leaf),
            "std": jnp.std(leaf),
            "min": jnp.min(leaf),
            "max": jnp.max(leaf),
            "zeros": jnp.mean(leaf == 0),
            "nan": jnp.sum(jnp.isnan(leaf)),
            "inf": jnp.sum(jnp.isinf(leaf)),
        }

    return {what: jax.tree.map(read, tree) for what, tree in trees.items()}


def with_histograms_by_hand(**trees: Any) -> dict[str, Any]:
    """The same, and thirty bins of each tensor."""
    histograms = {f"{what}s": jax.tree.map(lambda leaf: jnp.histogram(leaf, 30), tree) for what, tree in trees.items()}
    return statistics_by_hand(**trees) | histograms


def measure(reference: Reference, *, seconds: float, rounds: int) -> list[Row]:
    """All rows of one model."""
    tx = optax.adam(1e-3)
    budgets = {UNWATCHED: 0.0, AGAIN: 0.0, **BUDGETS}
    sessions = {
        name: nnw.Session(reference.objective(), tx, reference.batches, budget=budget)
        for name, budget in budgets.items()
    }
    loops = {
        FUSED: Loop(reference, tx, fused(reference, tx)),
        SPLIT: Loop(reference, tx, split(reference, tx)),
        BY_HAND: Loop(reference, tx, fused(reference, tx, statistics_by_hand), waits=True),
        WITH_HISTOGRAMS: Loop(reference, tx, fused(reference, tx, with_histograms_by_hand), waits=True),
    }
    turns: dict[str, Turn] = {name: each.run for name, each in (sessions | loops).items()}
    first = {name: _first(name, turn) for name, turn in turns.items()}
    found = take_turns(turns, seconds=seconds, rounds=rounds, most=MOST_STEPS, base=UNWATCHED)

    step_seconds = statistics.median(found[UNWATCHED])
    rows = [
        Row("a step that is not watched", step_seconds * 1e3, unit="ms"),
        _ratio(found, AGAIN, UNWATCHED, "the noise of this run"),
        *(_budget_row(found, name, sessions[name], step_seconds) for name in BUDGETS),
        *(_ratio(found, name, FUSED, f"by {FUSED}") for name in (BY_HAND, WITH_HISTOGRAMS, SPLIT, UNWATCHED)),
        Row(
            "before the first step, for watching",
            first["budget 1 %"] - first[AGAIN],
            unit="s",
            note="tracing, compiling",
        ),
    ]
    return [Row(**(vars(row) | {"name": f"{reference.name}: {row.name}"})) for row in rows]


def _first(name: str, turn: Turn) -> float:
    """Seconds of the first step, which compiles."""
    progress(f"  compiling: {name:<40}", end="\r")
    started = time.perf_counter()
    turn(1)
    return time.perf_counter() - started


def _ratio(found: Mapping[str, Sequence[float]], name: str, base: str, note: str) -> Row:
    value, low, high = paired(found, name, base)
    return Row(name, value, low=low, high=high, note=note)


def _budget_row(found: Mapping[str, Sequence[float]], name: str, session: nnw.Session, step_seconds: float) -> Row:
    """A budget allows its share of a step, or 0.3 ms where that is more; no limit promises nothing."""
    value, low, high = paired(found, name, UNWATCHED)
    governor = session._desk.governor
    every = ", ".join(f"{kind} {k}" for kind, k in (session.status.probe_every or {}).items())
    note = f"booked {1 + governor.watching_share:.3f}"
    if math.isinf(governor.budget):
        return Row(name, value, low=low, high=high, note=note)
    note += f" of {1 + governor.allowed_seconds / governor.run_seconds:.3f}; every k-th step: {every}"
    goal = 1 + max(governor.budget, FLOOR_SECONDS / step_seconds)
    return Row(name, value, goal, governor.kept and low <= goal, low, high, note=note)


def history_row() -> Row:
    """The memory of a full History: the default statistics, 22 readings of each of 100 tensors."""
    history = nnw.History()
    layers = tuple(f"layer_{each}/kernel" for each in range(100))
    readings = ("norm", "mean", "std", "min", "max", "zero_fraction", "nonfinite")
    tables = [
        history.table("gradient", readings, layers),
        history.table("update", (*readings, "ratio"), layers),
        history.table("parameter", readings, layers),
    ]
    largest, rows = 0, np.ones((8, 100), np.float32)
    # the buckets fill, merge in pairs and fill again: all that a longer run does
    for step in range(history.full_steps + 20 * history.buckets):
        for table, count in zip(tables, (7, 8, 7), strict=True):
            table.add(step, rows[:count])
        if step % 1024 == 0:
            largest = max(largest, history.nbytes)
    return Row(
        "History when full: 22 readings of 100 tensors",
        largest / 1e6,
        HISTORY_BYTES / 1e6,
        largest <= HISTORY_BYTES,
        unit="MB",
        note=f"{history.full_steps} newest steps in full, {history.buckets} buckets for the older ones",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and give the exit code: 1 if a goal was missed."""
    given = options("watching", "What watching costs.", "the two small models, in less than a minute", arguments)
    names = list(MODELS)[:2] if given.quick else list(MODELS)
    started, rows = time.perf_counter(), []
    with tempfile.TemporaryDirectory() as folder:
        _share_compiled_programs(Path(folder))
        for name in names:
            progress(f"{name}:")
            seconds, rounds = (0.9, 9) if given.quick else (24.0, 12)
            rows += measure(MODELS[name](), seconds=seconds, rounds=rounds)
    rows.append(history_row())
    about = {
        "jax": f"{jax.__version__} on {jax.default_backend()}",
        "seconds": round(time.perf_counter() - started),
        "not counted": "redraws, since there is no front end; compiling, which has its own row",
    }
    return report(rows, as_json=given.json, **about)


def _share_compiled_programs(folder: Path) -> None:
    """Variants that have programs in common compile them once: one and the same binary, and half the waiting."""
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


if __name__ == "__main__":
    sys.exit(main())
