"""Gradients that do not reach a part of the network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding, History

from ._course import tensors_of
from ._ratios import began_at_zero


@dataclass(frozen=True)
class VanishingGradient:
    """For a part of the network the gradient is many orders smaller, in sizes of the tensor, than for another, and it stays.

    A small gradient alone is none: an optimizer such as Adam makes steps of the usual size of it, and a bias before a
    normalization has none. So it counts where several tensors have one, and where all of their updates together are
    less than a thousandth of the tensor. It is red where a third of the tensors are left behind. Usual causes: many layers of
    sigmoid or tanh, weights that are too small at first, a softmax or a clip in the middle, no shortcut past many layers.
    See Glorot and Bengio 2010.
    """

    orders: float = 1e-5
    moved: float = 1e-3
    tensors: int = 2
    share: float = 1 / 3
    rows: int = 5

    def check(self, history: History) -> Finding | None:
        """Tensors whose gradient over parameter is below `orders` of the largest, and that stay."""
        gradient = tensors_of(history, "gradient/norm", self.rows)
        size = tensors_of(history, "parameter/norm", self.rows).median()
        ratio = tensors_of(history, "update/ratio", self.rows)
        if gradient.layers != ratio.layers or len(size) != len(gradient.layers):
            return None
        middle = gradient.median()
        # of what began at 0, as biases do, the size tells only how many steps there were
        sized = (size > 0) & ~began_at_zero(history, gradient.layers)
        relative = np.divide(middle, size, out=np.full(len(size), np.nan), where=sized)
        known = np.isfinite(relative)
        if not known.any():
            return None
        largest = int(np.nanargmax(relative))
        way = ratio.median() * float(ratio.steps[-1] - ratio.steps[0] + 1)
        # exactly 0 is ZeroGradient's
        left = known & (relative > 0) & (relative < self.orders * relative[largest]) & (way < self.moved)
        if left.sum() < self.tensors:
            return None
        worst = int(np.nanargmin(np.where(left, relative, np.inf)))
        return Finding(
            rule="VanishingGradient",
            severity="problem" if left.sum() >= self.share * known.sum() else "warning",
            where=gradient.layers[worst],
            step=int(gradient.steps[-1]),
            evidence={f"gradient over parameter {gradient.layers[i]}": float(relative[i]) for i in (worst, largest)}
            | {f"way of {gradient.layers[worst]}, in its own size": float(way[worst])}
            | {"tensors left behind": f"{int(left.sum())} of {int(known.sum())}"},
            explanation=f"The gradient of {gradient.layers[worst]} and {int(left.sum()) - 1} more is "
            f"{relative[worst] / relative[largest]:.0g} times that of {gradient.layers[largest]}: they stay as they are.",
            remedy="Use ReLU or GELU, he_normal or lecun_normal weights, a normalization, or shortcuts.",
            change=("initialization", "lecun_normal"),
        )
