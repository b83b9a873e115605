"""Histories as runs leave them: a loss at every step, statistics every few steps, noise from small batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nnwidgets.records import Facts, Finding, History, UnknownReading

TENSORS = ("hidden/bias", "hidden/kernel", "out/bias", "out/kernel")
STEPS = 200
EVERY = 5
LN10 = float(np.log(10))
TEN = Facts("softmax cross-entropy", (("ln C, every class equally likely", LN10),), 0.0, 10, 32, 18, head=TENSORS[2:])

Rows = npt.NDArray[Any]


def learning(
    seed: int, start: float = LN10, end: float = 0.3, noise: float = 0.15, speed: float = 40.0, steps: int = STEPS
) -> Rows:
    """A loss that falls from one level to another, as mini-batches of a few dozen examples show it: skewed noise."""
    rng = np.random.default_rng(seed)
    course = end + (start - end) * np.exp(-np.arange(steps) / speed)
    return course * rng.gamma(1 / noise**2, noise**2, steps)


def run(
    loss: Rows,
    facts: Facts = TEN,
    *,
    gradient: Any = 0.3,
    parameter: Any = 3.0,
    ratio: Any = 1e-3,
    every: int = EVERY,
    seed: int = 0,
    **readings: dict[str, Any],
) -> History:
    """A history of these losses; all else is given as a number, as one a reading or a tensor, or as (readings, tensors).

    Args:
        loss: at each step.
        facts: what is known of the run.
        gradient: norms; they get noise of a quarter of their size.
        parameter: norms.
        ratio: update over parameter; noise likewise.
        every: steps between two readings of the statistics.
        seed: of the noise.
        **readings: further ones by the first half of their name, as ``train={"penalty": array}`` at each step, or
            ``activation={"dead": {"hidden/relu": array}}`` at each reading.
    """
    history, rng = History(), np.random.default_rng(seed)
    history.facts = facts
    steps = np.arange(0, len(loss), every)
    rows = (len(steps), len(TENSORS))
    noise = rng.lognormal(0.0, 0.25, (2, *rows))
    norms = {"gradient": _spread(gradient, rows) * noise[0], "parameter": _spread(parameter, rows)}
    ratios = _spread(ratio, rows) * noise[1]
    norms["update"] = np.nan_to_num(ratios) * norms["parameter"]
    for step, value in enumerate(loss):
        history.add_scalar("train/loss", step, float(value))
        for name, values in readings.get("train", {}).items():
            history.add_scalar(f"train/{name}", step, float(values[step]))
    for row, step in enumerate(steps.tolist()):
        for what, values in norms.items():
            history.add(what, step, TENSORS, {"norm": values[row]})
        history.add("update", step, TENSORS, {"ratio": ratios[row]})
        for what in ("activation", "update"):
            for name, layers in readings.get(what, {}).items():
                values = [np.broadcast_to(each, len(steps))[row] for each in layers.values()]
                history.add(what, step, tuple(layers), {name: values})
    for name, values in readings.get("validation", {}).items():
        for step, value in values.items():
            history.add_scalar(f"validation/{name}", step, float(value))
    return history


def judged(history: History, rules: Any) -> dict[str, Finding]:
    """What these rules find, by rule; those that wait for their readings find nothing."""
    found: dict[str, Finding] = {}
    for rule in rules:
        try:
            told = rule.check(history)
        except UnknownReading:
            continue
        for each in [told] if isinstance(told, Finding) else told or ():
            found.setdefault(each.rule, each)
    return found


def red(history: History, rules: Any) -> set[str]:
    """Names of the rules that find a problem."""
    return {name for name, found in judged(history, rules).items() if found.severity == "problem"}


def _spread(values: Any, shape: tuple[int, int]) -> Rows:
    values = np.asarray(values, np.float64)
    return np.broadcast_to(values[:, None] if values.shape == shape[:1] else values, shape).copy()
