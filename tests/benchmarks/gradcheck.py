"""What a gradient check sees and costs: ``python -m tests.benchmarks.gradcheck [--quick] [--json]``.

Trials: planted faults and healthy networks, fresh and trained; a fault counts as missed where its effect exceeds the
sensitivity that the report states. Costs: in units of one float64 value-and-gradient of the model, measured in turn in one
process (medians); the batch of 32 as a whole. Others: the same planted networks, checked as people do it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxpr_as_fun
from jax.test_util import check_grads

from nnwidgets.gradchecks import ObjectiveCheck, chance_unsampled
from tests.gradchecks._planted import KINDS, LAYERS
from tests.gradchecks._trials import Bench, run_trials

from ._measure import Row, progress, report
from ._models import MODELS, Reference

COORDINATES = 10


def trial_rows(name: str, seeds: Sequence[int]) -> list[Row]:
    """False alarms and misses of one network."""
    counts = run_trials(name, seeds)
    total, every = sum(each.trials for each in counts.values()), list(counts.values())
    by_kind = {
        kind: [
            sum(getattr(each, what) for (_, _, k), each in counts.items() if k == kind) for what in ("found", "trials")
        ]
        for kind in KINDS[1:]
    }
    table = ", ".join(f"{kind} {found}/{trials}" for kind, (found, trials) in by_kind.items())
    alarms, missed = sum(each.false_alarms for each in every), sum(each.missed for each in every)
    milliseconds = 1e3 * statistics.median(second for each in every for second in each.seconds)
    return [
        Row(f"{name}: false alarms in {total} trials", alarms, 0, not alarms, unit=""),
        Row(
            f"{name}: faults missed above the stated sensitivity",
            missed,
            0,
            not missed,
            unit="",
            note=f"found: {table}",
        ),
        Row(f"{name}: smaller faults not seen", sum(each.unseen for each in every), unit=""),
        Row(f"{name}: a quick check", milliseconds, unit="ms"),
    ]


def sampling_rows(reference: Reference) -> list[Row]:
    """How likely sampled coordinates alone miss an error in the model's largest tensor."""
    largest = max(leaf.size for leaf in jax.tree.leaves(reference.objective().params))
    return [
        Row(
            f"{reference.name}: chance that an error in {words} of {largest:,} coordinates goes unsampled",
            chance_unsampled(wrong, largest, COORDINATES),
            unit="",
            note=f"{COORDINATES} sampled; directions and the exact gradient do see it",
        )
        for words, wrong in (("1", 1), ("10", 10), ("1 %", max(1, largest // 100)))
    ]


def cost_rows(reference: Reference, rounds: int, full: bool) -> list[Row]:
    """What the tiers cost, beside one float64 gradient and a Python loop of central differences."""
    objective, batch, key = reference.objective(), reference.batches[0], jax.random.key(0)
    check, random = ObjectiveCheck(objective), np.random.default_rng(0)
    generic = jax.tree.map(
        lambda a: np.asarray(a) + 0.01 * random.standard_normal(a.shape).astype("f4"), objective.params
    )
    started = time.perf_counter()
    first = check(generic, objective.state, batch, key, tier="quick", examples=None)
    compiling = time.perf_counter() - started

    def ours(params: Any, tier: str) -> Callable[[], Any]:
        return lambda: check(params, objective.state, batch, key, tier=tier, examples=None, seed=1)

    def loss(params: Any, batch: Any) -> Any:
        return objective(params, objective.state, batch, key, True)[0]

    gradient, forward = jax.jit(jax.value_and_grad(loss)), jax.jit(loss)
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda a: np.asarray(a, np.float64), generic)
        wide_batch = jax.tree.map(lambda a: np.asarray(a, np.float64) if a.dtype.kind == "f" else a, batch)

    def in_float64(function: Any) -> Callable[[], Any]:
        def run() -> Any:
            with jax.enable_x64(True):
                return jax.block_until_ready(function(wide, wide_batch))

        return run

    turns = {
        "unit": in_float64(gradient),
        "forward": in_float64(forward),
        "whole": ours(generic, "whole"),
        "whole at the first step": ours(objective.params, "whole"),
        "quick": ours(generic, "quick"),
    }
    if full:
        turns |= {"full": ours(generic, "full"), "loop": lambda: python_loop(forward, gradient, generic, batch)}
    seconds = _in_turn(turns, rounds)
    tensors, quick = len(first.tensors), ours(generic, "quick")()
    units = {name: each / seconds["unit"] for name, each in seconds.items()}
    seen = [each.sensitivity for each in quick.tensors if each.sensitivity]
    each_tensor = quick.evaluations / tensors
    rows = [
        Row("one float64 value and gradient", 1e3 * seconds["unit"], unit="ms"),
        Row("verdict on the whole model", units["whole"], 8, units["whole"] <= 8, note="units, at a generic point"),
        Row("verdict on the whole model, first step", units["whole at the first step"], note="units; ReLU at corners"),
        Row("quick: evaluations a tensor", each_tensor, 2.5, each_tensor <= 2.5, unit="", note=f"{tensors} tensors"),
        Row(
            "quick: time a tensor",
            seconds["quick"] / seconds["forward"] / tensors,
            note="float64 forward evaluations, gradients included",
        ),
        Row("the first check", compiling, unit="s", note="tracing and compiling"),
        Row(
            "stated sensitivity, worst tensor",
            1e6 * max(seen),
            unit="ppm",
            note=f"median {1e6 * statistics.median(seen):.1f}",
        ),
    ]
    if full:
        ratio = seconds["full"] / seconds["loop"]
        promised = reference.name.startswith("CNN")
        rows.append(
            Row(
                "full, by a Python loop of central differences", ratio, 1 / 3 if promised else None,
                ratio <= 1 / 3 if promised else None, note=f"{COORDINATES} coordinates a tensor, float32, jitted",
            )
        )  # fmt: skip
    return [Row(**(vars(row) | {"name": f"{reference.name}: {row.name}"})) for row in rows]


def _in_turn(turns: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median seconds of each, one after the other in every round; the first round, which compiles, is not counted."""
    found: dict[str, list[float]] = {name: [] for name in turns}
    for count in range(rounds + 1):
        for name, turn in turns.items():
            started = time.perf_counter()
            turn()
            if count:
                found[name].append(time.perf_counter() - started)
        progress(f"  round {count} of {rounds}", end="\r")
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def python_loop(forward: Any, gradient: Any, params: Any, *rest: Any, step: float = 1e-2, seed: int = 0) -> float:
    """What people write: coordinate by coordinate, in float32; the largest relative error."""
    random, (leaves, structure) = np.random.default_rng(seed), jax.tree.flatten(params)
    leaves, grads = [np.array(leaf) for leaf in leaves], jax.tree.leaves(gradient(params, *rest)[1])
    worst = 0.0
    for leaf, grad in zip(leaves, grads, strict=True):
        flat, analytic = leaf.reshape(-1), np.asarray(grad).reshape(-1)
        for index in random.choice(flat.size, min(COORDINATES, flat.size), replace=False):
            kept = flat[index]
            values = []
            for moved in (kept + step, kept - step):
                flat[index] = moved
                values.append(float(forward(jax.tree.unflatten(structure, leaves), *rest)))
            flat[index] = kept
            numeric, exact = (values[0] - values[1]) / (2 * step), float(analytic[index])
            worst = max(worst, abs(numeric - exact) / max(abs(numeric), abs(exact), 1e-8))
    return worst


def other_rows(name: str, seeds: Sequence[int]) -> list[Row]:
    """Wrong verdicts of what people use, and of ours, on the same healthy and faulty networks."""
    bench = Bench(name)
    count = len(bench.model.function.tensors)
    whole = jaxpr_as_fun(bench.model.function.forward)

    def loss(tensors: list[Any], rest: list[Any]) -> Any:
        return whole(*tensors, *rest)[0][0]

    forward, gradient = jax.jit(loss), jax.jit(jax.value_and_grad(loss))
    verdicts: dict[str, Callable[[list[Any], list[Any]], bool]] = {
        "jax.test_util.check_grads": lambda tensors, rest: _check_grads(forward, tensors, rest),
        "a Python loop, h = 1e-2": lambda tensors, rest: python_loop(forward, gradient, tensors, rest) < 1e-2,
        "a Python loop, h = 1e-3": lambda tensors, rest: (
            python_loop(forward, gradient, tensors, rest, step=1e-3) < 1e-2
        ),
        "nnwidgets, quick": lambda tensors, rest: bench.check.run([*tensors, *rest], tier="quick").ok,
    }
    wrong = {who: [0, 0] for who in verdicts}
    seconds: dict[str, list[float]] = {who: [] for who in verdicts}
    trials = [0, 0]
    for seed in seeds:
        for trial in bench.trials(seed):
            faulty = trial.kind != "none"
            if faulty and not trial.promised:
                continue
            trials[faulty] += 1
            control, _ = bench.model.fault(trial.kind, 2 * seed + (trial.state == "trained"))
            inputs = [*getattr(bench.model, trial.state)(seed), *bench.model.batch(seed), *control]
            for who, verdict in verdicts.items():
                started = time.perf_counter()
                right = verdict([jnp.asarray(each) for each in inputs[:count]], inputs[count:])
                seconds[who].append(time.perf_counter() - started)
                wrong[who][faulty] += right if faulty else not right
    return [
        Row(
            f"{name}: {who}", sum(wrong[who]), unit="", goal=0 if "nnwidgets" in who else None,
            met=not sum(wrong[who]) if "nnwidgets" in who else None,
            note=f"wrong verdicts: {wrong[who][0]} of {trials[0]} healthy, {wrong[who][1]} of {trials[1]} faulty; "
            f"{1e3 * statistics.median(seconds[who]):.0f} ms a verdict",
        )
        for who in verdicts
    ]  # fmt: skip


def _check_grads(forward: Any, tensors: list[Any], rest: list[Any]) -> bool:
    try:
        check_grads(lambda *each: forward(list(each), rest), tuple(tensors), order=1, modes=("rev",))
    except AssertionError:
        return False
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and give the exit code: 1 if a goal was missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.gradcheck", description="What a check sees and costs."
    )
    parser.add_argument(
        "--quick", action="store_true", help="two networks and the two small models, in less than a minute"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output, and nothing else")
    options = parser.parse_args(arguments)
    started, rows = time.perf_counter(), []
    names = list(MODELS)[:1] if options.quick else list(MODELS)
    for name in list(LAYERS)[:1] if options.quick else LAYERS:
        progress(f"trials: {name}")
        rows += trial_rows(name, range(2 if options.quick else 28))
    for name in names:
        progress(name)
        reference = MODELS[name]()
        rows += sampling_rows(reference)
        rows += cost_rows(reference, rounds=5, full=reference.name.startswith(("MLP 17k", "CNN")))
    for name in ("MLP",) if options.quick else ("MLP", "CNN"):
        progress(f"others: {name}")
        rows += other_rows(name, range(1 if options.quick else 5))
    about = {"jax": f"{jax.__version__} on {jax.default_backend()}", "seconds": round(time.perf_counter() - started)}
    return report(rows, as_json=options.json, **about)


if __name__ == "__main__":
    sys.exit(main())
