"""What is told of trainings with batches of several sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnwidgets.records import Exploration, Guide, Line, Plot

from ._ended import Seen
from ._regrouped import Way

# Points of a curve.
_POINTS = 50
# What another size must gain, as a share of what the run has gained; how many times as sharp counts; how alike losses must be.
_GAIN, _SHARPER, _ALIKE = 0.1, 1.2, 1.5
_COLUMNS = (
    "batch size", "rate times", "learning rate", "steps", "train loss", "validation loss", "top eigenvalue",
    "rise in the box, %",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Result:
    """What became of one way.

    Attributes:
        way: size and rate.
        losses: before each step (seeds, steps).
        seen: at the ends (seeds,).
    """

    way: Way
    losses: Any
    seen: Seen

    def mean(self, name: str) -> float:
        """Over the seeds."""
        return float(np.mean(getattr(self.seen, name)))

    def span(self, name: str) -> tuple[float, float]:
        """The least and the largest of the seeds."""
        values = getattr(self.seen, name)
        return float(np.min(values)), float(np.max(values))


def tell(
    name: str,
    results: Sequence[Result],
    *,
    own: int,
    scaling: str,
    learning_rate: float | None,
    is_sum: bool,
    has_state: bool,
) -> Exploration:
    """The answer, the table and the pictures.

    Args:
        name: of the experiment.
        results: by size and rate, the run's own among them.
        own: the size of the run's batches.
        scaling: of the rates.
        learning_rate: of the run, or None.
        is_sum: whether the loss is a sum over the batch.
        has_state: whether the model has a state.
    """
    measure = "validation" if np.isfinite(results[0].seen.validation).any() else "train"
    words, verdict, numbers = _best(results, own, measure)
    sharp, numbers["sharper"] = _sharper(results)
    numbers |= {"batch": own, "scaling": scaling, "measure": measure} | _numbers(results)
    rows = tuple(
        (
            each.way.size, each.way.factor, learning_rate and learning_rate * each.way.factor, each.losses.shape[1],
            each.mean("train"), each.mean("validation") if measure == "validation" else None,
            each.mean("top"), each.mean("keskar"),
        )
        for each in results
    )  # fmt: skip
    pictures, caution = _pictures(results, own, scaling, measure), _caution(scaling, is_sum, has_state)
    return Exploration(name, f"{words} {sharp}", verdict, _COLUMNS, rows, pictures, numbers, caution)


def _numbers(results: Sequence[Result]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "sizes": [each.way.size for each in results], "rate_factors": [each.way.factor for each in results],
        "scaled": [each.way.scaled for each in results], "steps": [each.losses.shape[1] for each in results],
    }  # fmt: skip
    for name in Seen._fields:
        found[name] = [each.mean(name) for each in results]
        found[f"{name}_low"], found[f"{name}_high"] = ([each.span(name)[i] for each in results] for i in range(2))
    return found


def _best(results: Sequence[Result], own: int, measure: str) -> tuple[str, str, dict[str, Any]]:
    """Which size does best by its loss, and whether that is worth a change."""
    mine = next(each for each in results if each.way.size == own and each.way.factor == 1)
    alive = [each for each in results if np.isfinite(getattr(each.seen, measure)).all()]
    if not alive:
        return "Every training diverged: lower the learning rate first.", "wrong", {}
    best = min(alive, key=lambda each: each.mean(measure))
    loss = "validation loss" if measure == "validation" else "training loss"
    at = "the run's learning rate" if best.way.factor == 1 else f"{best.way.factor:g} times the learning rate"
    words = (
        f"After {own * mine.losses.shape[1]:,} examples the lowest {loss} is {best.mean(measure):.4g}, of batches of "
    )
    words += f"{best.way.size} at {at}" + (
        "." if best is mine else f"; yours of {own} end at {mine.mean(measure):.4g}."
    )
    numbers = {"best_size": best.way.size, "best_factor": best.way.factor, "own_loss": mine.mean(measure)}
    if best is mine:
        return words, "ok", numbers
    gained, more = float(mine.losses[:, 0].mean()) - mine.mean(measure), mine.mean(measure) - best.mean(measure)
    worth = best.span(measure)[1] < mine.span(measure)[0] and more > _GAIN * abs(gained)
    return words, "suspicious" if worth or not np.isfinite(mine.mean(measure)) else "ok", numbers


def _sharper(results: Sequence[Result]) -> tuple[str, bool | None]:
    """Whether large batches end where the loss is sharper; None where it can't be told."""
    rows = [each for each in results if each.way.scaled and np.isfinite([each.seen.top, each.seen.keskar]).all()]
    if len(rows) < 2:
        return "How sharp the ends are can't be compared: too few trainings stayed finite.", None
    small, large = rows[0], rows[-1]
    told = (
        f"the largest eigenvalue is {small.mean('top'):.3g} at {small.way.size} and {large.mean('top'):.3g} at "
        f"{large.way.size}, the rise in the box {small.mean('keskar'):.3g} % and {large.mean('keskar'):.3g} %"
    )
    losses = sorted((small.mean("train"), large.mean("train")))
    if losses[0] <= 0 or losses[1] > _ALIKE * losses[0]:
        return (
            f"How sharp the ends are can't be compared: {told}, but the training losses there are {small.mean('train'):.3g} "
            f"and {large.mean('train'):.3g}, and curvature falls with the loss.",
            None,
        )
    more, less = (
        any(one.span(name)[0] > _SHARPER * other.span(name)[1] for name in ("top", "keskar"))
        for one, other in ((large, small), (small, large))
    )
    if more and not less:
        return f"Large batches end where the loss is sharper: {told}.", True
    if less and not more:
        return f"Large batches end where the loss is flatter: {told}.", False
    return f"That large batches end where the loss is sharper is not seen here: {told}.", False


