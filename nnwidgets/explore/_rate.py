"""The learning rate of an optimizer that is opaque, from what it does."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nnwidgets.lint import accumulates, at_counts, find_nodes, has_fields
from nnwidgets.lint._trials import LONGEST_PERIOD

_CLOSE = 0.02


def learning_rate_of(tx: optax.GradientTransformation, params: Any, opt_state: Any) -> float | None:
    r"""The learning rate of the coming step; None where it can't be told.

    ``optax.inject_hyperparams`` states it. Else the optimizer is given gradients that are equal everywhere, from a fresh state
    at parameters 0 (where nothing decays), its schedule where the run's is. The first update is :math:`\eta g` after SGD and
    momentum, :math:`(1 + \beta) \eta g` after Nesterov's, with :math:`\beta` from how the updates fade when no gradients
    follow; :math:`\eta` after Adam, Lion and, for large :math:`g`, Adagrad; :math:`\eta / \sqrt{1 - d}` after RMSProp, with
    :math:`d` from the second update.

    Args:
        tx: the optimizer.
        params: the parameters; only their shapes count.
        opt_state: its state now.

    Example:
        >>> params = {"w": jnp.ones((3, 2))}
        >>> tx = optax.adam(optax.linear_schedule(0.1, 0.0, 10))
        >>> round(learning_rate_of(tx, params, tx.init(params)), 4)
        0.1
    """
    stated = [node.hyperparams["learning_rate"] for node in find_nodes(opt_state, _is_injected)]
    if stated:
        return float(np.asarray(stated[0]))
    try:
        found = _shown(tx, params, opt_state)
    except (TypeError, KeyError, AttributeError):
        # such as a line search, which needs the loss as a function
        return None
    return found if found is not None and np.isfinite(found) else None


def _shown(tx: optax.GradientTransformation, params: Any, opt_state: Any) -> float | None:
    # under any bound on the norm of the gradients that is in use
    small = 1e-3 / max(1.0, float(np.sqrt(sum(np.size(leaf) for leaf in jax.tree.leaves(params)))))

    def sizes(*given: float) -> list[float]:
        return _sizes(tx, params, opt_state, given)

    if find_nodes(opt_state, has_fields("v_row")):
        # Adafactor multiplies by the size of the parameters
        return None
    if find_nodes(opt_state, has_fields("sum_of_squares")):
        return sizes(1e4)[0]
    if find_nodes(opt_state, has_fields("nu")):
        return _normalised(*sizes(1.0, 1.0))
    (gentle,), (plain,) = sizes(small), sizes(1.0)
    if gentle and abs(plain / gentle - 1) < _CLOSE:
        return plain
    first, second, third = sizes(small, 0.0, 0.0)
    return _with_momentum(first / small, second / small, third / small)


def _normalised(first: float, second: float) -> float | None:
    """From two updates to equal gradients: the same after Adam, falling after RMSProp."""
    if first == 0:
        return 0.0
    ratio = first / second if second > 0 else np.inf
    if abs(ratio - 1) < 0.05:
        return first
    decay = ratio**2 - 1
    return first * float(np.sqrt(1 - decay)) if 0.4 < decay < 1 else None


def _with_momentum(first: float, second: float, third: float) -> float:
    """From an update and what is left of it without further gradients: beta of it, or after Nesterov's beta^2 / (1 + beta)."""
    momentum = third / second if second > 0 else 0.0
    nesterov = momentum > 0 and abs(second / first / (momentum**2 / (1 + momentum)) - 1) < _CLOSE
    return first / (1 + momentum) if nesterov else first


def _sizes(tx: optax.GradientTransformation, params: Any, opt_state: Any, given: Sequence[float]) -> list[float]:
    """The largest mean size of a leaf's update to each of these gradients, one after another."""
    step, zeros = _step(tx), jax.tree.map(jnp.zeros_like, params)
    state, found = tx.init(zeros), list[float]()
    calls = LONGEST_PERIOD if find_nodes(state, accumulates) else 1
    for size in given:
        for _ in range(calls):
            made, state = step(zeros, at_counts(state, opt_state), size)
            if float(made):
                break
        found.append(float(made))
    return found


@lru_cache(maxsize=32)
def _step(tx: optax.GradientTransformation) -> Any:
    transformation = optax.with_extra_args_support(tx)

    @jax.jit
    def step(zeros: Any, opt_state: Any, size: Any) -> Any:
        grads = jax.tree.map(lambda leaf: leaf + jnp.asarray(size, leaf.dtype), zeros)
        updates, opt_state = transformation.update(grads, opt_state, zeros, value=jnp.zeros(()))
        # what is frozen does not move: the largest tells
        leaves = [jnp.mean(jnp.abs(leaf).astype(jnp.float32)) for leaf in jax.tree.leaves(updates)]
        return jnp.max(jnp.stack(leaves)), opt_state

    return step


def _is_injected(node: Any) -> bool:
    return "learning_rate" in (getattr(node, "hyperparams", None) or {})
