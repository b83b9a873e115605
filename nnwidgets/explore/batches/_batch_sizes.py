"""What becomes of the run with batches of other sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import numpy as np

from nnwidgets.objective import Objective
from nnwidgets.records import Cost, Exploration

from .._lab import Lab
from .._lanes import Lane, in_lanes, orders, stack, stacked, trained
from ..curvature._several_batches import is_wide
from ._batch_sizes_told import Result, tell
from ._ended import Data, End, look_at_end
from ._groups import different, reduction
from ._regrouped import SCALINGS, Way, is_normalised, regrouped, sizes_of, ways_of

# Batches on which the ends are compared; of those, for their curvature; of validation; to settle running statistics.
_TRAIN, _SHARP, _VALIDATION, _SETTLE = 8, 2, 8, 128
# What looking at one end costs, in gradients.
_END = 150


@dataclass(frozen=True)
class BatchSizes:
    """Would smaller or larger batches do better, and do large ones end in sharp minima here?

    The run is trained anew from its first state with batches of several sizes, made of the same examples, so that all see
    equally many; each at the learning rate scaled with the size, and at the run's own. Scaled is: linearly for plain gradient
    descent and momentum (Goyal et al., "Accurate, Large Minibatch SGD", 2017), by the square root for optimizers that
    normalise, such as Adam (Malladi et al., "On the SDEs and Scaling Rules for Adaptive Gradient Algorithms", 2022).
    Where each ended: loss on training and validation batches, the largest eigenvalue of the Hessian and
    the sharpness of Keskar et al., "On Large-Batch Training for Deep Learning: Generalization Gap and Sharp Minima"
    (arXiv:1609.04836), all in evaluation. Seeds change the order of the batches and the random keys.

    Attributes:
        factors: times the size of the run's batches.
        steps: of the run's own batches; the others make as many as see equally many examples.
        seeds: trainings of each kind.
        scaling: of the learning rate: "auto", "linear", "square root", "none".
        unscaled: whether each size is also tried at the run's own rate.
        epsilon: relative size of the box in which the loss may rise.
    """

    factors: tuple[float, ...] = (0.25, 1.0, 4.0, 16.0)
    steps: int = 256
    seeds: int = 2
    scaling: str = "auto"
    unscaled: bool = True
    epsilon: float = 1e-3

    name: ClassVar[str] = "batch sizes"

    def cost(self, lab: Lab) -> Cost:
        """Every training sees as many examples as `steps` of the run's."""
        sizes = len({1.0, *self.factors})
        trainings = (1 + (sizes - 1) * (2 if self.unscaled else 1)) * self.seeds
        return lab.cost(trainings * (self.steps + _END), sizes + 1)

    def run(self, lab: Lab) -> Exploration:
        """All trainings, size by size, and what is seen at their ends."""
        if (
            self.steps < 4
            or self.seeds < 1
            or self.scaling not in SCALINGS
            or not all(each > 0 for each in self.factors)
        ):
            raise ValueError(
                f"batch sizes needs positive factors, steps of at least 4, at least one seed and a scaling of {SCALINGS}, got "
                f"factors={self.factors}, steps={self.steps}, seeds={self.seeds}, scaling={self.scaling!r}."
            )
        if lab.rows is None:
            words = "the arrays of a batch have no common first axis, along which it could be taken apart."
            return Exploration(self.name, f"It can't be tried here: {words}", "unknown")
        if not is_wide(lab.first.params):
            words = "sharpness takes real parameters of float32, whose small changes are not rounded away."
            return Exploration(self.name, f"It can't be tried here: {words}", "unknown")
        trainings = _Trainings(self, lab)
        if trainings.refused:
            words = f"the loss does not take batches of another size ({trainings.refused})."
            return Exploration(self.name, f"It can't be tried here: {words}", "unknown")
        return trainings.told()


