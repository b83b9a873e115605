"""What gradient checks cost, find and miss: ``python -m tests.benchmarks.gradcheck [--quick] [--json]``.

Faults are planted into small networks and counted as in the tests; on the same trials, what a loop of differences in
float32 and `jax.test_util.check_grads` say. Costs are those of the reference models, on whole batches of 32. Their unit is
the loss with its gradient in float64, compiled by JAX alone; variants run in turn, each check with another seed, and a
ratio is the median over the rounds. A generic point is the initial one with noise of 0.01 on every parameter. The full tier
stands beside loops over 10 coordinates a tensor on the whole batch, as people write them: in float32, whose verdicts are
wrong on healthy models, and in float64. As it comes, the check takes 8 examples of a batch, where corners are fewer.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Mapping, Sequence

import jax
import numpy as np

from nnwidgets.gradchecks import chance_unsampled
from tests.gradchecks._planted import KINDS, LAYERS
from tests.gradchecks._trials import STATES, Bench, Counts, run_trials

from ._checked import FULL_TO_LOOP, cost_rows
from ._measure import Row, options, progress, report
from ._models import MODELS, Reference
from ._rivals import COORDINATES, side_by_side

WITH_GOAL, SLOW = "CNN 100k", "transformer 1M"
Key = tuple[str, str, str]


def trial_rows(benches: Sequence[Bench], seeds: int) -> list[Row]:
    """False alarms and misses of each network, then what was found of each kind of fault."""
    rows: list[Row] = []
    counts: dict[Key, Counts] = {}
    for bench in benches:
        progress(f"trials: {bench.model.name}")
        found = run_trials(bench, range(seeds))
        counts |= found
        alarms, missed, unseen, trials = _sums(found, "false_alarms", "missed", "unseen", "trials")
        seconds = statistics.median(each for one in found.values() for each in one.seconds)
        name, note = bench.model.name, f"of {trials} trials, {1e3 * seconds:.0f} ms each"
        rows += [
            Row(f"{name}: false alarms", alarms, 0, alarms == 0, unit="", note=note),
            Row(f"{name}: faults above the stated sensitivity, missed", missed, 0, missed == 0, unit=""),
            Row(f"{name}: faults below it, unseen", unseen, unit=""),
        ]
    return rows + [_kind_row(kind, {key: each for key, each in counts.items() if key[2] == kind}) for kind in KINDS[1:]]


def _kind_row(kind: str, counts: Mapping[Key, Counts]) -> Row:
    told = []
    for state in STATES:
        found, trials = _sums({key: each for key, each in counts.items() if key[1] == state}, "found", "trials")
        told.append(f"{state} {found} of {trials}")
    found, trials, missed, unseen = _sums(counts, "found", "trials", "missed", "unseen")
    note = f"{', '.join(told)}; {missed} missed, {unseen} unseen"
    return Row(f"found: {kind}", 100 * found / trials, unit="%", note=note)


def _sums(counts: Mapping[Key, Counts], *names: str) -> list[int]:
    return [int(sum(getattr(each, name) for each in counts.values())) for name in names]


def rival_rows(benches: Sequence[Bench], seeds: int) -> list[Row]:
    """Verdicts of several methods on the same trials, other ones than those above."""
    judged = []
    for bench in benches:
        progress(f"side by side: {bench.model.name}")
        judged += side_by_side(bench, range(1000, 1000 + seeds))
    rows = []
    for method in dict.fromkeys(each.method for each in judged):
        seconds = statistics.median(each.seconds for each in judged if each.method == method)
        for healthy, what in ((True, "right"), (False, "faulty")):
            mine = [each for each in judged if each.method == method and each.healthy == healthy]
            wrong = sum(each.wrong for each in mine)
            note = f"{wrong} of {len(mine)}, {1e3 * seconds:.0f} ms a verdict"
            rows.append(Row(f"{method}: wrong about {what} gradients", 100 * wrong / len(mine), unit="%", note=note))
    return rows


def chance_rows(reference: Reference) -> list[Row]:
    """What sampled coordinates of the largest tensor leave to chance."""
    size = max(np.size(leaf) for leaf in jax.tree.leaves(reference.variables()["params"]))
    return [
        Row(
            f"{reference.name}: {COORDINATES} coordinates of {size:,} miss {told} that are wrong",
            100 * chance_unsampled(wrong=wrong, of=size, sampled=COORDINATES),
            unit="%",
        )
        for wrong, told in ((1, "1"), (10, "10"), (size // 100, "1 %"))
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and give the exit code: 1 if a goal was missed."""
    given = options(
        "gradcheck",
        "What gradient checks cost, find and miss.",
        "one network and the two small models, in a minute",
        arguments,
    )
    started = time.perf_counter()
    benches = [Bench(name) for name in list(LAYERS)[: 1 if given.quick else None]]
    rows = trial_rows(benches, seeds=4 if given.quick else 28)
    rows += rival_rows(benches, seeds=1 if given.quick else 4)
    for name in list(MODELS)[: 2 if given.quick else None]:
        progress(f"{name}:")
        reference, goal = MODELS[name](), FULL_TO_LOOP if name == WITH_GOAL else None
        seconds, rounds = (0.4, 6) if given.quick else (12.0, 9)
        rows += chance_rows(reference)
        rows += cost_rows(reference, seconds=seconds, rounds=rounds, slow=name == SLOW, goal=goal)
    about = {
        "jax": f"{jax.__version__} on {jax.default_backend()}",
        "seconds": round(time.perf_counter() - started),
        "not compared": "torch.autograd.gradcheck, which would need these networks in torch",
    }
    return report(rows, as_json=given.json, **about)


if __name__ == "__main__":
    sys.exit(main())
