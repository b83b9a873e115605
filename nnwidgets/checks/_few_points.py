"""Whether a few data points can be learned by heart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from nnwidgets.records import Check

from ._learner import Learner, Try
from ._points import take_points
from ._subject import Subject
from ._told import told
from ._why import why


@dataclass(frozen=True)
class FewPoints:
    """One, two and twenty data points must be learned by heart, to 100 % or a loss near 0; else nothing can be learned.

    Trained from the run's first parameters, without dropout and penalty, with the run's own optimizer first. Where that
    fails, other experiments say why: Adam at 1e-2 and 1e-3 (then it is the learning rate), equal inputs with
    different labels, a gradient along which nothing gets lower (then it is a bug), and one hidden layer on the same points
    (then the network is too small). Where the loss has a floor that is not known (codes of the inputs, noise, likenesses), it
    must fall. Source: Stanford CS231n, "Neural Networks Part 3", "overfit a tiny subset of data"; Karpathy, "A Recipe
    for Training Neural Networks" (2019), "overfit one batch".

    Attributes:
        counts: of points.
        steps: at most, for each.
        zero: share of the first loss that counts as 0; for absolute errors, which fall in steps as large as the learning
            rate, five times as much.
        fall: share by which a loss with an unknown floor must fall.
    """

    counts: tuple[int, ...] = (1, 2, 20)
    steps: int = 500
    zero: float = 0.01
    fall: float = 0.05

    name: ClassVar[str] = "few points"
    heading: ClassVar[int] = 1

    def seconds(self, subject: Subject) -> float:
        """About how long it takes where all is well: mostly compiling."""
        return 8.0

    def run(self, subject: Subject) -> Check:
        """Train on one, two, then twenty points."""
        points = take_points(subject, self.counts)
        kind = points.setup.train.head.loss
        learner = Learner(subject, points, self.zero * (5 if kind == "absolute error" else 1), self.fall)
        done: list[tuple[int, Try]] = []
        for count in points.counts:
            found = learner.learn(count, learner.own, self.steps, seconds=max(subject.seconds_left / 2, 1.0))
            done.append((count, found))
            if subject.late or not found.reached:
                break
        numbers = self._numbers(done)
        measured = "; ".join(_told(count, each) for count, each in done)
        expected = {"accuracy": "100 %", "zero": "a loss near 0", "fall": "a loss that falls"}[learner.goal]
        words = f" ({learner.left_on})" if learner.left_on else ""
        count, last = done[-1]
        if learner.goal == "accuracy" and all(abs(each.first) < 1e-6 for _, each in done):
            reason = "the loss is 0 before anything was learned: it can't be the loss of these outputs (see set-up)"
            return told(self, measured, expected, "suspicious", f"{reason}{words}.", cause="loss", **numbers)
        if last.reached:
            missing = len(points.counts) - len(done)
            learned = (
                "the loss falls; how low it can get is not known" if learner.goal == "fall" else "learned by heart"
            )
            words = f"{learned}{words}." + (" The time was over before the rest." if missing else "")
            return told(self, measured, expected, "ok", words, cause="", **numbers)
        if subject.late or (last.steps < self.steps and last.course.finite):
            words = f"the time was over after {last.steps} steps{words}: run it again with more seconds."
            return told(self, measured, expected, "unknown", words, cause="", **numbers)
        cause, verdict, reason = why(subject, points, learner, count, last, self.steps)
        return told(self, measured, expected, verdict, f"{reason}{words}", cause=cause, **numbers)

    def _numbers(self, done: list[tuple[int, Try]]) -> dict[str, Any]:
        return {
            "points": [count for count, _ in done],
            "steps": [each.steps for _, each in done],
            "losses": [each.last for _, each in done],
            "first_losses": [each.first for _, each in done],
            "accuracies": [each.accuracy for _, each in done],
        }


def _told(count: int, found: Try) -> str:
    points = f"{count} point{'s' if count > 1 else ''}" if count else "a batch"
    right = f"{found.accuracy:.0%}, " if found.accuracy is not None else ""
    return f"{points}: {right}loss {found.first:.3g} to {found.last:.3g} in {found.steps} steps"
