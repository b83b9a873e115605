"""What a gradient check costs a model, beside the same model's loss and gradient in JAX alone."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from typing import Any

import jax
import numpy as np

from nnwidgets.gradchecks import ObjectiveCheck
from nnwidgets.records import GradientReport

from ._measure import Row, Turn, paired, progress, take_turns
from ._models import BATCH, Reference
from ._rivals import central_differences

NOISE = 0.01
UNIT, FORWARD, WHOLE, WHOLE_FIRST, QUICK = "unit", "forward", "whole", "whole, initial", "quick"
FULL, FEW, LOOP, WIDE_LOOP = "full", "full, 8 examples", "loop", "loop in float64"
# What must not be exceeded.
WHOLE_UNITS, QUICK_EVALUATIONS, FULL_TO_LOOP = 8.0, 2.5, 1 / 3


class Subject:
    """A reference model to be checked, at its initial and at a generic point, with the same in JAX alone.

    Args:
        reference: the model.
        examples: how many of each batch are used, None for all.
    """

    def __init__(self, reference: Reference, examples: int | None = None) -> None:
        objective, random = reference.objective(), np.random.default_rng(0)
        self._check, self._objective, self._examples = ObjectiveCheck(objective), objective, examples
        # where a session has them
        self.first, self._rng = jax.tree.map(jax.numpy.asarray, objective.params), jax.random.key(0)
        self.generic = jax.tree.map(
            lambda leaf: leaf + np.float32(NOISE) * random.standard_normal(leaf.shape, np.float32), self.first
        )
        self.batch = jax.tree.map(lambda array: array[: examples or BATCH], reference.batches[0])
        self.loss, self.tensors = jax.jit(reference.loss), len(jax.tree.leaves(self.first))
        self._wide_loss, self._wide_gradient = jax.jit(reference.loss), jax.jit(jax.value_and_grad(reference.loss))
        self._wide = jax.tree.map(lambda array: _wide(np.asarray(array)), (self.generic, self.batch))
        self._seed, self.reports = 0, defaultdict[str, list[GradientReport]](list)

    def check(self, tier: str, point: Any, **options: Any) -> Turn:
        """Checks, each with another seed."""

        def run(steps: int) -> None:
            for _ in range(steps):
                self._seed += 1
                found = self._check(
                    point, self._objective.state, self.batch, self._rng,
                    tier=tier, seed=self._seed, examples=None, **options,
                )  # fmt: skip
                self.reports[tier if point is self.generic else f"{tier}, initial"].append(found)

        return run

    def wide(self, gradient: bool) -> Turn:
        """The loss in float64, or also its gradient."""
        program = self._wide_gradient if gradient else self._wide_loss

        def run(steps: int) -> None:
            with jax.enable_x64(True):
                for _ in range(steps):
                    jax.block_until_ready(program(*self._wide))

        return run

    def loop(self, wide: bool) -> Turn:
        """The loop that everybody writes, in the model's own precision or in float64."""
        loss, (point, batch) = (self._wide_loss, self._wide) if wide else (self.loss, (self.generic, self.batch))

        def run(steps: int) -> None:
            with jax.enable_x64(wide):
                leaves, structure = jax.tree.flatten(jax.tree.map(jax.numpy.asarray, point))
                for seed in range(steps):
                    central_differences(
                        lambda tensors: loss(jax.tree.unflatten(structure, tensors), batch), leaves, 1e-3, seed
                    )

        return run


