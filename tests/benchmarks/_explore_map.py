"""A map of the loss over learning rates and seeds, against as many runs by themselves."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from nnwidgets.explore import Lane, in_lanes, trained
from nnwidgets.explore._rates import Plan, Shared, losses_of, plans, shared_by, start_of
from nnwidgets.explore.learning_rate._learning_rate_map import LearningRateMap
from nnwidgets.train import compiles

from ._measure import Row, paired, progress, take_turns
from ._models import MODELS

RATES, SEEDS, STEPS = 16, 4, 100
RUNS = RATES * SEEDS
GOAL = 1 / 5


def rows(quick: bool) -> list[Row]:
    """What the map costs.

    Args:
        quick: measure a quarter of the runs that each compile, and take four times their time.
    """
    return [*_compiling(quick), *_compiled(seconds=4.0 if quick else 20.0, rounds=6 if quick else 12)]


def _made() -> tuple[nnw.Lab, Plan, Shared]:
    """The 64 runs of the MLP, of a new loss, which nothing is compiled for."""
    reference = MODELS["MLP 17k"]()
    session = nnw.Session(reference.objective(), optax.adam(1e-3), reference.batches, budget=0)
    lab = session.lab()
    experiment = LearningRateMap(rates=RATES, seeds=SEEDS, steps=STEPS)
    made = plans(lab, experiment.factors, SEEDS, STEPS, len(lab.batches))
    return lab, made, jax.device_put(shared_by(lab, start_of(lab, "now"), STEPS))


def _compiling(quick: bool) -> list[Row]:
    """With compilation: one program for all, against one for each."""
    lab, made, shared = _made()
    # the small programs that cut the lanes are there in any case
    in_lanes(lambda plan, shared: jnp.sum(plan.order), made, shared, lab, "runs")
    programs, seconds = _counted(lambda: in_lanes(losses_of(lab.objective, lab.tx), made, shared, lab, "runs"))
    count = RUNS // 4 if quick else RUNS
    alone = list[tuple[int, float]]()
    for place in np.linspace(0, RUNS - 1, count).round().astype(int):
        progress(f"  run {len(alone) + 1} of {count}, which compiles", end="\r")
        plan = jax.tree.map(lambda leaf, place=place: leaf[place], made)
        alone.append(_counted(lambda plan=plan: jax.block_until_ready(_by_itself(lab, plan, shared))))
    progress(" " * 40, end="\r")
    total = sum(each for _, each in alone) * RUNS / count
    compiled = [each for each, _ in alone]
    ratio = seconds / total
    told = f"{total / seconds:.1f} times as fast: {seconds:.1f} s against {total:.1f} s"
    told += f" ({count} runs measured)" if count < RUNS else ""
    return [
        Row(f"programs that a map of {RUNS} runs compiles", programs, 1, programs == 1, unit=""),
        Row(
            f"map of {RUNS} runs over {RUNS} runs that each compile", ratio, GOAL, ratio <= GOAL,
            note=f"{told}, each compiling {min(compiled)} to {max(compiled)}",
        ),
    ]  # fmt: skip


def _by_itself(lab: nnw.Lab, plan: Plan, shared: Shared) -> Any:
    """One run as a program of its own: a new function, with its learning rate as a number in it."""
    rate = 1e-3 * float(plan.multiplier)
    train = trained.__wrapped__(lab.objective, optax.adam(rate))
    lane = Lane(shared.params, shared.state, shared.opt_state, plan.key, np.float32(1), plan.order)
    return jax.jit(lambda lane, batches: train(lane, batches)[0])(lane, shared.batches)


def _compiled(seconds: float, rounds: int) -> list[Row]:
    """Without compilation: lanes one after another, side by side, and as calls of one compiled run."""
    lab, made, shared = _made()
    run = losses_of(lab.objective, lab.tx)
    one = jax.jit(run)
    mapped = jax.jit(lambda plans, shared: jax.lax.map(lambda plan: run(plan, shared), plans))
    beside = jax.jit(lambda plans, shared: jax.vmap(run, (0, None))(plans, shared))
    single = [jax.tree.map(lambda leaf, place=place: leaf[place], made) for place in range(RUNS)]
    eights = [jax.tree.map(lambda leaf, at=at: leaf[at : at + 8], made) for at in range(0, RUNS, 8)]

    def all_of(function: Callable[..., Any], parts: list[Any]) -> Callable[[int], object]:
        def turn(times: int) -> object:
            return [jax.block_until_ready(function(part, shared)) for _ in range(times) for part in parts]

        turn(1)
        return turn

    turns = {"single": all_of(one, single), "map": all_of(mapped, eights), "vmap": all_of(beside, eights)}
    found = take_turns(turns, seconds=seconds, rounds=rounds, most=10_000, base="single")
    without = paired(found, "map", "single")
    which = paired(found, "map", "vmap")
    each = min(found["map"])
    return [
        Row(f"map of {RUNS} runs over {RUNS} runs, compilation aside", without[0], None, None, *without[1:],
            note=f"{each:.2f} s for {RUNS * STEPS:,} steps"),
        Row("lax.map over vmap, 8 runs a call", which[0], None, None, *which[1:], note=jax.default_backend()),
    ]  # fmt: skip


def _counted(work: Callable[[], object]) -> tuple[int, float]:
    """How many programs some work compiles, and how long it takes."""
    before, started = compiles().count, time.perf_counter()
    work()
    return compiles().count - before, time.perf_counter() - started
