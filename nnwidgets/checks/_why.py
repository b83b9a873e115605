"""Why a few points can't be learned: what the evidence points to."""

from __future__ import annotations

import numpy as np

from nnwidgets.lint import Setup

from ._learner import Learner, Try
from ._plain_models import KINDS, PlainModels
from ._points import Points
from ._subject import Subject

_RATES = (1e-2, 1e-3)


def why(subject: Subject, points: Points, learner: Learner, count: int, own: Try, steps: int) -> tuple[str, str, str]:
    """The cause in a word, the verdict, and the words.

    Args:
        subject: the run.
        points: the points.
        learner: that tried.
        count: of the points that were not learned.
        own: how it went with the user's optimizer.
        steps: that others may take.
    """
    tries = {
        rate: learner.learn(count, learner.adam, steps, rate, max(subject.seconds_left / 3, 1.0)) for rate in _RATES
    }
    for rate, found in tries.items():
        if found.reached:
            return _rate(own, rate, found)
    if contradictions := points.contradictions(count):
        words = f"{contradictions} of the points have equal inputs and different labels: nothing can learn them."
        return "labels", "suspicious", words
    best = min(tries.values(), key=lambda each: each.last if np.isfinite(each.last) else np.inf)
    stuck = not best.last < 0.9 * best.first
    wrong = _wrong_gradient(subject, learner) if stuck or count <= 2 else ""
    if wrong:
        return "gradient", "wrong", wrong
    simple = _simple_model(subject, points, count, steps)
    fell = f"the loss fell from {best.first:.4g} to {best.last:.4g}"
    if simple is not None and simple < 0.2 * best.last:
        words = (
            f"{fell} and no further, while one hidden layer of 64 units on the same points comes to {simple:.3g}: the network "
            "is too small, its output can't reach the targets (a bounded activation at the end), or a layer cuts the inputs."
        )
        return "too small", "wrong" if stuck or (count <= 2 and not best.falls) else "suspicious", words
    if best.falls:
        return (
            "slow",
            "suspicious",
            f"{fell}, and was still falling: more steps may do, or inputs and targets are not scaled.",
        )
    words = f"{fell}, with the optimizer of this run and with Adam alike. Look whether inputs reach the output (connections)."
    return "unknown", "wrong" if stuck and simple is not None else "suspicious", words


def _rate(own: Try, rate: float, found: Try) -> tuple[str, str, str]:
    better = f"Adam at {rate:g} learns them in {found.steps} steps"
    if not own.course.finite or own.last > own.first:
        words = (
            f"with this optimizer the loss does not fall ({own.first:.4g} to {own.last:.4g}), {better}: lower the rate."
        )
        return "learning rate", "wrong", words
    words = (
        f"with this optimizer the loss went from {own.first:.4g} to {own.last:.4g} in {own.steps} steps, {better}: another "
        "learning rate (compare some), or parameters that are frozen."
    )
    return "learning rate", "suspicious", words


def _wrong_gradient(subject: Subject, learner: Learner) -> str:
    if not learner.descends():
        return (
            "no small step along -gradient lowers the loss of these points: the gradient is wrong, zero or cut off. Run the "
            "gradient check, and look for a sign, a stop_gradient, or an operation without a derivative."
        )
    if subject.seconds_left < 5:
        return ""
    found = [each for each in subject.gradcheck().tensors if each.verdict in ("wrong", "non-finite")]
    if not found:
        return ""
    first = found[0]
    return f"the gradient check says {first.verdict} of {first.path}: a bug in the gradient. {first.words}"


def _simple_model(subject: Subject, points: Points, count: int, steps: int) -> float | None:
    """The loss that the better of the simple models reaches on the points; None where none can be trained."""
    batch = points.batch(count)
    given = points.setup
    setup = Setup(given.objective, given.tx, [batch], params=given.params, state=given.state, key=given.key)
    try:
        models = PlainModels(setup)
        trained = models.train([batch], steps, subject.key, lambda course: not subject.late)
        losses = models.losses(trained, setup, [batch], subject.key)
    except ValueError:
        return None
    return min(float(losses[kind].mean()) for kind in KINDS)