def _pictures(results: Sequence[Result], own: int, scaling: str, measure: str) -> tuple[Plot, ...]:
    curves = tuple(_curve(each) for each in results if each.way.scaled)
    title = f"Training loss at equal examples seen, the learning rate scaled ({scaling})"
    positive = all(bool((line.y > 0).all()) for line in curves)
    found = [Plot(title, "examples seen", "loss", curves, log_y=positive)]
    names = (("train", "training"), ("validation", "validation"))[: 1 + (measure == "validation")]
    guide = (Guide(own, f"your batch, {own}"),)
    ends = tuple(line for name, words in names for line in _lines(results, name, words, scaling))
    found.append(Plot("Loss at the end", "batch size (examples)", "loss", ends, guide, log_x=True))
    for name, words in (("top", "largest eigenvalue"), ("keskar", "rise in the box (% of 1 + loss)")):
        lines = _lines(results, name, words, scaling)
        found.append(Plot(f"Sharpness at the end: {words}", "batch size (examples)", words, lines, guide, log_x=True))
    return tuple(found)


def _lines(results: Sequence[Result], name: str, words: str, scaling: str) -> tuple[Line, ...]:
    """One line with the rate scaled, one with the run's own, over the sizes; the band holds all seeds."""
    lines, known = [], list[list[Way]]()
    for kind, taken in (
        (f"rate scaled ({scaling})", [each for each in results if each.way.scaled]),
        ("the run's rate", [each for each in results if each.way.factor == 1]),
    ):
        ways = [each.way for each in taken]
        if len(ways) > 1 and ways not in known:
            known.append(ways)
            low, high = np.array([each.span(name) for each in taken]).T
            means = np.array([each.mean(name) for each in taken])
            lines.append(Line(f"{words}, {kind}", np.array([way.size for way in ways], float), means, low, high))
    return tuple(lines)


def _curve(found: Result) -> Line:
    """The mean loss over the seeds, in blocks of steps, over the examples seen."""
    blocks = np.array_split(np.arange(found.losses.shape[1]), min(_POINTS, found.losses.shape[1]))
    means = np.array([found.losses[:, each].mean(1) for each in blocks])
    seen = np.array([(each.mean() + 0.5) * found.way.size for each in blocks])
    return Line(f"batches of {found.way.size}", seen, means.mean(1), means.min(1), means.max(1))


def _caution(scaling: str, is_sum: bool, has_state: bool) -> str:
    why = {
        "square root": "Rates were scaled by the square root, as for optimizers that normalise their updates",
        "linear": "Rates were scaled linearly, as for gradient descent with or without momentum",
        "none": "Rates were not scaled",
    }[scaling]
    words = (
        f"{why}; no rule for that is exact, and each size would have a best rate of its own. Sharpness falls "
        "with the loss: compare it where losses are alike, and more steps (steps=) bring the ends nearer to minima. A schedule "
        "counts steps, and so goes less far with large batches."
    )
    if is_sum:
        words += " The loss is a sum over the batch, by which updates grow with it: that is counted in the rates."
    if has_state:
        words += " The model's state was brought up to date by passes without updates before each look."
    return words
