"""Where a NaN began, and how long it takes to say: ``python -m tests.benchmarks.nan_origin [--quick] [--json]``.

The programs of the tests, each with a fault whose operation and line are marked in its source, in the forward pass, the
backward pass or both; right is a program of which all marks are met and nothing else is named. `jax.debug_nans` is run on the
same programs: right there is a traceback whose innermost line of the program is one that is marked. Then whole models: the
reference models of the tests and of the benchmarks with a cross-entropy written by hand that takes the logarithm of an
underflowed probability. Seconds are of a first call, tracing and compiling included.
"""

from __future__ import annotations

import statistics
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

import nnwidgets as nnw
from nnwidgets.origins import ObjectiveOrigin
from nnwidgets.records import NanReport
from tests.origins._marks import line_of
from tests.origins._programs import PLANTED, Planted

from ._measure import Row, options, progress, report
from ._models import MODELS

# Seconds that a location may take, compiling included, on models of the size of the tests'.
GOAL = 5.0
# Much larger than those of the tests: told without a goal.
LARGE = ("transformer 1M", "MLP 10M")
FRAMEWORKS = ("linen", "nnx", "equinox", "keras")


@dataclass(frozen=True)
class Located:
    """One location: of what, whether right, in how many seconds."""

    name: str
    right: bool
    seconds: float


def by_hand(logits: Any, targets: Any) -> Any:
    """A cross-entropy as people write it."""
    chances = jax.nn.softmax(1e4 * logits, axis=-1)
    logs = jnp.log(chances)  # fault
    return -(jax.nn.one_hot(targets, logits.shape[-1]) * logs).sum(-1).mean()


def locate(case: Planted) -> Located:
    """A program of the tests."""
    found = nnw.nan_origin(case.fn, *case.args, argnums=case.argnums)
    return Located(case.name, is_right(case, found), found.seconds)


def is_right(case: Planted, found: NanReport) -> bool:
    """Whether operation and line are those that are marked, in both passes."""
    passes = (("forward", found.forward, case.forward), ("backward", found.backward, case.backward))
    return all(
        origin is None
        if not wanted
        else origin is not None and origin.what in wanted and origin.line == case.lines[name]
        for name, origin, wanted in passes
    )


def named_by_debug_nans(case: Planted) -> str:
    """ "right", "wrong line" or "silent"."""
    try:
        with jax.debug_nans(True):
            if case.argnums is None:
                jax.block_until_ready(case.fn(*case.args))
            else:
                jax.block_until_ready(jax.value_and_grad(case.fn)(*map(jnp.asarray, case.args)))
    except FloatingPointError as error:
        file = next(iter(case.lines.values())).rpartition(":")[0]
        stack = traceback.extract_tb(error.__traceback__)
        lines = [f"{file}:{frame.lineno}" for frame in stack if Path(frame.filename) == Path(file)]
        return "right" if lines and lines[-1] in case.lines.values() else "wrong line"
    return "silent"


def locate_in_model(name: str) -> Located:
    """The hand-written loss on a model."""
    if name in FRAMEWORKS:
        from tests.models import make  # four frameworks at once: only if wanted

        _, batch, model = make(name)
        objective = getattr(nnw, f"from_{name}")(*(model if name == "linen" else (model,)), by_hand)
    else:
        reference = MODELS[name]()
        batch = reference.batches[0]
        objective = nnw.from_linen(reference.model, reference.variables(), by_hand)
    started = time.perf_counter()
    found = ObjectiveOrigin(objective)(objective.params, objective.state, batch, jax.random.key(0))
    seconds = time.perf_counter() - started
    right = found.forward is not None and (found.forward.what, found.forward.line) == (
        "log",
        line_of(by_hand, "# fault"),
    )
    return Located(name, right, seconds)


def rows_of(located: Sequence[Located], what: str, goal: float | None) -> list[Row]:
    """Right ones, the slowest and the median."""
    right = sum(each.right for each in located)
    wrong = ", ".join(each.name for each in located if not each.right)
    slowest = max(located, key=lambda each: each.seconds)
    met = None if goal is None else slowest.seconds <= goal
    return [
        Row(
            f"{what}: located to the right operation and line",
            100 * right / len(located),
            met=right == len(located),
            unit="%",
            note=f"{right} of {len(located)}" + (f"; not {wrong}" if wrong else ""),
        ),
        Row(f"{what}: the slowest location", slowest.seconds, goal, met, unit="s", note=slowest.name),
        Row(f"{what}: the median location", statistics.median(each.seconds for each in located), unit="s"),
    ]


def rival_rows(cases: Sequence[Planted]) -> list[Row]:
    """What JAX's own switch says of the same programs."""
    told = [named_by_debug_nans(case) for case in cases]
    right = told.count("right")
    note = f"{right} of {len(told)}, {told.count('wrong line')} wrong line, {told.count('silent')} silent"
    return [Row("jax.debug_nans on the same programs: right line", 100 * right / len(told), unit="%", note=note)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and give the exit code: 1 if a goal was missed."""
    given = options(
        "nan_origin",
        "Where a NaN began, and how long it takes to say.",
        "every program, two small models, no rival; under a minute",
        arguments,
    )
    started = time.perf_counter()
    progress(f"{len(PLANTED)} programs")
    rows = rows_of([locate(case) for case in PLANTED], "programs", GOAL)
    names = ["linen", "MLP 17k"] if given.quick else [*FRAMEWORKS, *(name for name in MODELS if name not in LARGE)]
    found = []
    for name in [*names, *([] if given.quick else LARGE)]:
        progress(name)
        found.append(locate_in_model(name))
    rows += rows_of(found[: len(names)], "models", GOAL)
    rows += [
        Row(f"{each.name}: location", each.seconds, unit="s", note="" if each.right else "WRONG") for each in found
    ]
    if not given.quick:
        progress("jax.debug_nans")
        rows += rival_rows(PLANTED)
    about = {
        "jax": f"{jax.__version__} on {jax.default_backend()}",
        "seconds": round(time.perf_counter() - started),
    }
    return report(rows, as_json=given.json, **about)


if __name__ == "__main__":
    sys.exit(main())
