"""Batch norm: the statistics of the batch against those that evaluation uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import numpy as np

from nnwidgets.lint import BatchStatisticsNotStored
from nnwidgets.lint._batch_norm_layers import bias_before
from nnwidgets.lint._batch_norms import batch_norms_of
from nnwidgets.lint._modes import _running
from nnwidgets.records import Cost, Exploration

from .._counted import counted
from .._lab import Lab
from .._worst import Told, worst
from ._norm_layers import NormLayer, norm_layers
from ._norm_readings import VISITED, Readings

_CAUTION = (
    "Whether the nonlinearity belongs before or behind the norm is not settled: Ioffe & Szegedy (2015) put it behind, "
    "others measured the opposite. Compare both on your task."
)


@dataclass(frozen=True)
class BatchNorm:
    r"""Do batch norms do in evaluation what they learned in training: averages up to date, batches large enough, modes right?

    For each layer the statistics of some batches at the present parameters are set against the stored ones: the distance of
    the means in standard deviations, :math:`\sqrt{\mathrm{mean}_c (\mu_c - \mu_{B,c})^2 / \sigma_{B,c}^2}`,
    and the ratio of the variances (geometric mean over the channels :math:`c`). The momentum is measured from one update of
    the state. How much a lag costs is measured, too: the averages catch up on a copy, by forward passes in training with fixed
    parameters, and the loss in evaluation is taken again on the same batches (Wu & Johnson, Rethinking "Batch" in BatchNorm,
    2021, section 3).

    Attributes:
        batches: that are looked at.
        settle: forward passes in which the averages catch up.
        least: values in each mean below which a batch is called too small (Wu & He, Group Normalization, 2018, section 4.1).
        harm: the share of the loss that a lag must cost to be called one.
    """

    batches: int = 8
    settle: int = 300
    least: int = 8
    harm: float = 0.1

    name: ClassVar[str] = "batch norm"

    def cost(self, lab: Lab) -> Cost:
        """Forward passes, a third of a step each, about."""
        return lab.cost((3 * self.batches + self.settle + VISITED) // 3, programs=3)

    def run(self, lab: Lab) -> Exploration:
        """Look at all layers.

        Raises:
            ValueError: an option is no positive number.
        """
        if not (self.batches >= 1 and self.settle >= 1):
            raise ValueError(f"batches and settle must be at least 1, got {self.batches!r} and {self.settle!r}.")
        layers = norm_layers(lab.setup)
        if not layers:
            words = (
                "No batch norm was recognised in the loss as it is traced in training"
                f"{': this one is in evaluation only' if batch_norms_of(lab.setup.evaluation).stored else ''}."
            )
            return Exploration(self.name, words, "unknown")
        readings = Readings(lab, layers, self.batches, self.settle)
        told = [*self._modes(lab, layers), *self._sizes(layers), *self._lag(lab, readings), *_places(lab, layers)]
        verdict, answer = worst(told, f"{counted(len(layers), 'batch norm')}: " + readings.words)
        if verdict == "ok" and not lab.step:
            verdict = "unknown"
            answer += " How far the averages lag can't be told before the run has made steps: ask again later."
        columns = (
            "layer",
            "order",
            "values in each mean",
            "distance of means",
            "variance ratio",
            "momentum",
            "start left",
        )
        return Exploration(
            self.name, answer, verdict, columns, tuple(readings.rows(lab.step)), readings.pictures(),
            readings.numbers(lab.step) | _bias_numbers(lab, layers), _CAUTION,
        )  # fmt: skip

    def _modes(self, lab: Lab, layers: Sequence[NormLayer]) -> list[Told]:
        found: list[Told] = []
        if BatchStatisticsNotStored().check(lab.setup) is not None:
            found.append(
                Told(
                    "wrong",
                    "The statistics are never stored: the averages come out of a training step as they went in, and "
                    'evaluation uses what they were made with. Return the updated state: return loss, {"state": new_state}.',
                )
            )
        norms = batch_norms_of(lab.setup.evaluation).found
        if norms:
            kept = bool(_running(lab.setup))
            found.append(
                Told(
                    "wrong" if kept else "suspicious",
                    f"{len(norms)} of {len(layers)} batch norms use the statistics of the batch in evaluation, too: a "
                    "prediction depends on the other examples. Hand the mode on (use_running_average=not train, model.eval(), "
                    "eqx.nn.inference_mode, training=False).",
                )
            )
        return found

    def _sizes(self, layers: Sequence[NormLayer]) -> list[Told]:
        few = min(layers, key=lambda layer: layer.norm.count)
        count = few.norm.count
        if count == 1:
            words = (
                f"{few.name} takes its statistics over a single value: what comes out is its bias, whatever goes in. Use more "
                "examples a batch, or a layer norm."
            )
            return [Told("wrong", words)]
        if count < self.least:
            words = (
                f"{few.name} takes its statistics over {count} values: each mean is off by {count**-0.5:.2g} standard "
                "deviations by chance. Use more examples a batch, or a group norm."
            )
            return [Told("suspicious", words)]
        return []

    def _lag(self, lab: Lab, readings: Readings) -> list[Told]:
        now, later = readings.evaluation, readings.later
        if not lab.step or later is None or readings.farthest is None or not np.isfinite([now, later]).all():
            return []
        # averages that are behind and do no harm are as they should be while the parameters move
        if now - max(later, readings.train) <= self.harm * max(abs(later), 1e-6) or not readings.is_behind:
            return []
        slow = readings.momenta[readings.farthest]
        share = slow**lab.step
        words = (
            f"The averages lag: in evaluation the loss is {now:.4g}, and {later:.4g} once they have caught up (training, "
            f"without dropout: {readings.train:.4g}). {readings.layers[readings.farthest].name} is farthest behind, "
            f"{readings.distances[readings.farthest]:.2g} standard deviations."
        )
        if np.isfinite(slow) and 0 < slow < 1:
            words += (
                f" With a momentum of {slow:.4g}, {share:.0%} of what they started with is left after {lab.step} steps: "
                f"lower it to {_usual(slow):g}, or validate after {3 / (1 - slow):.0f} steps."
            )
        return [Told("suspicious", words)]


def _places(lab: Lab, layers: Sequence[NormLayer]) -> list[Told]:
    """What stands in a place where it does nothing, or harm."""
    told = []
    dropped = [layer.name for layer in layers if layer.order.startswith("dropout,")]
    if dropped:
        words = f"Dropout comes right before {dropped[0]}: session.explore.dropout() measures the variance shift."
        told.append(Told("ok", words))
    numbers = _bias_numbers(lab, layers)
    if numbers:
        names, sizes, others = numbers["useless_biases"], numbers["their_gradients"], numbers["gradient_beside"]
        told.append(
            Told(
                "ok",
                f"{', '.join(names[:4])}: a bias right before a batch norm does nothing, since the norm takes the mean away; "
                f"its gradient is {max(sizes):.2g} where the layer's largest is {max(others):.2g}, which is no fault. Leave "
                "it out (use_bias=False).",
            )
        )
    return told


def _bias_numbers(lab: Lab, layers: Sequence[NormLayer]) -> dict[str, Any]:
    """Biases that a norm takes away, the norms of their gradients, and the largest one of the same layer."""
    setup, paths = lab.setup, lab.objective.paths
    leaves = dict.fromkeys(leaf for layer in layers if (leaf := bias_before(setup, layer.norm)) is not None)
    if not leaves:
        return {}
    sizes = [float(np.linalg.norm(np.asarray(leaf, np.float64).ravel())) for leaf in jax.tree.leaves(setup.first[1])]
    beside = [
        max(
            size
            for path, size in zip(paths, sizes, strict=True)
            if path.rpartition("/")[0] == paths[leaf].rpartition("/")[0]
        )
        for leaf in leaves
    ]
    return {
        "useless_biases": [paths[leaf] for leaf in leaves],
        "their_gradients": [sizes[leaf] for leaf in leaves],
        "gradient_beside": beside,
    }


def _usual(momentum: float) -> float:
    """A momentum that follows ten times quicker."""
    return round(max(1 - 10 * (1 - momentum), 0.5), 3)
