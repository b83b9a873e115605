"""What one step changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import numpy as np

from nnwidgets.records import Check
from nnwidgets.trace import as_real, layer_of

from ._subject import Subject
from ._told import told


@dataclass(frozen=True)
class OneStep:
    """One step, made aside: every parameter must move, the loss of that batch must change, and the gradient must flow.

    The gradient's norm of each layer, first to last, tells where it fades; the size of each change relative to the
    parameter tells what the optimizer makes of it. Source: Karpathy, "A Recipe for Training Neural Networks" (2019).
    """

    name: ClassVar[str] = "one step"
    heading: ClassVar[int] = 3

    def seconds(self, subject: Subject) -> float:
        """About how long it takes."""
        return 2.0

    def run(self, subject: Subject) -> Check:
        """The step, and what it changed."""
        bench, setup = subject.bench, subject.setup
        at, batch, rng = bench.now, setup.batch, np.uint32(bench.now.step)
        _, loss, grads, _ = bench.programs.gradient(at.params, at.state, batch, subject.key, rng)
        params, _, updates = bench.programs.update(at.params, at.opt_state, grads, np.float32(1.0), loss)
        before = subject.loss(batch, params=at.params, state=at.state)
        after = subject.loss(batch, params=params, state=at.state)
        moved = {path: _relative(new, old) for path, new, old in self._pairs(subject, params, at.params)}
        norms = _norms(setup.named(grads))
        still = [path for path, share in moved.items() if share == 0]
        expected = "every parameter and the loss move"
        measured = f"{len(moved) - len(still)} of {len(moved)} parameters moved, loss {before:.4g} to {after:.4g}"
        numbers: dict[str, Any] = {
            "layers": list(norms), "gradient norms": list(norms.values()), "moved": moved, "before": before, "after": after,
        }  # fmt: skip
        if not np.isfinite([after, *norms.values()]).all():
            return told(self, measured, expected, "wrong", "a step from here is not finite.", **numbers)
        if len(still) == len(moved):
            words = (
                "no parameter moved: the learning rate is zero here, the gradient is, or the step is smaller than the "
                "parameters' precision."
                if _any(updates) or not any(norms.values())
                else "the gradient is not zero, but the optimizer's updates are: look at the schedule and the masks."
            )
            return told(self, measured, expected, "wrong", words, **numbers)
        if still:
            names = ", ".join(still[:3]) + (", ..." if len(still) > 3 else "")
            without = [path for path in still if not np.any(np.asarray(setup.named(grads)[path]))]
            why = (
                "no gradient"
                if without
                else "the optimizer leaves out what has one, or the step is below its precision"
            )
            return told(self, measured, expected, "suspicious", f"{names} did not move: {why}.", **numbers)
        if after == before:
            return told(self, measured, expected, "wrong", "parameters moved, and the loss did not.", **numbers)
        low = min(norms, key=lambda layer: norms[layer])
        return told(
            self, measured, expected, "ok", f"the least gradient is that of {low}, {norms[low]:.2g}.", **numbers
        )

    def _pairs(self, subject: Subject, new: Any, old: Any) -> list[tuple[str, Any, Any]]:
        return list(zip(subject.setup.objective.paths, jax.tree.leaves(new), jax.tree.leaves(old), strict=True))


def _relative(new: Any, old: Any) -> float:
    new, old = (np.asarray(as_real(each), np.float64) for each in (new, old))
    # a parameter that was zero moved by all of what it is now
    return float(np.linalg.norm(new - old) / (np.linalg.norm(old) or np.linalg.norm(new) or 1.0))


def _norms(grads: dict[str, Any]) -> dict[str, float]:
    """The norm of each layer's gradient."""
    squares: dict[str, float] = {}
    for path, grad in grads.items():
        squares[layer_of(path)] = squares.get(layer_of(path), 0.0) + float(
            np.sum(np.asarray(as_real(grad), np.float64) ** 2)
        )
    return {layer: square**0.5 for layer, square in squares.items()}


def _any(tree: Any) -> bool:
    return any(bool(np.any(leaf)) for leaf in jax.tree.leaves(tree))
