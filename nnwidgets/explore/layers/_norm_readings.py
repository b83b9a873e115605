"""What is measured of batch norms: stored statistics against those of batches, both modes, the course along the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.records import Guide, Line, Plot

from .._lab import Lab
from .._lanes import stack
from ._norm_layers import NormLayer
from ._norm_statistics import gap, modes, momentum, ratio, settled, statistics

# Batches whose states are let go through the averages, states along the run, layers in a picture.
_STACKED, VISITED, _SHOWN = 64, 12, 6
# Standard deviations, and factors as logarithms, from which on averages are behind.
_FAR = 0.3


class Readings:
    """What was measured of the layers.

    Attributes:
        distances: of the stored means from the batches', in standard deviations.
        ratios: of the stored variances to the batches'.
        momenta: of the averages.
        train: loss without dropout in training, on the batches.
        evaluation: in evaluation.
        later: in evaluation once the averages have caught up; None where nothing is stored.
        farthest: index of the layer with the largest distance; None if there is none.
    """

    def __init__(self, lab: Lab, layers: Sequence[NormLayer], batches: int, settle: int) -> None:
        self.layers = layers
        setup, key = lab.setup, jax.random.fold_in(lab.key, np.uint32(lab.step))
        look, params = statistics(setup), lab.params
        found = [look(params, lab.state, batch, key) for batch in lab.each(lab.fresh(batches), "batches")]
        of_batches, stored, after = (
            jax.tree.map(_plain, [each[k] for each in found], is_leaf=_is_none) for k in range(3)
        )
        kept, new = stored[0], after[0]
        self.means = [np.stack([each.means[i] for each in of_batches]) for i in range(len(layers))]
        self.variances = [np.stack([each.variances[i] for each in of_batches]).mean(0) for i in range(len(layers))]
        self.kept = kept
        self.distances = list(map(gap, self.means, self.variances, kept.means))
        self.ratios = list(map(ratio, self.variances, kept.variances))
        self.momenta = [momentum(kept.means[i], new.means[i], self.means[i][0]) for i in range(len(layers))]
        known = [i for i, distance in enumerate(self.distances) if np.isfinite(distance)]
        self.farthest = max(known, key=lambda i: self.distances[i]) if known else None
        self._compare(lab, batches, settle, key)
        self.course = self._course(lab, key)

    def _compare(self, lab: Lab, batches: int, settle: int, key: jax.Array) -> None:
        """The loss in both modes, and in evaluation once the averages have caught up."""
        compare, given = modes(lab.setup), lab.fresh(batches)
        found = [compare(lab.params, lab.state, batch, key) for batch in given]
        self.train = float(np.mean([each.train for each in found]))
        self.evaluation = float(np.mean([each.evaluation for each in found]))
        self.apart, self.other_class = _compared([each.outputs for each in found if each.outputs is not None])
        self.later = None
        if self.farthest is not None:
            stacked = lab.fresh(min(_STACKED, settle, len(lab.batches)))
            order = jnp.arange(settle, dtype=jnp.int32) % len(stacked)
            lab.tell("batch norm: the averages catch up on a copy")
            state = settled(lab.setup)(lab.params, lab.state, stack(stacked), order, jax.random.fold_in(key, 1))
            self.later = float(np.mean([compare(lab.params, state, batch, key).evaluation for batch in given]))

    def _course(self, lab: Lab, key: jax.Array) -> list[tuple[int, list[float]]]:
        """The distances at some of the states that the run came through."""
        if self.farthest is None:
            return []
        states = list(lab.visited())
        chosen = sorted({round(i) for i in np.linspace(0, len(states) - 1, min(VISITED, len(states)))})
        look, batch = statistics(lab.setup), lab.batches[0]
        course = []
        for saved in lab.each([states[i] for i in chosen], "states of the run"):
            of_batch, kept, _ = jax.tree.map(_plain, look(saved.params, saved.state, batch, key), is_leaf=_is_none)
            both = zip(of_batch.means, of_batch.variances, kept.means, strict=True)
            course.append((saved.step, [gap(mean[None], variance, known) for mean, variance, known in both]))
        return course

    @property
    def is_behind(self) -> bool:
        """Whether stored statistics differ from the batches' by more than chance and a moving network make them."""
        away = [each for each in self.distances if np.isfinite(each)]
        other = [abs(np.log(each)) for each in self.ratios if np.isfinite(each) and each > 0]
        return max(away, default=0.0) > _FAR or max(other, default=0.0) > _FAR

    @property
    def words(self) -> str:
        """The losses in both modes."""
        same = (
            f"loss of the same batches: {self.train:.4g} in training (dropout off), {self.evaluation:.4g} in evaluation"
        )
        late = "" if self.later is None else f", {self.later:.4g} with averages that have caught up"
        return f"{same}{late}."

    def rows(self, step: int) -> list[tuple[Any, ...]]:
        """One for each layer."""
        return [
            (
                layer.name,
                layer.order,
                layer.norm.count,
                *map(_known, (self.distances[i], self.ratios[i], self.momenta[i], self._left(i, step))),
            )
            for i, layer in enumerate(self.layers)
        ]

    def _left(self, i: int, step: int) -> float:
        m = self.momenta[i]
        return m**step if 0 <= m <= 1 else float("nan")

    def numbers(self, step: int) -> dict[str, Any]:
        """Everything by name; lists have one entry for each layer."""
        return {
            "layers": [layer.name for layer in self.layers],
            "orders": [layer.order for layer in self.layers],
            "values_in_each_mean": [layer.norm.count for layer in self.layers],
            "distances": self.distances,
            "variance_ratios": self.ratios,
            "momenta": self.momenta,
            "start_left": [self._left(i, step) for i in range(len(self.layers))],
            "train_loss": self.train,
            "evaluation_loss": self.evaluation,
            "evaluation_loss_settled": self.later,
            "outputs_apart": self.apart,
            "other_class": self.other_class,
        }

    def pictures(self) -> tuple[Plot, ...]:
        """Stored against batch, means and spreads; the distance along the run."""
        if self.farthest is None:
            return ()
        shown = sorted((i for i, d in enumerate(self.distances) if np.isfinite(d)), key=lambda i: -self.distances[i])[
            :_SHOWN
        ]
        with np.errstate(divide="ignore", invalid="ignore"):
            spreads = [np.where(v > 0, np.sqrt(v), np.nan) for v in self.variances]
            means = [
                Line(
                    self.layers[i].name, self.means[i].mean(0) / spreads[i], self.kept.means[i] / spreads[i], dots=True
                )
                for i in shown
            ]
            deviations = [
                Line(self.layers[i].name, spreads[i], np.sqrt(self.kept.variances[i]), dots=True)
                for i in shown
                if self.kept.variances[i] is not None
            ]
        plots = [
            Plot(
                "Stored against batch: means", "mean of the batches (standard deviations)", "stored mean (same unit)",
                (_diagonal(means), *means),
            ),
            Plot(
                "Stored against batch: spread", "standard deviation of the batches", "stored standard deviation",
                (_diagonal(deviations), *deviations), log_x=True, log_y=True,
            ),
        ]  # fmt: skip
        if len(self.course) > 1:
            steps = [step for step, _ in self.course]
            lines = [Line(self.layers[i].name, steps, [found[i] for _, found in self.course]) for i in shown]
            chance = min(layer.norm.count for layer in self.layers) ** -0.5
            plots.append(
                Plot(
                    "How far the averages lie behind, along the run", "step", "distance of means (standard deviations)",
                    tuple(lines), (Guide(chance, "one batch's chance", "y"),),
                )
            )  # fmt: skip
        return tuple(plots)


