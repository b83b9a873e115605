"""Complex arrays as pairs of real ones."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp


def as_real(array: Any) -> Any:
    """A complex array as its real and imaginary parts (2, ...); any other as it is.

    Euclidean norms, and derivatives with respect to the parts, are those of the complex array.

    Example:
        >>> as_real(jnp.array([1 + 2j, 3j])).tolist(), as_real(2.0)
        ([[1.0, 0.0], [2.0, 3.0]], 2.0)
    """
    return jnp.stack([jnp.real(array), jnp.imag(array)]) if jnp.iscomplexobj(array) else array


def as_given(parts: Any, like: Any) -> Any:
    """What `as_real` made these parts of.

    Args:
        parts: real (2, ...) where the array was complex, else the array itself.
        like: the array, or its shape and dtype.

    Example:
        >>> as_given(jnp.array([[1.0, 0.0], [2.0, 3.0]]), jnp.array([0j, 0j])).tolist()
        [(1+2j), 3j]
    """
    return jax.lax.complex(parts[0], parts[1]) if jnp.issubdtype(like.dtype, jnp.complexfloating) else parts
