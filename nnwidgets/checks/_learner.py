"""Learning a few points by heart, without dropout and penalty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np

from nnwidgets.lint._rewritten import Result, Rewritten, unchanged
from nnwidgets.lint._undropped import undropped

from ._answers import Answers, find_answers
from ._points import Points, is_noisy
from ._subject import Subject
from ._training import ADAM, Course, Loop


@dataclass(frozen=True, eq=False)
class Try:
    """How it went.

    Attributes:
        reached: whether the points were learned.
        first: the loss at the start.
        last: the loss at the end.
        accuracy: at the end; None where there are no right and wrong answers.
        course: of the training.
    """

    reached: bool
    first: float
    last: float
    accuracy: float | None
    course: Course

    @property
    def steps(self) -> int:
        """That were made."""
        return len(self.course.losses)

    @property
    def falls(self) -> bool:
        """Whether the loss was still falling at the end, by a twentieth over the last quarter."""
        losses = self.course.losses
        quarter = max(len(losses) // 4, 1)
        return bool(losses[-quarter:].mean() < 0.95 * losses[-2 * quarter : -quarter].mean())


class Learner:
    """Trains on the points from the run's first state.

    Attributes:
        goal: "accuracy" where there are right and wrong answers; "zero" where the loss must come near 0; "fall" where it
            has a floor that is not known, so that it can only be asked to fall.
        left_on: why dropout could not be switched off; "" if it is off, or there is none.
    """

    def __init__(self, subject: Subject, points: Points, zero: float, fall: float) -> None:
        self._subject, self._points, self._zero, self._fall = subject, points, zero, fall
        self.left_on = ""
        setup = points.setup
        self._changes: list[Any] = []
        try:
            self._changes = undropped(setup.train)
            run = Rewritten(setup.train, self._changes) if self._changes else unchanged(setup.objective)
        except ValueError as error:
            self._changes, run, self.left_on = [], unchanged(setup.objective), f"dropout was left on: {error}"
        self.result: Callable[[Any, Any, Any, Any], Result] = run
        self._answers: Answers | None = None if self.left_on else find_answers(setup)

    def loss(self, params: Any, state: Any, batch: Any, rng: Any) -> tuple[Any, Any]:
        """What is minimised."""
        found = self.result(params, state, batch, rng)
        return found.loss, found.state

    @cached_property
    def goal(self) -> str:
        """See the attributes."""
        setup = self._points.setup
        if self._answers is not None:
            return "accuracy"
        codes = any(field.is_input and field.is_target for field in setup.fields)
        real = setup.train.head.loss in ("squared error", "absolute error") and bool(setup.train.head.targets)
        return "zero" if real and not codes and not is_noisy(self.loss, setup) else "fall"

    @cached_property
    def own(self) -> Loop:
        """With the user's optimizer at its settings."""
        return Loop(self.loss, self._points.setup.tx)

    @cached_property
    def adam(self) -> Loop:
        """With another one."""
        return Loop(self.loss, ADAM)

    @cached_property
    def _grade(self) -> Callable[..., Any]:
        answers = self._answers
        assert answers is not None
        run = Rewritten(self._points.setup.train, self._changes, answers.noted)
        return jax.jit(lambda params, state, batch, rng: answers.share(run(params, state, batch, rng).noted, batch))

    def learn(self, count: int, loop: Loop, steps: int, rate: float = 1.0, seconds: float = 30.0) -> Try:
        """Train on so many points until they are learned, or the steps or the seconds are over."""
        subject, batch, setup = self._subject, self._points.batch(count), self._points.setup
        started, found = subject.seconds_left, list[float | None]()

        def go_on(course: Course) -> bool:
            found.append(self._accuracy(course, batch))
            subject.tell(f"few points: {count or 'a batch'}, step {len(course.losses)}, loss {course.last(1):.3g}")
            late = started - subject.seconds_left > seconds or subject.late
            return not (self._is_reached(course, found[-1]) or late)

        opt_state = subject.bench.start.opt_state if loop is self.own else None
        course = loop.run(
            setup.params,
            setup.state,
            [batch],
            key=subject.key,
            steps=steps,
            rate=rate,
            opt_state=opt_state,
            go_on=go_on,
        )
        accuracy = found[-1] if found and course.finite else None
        reached = course.finite and self._is_reached(course, accuracy)
        return Try(reached, float(course.losses[0]), course.last(5), accuracy, course)

    def _accuracy(self, course: Course, batch: Any) -> float | None:
        if self._answers is None:
            return None
        return float(self._grade(course.params, course.state, batch, self._subject.key))

    def _is_reached(self, course: Course, accuracy: float | None) -> bool:
        first, last = float(course.losses[0]), course.last(5)
        if self._answers is not None:
            # equal beginnings of different sequences can't all be told
            return accuracy == 1.0 or (self._answers.has_positions and last <= 0.5 * first)
        if self.goal == "zero":
            return last <= self._zero * max(abs(first), self._level)
        return last < first - self._fall * max(abs(first), 1e-12)

    @cached_property
    def _level(self) -> float:
        """The size of the loss where the outputs say nothing: that of the targets."""
        from ._chance import mean_of_zeros

        setup = self._points.setup
        return mean_of_zeros(setup.train, setup.params, setup.state, setup.batches, setup.key) or 0.0

    def descends(self) -> bool:
        """Whether any small step along -gradient lowers the loss of the points."""
        setup = self._points.setup

        @jax.jit
        def look(params: Any, direction: Any, length: Any) -> Any:
            moved = jax.tree.map(lambda leaf, step: leaf - (length * step).astype(leaf.dtype), params, direction)
            return jax.value_and_grad(self.loss, has_aux=True)(moved, setup.state, setup.batch, setup.key)

        zeros = jax.tree.map(np.zeros_like, setup.params)
        (loss, _), grads = look(setup.params, zeros, np.float32(0.0))
        size, norm = (
            float(np.sqrt(sum(float((np.asarray(leaf, np.float64) ** 2).sum()) for leaf in jax.tree.leaves(tree))))
            for tree in (setup.params, grads)
        )
        if not (np.isfinite(norm) and norm > 0):
            return False
        lengths = [np.float32(relative * max(size, 1e-3) / norm) for relative in (1e-2, 1e-3, 1e-4)]
        return any(float(look(setup.params, grads, length)[0][0]) < float(loss) for length in lengths)