def _wide(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def cost_rows(reference: Reference, *, seconds: float, rounds: int, slow: bool, goal: float | None) -> list[Row]:
    """What each tier costs one model.

    Args:
        reference: the model.
        seconds: of each variant, about.
        rounds: how many turns each has.
        slow: measure the longer ones once, and the full tier on 8 examples.
        goal: of the full tier's time by the loop's.
    """
    subject = Subject(reference)
    turns = {
        UNIT: subject.wide(True),
        FORWARD: subject.wide(False),
        WHOLE: subject.check("whole", subject.generic),
        WHOLE_FIRST: subject.check("whole", subject.first),
        QUICK: subject.check("quick", subject.generic),
    }
    first = {name: _timed(f"{reference.name}: {name}", turn) for name, turn in turns.items()}
    quick = turns.pop(QUICK) if slow else None
    found = take_turns(turns, seconds=seconds, rounds=rounds, most=1000, base=UNIT)
    if quick is not None:
        found[QUICK] = [_timed(f"{reference.name}: {QUICK}", quick)]
    rows = [
        Row("float64 loss and gradient, the unit", 1e3 * statistics.median(found[UNIT]), unit="ms"),
        *_whole_rows(found),
        *_quick_rows(subject, found),
        Row("first whole verdict", first[WHOLE], unit="s", note="tracing and compiling"),
        Row("first quick verdict after that", first[QUICK], unit="s", note="tracing and compiling"),
    ]
    if slow:
        rows += _slow_full_rows(Subject(reference, examples=8))
    else:
        rows += _full_rows(subject, Subject(reference, examples=8), seconds, rounds, goal)
    return [Row(**(vars(row) | {"name": f"{reference.name}: {row.name}"})) for row in rows]


def _whole_rows(found: dict[str, list[float]]) -> list[Row]:
    units, low, high = paired(found, WHOLE, UNIT)
    first, first_low, first_high = paired(found, WHOLE_FIRST, UNIT)
    return [
        Row("whole verdict, in units", units, WHOLE_UNITS, units <= WHOLE_UNITS, low, high, note="at a generic point"),
        Row("whole verdict, in units, initial", first, None, None, first_low, first_high, note="at the initial point"),
    ]


def _quick_rows(subject: Subject, found: dict[str, list[float]]) -> list[Row]:
    reports, seconds = subject.reports[QUICK], statistics.median(found[QUICK])
    evaluations = max(each.evaluations for each in reports) / subject.tensors
    passes = seconds / statistics.median(found[FORWARD]) / subject.tensors
    stated = [[each.sensitivity for each in one.tensors if each.sensitivity is not None] for one in reports]
    return [
        Row(
            "quick verdict, evaluations a tensor", evaluations, QUICK_EVALUATIONS, evaluations <= QUICK_EVALUATIONS, unit="",
            note=f"the most of {len(reports)} checks of {subject.tensors} tensors at the generic point",
        ),
        Row("quick verdict, float64 forward passes a tensor", passes, unit="", note=f"{1e3 * seconds:.0f} ms"),
        Row("stated sensitivity, worst tensor", 1e6 * max(map(max, stated)), unit="ppm", note="of a typical coordinate"),
        Row("stated sensitivity, median tensor", 1e6 * statistics.median(each for one in stated for each in one), unit="ppm"),
    ]  # fmt: skip


def _full_rows(subject: Subject, few: Subject, seconds: float, rounds: int, goal: float | None) -> list[Row]:
    turns: dict[str, Turn] = {
        FEW: few.check("full", few.generic),
        FULL: subject.check("full", subject.generic),
        LOOP: subject.loop(wide=False),
        WIDE_LOOP: subject.loop(wide=True),
    }
    for name, turn in turns.items():
        _timed(name, turn)
    found = take_turns(turns, seconds=seconds, rounds=rounds, most=1000, base=FEW)
    told = {name: f"{1e3 * statistics.median(times):.0f} ms" for name, times in found.items()}
    rows = []
    for one, words in ((FEW, "full verdict as it comes, on 8 examples,"), (FULL, "full verdict on the whole batch")):
        for other in (WIDE_LOOP, LOOP):
            ratio, low, high = paired(found, one, other)
            mine = goal if (one, other) == (FEW, WIDE_LOOP) else None
            met, note = None if mine is None else ratio <= mine, f"{told[one]} by {told[other]}"
            rows.append(Row(f"{words} by the {other}", ratio, mine, met, low, high, note=note))
    return rows


def _slow_full_rows(subject: Subject) -> list[Row]:
    subject.check("full", subject.generic, coordinates=1)(1)
    jax.block_until_ready(subject.loss(subject.generic, subject.batch))
    full, loop = _timed(FULL, subject.check("full", subject.generic)), _timed(LOOP, subject.loop(wide=False))
    note = f"measured once, both on 8 examples: {full:.0f} s by {loop:.0f} s"
    return [Row("full verdict by the loop", full / loop, note=note)]


def _timed(name: str, turn: Turn) -> float:
    progress(f"  {name:<60}", end="\r")
    started = time.perf_counter()
    turn(1)
    return time.perf_counter() - started
