"""What gradient checks cost, find and miss: ``python -m tests.benchmarks.gradcheck [--quick] [--json]``.

Faults are planted into four small networks and counted as in the tests; on the same trials, what a loop of differences in
float32 and `jax.test_util.check_grads` say. Costs are those of the reference models, on whole batches of 32. Their unit is
the loss with its gradient in float64, compiled by JAX alone; variants run in turn, each check with another seed, and a
ratio is the median over the rounds. A "generic point" is the initial one with noise of 0.01 on every parameter.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import jaxpr_as_fun

from nnwidgets.gradchecks import ObjectiveCheck, chance_unsampled
from nnwidgets.records import GradientReport
from tests.gradchecks._planted import KINDS, LAYERS
from tests.gradchecks._trials import STATES, Bench, Counts, run_trials

from ._measure import Row, Turn, paired, progress, report, take_turns
from ._models import BATCH, MODELS, Reference
from ._rivals import central_differences, check_grads_agrees, loop_agrees

NOISE = 0.01
UNIT, FORWARD, WHOLE, WHOLE_FIRST, QUICK = "unit", "forward", "whole", "whole, initial", "quick"
FULL, LOOP = "full", "loop"
# What must not be exceeded.
WHOLE_UNITS, QUICK_EVALUATIONS, FULL_TO_LOOP = 8.0, 2.5, 1 / 3


def trial_rows(names: Sequence[str], seeds: int) -> list[Row]:
    """False alarms and misses of each network, and what was found of each kind of fault."""
    rows, counts = [], dict[tuple[str, str, str], Counts]()
    for name in names:
        progress(f"trials: {name}")
        found = run_trials(name, range(seeds))
        counts |= found
        trials, alarms, missed, unseen = (
            sum(getattr(each, what) for each in found.values()) for what in ("trials", "false_alarms", "missed", "unseen")
        )
        seconds = statistics.median(s for each in found.values() for s in each.seconds)
        note = f"of {trials} trials, {1e3 * seconds:.0f} ms each"
        rows += [
            Row(f"{name}: false alarms", alarms, 0, alarms == 0, unit="", note=note),
            Row(f"{name}: faults above the stated sensitivity, missed", missed, 0, missed == 0, unit=""),
            Row(f"{name}: faults below it, unseen", unseen, unit=""),
        ]
    return rows + [_kind_row(kind, counts) for kind in KINDS]


def _kind_row(kind: str, counts: dict[tuple[str, str, str], Counts]) -> Row:
    mine = {key: each for key, each in counts.items() if key[2] == kind}
    trials = sum(each.trials for each in mine.values())
    if kind == "none":
        alarms = sum(each.false_alarms for each in mine.values())
        return Row("no fault: alarms", 100 * alarms / trials, unit="%", note=f"{alarms} of {trials}")
    told = [
        f"{state} {sum(each.found for (_, other, _), each in mine.items() if other == state)}"
        f" of {sum(each.trials for (_, other, _), each in mine.items() if other == state)}"
        for state in STATES
    ]
    missed, unseen = (sum(getattr(each, what) for each in mine.values()) for what in ("missed", "unseen"))
    note = f"{', '.join(told)}; {missed} missed, {unseen} unseen"
    return Row(f"found: {kind}", 100 * sum(each.found for each in mine.values()) / trials, unit="%", note=note)


def chance_rows(references: Sequence[Reference]) -> list[Row]:
    """What ten coordinates of the largest tensor leave to chance."""
    rows = []
    for reference in references:
        largest = max(leaf.size for leaf in jax.tree.leaves(reference.variables()["params"]))
        for wrong, told in ((1, "1"), (10, "10"), (largest // 100, "1 %")):
            chance = 100 * chance_unsampled(wrong=wrong, of=largest, sampled=10)
            name = f"{reference.name}: 10 coordinates of {largest:,} miss {told} wrong"
            rows.append(Row(name, chance, unit="%"))
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and give the exit code: 1 if a goal was missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.gradcheck", description="What gradient checks cost, find and miss."
    )
    parser.add_argument("--quick", action="store_true", help="two networks and the two small models, in a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output, and nothing else")
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    networks = list(LAYERS)[:1] if options.quick else list(LAYERS)
    references = [make() for make in list(MODELS.values())[: 2 if options.quick else None]]
    rows = trial_rows(networks, seeds=4 if options.quick else 28)
    rows += rival_rows(networks, seeds=1 if options.quick else 4)
    rows += chance_rows(references)
    for reference in references:
        seconds, rounds = (0.5, 6) if options.quick else (12.0, 9)
        rows += cost_rows(reference, seconds=seconds, rounds=rounds, slow=reference.name == "transformer 1M")
    about = {
        "jax": f"{jax.__version__} on {jax.default_backend()}",
        "seconds": round(time.perf_counter() - started),
        "not measured": "torch.autograd.gradcheck, which needs the networks in torch",
    }
    return report(rows, as_json=options.json, **about)


if __name__ == "__main__":
    sys.exit(main())
