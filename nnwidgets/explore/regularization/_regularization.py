"""Regularization: what a penalty or a weight decay is beside the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import numpy as np
import numpy.typing as npt

from nnwidgets.gradchecks import ObjectiveCheck
from nnwidgets.lint import DecayInsideAdam, StrongDecay
from nnwidgets.records import Cost, Exploration

from .._lab import Lab
from .._worst import Told, worst
from ..clipping._clip import fresh_trials
from ._decay_of import Decay, decay_of
from ._l2_or_decay import L2OrDecay
from ._penalty_parts import data_objective, penalty_of
from ._penalty_shares import BATCHES, VISITED, Shares

Array = npt.NDArray[np.float64]
_CAUTION = (
    "How strong a penalty should be shows in the validation loss of a long run, not here. L2 and decoupled decay of one "
    "lambda are not equally strong with Adam: where L2 does less, a larger lambda may do as much."
)


@dataclass(frozen=True)
class Regularization:
    r"""How much of the loss and of each layer's gradient is penalty, is the rest right, and would decoupled decay be better?

    The penalty is what the loss declares in ``aux["penalty"]``, else its terms of the parameters alone. Told are its share
    of the loss and of each layer's gradient, :math:`\|\nabla p\| / (\|\nabla p\| + \|\nabla d\|)`, now and at states along
    the run. Where the minimum of both is reached, the two gradients are equal and opposite, so that the share is a half; a
    share near 1 says that the penalty alone is trained. The loss is then checked without it: a gradient check of the data's
    part shows a fault that the penalty hides. A weight decay in the optimizer is found from what it does when gradients are
    zero.

    L2 in the loss (:math:`\frac{\lambda}{2} \|w\|^2`, whose gradient goes through the optimizer) and decoupled decay
    (:math:`- \eta \lambda w` beside the update) are the same with SGD and are not with Adam (Loshchilov & Hutter, Decoupled
    Weight Decay Regularization, 2019, section 2): both are trained from the present state with one lambda, and neither of them.

    Attributes:
        steps: of each of the three ways; 0 leaves the comparison out.
        keys: for each.
        check: whether the gradient of the data's part is checked.
        most: the share of the whole gradient from which on the penalty rules.
    """

    steps: int = 200
    keys: int = 3
    check: bool = True
    most: float = 0.9

    name: ClassVar[str] = "regularization"

    def cost(self, lab: Lab) -> Cost:
        """With the three ways of training."""
        return lab.cost(3 * self.keys * self.steps + 2 * (VISITED + BATCHES), programs=3 + 3 * bool(self.steps))

    def run(self, lab: Lab) -> Exploration:
        """Look at the penalty and at the decay.

        Raises:
            ValueError: an option is out of range.
        """
        if not (self.steps >= 0 and self.keys >= 1 and 0 < self.most < 1):
            raise ValueError(
                f"steps must be 0 or more, keys at least 1 and most between 0 and 1, got {self.steps!r}, {self.keys!r} and "
                f"{self.most!r}."
            )
        rate = lab.learning_rate
        decay = decay_of(lab.setup, None if rate is None else rate / lab.multiplier)
        shares = Shares(lab, decay)
        compared = L2OrDecay(lab, shares, decay, rate, self.steps, self.keys)
        told, check = self._penalty(lab, shares), self._data_alone(lab)
        told += [*check[0], *self._decay(lab, decay), *compared.told(self.steps)]
        nothing = "There is no penalty in the loss and no weight decay in the optimizer."
        measured = [shares.words if shares.any else "" if decay else nothing, compared.words(self.steps)]
        verdict, answer = worst(told, " ".join(words for words in measured if words))
        columns = ("layer", "gradient of the data", "gradient of the penalty", "penalty's share", "decayed")
        numbers = shares.numbers() | check[1] | compared.numbers() | _decay_numbers(lab, decay)
        pictures = (*shares.pictures(self.most), *compared.pictures())
        return Exploration(
            self.name, answer, verdict, columns, tuple(shares.rows(decay)), pictures, numbers, _CAUTION
        )  # fmt: skip

    def _penalty(self, lab: Lab, shares: Shares) -> list[Told]:
        penalty = penalty_of(lab.setup)
        told = []
        if penalty.lost is not None:
            words = (
                f"A penalty is computed and does not come into the loss ({penalty.lost}): add it to what is returned, "
                'return loss + penalty, {"penalty": penalty}.'
            )
            told.append(Told("wrong", words))
        if penalty.subtracted:
            told.append(Told("wrong", "The penalty is subtracted, which makes the weights grow: add it."))
        if not shares.any:
            return told
        of_loss, of_gradient = shares.of_loss, shares.of_gradient
        if of_gradient >= self.most:
            words = (
                f"The penalty rules: {of_gradient:.0%} of the gradient and {of_loss:.0%} of the loss are its own. A step makes "
                "the weights smaller, whatever the data say. Lower its coefficient tenfold or more, and look whether a sum "
                "over weights or batches was meant to be a mean."
            )
            told.append(Told("wrong" if of_loss >= 0.5 else "suspicious", words))
        return told

    def _data_alone(self, lab: Lab) -> tuple[list[Told], dict[str, Any]]:
        """The gradient of the loss without its penalty, against differences."""
        if not self.check or not penalty_of(lab.setup).is_any:
            return [], {}
        key = jax.random.fold_in(lab.key, np.uint32(lab.step))
        report = ObjectiveCheck(data_objective(lab.setup))(
            lab.params, lab.state, lab.batches[0], key, examples=None, told=lab.tell
        )
        errors = [each.error for each in report.tensors if each.error is not None]
        bad = [each for each in report.suspects if each.verdict in ("wrong", "non-finite")]
        first = next(iter((*bad, *report.suspects)), None)
        verdict = "ok" if first is None else "wrong" if bad else first.verdict
        numbers = {"data_gradient": verdict, "data_gradient_error": max(errors, default=0.0)}
        if first is not None:
            words = f"Without the penalty the gradient of {first.path} is {first.verdict}: {report.headline}."
            return [Told("wrong" if bad else "ok", words)], numbers
        words = (
            f"Without the penalty the data's gradient is right (largest relative error {max(errors, default=0.0):.1g})."
        )
        return [Told("ok", words)], numbers

    def _decay(self, lab: Lab, decay: Decay | None) -> list[Told]:
        if decay is None:
            return []
        told = []
        # lint judges these on a fresh optimizer
        tried = fresh_trials(lab.setup)
        for rule in (StrongDecay(), DecayInsideAdam()):
            found = rule.check(tried.setup) if tried is not None else None
            if found is not None:
                verdict = {"problem": "wrong", "warning": "suspicious", "note": "ok"}[found.severity]
                told.append(Told(verdict, f"{found.explanation} {found.remedy}"))
        narrow = _narrow(lab, decay)
        if narrow:
            words = f"The decay also pulls at biases and the scales of norms: {', '.join(narrow[:5])}"
            words += f" and {len(narrow) - 5} others" if len(narrow) > 5 else ""
            told.append(Told("ok", f"{words}. A mask leaves them out: optax.adamw(rate, weight_decay=..., mask=...)."))
        return told


def _narrow(lab: Lab, decay: Decay) -> list[str]:
    """The parameters with one axis or none that decay."""
    leaves = jax.tree.leaves(lab.params)
    return [lab.objective.paths[i] for i in decay.touched if np.ndim(leaves[i]) <= 1]


def _decay_numbers(lab: Lab, decay: Decay | None) -> dict[str, Any]:
    if decay is None:
        return {"decay": "none"}
    known = decay.strengths
    return {
        "decay": decay.place,
        "decay_strength": float(known.max()) if known is not None else None,
        "decayed": [lab.objective.paths[i] for i in decay.touched],
        "decayed_biases_and_scales": _narrow(lab, decay),
    }
