"""What keeping a timeline costs, and how long going back takes: ``python -m tests.benchmarks.timeline [--quick] [--json]``.

Keeping: the same session with its timeline and with one that keeps nothing and donates the optimizer's state to the
update, which a timeline forbids, in turn; the ratio is the median over the rounds. The noise is that of a second session of
the latter kind; a third one keeps nothing and does not donate. Going back: from the last step to one that is as far from a
saved state as it gets; what is beyond the time of the steps made again is the cost of the rewind itself.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Sequence
from itertools import pairwise

import jax
import optax

import nnwidgets as nnw

from ._measure import Row, Turn, options, paired, progress, report, take_turns
from ._models import MODELS, Reference

KEEPING, BEYOND = 1.03, 0.5
ON, OFF, AGAIN, COPYING = "timeline", "none", "none again (noise)", "none, without donation"


def session(reference: Reference, *, keeps: bool, donates: bool) -> nnw.Session:
    """Unwatched, so that nothing else is measured."""
    made = nnw.Session(reference.objective(), optax.adam(1e-3), reference.batches, budget=0)
    if not keeps:
        made.timeline.keep = lambda saved, *, pin=False: None  # type: ignore[method-assign]
    if donates:
        made._programs.update = jax.jit(made._programs.update.__wrapped__, donate_argnums=(1,))
    made.run(2)
    return made


def keeping_rows(reference: Reference, seconds: float, rounds: int) -> list[Row]:
    """What the timeline adds to the steps."""
    kinds = {ON: (True, False), OFF: (False, True), AGAIN: (False, True), COPYING: (False, False)}
    turns: dict[str, Turn] = {
        name: session(reference, keeps=keeps, donates=donates).run for name, (keeps, donates) in kinds.items()
    }
    found = take_turns(turns, seconds=seconds, rounds=rounds, most=20_000, base=OFF)
    ratios = {name: paired(found, name, OFF) for name in (AGAIN, COPYING, ON)}
    note = f"step {1e3 * statistics.median(found[OFF]):.2f} ms; missed only if the whole interval is above"
    return [
        Row(f"{reference.name}: {name} by {OFF}", value, low=low, high=high)
        for name, (value, low, high) in ratios.items()
        if name != ON
    ] + [
        Row(f"{reference.name}: {ON} by {OFF}", value, KEEPING, low <= KEEPING, low, high, note=note)
        for value, low, high in (ratios[ON],)
    ]


def rewind_rows(reference: Reference, steps: int) -> list[Row]:
    """From the last of so many steps to the one before the widest gap between saved states ends."""
    progress(f"{reference.name}: {steps} steps, then back")
    made = session(reference, keeps=True, donates=False)
    started = time.perf_counter()
    made.run(steps)
    jax.block_until_ready(made.params)
    pace, saved = (time.perf_counter() - started) / steps, made.timeline.steps
    before, after = max(pairwise(saved), key=lambda gap: gap[1] - gap[0])
    started = time.perf_counter()
    made.rewind(after - 1)
    jax.block_until_ready(made.params)
    seconds, again = time.perf_counter() - started, after - 1 - before
    held = f"{made.timeline.nbytes / 1e6:.0f} MB of {made.timeline.memory / 1e6:.0f}"
    note = f"to step {after - 1} of {steps} in {seconds:.2f} s, {again} steps of {1e3 * pace:.1f} ms made again"
    beyond = seconds - again * pace
    started = time.perf_counter()
    made.rewind(made.reach[1])
    forward = time.perf_counter() - started
    return [
        Row(f"{reference.name}: rewind beyond the steps made again", beyond, BEYOND, beyond <= BEYOND, unit="s", note=note),
        Row(f"{reference.name}: back to the newest step", forward, unit="s"),
        Row(f"{reference.name}: saved states", len(saved), unit="", note=held),
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and give the exit code: 1 if a goal was missed."""
    given = options(
        "timeline",
        "What a timeline costs, and how quick going back is.",
        "two small models, in less than a minute",
        arguments,
    )
    seconds, rounds = (1.2, 8) if given.quick else (20.0, 16)
    rows: list[Row] = []
    for name in ("MLP 17k", "CNN 100k") if given.quick else ("MLP 17k", "CNN 100k", "MLP 10M"):
        progress(name)
        reference = MODELS[name]()
        rows += keeping_rows(reference, seconds, rounds) + rewind_rows(reference, 200 if given.quick else 1000)
    return report(rows, as_json=given.json, jax=f"{jax.__version__} on {jax.default_backend()}")


if __name__ == "__main__":
    sys.exit(main())
