"""L2 in the loss, decoupled decay and neither, trained side by side."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import jax
import numpy as np
import numpy.typing as npt

from nnwidgets.records import Line, Plot

from .._lab import Lab
from .._paired import Interval, interval
from .._side_by_side import Trained, Way, last, side_by_side, told_change
from .._worst import Told
from ._decay_of import Decay, undecayed, uses_parameters, with_decay, with_l2
from ._penalty_parts import of_data, penalty_of
from ._penalty_shares import Shares

Array = npt.NDArray[np.float64]
_L2, _DECAY, _NONE = "L2 in the loss", "decoupled decay", "neither"
# Of the progress that is made without it, a regularization must leave so much.
_RULED, _LITTLE = 0.1, 0.3


class L2OrDecay:
    """L2 in the loss beside decoupled decay.

    Attributes:
        why: they can't be compared; "" if they can, or there is nothing to compare.
    """

    def __init__(
        self, lab: Lab, shares: Shares, decay: Decay | None, rate: float | None, steps: int, keys: int
    ) -> None:
        self.why, self._found, self._own = (
            "",
            dict[str, Trained](),
            _L2 if decay is None or decay.place == "inside" else _DECAY,
        )
        self._start = float(shares.now.data)
        found = shares.factors if decay is None else decay.strengths
        self.strength = float(found.max()) if found is not None else 0.0
        if not steps or (decay is None and not penalty_of(lab.setup).is_any):
            return
        if found is None:
            self.why = (
                "its strength can't be told" if decay else "the penalty is no sum of squares, which decay stands for"
            )
        elif not rate:
            self.why = "the learning rate of the coming step is not known, or 0"
        elif decay is not None and uses_parameters(lab.setup, found, decay.place):
            self.why = "the optimizer looks at the parameters' size for other ends, too"
        else:
            plain = undecayed(lab.tx) if decay is not None else lab.tx
            loss = of_data(lab.setup) if penalty_of(lab.setup).is_any else lab.objective
            ways = {
                _L2: Way(loss, with_l2(plain, found)),
                # the updates are multiplied afterwards
                _DECAY: Way(loss, with_decay(plain, found * rate / lab.multiplier)),
                _NONE: Way(loss, plain),
            }
            self._found = side_by_side(lab, ways, steps, keys)

    @cached_property
    def ends(self) -> dict[str, Array]:
        """Loss of the data over the last tenth of the steps (keys,)."""
        return {name: last(each.losses) for name, each in self._found.items()}

    @cached_property
    def norms(self) -> dict[str, Array]:
        """Norm of all parameters at the end (keys,)."""
        found = {}
        for name, each in self._found.items():
            leaves = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(each.lanes.params)]
            found[name] = np.sqrt(sum(np.square(leaf).reshape(len(leaf), -1).sum(1) for leaf in leaves))
        return found

    @property
    def gap(self) -> Interval | None:
        """Loss of the data with decoupled decay less that with L2."""
        if not {_L2, _DECAY} <= self.ends.keys():
            return None
        # where both blew up, the difference is no number
        with np.errstate(invalid="ignore"):
            return interval(self.ends[_DECAY] - self.ends[_L2])

    @property
    def left(self) -> float | None:
        """The share of the progress without regularization that the run's own leaves; None where there is none to speak of."""
        if not {_NONE, self._own} <= self.ends.keys():
            return None
        ours, free = float(self.ends[self._own].mean()), float(self.ends[_NONE].mean())
        made = self._start - free
        return (self._start - ours) / made if made > 0.05 * abs(self._start) else None

    def words(self, steps: int) -> str:
        """The ways, in words."""
        if self.why:
            return f"L2 and decoupled decay are not compared: {self.why}."
        if self.gap is None:
            return ""
        ways = [
            f"{self.ends[name].mean():.4g} (weights {self.norms[name].mean():.3g}) with {name}" for name in self.ends
        ]
        words = (
            f"With a lambda of {self.strength:.3g} for {steps} steps the loss of the data comes to {', '.join(ways)}"
        )
        if _NONE in self.ends and self._alike(_NONE, _L2) and self._alike(_NONE, _DECAY):
            return f"{words}: no difference yet in so few steps."
        same = self._alike(_L2, _DECAY)
        return words + (
            ": L2 and decay are the same thing here." if same else f"; decay less L2: {told_change(self.gap)}."
        )

    def _alike(self, one: str, other: str) -> bool:
        return all(np.allclose(each[one], each[other], rtol=1e-3) for each in (self.ends, self.norms))

    def told(self, steps: int) -> list[Told]:
        """Whether the run's own leaves the data a say."""
        if self.left is None or self.left >= _LITTLE:
            return []
        words = (
            f"The regularization rules: of what the loss of the data falls by without it in {steps} steps, "
            f"{max(self.left, 0):.0%} is left. It makes the weights smaller faster than the data can make them larger: "
            "lower it tenfold or more."
        )
        return [Told("wrong" if self.left < _RULED else "suspicious", words)]

    def numbers(self) -> dict[str, Any]:
        if self.gap is None:
            return {}
        return {
            "compared_strength": self.strength,
            "data_loss_l2": float(self.ends[_L2].mean()),
            "data_loss_decoupled": float(self.ends[_DECAY].mean()),
            "decoupled_less_l2": self.gap.mean,
            "decoupled_less_l2_low": self.gap.low,
            "decoupled_less_l2_high": self.gap.high,
            "data_loss_unregularized": float(self.ends[_NONE].mean()) if _NONE in self.ends else None,
            "progress_left": self.left,
            "weight_norm_l2": float(self.norms[_L2].mean()),
            "weight_norm_decoupled": float(self.norms[_DECAY].mean()),
        }

    def pictures(self) -> list[Plot]:
        """The loss of the data, step by step."""
        lines = [
            Line(name, np.arange(each.losses.shape[1]), each.losses.mean(0), each.losses.min(0), each.losses.max(0))
            for name, each in self._found.items()
        ]
        return (
            [Plot("L2 in the loss, decoupled decay, neither", "step from here", "loss of the data", tuple(lines))]
            if lines
            else []
        )
