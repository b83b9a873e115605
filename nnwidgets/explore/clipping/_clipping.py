"""Clipping: how often it acts, what it does, where the bound should be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from nnwidgets.records import Cost, Exploration

from .._lab import Lab
from .._worst import Told, worst
from ._clip import Clip, find_clip
from ._clipping_ways import KEYS, Ways

Array = npt.NDArray[np.float64]
# The bound is far too low where gradients are so many times larger and hardly anything is learned.
_FAR, _NOTHING = 100.0, 0.2
# The largest norm over the median one, from which on gradients are wild.
_WILD = 10.0
_CAUTION = (
    "Norms and pictures are of one trajectory each, from here: early norms say little of late ones, so ask again later in the "
    "run. A bound that cuts nearly every step makes of SGD one with steps of fixed length; with Adam it changes little, since "
    "Adam divides by the size of the gradients itself."
)


@dataclass(frozen=True)
class Clipping:
    r"""How often are gradients clipped, what does that change, and where should the bound be?

    The run's own clipping is found from what its optimizer does to gradients of many sizes, and so is its place: before the
    moments, or behind Adam, where it cuts updates instead. The run goes on for some steps on a copy, as it is, without its
    clipping where that can be taken out, and with the gradient's norm bounded by the 90th percentile of the norms that
    were met. Where one of these ends much lower than another, both are trained under several keys, and only a difference
    that is certain is told. The 90th percentile is the bound to start with; where more than half of the steps are clipped,
    lower the learning rate instead (Google's Deep Learning Tuning Playbook, "How can optimization failures be debugged and
    mitigated?").

    By norm, :math:`g \min(1, c / \|g\|)` keeps the direction. By value, each coordinate is cut to :math:`[-v, v]`, which turns
    it: for each step that the bound :math:`c` shortens, the :math:`v` that shortens it as much is found, and the share of
    coordinates that it cuts and the cosine between the gradient before and after are told.

    Attributes:
        steps: of each way; rounded up to pieces of 25.
        bound: of the norm, to look at; the run's own if None, else the 90th percentile.
    """

    steps: int = 200
    bound: float | None = None

    name: ClassVar[str] = "clipping"

    def cost(self, lab: Lab) -> Cost:
        """Three ways of training, two of them one program; where two differ, these under several keys."""
        return lab.cost((3 + 2 * KEYS) * self.steps, programs=5)

    def run(self, lab: Lab) -> Exploration:
        """Train the ways and compare.

        Raises:
            ValueError: an option is no positive number.
        """
        if not self.steps >= 1 or (self.bound is not None and not 0 < self.bound < np.inf):
            raise ValueError(f"steps and bound must be positive numbers, got {self.steps!r} and {self.bound!r}.")
        ways = Ways(lab, find_clip(lab.setup), self.steps, self.bound)
        if not np.isfinite(ways.own.norms).any():
            words = "No gradient is finite from here on: session.nan_origin() tells the operation."
            return Exploration(self.name, words, "unknown")
        told = [*self._place(ways), *self._share(ways), *self._ends(ways)]
        verdict, answer = worst(told, ways.words)
        return Exploration(
            self.name, answer, verdict, ("training", "bound", "steps clipped", "loss at first", "loss at the end"),
            tuple(ways.rows()), ways.pictures(lab.history), ways.numbers(), _CAUTION,
        )  # fmt: skip

    def _place(self, ways: Ways) -> list[Told]:
        """What is clipped."""
        clip = ways.clip
        if clip is None or clip.place == "gradients":
            return []
        share = ways.share
        always = share is not None and share > 0.5
        words = (
            f"The clipping stands behind the moments: it cuts the updates to {_kind(clip)}, not the gradients. A wild gradient "
            "still fills the moments"
        )
        if share is not None:
            words += f", and {share:.0%} of the updates are cut" + (": the learning rate has no say" if always else "")
        words += ". Put it first: optax.chain(optax.clip_by_global_norm(bound), optimizer)."
        return [Told("wrong" if always else "suspicious", words)]

    def _share(self, ways: Ways) -> list[Told]:
        """How often it acts."""
        clip, share = ways.clip, ways.share
        if clip is None or clip.place != "gradients":
            return []
        if share is None:
            return [Told("ok", "Each tensor is clipped by itself, so that there is no one bound to tell.")]
        cut = f", {ways.coordinates:.1%} of the coordinates" if clip.kind == "value" else ""
        words = f"Gradients are clipped to {_kind(clip)}: that cuts {share:.0%} of the steps{cut}."
        # where the ways without it and with it were trained, these decide
        if share > 0.5 and ways.free is None:
            words += " More than half: lower the learning rate instead, or raise the bound."
            return [Told("suspicious", words)]
        return [Told("ok", words)]

    def _ends(self, ways: Ways) -> list[Told]:
        """What it changes."""
        if ways.clip is None:
            return self._unclipped(ways)
        if ways.free is None or ways.clip.place != "gradients":
            return []
        ours, free = ways.end(ways.own), ways.end(ways.free)
        both = f"The loss goes from {ways.start:.4g} to {ours:.4g} with it and to {free:.4g} without it"
        often = ways.share is not None and ways.share > 0.5
        if ways.is_held_back("own", "free"):
            nothing = ways.start - ours < _NOTHING * (ways.start - free)
            tight = ways.clip.kind != "norm" or float(np.median(ways.own.norms)) > _FAR * ways.clip.bound
            words = f"{both}: the bound is too low and holds the run back. Raise it to {ways.suggestion:.3g}, or leave it out."
            return [Told("wrong" if nothing and tight else "suspicious", words)]
        if ways.is_held_back("free", "own"):
            if often:
                words = (
                    f"{both}: only the clipping keeps it going, and cuts most steps. Lower the learning rate instead."
                )
                return [Told("suspicious", words)]
            return [Told("ok", f"{both}: it is needed.")]
        matters = f"over {KEYS} keys no difference that is certain" if ways.over_keys else "it hardly matters here"
        return [Told("ok", f"{both}: {matters}.")]

    def _unclipped(self, ways: Ways) -> list[Told]:
        ours, bounded = ways.end(ways.own), ways.end(ways.bounded) if ways.bounded is not None else float("nan")
        wild = ways.wild
        words = (
            f"Nothing is clipped. The largest gradient is {wild:.3g} times the median one; with the norm bounded by "
            f"{ways.suggestion:.3g} the loss goes from {ways.start:.4g} to {bounded:.4g}, as it is to {ours:.4g}."
        )
        broke = not np.isfinite(ours)
        if np.isfinite(bounded) and (broke or (wild > _WILD and ways.is_held_back("own", "bounded"))):
            return [
                Told(
                    "suspicious",
                    f"{words} Clip: optax.chain(optax.clip_by_global_norm({ways.suggestion:.2g}), optimizer).",
                )
            ]
        return [Told("ok", f"{words} It is not needed here.")]


def _kind(clip: Clip) -> str:
    return (
        f"a norm of {clip.bound:.3g}"
        if clip.kind == "norm"
        else f"[-{clip.bound:.3g}, {clip.bound:.3g}] in each coordinate"
    )
