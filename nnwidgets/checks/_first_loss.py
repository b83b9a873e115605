"""Whether the first loss is what chance gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nnwidgets.records import Check

from ._chance import mean_of_zeros
from ._drawn import drawn_again
from ._expected import Expected, expected_first
from ._halves import parts_of
from ._subject import Subject
from ._told import told


@dataclass(frozen=True)
class FirstLoss:
    """Before any training the loss must be what chance gives: ln C for C classes, the mean square of real targets.

    For a binary loss that is ln 2 whatever the share of ones is: 20 % zeros and 80 % ones give
    -(0.2 ln 0.5 + 0.8 ln 0.5) = 0.693, too. Measured at the run's first parameters, and at the same ones drawn anew (each
    tensor's own numbers in another order), which says how much is luck. Expected is a formula where the kind of the loss
    is known, else the loss with all logits at zero. Far above: the first outputs are too large and confidently wrong,
    so that the first part of training only undoes them. Below: something leaks. A factor of the batch size: a sum in place
    of a mean. Source: Stanford CS231n, "Neural Networks Part 3", "correct loss at chance performance"; Karpathy,
    "A Recipe for Training Neural Networks" (2019), "verify loss @ init".

    Attributes:
        near: by which share of chance the first loss may be off.
        above: how many times chance is too much.
        above_real: the same for real targets, where outputs of ordinary size add their own square.
        below: by which share it may be under what the labels' shares alone give.
        seeds: how often parameters are drawn anew.
        batches: how many are looked at.
    """

    near: float = 0.2
    above: float = 1.5
    above_real: float = 4.0
    below: float = 0.1
    seeds: int = 5
    batches: int = 4

    name: ClassVar[str] = "first loss"
    heading: ClassVar[int] = 2

    def seconds(self, subject: Subject) -> float:
        """About how long it takes."""
        return 2.0

    def run(self, subject: Subject) -> Check:
        """The first loss, that of other draws, and what is expected."""
        start, setup = subject.bench.start, subject.setup
        if start.step > 0:
            words = f"the oldest state that is kept is that of step {start.step}: the first loss can't be measured any more."
            return told(self, "the first state is gone", "", "unknown", words)
        batches = list(subject.bench.batches[: self.batches])
        zeros = mean_of_zeros(setup.train, start.params, start.state, batches, subject.key)
        wanted = expected_first(setup, zeros)
        first = self._loss(subject, start.params, batches)
        drawn = [self._loss(subject, drawn_again(start.params, seed), batches[:1]) for seed in range(self.seeds)]
        spread = float(np.std(drawn))
        measured = f"{first:.4g} (drawn anew: {np.mean(drawn):.4g} ± {spread:.2g})"
        numbers: dict[str, Any] = {"first": first, "drawn": drawn, "zeros": zeros}
        if wanted is None:
            words = (
                "neither the kind of this loss nor the logits that it is taken of can be told from the traced program."
            )
            return told(self, measured, "not known for this loss", "unknown", words, **numbers)
        numbers["chance"] = wanted.value
        verdict, words = self._judged(subject, wanted, zeros, first, drawn)
        return told(self, measured, wanted.formula, verdict, words, **numbers)

    def _loss(self, subject: Subject, params: Any, batches: list[Any]) -> float:
        """The loss in training, without its declared penalty."""
        state = subject.bench.start.state
        found = [
            subject.loss(batch, params=params, state=state, key=i, penalty=False) for i, batch in enumerate(batches)
        ]
        return float(np.mean(found))

    def _judged(
        self, subject: Subject, wanted: Expected, zeros: float | None, first: float, drawn: list[float]
    ) -> tuple[str, str]:
        if not np.isfinite(first):
            return "wrong", "the first loss is not finite: ask session.nan_origin() for the operation."
        level, spread = wanted.value if zeros is None else zeros, float(np.std(drawn))
        if level > 1.5 * wanted.value and self._is_sum(subject, level / wanted.value):
            rows = subject.setup.rows
            return "wrong", f"chance times the {rows} rows of a batch: a sum in place of a mean. Take loss.mean()."
        if wanted.value <= 0:
            return "unknown", "chance is not above 0 here: there is no ratio to judge."
        # a weight before the loss, or a mean over other axes, moves what chance gives
        ratio, known = first / (zeros or wanted.value), zeros is None or abs(zeros - wanted.value) < 0.2 * wanted.value
        # where other draws come near to chance, it is luck
        luck = min(drawn) <= (1 + self.near) * level and first - level <= 2 * spread
        if ratio > (self.above_real if wanted.noisy else self.above) and not luck:
            words = (
                f"{ratio:.3g} times chance: the first outputs are too large, confidently wrong. Start the last layer small, "
                "set its bias to the shares or the mean of the targets, scale inputs and targets, or use the framework's "
                "default initialisers."
            )
            return "suspicious", words
        if known and wanted.least is not None and first < (1 - self.below) * wanted.least - 2 * spread:
            words = (
                "below what the labels' shares alone give, before any training: a label leaks into the input, the loss is "
                "divided by too much, or the parameters were trained before."
            )
            return "suspicious", words
        near = abs(ratio - 1) <= self.near or abs(first - level) <= spread
        return "ok", "as chance gives." if near else "near enough to chance."

    def _is_sum(self, subject: Subject, times: float) -> bool:
        rows = subject.setup.rows or 0
        parts = parts_of(subject) if rows > 1 and abs(times / rows - 1) < 0.3 else None
        return parts is not None and parts.is_sum()
