"""Whether the model in evaluation is the one that is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nnwidgets.records import Check
from nnwidgets.train import try_out

from ._subject import Subject
from ._told import told


@dataclass(frozen=True)
class TrainAndEvaluation:
    """One batch in training and in evaluation: dropout makes training worse, and nothing makes evaluation much worse.

    Where evaluation is much worse, the running statistics of batch norm lag or were never stored, or dropout acts in
    evaluation. Source: Ioffe & Szegedy (arXiv:1502.03167); Li et al. (arXiv:1801.05134).
    """

    name: ClassVar[str] = "training against evaluation"
    heading: ClassVar[int] = 4

    def seconds(self, subject: Subject) -> float:
        """About how long it takes."""
        return 1.0

    def run(self, subject: Subject) -> Check:
        """The loss of one batch in both modes."""
        outcome = try_out("train and evaluation", subject.bench)
        measured = outcome.words.removeprefix("on the same batch the loss is ")
        expected = "evaluation not much worse"
        if not outcome.supports:
            return told(self, measured, expected, "ok", "the model is the same in both.")
        if subject.step < 100:
            words = "the running statistics of batch norm need some steps: check again after 100."
            return told(self, measured, expected, "suspicious", words)
        words = "the model in evaluation is not the one that was trained: look at batch norm's momentum and at dropout."
        return told(self, measured, expected, "wrong", words)
