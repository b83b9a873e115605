"""The curvature of a loss, by products of its Hessian with vectors; the matrix itself is never made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .._convolutions import quick_in_loops

Product = Callable[[Any], Any]
# Below this share of the largest eigenvalue, float32 leaves nothing of a new direction.
_NOTHING = 1e-5


def hessian_vector_product(loss: Callable[[Any], jax.Array], params: Any) -> Product:
    r"""The function :math:`v \mapsto H v`, :math:`H = \nabla^2 L(\theta)`: the gradient's derivative along v.

    Forward over reverse (Pearlmutter, "Fast exact multiplication by the Hessian", 1994): it takes about as long as two
    gradients.

    Args:
        loss: of the parameters, a scalar.
        params: where it is curved.

    Example:
        >>> hessian_vector_product(lambda x: jnp.sum(x**3), jnp.array([1.0, 2.0]))(jnp.ones(2)).tolist()
        [6.0, 12.0]
    """
    return lambda vector: jax.jvp(jax.grad(loss), (params,), (vector,))[1]


class Spectrum(NamedTuple):
    r"""The end of a spectrum that Lanczos' method has found.

    Attributes:
        values: the largest eigenvalues, descending (count,); NaN for those beyond the size of the matrix.
        residuals: :math:`\|A x - \lambda x\|` of each, for a unit x (count,): some eigenvalue lies that near.
        lowest: the least eigenvalue, from the same vectors and so less exact.
        vector: a unit eigenvector of the largest, like the parameters.
        products: how many were made.
    """

    values: jax.Array
    residuals: jax.Array
    lowest: jax.Array
    vector: Any
    products: jax.Array


class _Krylov(NamedTuple):
    made: jax.Array
    basis: jax.Array
    diagonal: jax.Array
    beside: jax.Array
    values: jax.Array
    vectors: jax.Array
    key: jax.Array


def top_eigenvalues(
    product: Product, like: Any, key: jax.Array, *, count: int = 3, iterations: int = 20, scale: Any = None
) -> tuple[jax.Array, jax.Array]:
    """The largest eigenvalues of a symmetric matrix with their residuals; see `spectrum`.

    Returns:
        both of shape (count,), float32, the eigenvalues descending.

    Example:
        >>> values, _ = top_eigenvalues(lambda v: v * jnp.array([1.0, 5.0, 2.0]), jnp.zeros(3), jax.random.key(0), count=2)
        >>> [round(float(value), 4) for value in values]
        [5.0, 2.0]
    """
    found = spectrum(product, like, key, count=count, iterations=iterations, scale=scale)
    return found.values, found.residuals


def spectrum(
    product: Product,
    like: Any,
    key: jax.Array,
    *,
    count: int = 1,
    iterations: int = 20,
    scale: Any = None,
    tolerance: float = 3e-3,
) -> Spectrum:
    r"""The largest eigenvalues by Lanczos' method with full reorthogonalisation; pure, in one loop of a compiled program.

    It ends when all `count` residuals are below `tolerance` of the largest eigenvalue. The error of an eigenvalue is at most
    its residual r, and about :math:`r^2 / g` where the next one is g away. Arithmetic is in float32, whatever the
    parameters'. Of eigenvalues that are exactly equal only one may be seen.

    Args:
        product: v to A v, A symmetric; of a tree like `like`.
        like: the parameters; only their form counts.
        key: of the first vector.
        count: how many eigenvalues.
        iterations: products at most.
        scale: s for the matrix S A S with S = diag(s), a tree like `like`; for a preconditioner D, :math:`s = D^{-1/2}`.
        tolerance: of the residuals.
    """
    flat, tree = _flat(like), _unflattener(like)
    factor = None if scale is None else _flat(scale)
    most = max(1, min(iterations, flat.size))
    product = quick_in_loops(product)

    def apply(vector: jax.Array) -> jax.Array:
        scaled = vector if factor is None else factor * vector
        made = _flat(product(tree(scaled)))
        return made if factor is None else factor * made

    def go_on(found: _Krylov) -> jax.Array:
        values, residuals = _ends(found, count)
        small = jnp.all(jnp.where(jnp.isnan(values), True, residuals <= tolerance * jnp.max(jnp.abs(values))))
        enough = (found.made >= min(count + 1, most)) & small
        broken = (found.made > 0) & ~jnp.isfinite(found.values).all()
        return (found.made < most) & ~broken & ~enough

    start, key = jax.random.normal(key, flat.shape, jnp.float32), jax.random.fold_in(key, 1)
    empty, square = jnp.zeros(most), jnp.zeros((most, most))
    basis = jnp.zeros((most + 1, flat.size)).at[0].set(start / jnp.linalg.norm(start))
    begun = _Krylov(jnp.int32(0), basis, empty, empty, empty, square, key)
    found = jax.lax.while_loop(go_on, lambda each: _one_more(each, apply), begun)
    values, residuals = _ends(found, count)
    last = found.vectors[:, -1]
    vector = jnp.dot(last, found.basis[:-1], precision="highest")
    lowest = found.values[most - found.made]
    return Spectrum(values, residuals, lowest, tree(vector / jnp.linalg.norm(vector)), found.made)


def _one_more(found: _Krylov, apply: Callable[[jax.Array], jax.Array]) -> _Krylov:
    """The basis with one more vector, and the eigenvalues of the matrix on it."""
    made, basis = found.made, found.basis
    latest = basis[made]
    vector = apply(latest)
    diagonal = found.diagonal.at[made].set(jnp.dot(latest, vector, precision="highest"))
    vector = _orthogonal(vector, basis)
    length = jnp.linalg.norm(vector)
    size = jnp.max(jnp.abs(diagonal)) + 2 * jnp.max(found.beside)
    key, draw = jax.random.split(found.key)

    def fresh() -> jax.Array:
        # the directions so far hold all that the first vector led to: go on with another one
        return _orthogonal(jax.random.normal(draw, vector.shape, jnp.float32), basis)

    nothing = length <= _NOTHING * size
    vector = jax.lax.cond(nothing, fresh, lambda: vector)
    beside = found.beside.at[made].set(jnp.where(nothing, 0.0, length))
    basis = basis.at[made + 1].set(vector / jnp.maximum(jnp.linalg.norm(vector), jnp.finfo(jnp.float32).tiny))
    values, vectors = jnp.linalg.eigh(_tridiagonal(diagonal, beside, made + 1))
    return _Krylov(made + 1, basis, diagonal, beside, values, vectors, key)


def _tridiagonal(diagonal: jax.Array, beside: jax.Array, used: jax.Array) -> jax.Array:
    """The matrix on the basis; what is not used yet lies below all its eigenvalues."""
    places = jnp.arange(len(diagonal))
    low = -4 * (jnp.max(jnp.abs(diagonal)) + 2 * jnp.max(beside)) - jnp.finfo(jnp.float32).tiny
    joined = jnp.where(places < used - 1, beside, 0.0)[:-1]
    return jnp.diag(jnp.where(places < used, diagonal, low)) + jnp.diag(joined, 1) + jnp.diag(joined, -1)


def _orthogonal(vector: jax.Array, basis: jax.Array) -> jax.Array:
    # twice is enough (Parlett, "The Symmetric Eigenvalue Problem", 1980, section 6.9)
    for _ in range(2):
        vector = vector - jnp.dot(jnp.dot(basis, vector, precision="highest"), basis, precision="highest")
    return vector


def _ends(found: _Krylov, count: int) -> tuple[jax.Array, jax.Array]:
    """The largest eigenvalues with their residuals; NaN where there are fewer."""
    latest = jnp.maximum(found.made - 1, 0)
    residuals = jnp.abs(found.beside[latest] * found.vectors[latest])
    known = jnp.arange(count) < found.made
    taken = [jnp.pad(each[::-1][:count], (0, max(0, count - len(each)))) for each in (found.values, residuals)]
    values, residuals = (jnp.where(known, each, jnp.nan) for each in taken)
    return values, residuals


def trace_samples(product: Product, like: Any, key: jax.Array, samples: int) -> jax.Array:
    r"""Independent unbiased estimates of the trace, :math:`z^T A z` for random signs z (Hutchinson, 1990); pure.

    Returns:
        (samples,) float32; their mean estimates the trace, their spread its error:
        :math:`\operatorname{var} = 2 (\|A\|_F^2 - \sum_i A_{ii}^2)` each.
    """
    flat, tree = _flat(like), _unflattener(like)
    product = quick_in_loops(product)

    def one(key: jax.Array) -> jax.Array:
        signs = jax.random.rademacher(key, flat.shape, jnp.float32)
        return jnp.dot(signs, _flat(product(tree(signs))), precision="highest")

    return jax.lax.map(one, jax.random.split(key, samples))


def _flat(tree: Any) -> jax.Array:
    return jnp.concatenate([jnp.ravel(leaf).astype(jnp.float32) for leaf in jax.tree.leaves(tree)])


def _unflattener(like: Any) -> Callable[[jax.Array], Any]:
    leaves, form = jax.tree.flatten(like)
    shapes = [(jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves]

    def tree(flat: jax.Array) -> Any:
        parts, start = [], 0
        for shape, dtype in shapes:
            size = 1
            for length in shape:
                size *= length
            parts.append(flat[start : start + size].reshape(shape).astype(dtype))
            start += size
        return jax.tree.unflatten(form, parts)

    return tree