class _Trainings:
    """The trainings of an experiment, size by size."""

    def __init__(self, given: BatchSizes, lab: Lab) -> None:
        self.given, self.lab, self.own = given, lab, lab.rows or 1
        self.batches = lab.fresh(given.steps)
        self._some, normalised = different(self.batches), is_normalised(lab.first.opt_state)
        self.scaling = ("square root" if normalised else "linear") if given.scaling == "auto" else given.scaling
        self.sizes = sizes_of(self.own, given.factors, given.steps * self.own, len(self._some) * self.own)
        self.refused = next(filter(None, map(self._refused, self.sizes)), "")
        self.is_sum = not self.refused and reduction(lab, self._some[0], self.own) == "sum"
        # what normalises its updates does not notice a sum
        self.grows = self.is_sum and not normalised

    def told(self) -> Exploration:
        """All trainings, and what is to be told of them."""
        given, lab = self.given, self.lab
        ways = ways_of(self.sizes, self.own, self.scaling, unscaled=given.unscaled, is_sum=self.grows)
        data, results = self._data(), list[Result]()
        for size in lab.each(self.sizes, "batch sizes"):
            results += self._train([way for way in ways if way.size == size], data)
        results.sort(key=lambda each: (each.way.size, each.way.factor))
        return tell(
            given.name, results, own=self.own, scaling=self.scaling, learning_rate=lab.learning_rate, is_sum=self.is_sum,
            has_state=data.settle is not None,
        )  # fmt: skip

    def _refused(self, size: int) -> str:
        """What the loss says to batches of this size; "" if it takes them."""
        lab, batch = self.lab, jax.tree.map(lambda leaf: leaf[0], regrouped(self.batches, size))
        try:
            jax.eval_shape(_trained_loss(lab.objective), lab.params, lab.state, batch, lab.key)
        except (TypeError, ValueError) as error:
            return f"{size} rows: {str(error).splitlines()[0]}"
        return ""

    def _data(self) -> Data:
        lab = self.lab
        validation = lab.validation[:_VALIDATION]
        has_state = bool(jax.tree.leaves(lab.first.state))
        return Data(
            stacked(self._some[:_TRAIN]), stacked(self._some[:_SHARP]), stacked(validation) if validation else None,
            stacked(lab.fresh(_SETTLE)) if has_state else None,
        )  # fmt: skip

    def _train(self, ways: list[Way], data: Data) -> list[Result]:
        lab, size = self.lab, ways[0].size
        batches = regrouped(self.batches, size)
        count = len(jax.tree.leaves(batches)[0])
        seeds = range(self.given.seeds)
        lanes = stack([self._lane(way, seed, count) for way in ways for seed in seeds])
        train = trained(lab.objective, lab.tx)
        losses, ended = in_lanes(train, lanes, batches, lab, f"trainings with batches of {size}")
        ends = End(ended.params, ended.state, ended.key)
        seen = in_lanes(look_at_end(lab.objective, self.given.epsilon), ends, data, lab, f"ends of batches of {size}")
        found = []
        for number, way in enumerate(ways):
            here = slice(number * len(seeds), (number + 1) * len(seeds))
            part = jax.tree.map(lambda leaf, here=here: np.asarray(leaf, np.float64)[here], seen)
            # a training that was stopped has no end
            if len(part.train):
                found.append(Result(way, np.asarray(losses, np.float64)[here], part))
        return found

    def _lane(self, way: Way, seed: int, count: int) -> Lane:
        lab, first = self.lab, self.lab.first
        key = lab.key if seed == 0 else jax.random.fold_in(lab.key, np.uint32(0x5EED + seed))
        multiplier = np.float32(way.multiplier * lab.multiplier)
        order = orders(seed + 1, count, count)[seed]
        return Lane(first.params, first.state, first.opt_state, key, multiplier, order, first.step)


def _trained_loss(objective: Objective) -> Any:
    return lambda params, state, batch, key: objective(params, state, batch, key, True)[0]
