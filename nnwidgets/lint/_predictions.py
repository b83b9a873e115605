"""What the network says in evaluation, as numbers, for batches and parameters that a rule makes up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.trace import Value, as_given, as_real, values_at

from ._once import once
from ._setup import Array, Setup, Traced


def outputs_of(traced: Traced) -> list[Value]:
    """The outputs as the loss gives them in ``aux``; where it does not, what its last layers give."""
    given = [value for path, value in traced.aux if path[0] == "outputs" and _is_float(value.aval.dtype)]
    return given or list(traced.head.all_logits)


def predict(setup: Setup, batch: Any = None, params: Any = None) -> list[Array]:
    """The outputs in evaluation, in the order of `outputs_of`.

    Args:
        setup: the set-up.
        batch: the first if None.
        params: as they stand if None.
    """
    batch = setup.batch if batch is None else batch
    params = setup.params if params is None else params
    key = jax.random.fold_in(setup.key, 0)
    if any(path[0] == "outputs" for path, _ in setup.evaluation.aux):
        _, (_, aux) = setup.loss(params, setup.state, batch, key, False)
        leaves = [leaf for leaf in jax.tree.leaves(aux["outputs"]) if _is_float(leaf.dtype)]
    else:
        inputs = jax.tree.leaves([params, setup.state, batch, key])
        leaves = _last_layers(setup.evaluation)([jnp.asarray(leaf) for leaf in inputs])
    return [np.asarray(np.real(leaf), np.float32) for leaf in leaves]


def shaken(setup: Setup) -> Any:
    """The parameters, each moved at random by half of its own spread: what is zero at the start hides nothing then."""
    rng = np.random.default_rng(0)

    def shake(leaf: Any) -> Any:
        values = np.asarray(as_real(leaf), np.float32)
        noise = rng.standard_normal(values.shape, np.float32)
        return jnp.asarray(as_given(values + max(0.5 * float(values.std()), 0.05) * noise, leaf), leaf.dtype)

    return jax.tree.map(shake, setup.params)


def changed(one: Array, other: Array) -> Array:
    """Where two outputs differ by more than arithmetic does."""
    finite = np.isfinite(one) & np.isfinite(other)
    scale = float(np.abs(one[finite]).max()) if finite.any() else 0.0
    return finite & (np.abs(np.where(finite, one - other, 0.0)) > 1e-5 * scale)


@once
def _last_layers(traced: Traced) -> Callable[[list[Any]], Any]:
    places = [value.place for value in outputs_of(traced) if value.place is not None]

    def run(leaves: list[Any]) -> Any:
        found = values_at(traced.closed, leaves, set(places))
        return [found[place] for place in places]

    return jax.jit(run)


def _is_float(dtype: Any) -> bool:
    return jnp.issubdtype(dtype, jnp.floating)
