"""Checks of the parameters that people tune: what other settings would have done, measured beside the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nnwidgets.records import Check
from nnwidgets.train import try_out

from ._subject import Subject
from ._told import told


@dataclass(frozen=True)
class LearningRate:
    """The first 60 steps again with a tenth and with ten times the learning rate, over three keys: neither must do far better.

    Source: Smith, "Cyclical learning rates" (arXiv:1506.01186), by whose measure this is the coarsest range test.
    """

    name: ClassVar[str] = "learning rate"
    heading: ClassVar[int] = 4

    def seconds(self, subject: Subject) -> float:
        """About how long it takes: 60 and 120 steps, three times, each with and without the change."""
        return 2.0 + 1100 * subject.step_seconds

    def run(self, subject: Subject) -> Check:
        """Both experiments."""
        expected = "neither a tenth nor ten times is far better"
        subject.tell("checking: learning rate (a tenth of it)")
        lower = try_out("lower learning rate", subject.bench)
        if lower.supports:
            return told(self, lower.words, expected, "wrong", "it is too high: lower it, or warm it up.")
        subject.tell("checking: learning rate (ten times of it)")
        higher = try_out("higher learning rate", subject.bench)
        if higher.supports:
            # who learns faster in 120 steps need not end lower
            words = (
                "larger steps learn faster at first. Whether they end lower only a longer run tells: "
                "session.fork(1000, multiplier=3)."
            )
            return told(self, higher.words, expected, "suspicious", words)
        return told(self, "neither is far better", expected, "ok", f"{lower.words}; {higher.words}.")


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