def _compared(outputs: Sequence[tuple[Any, Any]]) -> tuple[float | None, float | None]:
    """How far outputs lie apart, over their spread, and the share of rows with another largest entry; None if unknown."""
    if not outputs:
        return None, None
    train, evaluation = (
        np.concatenate([np.atleast_1d(np.asarray(each[k], np.float64)) for each in outputs]) for k in (0, 1)
    )
    spread = float(train.std())
    apart = float(np.sqrt(np.mean((train - evaluation) ** 2))) / spread if spread > 0 else None
    if train.ndim < 2 or train.shape[-1] < 2:
        return apart, None
    return apart, float(np.mean(train.argmax(-1) != evaluation.argmax(-1)))


def _diagonal(lines: Sequence[Line]) -> Line:
    values = np.concatenate([np.concatenate([line.x, line.y]) for line in lines] or [np.array([0.0, 1.0])])
    values = values[np.isfinite(values)]
    ends = [float(values.min()), float(values.max())] if values.size else [0.0, 1.0]
    return Line("up to date", ends, ends)


def _plain(leaf: Any) -> Any:
    return None if leaf is None else np.asarray(leaf, np.float64)


def _is_none(leaf: Any) -> bool:
    return leaf is None


def _known(number: float) -> float | None:
    return number if np.isfinite(number) else None
