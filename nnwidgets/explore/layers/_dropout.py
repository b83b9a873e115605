"""Dropout: whether it acts when it should, and what it does to the batch norms behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nnwidgets.records import Cost, Exploration

from .._counted import counted
from .._lab import Lab
from .._side_by_side import Way, evaluated, side_by_side, to_validate
from .._worst import Told, worst
from ._dropout_orders import AS_IT_IS, Orders
from ._dropout_seen import Seen, Shifts
from ._drops import Drop, active_in_evaluation, drops_of
from ._norm_layers import norm_layers
from ._variance_shift import before_norms, orders

# Outputs that lie less far apart than this share of their spread are the same but for rounding.
_SAME = 1e-5
_CAUTION = (
    "What is known of dropout beside batch norm is mixed: the shift is always there, but wide networks and low rates hardly "
    "suffer from it, and a few hundred steps don't show what dropout does against overfitting in a long run."
)


@dataclass(frozen=True)
class Dropout:
    r"""Does dropout act in training and only there, with a new mask at every step, and does it spoil the batch norms behind it?

    Outputs of one batch are compared between keys in training and in evaluation, and the masks of consecutive steps value
    by value. Dropout before a batch norm enlarges the variance that the norm stores; in evaluation nothing is dropped, and
    the variance is smaller: the **variance shift** of Li et al., Understanding the Disharmony between Dropout and Batch
    Normalization by Variance Shift (arXiv:1801.05134, section 3). Measured at the input of each batch norm, for each channel:
    :math:`\mathrm{Var}[x \mid \text{dropout on}] / \mathrm{Var}[x \mid \text{off}]`, all else as in training. Where there is
    such a dropout, the loss is rewritten with it behind the last batch norm (their section 5) and without it; each is trained
    from the present state with the same batches, and the losses in evaluation are compared.

    Attributes:
        steps: that each order is trained for; 0 leaves the comparison out. More than 3 / (1 - momentum) of the batch norms are
            needed until the averages have forgotten the other order.
        keys: for each order.
        batches: consecutive steps in which masks and variances are looked at.
        strong: the rate from which on dropout takes too much.
        shift: the median ratio of a norm's channels from which on a shift is spoken of.
    """

    steps: int = 200
    keys: int = 3
    batches: int = 8
    strong: float = 0.7
    shift: float = 1.1

    name: ClassVar[str] = "dropout"

    def cost(self, lab: Lab) -> Cost:
        """With the comparison, as if there were a batch norm behind a dropout."""
        return lab.cost(3 * self.keys * self.steps + 2 * self.batches, programs=6 if self.steps else 2)

    def run(self, lab: Lab) -> Exploration:
        """Look at all dropouts.

        Raises:
            ValueError: an option is out of range.
        """
        if not (self.steps >= 0 and self.keys >= 1 and self.batches >= 2):
            raise ValueError(
                f"steps must be 0 or more, keys at least 1 and batches at least 2, got {self.steps!r}, {self.keys!r} and "
                f"{self.batches!r}."
            )
        drops = drops_of(lab.setup)
        seen = Seen(lab, drops, self.batches)
        told = [*self._modes(lab, drops, seen), *self._masks(drops, seen), *self._rates(drops, seen)]
        if not drops and not told:
            random = seen.train > _SAME
            words = "No dropout was recognised in the loss as it is traced in training" + (
                f", though two steps with the same batch differ by {seen.train:.2g} of the outputs' spread."
                if random
                else ": its outputs are the same at every step."
            )
            return Exploration(self.name, words, "unknown", numbers=seen.numbers())
        shifts = Shifts(lab, self.batches) if norm_layers(lab.setup) else None
        compared = self._compare(lab, shifts)
        told += self._judge(shifts, compared)
        otherwise = (
            f"{counted(len(drops), 'dropout')}, measured rates {', '.join(f'{rate:.3g}' for rate in seen.rates)}."
        )
        verdict, answer = worst(told, otherwise)
        columns = ("layer", "what", "rate", "measured", "as the step before", "by chance", "variance ratio", "largest")
        rows = (*seen.rows(), *(shifts.rows() if shifts is not None else ()))
        numbers = seen.numbers() | (shifts.numbers() if shifts is not None else {}) | compared.numbers()
        pictures = (*(shifts.pictures() if shifts is not None else ()), *compared.pictures())
        return Exploration(self.name, answer, verdict, columns, rows, pictures, numbers, _CAUTION if shifts else "")

    def _modes(self, lab: Lab, drops: Sequence[Drop], seen: Seen) -> list[Told]:
        """Whether it acts in training and only there."""
        active = active_in_evaluation(lab.setup)
        if seen.evaluation > _SAME and not active:
            words = (
                f"With two keys the outputs of one batch differ by {seen.evaluation:.2g} of their spread in evaluation, "
                "though no dropout was recognised there: something else is random."
            )
            return [Told("suspicious", words)]
        if seen.evaluation > _SAME:
            words = (
                f"Dropout acts in evaluation: with two keys the outputs of one batch differ by {seen.evaluation:.2g} of their "
                "spread. Hand the mode on (deterministic=not train, model.eval(), eqx.nn.inference_mode, training=False)."
            )
            told = [Told("wrong", words)]
            return [*told, _turned_round()] if not drops else told
        if active and not drops:
            return [_turned_round()]
        if drops and seen.train > _SAME:
            words = (
                f"It acts in training (outputs of one batch differ by {seen.train:.2g} of their spread from step to step) "
                "and not in evaluation."
            )
            return [Told("ok", words)]
        return []

    def _masks(self, drops: Sequence[Drop], seen: Seen) -> list[Told]:
        """Whether they are new at every step, and each dropout's own."""
        told = []
        still = [drop for drop, share in zip(drops, seen.agreement, strict=True) if share == 1 and drop.size > 1]
        if still:
            words = (
                f"The mask of the dropout behind {still[0].place} is the same in {self.batches} consecutive steps: the "
                "same values are always off, and a part is never trained. Make its key from the step's own: take the keyword "
                "rng in the loss and give each dropout jax.random.fold_in(rng, number), or nnx.Rngs(rng)."
            )
            told.append(Told("wrong", words))
        shared = [(i, j) for (i, j), share in seen.alike.items() if share == 1 and drops[i].size > 1]
        if shared:
            one, other = shared[0]
            words = (
                f"The dropouts behind {drops[one].place} and {drops[other].place} have one mask: they are given one key. "
                "Give each its own (jax.random.split, or fold_in with a number)."
            )
            told.append(Told("suspicious", words))
        return told

    def _rates(self, drops: Sequence[Drop], seen: Seen) -> list[Told]:
        """Whether too much is taken, or from the wrong thing."""
        told = []
        for drop, rate in zip(drops, seen.rates, strict=True):
            if drop.on_outputs:
                words = (
                    f"A dropout acts on the outputs of the network, behind {drop.place}: {rate:.0%} of what it says is "
                    "replaced by 0 at random, and the loss can't become small. Remove it."
                )
                told.append(Told("wrong", words))
            elif rate >= self.strong:
                words = (
                    f"The dropout behind {drop.place} takes {rate:.0%} of its values away: use a rate of 0.5 or less."
                )
                told.append(Told("suspicious", words))
        return told

    def _compare(self, lab: Lab, shifts: Shifts | None) -> Orders:
        """Train the orders, where a dropout stands before a batch norm."""
        if shifts is None or shifts.failed or not self.steps or not before_norms(lab.setup):
            return Orders()
        try:
            others = orders(lab.setup)
        except ValueError as error:
            return Orders(why=f"The orders can't be compared: {error}.")
        ways = {AS_IT_IS: Way(lab.objective, lab.tx)} | {name: Way(each, lab.tx) for name, each in others.items()}
        found = side_by_side(lab, ways, self.steps, self.keys)
        batches, which = to_validate(lab)
        losses = {name: evaluated(lab, lab.objective, each.lanes, batches) for name, each in found.items()}
        return Orders(found, losses, which)

    def _judge(self, shifts: Shifts | None, compared: Orders) -> list[Told]:
        if shifts is None:
            return []
        if shifts.failed:
            return [Told("ok", f"The variance shift can't be measured: {shifts.failed}.")]
        worst_norm = int(np.argmax([abs(np.log(max(each, 1e-30))) for each in shifts.medians]))
        ratio = shifts.medians[worst_norm]
        words = (
            f"At the input of {shifts.names[worst_norm]} the variance with dropout is {ratio:.3g} times that without (median "
            "over the channels)"
        )
        if abs(np.log(max(ratio, 1e-30))) < np.log(self.shift):
            return [Told("ok", f"{words}: no shift to speak of.")]
        best = compared.better
        verdict = "suspicious" if best else "ok"
        words += ": the norm stores a variance that evaluation does not have."
        if best:
            words += (
                f" Put the dropout {best}." if best != "no dropout" else " Leave the dropout out, or lower its rate."
            )
        elif compared.losses:
            words += " No other order is certainly better here."
        return [Told(verdict, " ".join(part for part in (words, compared.words(self.steps), compared.why) if part))]


def _turned_round() -> Told:
    return Told(
        "wrong", "Dropout is in the program of evaluation and not in that of training: the mode is turned round."
    )
