"""Whether another learning rate would have done far better."""

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
