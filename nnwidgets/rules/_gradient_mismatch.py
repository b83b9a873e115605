"""A loop of the user's own that trains with another gradient, or other parameters, than its loss has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding, History, UnknownReading

from ._course import Floats


@dataclass(frozen=True)
class GradientMismatch:
    """The gradient that reaches the optimizer is larger than the loss's own gradient on the same batch, at most steps.

    A `nnw.Monitor` computes the gradient of the objective once more, and compares its norm with the one that the
    optimizer was given. Usual causes: gradients of earlier steps are kept and added, a sum over devices where the mean
    is meant, a loss that is scaled and not scaled back. Smaller ones are not meant: a clip, or the mean over several
    batches, makes them so.

    Attributes:
        factor: how many times as large, from which on it speaks.
        rows: readings of both, at least.
    """

    factor: float = 1.5
    rows: int = 3

    def check(self, history: History) -> Finding | None:
        """The median ratio of both norms over the steps at which both were read.

        Raises:
            UnknownReading: no loop of the user's own is watched, or too few steps were read.
        """
        steps, given, own = _together(history, "gradient/norm", "objective/gradient")
        whole = np.linalg.norm(given, axis=1), np.linalg.norm(own, axis=1)
        known = np.isfinite(whole[0]) & np.isfinite(whole[1]) & (whole[1] > 0) & (whole[0] > 0)
        if known.sum() < self.rows:
            raise UnknownReading(f"both gradients were read at {int(known.sum())} steps: {self.rows} are needed.")
        ratios = whole[0][known] / whole[1][known]
        if float(np.median(ratios)) < self.factor or float(np.quantile(ratios, 0.2)) < 1.2:
            return None
        grows = float(np.median(ratios[-3:]) / np.median(ratios[:3]))
        return Finding(
            rule="GradientMismatch",
            severity="problem",
            where="",
            step=int(steps[known][-1]),
            evidence={"ratio of the norms": float(np.median(ratios)), "ratio at first": float(ratios[0])}
            | {"ratio at last": float(ratios[-1]), "readings": int(known.sum())},
            explanation=f"The optimizer is given a gradient {np.median(ratios):.3g} times as large as the loss's own"
            + (
                f", and the factor grew {grows:.3g} times: gradients of earlier steps are added."
                if grows > 1.5
                else "."
            ),
            remedy="Set the gradients anew in each step; average over devices (jax.lax.pmean) instead of summing; divide by "
            "the factor that the loss was multiplied with.",
        )


@dataclass(frozen=True)
class StaleParameters:
    """The loss that the step computes is not the loss at the parameters that it trains: it works on older ones.

    A `nnw.Monitor` computes the objective's loss once more at the parameters before the step. It is close to the
    loop's at first, and parts from it as the parameters move. Usual causes: a model captured by jax.jit in a closure,
    an nnx model that is split once and not again, a step function that ignores its argument.

    Attributes:
        apart: relative difference, from which on they do not agree.
        rows: readings of both, at least.
    """

    apart: float = 0.1
    rows: int = 3

    def check(self, history: History) -> Finding | None:
        """The loop's loss against the objective's, at first and in the last half.

        Raises:
            UnknownReading: no loop of the user's own is watched, or too few steps were read.
        """
        steps, told, own = _together(history, "train/loss", "objective/loss")
        known = np.isfinite(told[:, 0]) & np.isfinite(own[:, 0])
        if known.sum() < self.rows:
            raise UnknownReading(f"both losses were read at {int(known.sum())} steps: {self.rows} are needed.")
        steps, told, own = steps[known], told[known, 0], own[known, 0]
        difference = np.abs(told - own) / np.maximum(np.maximum(np.abs(told), np.abs(own)), 1e-6)
        late = difference[len(difference) // 2 :]
        # without the step's key a dropout makes them differ, but not more and more, and not always in one direction
        apart = float(np.quantile(late, 0.25)) > max(self.apart, 2 * float(difference[0]))
        if not apart or len(set(np.sign(told - own)[len(told) // 2 :])) > 1:
            return None
        return Finding(
            rule="StaleParameters",
            severity="problem",
            where="",
            step=int(steps[-1]),
            evidence={"loss of the loop": float(told[-1]), "loss at its parameters": float(own[-1])}
            | {"first difference": float(difference[0]), "median difference": float(np.median(late))},
            explanation=f"The step's loss is {told[-1]:.4g}, but at the parameters that it trains the loss is {own[-1]:.4g}; "
            "at first both were close: loss and gradients are those of older parameters.",
            remedy="Hand the parameters to the compiled step as an argument; what jax.jit captures stays as it was.",
        )


def _together(history: History, one: str, other: str) -> tuple[Floats, Floats, Floats]:
    """Two readings at the steps at which both were made."""
    if one not in history or other not in history:
        raise UnknownReading(f"{one!r} and {other!r} are needed.")
    first, second = history[one], history[other]
    steps, mine, theirs = np.intersect1d(first.steps, second.steps, return_indices=True)
    return steps.astype(np.float64), first.values[mine].astype(np.float64), second.values[theirs].astype(np.float64)
