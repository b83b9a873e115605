"""The weight decay in an optimizer, found from what it does to parameters when gradients are zero."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax

from nnwidgets.lint import Setup, accumulates, at_counts, find_nodes
from nnwidgets.lint._decay import _pull
from nnwidgets.lint._trials import norm

from ..clipping._clip import fresh_trials, kept_parts, moments_of

Array = npt.NDArray[np.float64]


class Decay(NamedTuple):
    """A weight decay.

    Attributes:
        place: "decoupled": parameters shrink in proportion; "inside": it is added to the gradients, before moments are taken.
        strengths: its lambda for each parameter, 0 where there is none; None where it can't be told.
        touched: indices of the parameters that it pulls at.
    """

    place: str
    strengths: Array | None
    touched: tuple[int, ...]


def decay_of(setup: Setup, learning_rate: float | None) -> Decay | None:
    """The decay of a run's optimizer; None where there is none, or it can't be called with gradients alone.

    Args:
        setup: of the run.
        learning_rate: of the coming step, as the optimizer has it; None where it is not known.
    """
    tried = fresh_trials(setup)
    if tried is None or not tried.period:
        return None
    pull = _pull(tried, 1.0)
    touched = tuple(i for i, leaf in enumerate(pull) if np.any(leaf))
    if not touched:
        return None
    moments = moments_of(tried, jax.tree.map(jnp.zeros_like, setup.params))
    held = kept_parts(tried, 0.0, setup.params)[moments[0].index] if moments else []
    if not any(map(np.any, held)):
        grows = norm(_pull(tried, 2.0)) > 1.8 * norm(pull)
        return (
            Decay("decoupled", _decoupled(setup, learning_rate), touched) if grows else Decay("inside", None, touched)
        )
    # what is kept of gradients that are zero is kept of the decay
    power, factor, weights = moments[0].power, abs(moments[0].factor), tried.sample(setup.params)
    found = [np.abs(kept / factor) ** (1 / power) for kept in held]
    lengths = [
        float(np.sum(np.abs(w) * f) / np.sum(w**2)) if np.any(w) else 0.0 for f, w in zip(found, weights, strict=True)
    ]
    return Decay("inside", np.array(lengths), touched)


def _decoupled(setup: Setup, learning_rate: float | None) -> Array | None:
    """From the update to zero gradients, with schedules where they are now."""
    if not learning_rate or find_nodes(setup.opt_state, accumulates):
        return None
    fresh = at_counts(setup.tx.init(setup.params), setup.opt_state)
    zeros = jax.tree.map(jnp.zeros_like, setup.params)
    ones = jax.tree.map(jnp.ones_like, setup.params)
    update = jax.jit(optax.with_extra_args_support(setup.tx).update)
    updates = update(zeros, fresh, ones, value=jnp.zeros(()))[0]
    return np.array(
        [-float(np.mean(np.asarray(leaf, np.float64))) / learning_rate for leaf in jax.tree.leaves(updates)]
    )


def undecayed(tx: optax.GradientTransformation) -> optax.GradientTransformationExtraArgs:
    """The same optimizer without its decay: it is told that all parameters are 0."""
    transformation = optax.with_extra_args_support(tx)

    def update(grads: Any, opt_state: Any, params: Any = None, **more: Any) -> Any:
        return transformation.update(grads, opt_state, jax.tree.map(jnp.zeros_like, params), **more)

    return optax.GradientTransformationExtraArgs(tx.init, update)


def with_l2(tx: optax.GradientTransformation, strengths: Array) -> optax.GradientTransformationExtraArgs:
    r"""An optimizer whose gradients are those of a loss with :math:`\frac{\lambda}{2} \|w\|^2` more."""
    transformation = optax.with_extra_args_support(tx)

    def update(grads: Any, opt_state: Any, params: Any = None, **more: Any) -> Any:
        return transformation.update(_plus(grads, params, strengths), opt_state, params, **more)

    return optax.GradientTransformationExtraArgs(tx.init, update)


def with_decay(tx: optax.GradientTransformation, shares: Array) -> optax.GradientTransformationExtraArgs:
    """An optimizer that takes a share of each parameter away in each step, beside its update."""
    transformation = optax.with_extra_args_support(tx)

    def update(grads: Any, opt_state: Any, params: Any = None, **more: Any) -> Any:
        updates, opt_state = transformation.update(grads, opt_state, params, **more)
        return _plus(updates, params, -shares), opt_state

    return optax.GradientTransformationExtraArgs(tx.init, update)


def _plus(tree: Any, params: Any, factors: Array) -> Any:
    leaves, form = jax.tree.flatten(tree)
    both = zip(leaves, jax.tree.leaves(params), factors.tolist(), strict=True)
    return jax.tree.unflatten(form, [leaf + jnp.asarray(factor, leaf.dtype) * w for leaf, w, factor in both])


def uses_parameters(setup: Setup, strengths: Array, place: str) -> bool:
    """Whether the optimizer looks at the parameters for more than its decay (trust ratios), so that it needs them."""
    tried = fresh_trials(setup)
    if tried is None:
        return True
    zeros: Any = jax.tree.map(jnp.zeros_like, setup.params)
    without = tried.once(tried.made, count=tried.peak, params=zeros)[2]
    if place == "inside":
        with_it = tried.once(_plus(tried.made, setup.params, -strengths), count=tried.peak)[2]
    else:
        moved = tried.once(tried.made, count=tried.peak)[2]
        with_it = [a - b for a, b in zip(moved, tried.decay, strict=True)]
    gap = norm([a - b for a, b in zip(with_it, without, strict=True)])
    return not gap <= 1e-2 * norm(without)
