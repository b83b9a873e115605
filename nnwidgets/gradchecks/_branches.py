"""Which branch a piecewise operation took: two points with equal fingerprints lie on one smooth piece of the loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from nnwidgets.trace import bind


def fingerprint(eqn: Any, address: Any, values: list[Any], outputs: list[Any]) -> dict[Any, jax.Array]:
    """A number (uint32) that changes when the operation takes another branch; none for smooth operations.

    To be used as the `note` of a `Replay`. Two fingerprints of different branches are equal by chance once in 2**32.
    """
    taken = _TAKEN.get(eqn.primitive.name)
    if taken is None or not _is_float(values[0]):
        return {}
    return {address: _hashed(taken(eqn, values, outputs))}


def total(notes: dict[Any, jax.Array]) -> jax.Array:
    """All fingerprints in one."""
    return sum((jnp.sum(each, dtype=jnp.uint32) for each in notes.values()), start=jnp.uint32(0))


def _hashed(branches: jax.Array) -> jax.Array:
    flat = jnp.ravel(branches).astype(jnp.uint32)
    place = jnp.arange(flat.size, dtype=jnp.uint32) * jnp.uint32(2654435761) + jnp.uint32(40503)
    return jnp.sum((flat + jnp.uint32(1)) * (place ^ (place >> 15)), dtype=jnp.uint32)


def _is_float(value: Any) -> bool:
    return hasattr(value, "dtype") and jnp.issubdtype(value.dtype, jnp.floating)


def _sorted(eqn: Any, values: list[Any], outputs: list[Any]) -> jax.Array:
    return jnp.argsort(values[0], axis=eqn.params.get("dimension", -1))


def _winners(eqn: Any, values: list[Any], outputs: list[Any]) -> jax.Array:
    """For each element of a pooled array, the sum of the numbers of the windows that it won."""
    _, pull_back = jax.vjp(lambda operand: bind(eqn, [operand])[0], values[0])
    (won,) = pull_back(jnp.arange(1, outputs[0].size + 1, dtype=outputs[0].dtype).reshape(outputs[0].shape))
    return won.astype(jnp.int64).astype(jnp.uint32)


def _extreme(eqn: Any, values: list[Any], outputs: list[Any]) -> jax.Array:
    return values[0] == jnp.expand_dims(outputs[0], eqn.params["axes"])


def _clamped(eqn: Any, values: list[Any], outputs: list[Any]) -> jax.Array:
    low, operand, high = values
    return (operand <= low).astype(jnp.uint32) + 2 * (operand >= high).astype(jnp.uint32)


def _result(eqn: Any, values: list[Any], outputs: list[Any]) -> jax.Array:
    result = outputs[0]
    return result.astype(jnp.int64).astype(jnp.uint32) if _is_float(result) else result


def _cast(eqn: Any, values: list[Any], outputs: list[Any]) -> jax.Array:
    return jnp.zeros((), jnp.uint32) if jnp.issubdtype(outputs[0].dtype, jnp.inexact) else outputs[0]


_TAKEN: dict[str, Callable[[Any, list[Any], list[Any]], jax.Array]] = {
    "max": lambda eqn, values, outputs: values[0] >= values[1],
    "min": lambda eqn, values, outputs: values[0] >= values[1],
    "abs": lambda eqn, values, outputs: values[0] >= 0,
    "sign": _result,
    "clamp": _clamped,
    **dict.fromkeys(("lt", "le", "gt", "ge", "eq", "ne"), lambda eqn, values, outputs: outputs[0]),
    **dict.fromkeys(("floor", "ceil", "round", "argmax", "argmin"), _result),
    "convert_element_type": _cast,
    **dict.fromkeys(("reduce_max", "reduce_min"), _extreme),
    **dict.fromkeys(("reduce_window_max", "reduce_window_min"), _winners),
    **dict.fromkeys(("cummax", "cummin"), lambda eqn, values, outputs: values[0] == outputs[0]),
    "sort": _sorted,
    "top_k": lambda eqn, values, outputs: outputs[1],
    "rem": lambda eqn, values, outputs: jnp.floor(values[0] / values[1]).astype(jnp.int32),
}
