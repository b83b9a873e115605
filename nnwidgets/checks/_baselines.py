"""Whether the network is better than something simple."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import numpy as np

from nnwidgets.lint import Setup
from nnwidgets.records import Check

from ._plain_models import KINDS, PlainModels
from ._subject import Subject
from ._told import told


@dataclass(frozen=True)
class Baselines:
    """The network should beat a constant output, a linear model and one hidden layer on the same batches, loss and steps.

    The constant says what the labels alone give, the linear model what no depth at all gives. A network that is worse than
    linear after hundreds of steps has a bug, or a learning rate that is far off, and no more data or depth will help it.
    The simple models see the inputs flattened and standardised, tokens as counts, and are trained by Adam at 1e-3 and 1e-2;
    the better one counts. Compared on the validation batches where there are any. Source: Tobin, "Troubleshooting Deep
    Neural Networks" (2019), "start simple"; Karpathy, "A Recipe for Training Neural Networks" (2019).

    Attributes:
        least_steps: that the simple models are trained, and at most...
        most_steps: as many as these.
        sure: steps of the run from which on it must be better than linear; before that nothing is said: the simple models
            start at zero, on inputs that are scaled, with the better of two rates.
        stuck: share of what linear learned, under which a run that no longer falls is wrong.
    """

    least_steps: int = 50
    most_steps: int = 500
    sure: int = 500
    stuck: float = 0.5

    name: ClassVar[str] = "baselines"
    heading: ClassVar[int] = 1

    def seconds(self, subject: Subject) -> float:
        """About how long it takes: mostly compiling."""
        return 5.0

    def run(self, subject: Subject) -> Check:
        """The losses of the three, and that of the network as it is now."""
        try:
            models = PlainModels(subject.setup)
            batches = subject.batches
            steps = int(np.clip(subject.step, self.least_steps, self.most_steps))
            subject.tell(f"baselines: {steps} steps of three simple models")
            trained = models.train(batches, steps, subject.key, lambda course: not subject.late)
            there, on = _compared_on(subject, batches)
            losses = models.losses(trained, there, on, subject.key)
        except ValueError as error:
            return told(self, "can't be compared", "", "unknown", f"no baseline can be trained here: {error}.")
        ours = np.array([subject.loss(batch, train=False, penalty=False) for batch in on])
        means = {kind: float(losses[kind].mean()) for kind in KINDS}
        where = (
            "validation"
            if subject.setup.validation and on[0] is subject.setup.validation[0]
            else "the training batches"
        )
        measured = f"yours {ours.mean():.3g}, " + ", ".join(
            f"{kind} {means[kind]:.3g}" for kind in ("linear", "one hidden layer", "prior")
        )
        numbers: dict[str, Any] = {"yours": float(ours.mean()), **means, "steps": steps, "on": where}
        verdict, words = self._judged(subject, ours, losses)
        return told(self, measured, "better than prior, no worse than linear", verdict, words, **numbers)

    def _judged(self, subject: Subject, ours: Any, losses: dict[str, Any]) -> tuple[str, str]:
        mine, linear, prior = (float(each.mean()) for each in (ours, losses["linear"], losses["prior"]))
        if not np.isfinite([mine, linear, prior]).all():
            return "unknown", "one of these losses is not finite."
        gap = prior - linear
        early = f"the run has made {subject.step} steps, and may still learn it: run this again after {self.sure}."
        if not _is_above(losses["prior"], ours) and not _is_above(ours, losses["prior"]):
            words = "it has learned nothing beyond a constant output"
            if subject.step < self.sure:
                return "unknown", f"{words}; {early}"
            if gap <= 0.02 * abs(prior) or not _is_above(ours, losses["linear"]):
                return (
                    "suspicious",
                    f"{words}. See few points; or the inputs say nothing of the labels (shuffled labels).",
                )
        if not _is_above(ours, losses["linear"]) or gap <= 0.02 * abs(prior):
            if _is_above(ours, losses["prior"]):
                if subject.step < self.sure:
                    return "unknown", f"worse than a constant output so far; {early}"
                words = (
                    "worse than a constant output, after all these steps. See few points, zeroed input and first loss."
                )
                return ("suspicious" if _still_falls(subject) else "wrong"), words
            return "ok", _beside(ours, losses) if gap > 0.02 * abs(
                prior
            ) else "the linear model learns nothing here either."
        if subject.step < self.sure:
            return "unknown", f"a linear model is ahead after as many steps; {early}"
        learned = (prior - mine) / gap
        words = (
            f"worse than linear: of what a linear model learns beyond a constant, it has learned {max(learned, 0.0):.0%}. "
            "Train on few points, compare learning rates, and look at the gradients of its layers; on validation alone, "
            "it may have learned its training examples by heart."
        )
        if learned >= self.stuck or _still_falls(subject) or _overfits(subject, linear):
            return "suspicious", words
        return "wrong", words


def _beside(ours: Any, losses: dict[str, Any]) -> str:
    """How it stands beside linear, which it is not worse than, and one hidden layer."""
    hidden = losses["one hidden layer"]
    words = "better than linear" if _is_above(losses["linear"], ours) else "about as good as linear"
    ahead = bool(np.isfinite(hidden).all()) and _is_above(ours, hidden)
    return f"{words}; one hidden layer is ahead after as many steps." if ahead else f"{words}."


def _compared_on(subject: Subject, batches: list[Any]) -> tuple[Setup, list[Any]]:
    """The batches of the comparison and a set-up of their shapes: of validation where these are alike, else of training."""
    setup = subject.setup
    if setup.validation and jax.tree.structure(setup.validation[0]) == jax.tree.structure(setup.batch):
        shapes = [jax.tree.map(np.shape, batch) for batch in setup.validation]
        on = [batch for batch, shape in zip(setup.validation, shapes, strict=True) if shape == shapes[0]]
        same = jax.tree.map(np.shape, setup.batch) == shapes[0]
        other = Setup(setup.objective, setup.tx, on, params=setup.params, state=setup.state, key=setup.key)
        return (setup if same else other), on
    return setup, batches[:16]


def _is_above(ours: Any, theirs: Any) -> bool:
    """Whether a loss is higher, by more than how the difference varies from batch to batch."""
    gaps = ours - theirs
    noise = float(gaps.std() / np.sqrt(len(gaps))) if len(gaps) > 1 else 0.0
    return float(gaps.mean()) > max(3 * noise, 0.02 * abs(float(theirs.mean())))


def _still_falls(subject: Subject) -> bool:
    """Whether the last quarter of the run is clearly lower than the quarter before."""
    if "train/loss" not in subject.history:
        return False
    losses = subject.history["train/loss"].values[:, 0].astype(np.float64)
    if len(losses) < 8:
        return True
    quarter = len(losses) // 4
    last, before = float(losses[-quarter:].mean()), float(losses[-2 * quarter : -quarter].mean())
    return before - last > 0.02 * abs(before)


def _overfits(subject: Subject, linear: float) -> bool:
    """Whether on the batches of its training the network is as good as the linear model is on those of validation."""
    return (
        float(np.mean([subject.loss(batch, train=False, penalty=False) for batch in subject.setup.batches])) <= linear
    )
