"""An optimizer that remembers the norms of its last step."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from nnwidgets.probes import tensor_norms

from ._programs import scale


class InstrumentedState(NamedTuple):
    """The state of an instrumented optimizer.

    Attributes:
        inner: the state of the user's own optimizer.
        multiplier: float32 scalar by which every update is multiplied.
        norms: float32 (3, tensors): norms of the gradient, the update and the parameter before it, per tensor.
    """

    inner: Any
    multiplier: jax.Array
    norms: jax.Array


def instrument(tx: optax.GradientTransformation) -> optax.GradientTransformationExtraArgs:
    """The same optimizer, with three norms a tensor and a learning-rate multiplier in its state.

    The norms are computed inside the user's own compiled step, which thereby becomes another program: the compiler may
    contract its arithmetic in another way and the last bit of a parameter may then differ from the bare step's. Where
    bits must not change, use `nnw.Session`.

    Args:
        tx: any optax transformation.

    Returns:
        A transformation whose state is an `InstrumentedState`; its ``update`` needs ``params``.

    Example:
        >>> import jax.numpy as jnp
        >>> tx = instrument(optax.sgd(0.5))
        >>> params = {"w": jnp.ones(4)}
        >>> updates, opt_state = tx.update({"w": jnp.ones(4)}, tx.init(params), params)
        >>> opt_state.norms.tolist()
        [[2.0], [1.0], [2.0]]
    """
    inner = optax.with_extra_args_support(tx)

    def init(params: Any) -> InstrumentedState:
        count = len(jax.tree.leaves(params))
        return InstrumentedState(inner.init(params), jnp.float32(1.0), jnp.zeros((3, count), jnp.float32))

    def update(updates: Any, state: InstrumentedState, params: Any = None, **extra: Any) -> tuple[Any, InstrumentedState]:
        if params is None:
            raise ValueError(
                "the instrumented optimizer needs the parameters: got none. Type tx.update(grads, opt_state, params)."
            )
        scaled, inner_state = inner.update(updates, state.inner, params, **extra)
        scaled = scale(scaled, state.multiplier)
        return scaled, InstrumentedState(inner_state, state.multiplier, tensor_norms(updates, scaled, params))

    return optax.GradientTransformationExtraArgs(init, update)


def find_instrumented(opt_state: Any) -> InstrumentedState | None:
    """The instrumented state inside an optimizer's state, or None."""
    leaves = jax.tree.leaves(opt_state, is_leaf=lambda node: isinstance(node, InstrumentedState))
    return next((leaf for leaf in leaves if isinstance(leaf, InstrumentedState)), None)


def with_multiplier(opt_state: Any, multiplier: float) -> Any:
    """The optimizer's state with another learning-rate multiplier."""
    return jax.tree.map(
        lambda node: node._replace(multiplier=jnp.float32(multiplier)) if isinstance(node, InstrumentedState) else node,
        opt_state,
        is_leaf=lambda node: isinstance(node, InstrumentedState),
    )
