"""The first loss, what a constant output would give, and what the optimizer's first step does to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ._once import once
from ._trials import trials

if TYPE_CHECKING:
    from ._setup import Setup


@dataclass(frozen=True)
class FirstStep:
    """Losses of the first batch, in training.

    Attributes:
        loss: before the first step.
        chance: of the best constant output that was found: zero, or the mean of the targets; nan where there is no such layer.
        after: after one step of the optimizer at its full learning rate.
        mean: of the targets, for regression; nan elsewhere.
        is_squared: whether the loss is a squared error.
    """

    loss: float
    chance: float
    after: float
    mean: float
    is_squared: bool

    @property
    def excess(self) -> float:
        """The first loss over the chance's; 0 where that isn't known, infinite where the loss is not finite."""
        if not np.isfinite(self.loss):
            return float("inf")
        return self.loss / self.chance if self.chance > 0 else 0.0

    @property
    def steps_needed(self) -> float:
        """Steps like the first one that would bring the loss down to chance: infinite where that one does not lower it."""
        # a squared error falls with the square of the distance, of which each step takes an equal part
        power = 0.5 if self.is_squared else 1.0
        above, then = (max(level - self.chance, 0.0) ** power for level in (self.loss, self.after))
        return above / (above - then) if above > then else float("inf")


@once
def first_step(setup: Setup) -> FirstStep:
    """Measured with the key, state and batch of the first step."""
    loss = setup.first[0]
    levels = [_loss(setup, params) for params in _constants(setup)]
    finite = [level for level in levels if np.isfinite(level)]
    tried = trials(setup)
    after = float("nan")
    if tried is not None:
        after = _loss(setup, optax.apply_updates(setup.params, tried.first_updates))
    targets = _means(setup)
    mean = float(np.mean(targets)) if targets is not None else float("nan")
    return FirstStep(
        loss,
        min(finite, default=float("nan")),
        after if np.isfinite(after) else float("inf"),
        mean,
        setup.train.head.loss == "squared error",
    )


def _loss(setup: Setup, params: Any) -> float:
    return float(setup.loss(params, setup.state, setup.batch, jax.random.fold_in(setup.key, 0), True)[0])


def _constants(setup: Setup) -> list[Any]:
    """The parameters with the last layers' weights at 0: once with the bias at 0, once at the mean of the targets."""
    layers = setup.train.head.layers
    mine = [any(path == layer or path.startswith(f"{layer}/") for layer in layers) for path in setup.objective.paths]
    leaves, form = jax.tree.flatten(setup.params)
    if not any(mine):
        return []
    zero = [jnp.zeros_like(leaf) if own else leaf for leaf, own in zip(leaves, mine, strict=True)]
    means = _means(setup)
    result = [jax.tree.unflatten(form, zero)]
    biases = [i for i, own in enumerate(mine) if own and leaves[i].ndim <= 1]
    fitting = [i for i in biases if means is not None and leaves[i].size == means.size]
    if len(fitting) == 1 and means is not None:
        bias = leaves[fitting[0]]
        zero[fitting[0]] = jnp.asarray(means.reshape(bias.shape), bias.dtype)
        result.append(jax.tree.unflatten(form, zero))
    return result


def _means(setup: Setup) -> np.ndarray | None:
    """The mean target of each output, for regression."""
    if setup.train.head.loss not in ("squared error", "absolute error"):
        return None
    field = next((field for field in setup.fields if field.is_target), None)
    if field is None or field.dtype.kind not in "fiuV" or not field.shape:
        return None
    values = field.values.astype(np.float64).reshape(len(field.values), -1)
    middle = np.mean if setup.train.head.loss == "squared error" else np.median
    return middle(values, axis=0)
