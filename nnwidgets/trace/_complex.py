"""Complex arrays as pairs of real ones, and their gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

if TYPE_CHECKING:
    import optax


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
    return jax.lax.complex(parts[0], parts[1]) if jnp.iscomplexobj(like) else parts


def conjugated(tx: optax.GradientTransformation) -> optax.GradientTransformation:
    """An optimizer that goes down the slope of complex parameters, too; with real ones nothing changes.

    ``jax.grad`` gives dL/dx - i dL/dy for x + iy, and the loss rises most along the conjugate of that.

    Example:
        >>> import optax
        >>> z = jnp.array(3 + 4j)
        >>> tx = conjugated(optax.sgd(0.5))
        >>> updates, _ = tx.update(jax.grad(lambda z: jnp.abs(z) ** 2)(z), tx.init(z), z)
        >>> (z + updates).item()
        0j
    """
    # tracing alone does without it
    import optax

    return optax.chain(optax.stateless(lambda grads, params: jax.tree.map(jnp.conj, grads)), tx)
