"""The end of the user's own loss, with outputs of something else put in the place of the logits."""

from __future__ import annotations

from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.lint import Setup, Traced
from nnwidgets.lint._rewritten import Change, Result, Rewritten
from nnwidgets.lint._rows import rows_of
from nnwidgets.trace import Value


class Unplaced(ValueError):
    """The logits of this loss can't be replaced, or which of their axes is the examples' is not known."""


class Tail:
    """The loss as a function of outputs, each example's along the first axis, whatever form the loss is written in.

    Args:
        setup: with batches of the shapes that are used.
        traced: its program.

    Attributes:
        shape: of one example's outputs; the last axis is that of the classes, or of the numbers.

    Raises:
        Unplaced: there are several heads or none, or the examples' axis is not known.
    """

    def __init__(self, setup: Setup, traced: Traced) -> None:
        self._setup, self._traced = setup, traced
        if len(traced.head.all_logits) != 1:
            raise Unplaced(f"the loss is taken of {len(traced.head.all_logits)} last layers: one is wanted")
        self.logits: Value = traced.head.logits
        axis = rows_of(traced).of(self.logits)
        if axis is None or axis.outer != 1 or (axis.inner != 1 and axis.axis != 0):
            raise Unplaced("which axis of the logits is that of the examples is not known")
        self._axis, self.rows = axis.axis, rows_of(traced).count
        rest = [length for i, length in enumerate(self.logits.aval.shape) if i != axis.axis]
        self.shape: tuple[int, ...] = (*((axis.inner,) if axis.inner > 1 else ()), *rest) or (1,)

    def placing(self, outputs: Any) -> tuple[Value, Change]:
        """What `Rewritten` must change, so that the loss is that of these outputs; or a function that gives them."""

        def place(operands: Any, old: Any) -> Any:
            made = outputs() if callable(outputs) else outputs
            if self._axis == 0:
                return jnp.reshape(made, old.shape)
            rest = [length for i, length in enumerate(old.shape) if i != self._axis]
            return jnp.moveaxis(jnp.reshape(made, (self.rows, *rest)), 0, self._axis)

        return self.logits, place

    def loss(self, outputs: Any, params: Any, state: Any, batch: Any, rng: Any) -> jax.Array:
        """The loss of these outputs, without a declared penalty; `params` count only where the loss looks at them itself."""
        found: Result = Rewritten(self._traced, [self.placing(outputs)])(params, state, batch, rng)
        return found.loss

    def scale(self) -> tuple[Any, Any]:
        """Mean and spread of the targets, by which outputs start at their level: 0 and 1 where they are no real numbers."""
        if self._traced.head.loss in ("squared error", "absolute error"):
            for field in self._setup.fields:
                if field.is_target and field.shape and prod(field.shape) == self.rows * prod(self.shape):
                    values = np.asarray(field.values, np.float64).reshape(-1, *self.shape)
                    mean, deviation = values.mean(0), values.std(0)
                    if np.isfinite(mean).all():
                        return mean.astype(np.float32), np.where(deviation > 0, deviation, 1.0).astype(np.float32)
        return np.float32(0.0), np.float32(1.0)
