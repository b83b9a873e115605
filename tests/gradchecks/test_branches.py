"""A fingerprint changes when an operation takes another branch, and only then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnwidgets.gradchecks._branches import fingerprint, total
from nnwidgets.trace import Replay

IMAGE = np.arange(16.0).reshape(4, 4)[:, ::-1].copy()


def fingerprints(function: Callable[..., Any], *points: Any) -> list[int]:
    """Of a function at some points, as one compiled program gives them."""
    with jax.enable_x64(True):
        points = tuple(jnp.asarray(each, jnp.float64) for each in points)
        closed = jax.make_jaxpr(function)(points[0])
        run = jax.jit(lambda x: total(Replay(note=fingerprint)(closed, [x])[1]))
        return [int(run(each)) for each in points]


def in_scan(x: Any) -> Any:
    return jax.lax.scan(lambda carry, each: (carry + jnp.abs(each), None), 0.0, x)[0]


def max_pool(x: Any) -> Any:
    return jax.lax.reduce_window(x.reshape(4, 4), -jnp.inf, jax.lax.max, (2, 2), (1, 1), "VALID").sum()


def by_index(x: Any) -> Any:
    return jax.lax.switch(jnp.argmax(x), [jnp.sum, jnp.prod, jnp.max], x)


# function, a point, another on the same smooth piece, one on another piece
CASES = {
    "relu": (jax.nn.relu, [1.0, -1.0], [2.0, -3.0], [1.0, 1e-9]),
    "abs": (jnp.abs, [1.0, -1.0], [9.0, -9.0], [1.0, 1.0]),
    "sign": (jnp.sign, [1.0, -1.0], [9.0, -9.0], [-1.0, -1.0]),
    "maximum": (lambda x: jnp.maximum(x[0], x[1]), [1.0, 2.0], [1.5, 1.6], [2.0, 1.0]),
    "minimum": (lambda x: jnp.minimum(x[0], x[1]), [1.0, 2.0], [1.5, 1.6], [2.0, 1.0]),
    "clip, below": (lambda x: jnp.clip(x, 0, 1), [0.5, 2.0], [0.1, 3.0], [-0.1, 2.0]),
    "clip, above": (lambda x: jax.lax.clamp(0.0, x, 1.0), [0.5, 2.0], [0.9, 3.0], [1.1, 2.0]),
    "where": (lambda x: jnp.where(x > 0.5, x, x**2), [1.0, 0.0], [0.6, 0.4], [0.4, 0.4]),
    "max": (jnp.max, [1.0, 3.0, 2.0], [2.9, 3.0, 2.0], [1.0, 2.0, 3.0]),
    "min along an axis": (lambda x: x.reshape(2, 2).min(1), [1.0, 2, 4, 3], [0.0, 2, 4, 3], [3.0, 2, 4, 3]),
    "argmax": (lambda x: x[jnp.argmax(x)], [1.0, 3.0, 2.0], [2.9, 3.0, 2.0], [1.0, 2.0, 3.0]),
    "argmin": (lambda x: x[jnp.argmin(x)], [1.0, 3.0, 2.0], [1.9, 3.0, 2.0], [2.0, 3.0, 1.0]),
    "sort": (jnp.sort, [1.0, 3.0, 2.0], [0.0, 9.0, 5.0], [1.0, 2.0, 3.0]),
    "top k": (lambda x: jax.lax.top_k(x, 2)[0], [1.0, 3.0, 2.0], [0.0, 9.0, 5.0], [1.0, 2.0, 3.0]),
    "cumulative maximum": (jax.lax.cummax, [1.0, 3.0, 2.0], [0.0, 9.0, 5.0], [1.0, 3.0, 4.0]),
    "round": (jnp.round, [0.4, 1.6], [0.1, 1.7], [0.6, 1.6]),
    "floor": (jnp.floor, [0.4, 1.6], [0.1, 1.7], [-0.1, 1.6]),
    "remainder": (lambda x: jax.lax.rem(x, 1.0), [0.4, 1.6], [0.1, 1.7], [0.4, 2.1]),
    "an index made of a float": (lambda x: jnp.arange(4)[x.astype(jnp.int32)], [0.4, 1.6], [0.1, 1.7], [0.4, 2.1]),
    "max-pooling": (max_pool, IMAGE.ravel(), IMAGE.ravel() + 0.1, IMAGE.ravel()[::-1]),
    "in a scan": (in_scan, [1.0, -1.0, 2.0], [2.0, -3.0, 1.0], [1.0, 1.0, 2.0]),
    "in a compiled part": (jax.jit(jax.nn.relu), [1.0, -1.0], [2.0, -3.0], [1.0, 1.0]),
    "a branch chosen by index": (by_index, [3.0, 1.0, 2.0], [4.0, 1.0, 2.0], [1.0, 3.0, 2.0]),
}


@pytest.mark.parametrize("name", CASES)
def test_it_tells_pieces_apart(name: str) -> None:
    function, *points = CASES[name]
    here, same, other = fingerprints(function, *points)
    assert here == same
    assert here != other


@pytest.mark.parametrize(
    "function",
    [
        jnp.sin,
        jax.nn.gelu,
        lambda x: x @ x,
        lambda x: x.astype(jnp.float32),
        lambda x: x[jnp.array([1, 0])],
        lambda x: jnp.abs(x.astype(jnp.complex64) * (1 + 2j)),
    ],
)
def test_smooth_operations_have_one_piece(function: Any) -> None:
    assert len(set(fingerprints(function, [1.0, 2.0], [-1.0, 0.0], [5.0, -4.0]))) == 1


def test_places_are_told_apart() -> None:
    """One unit off and its neighbour on is not the same as the other way round, anywhere."""
    points = np.where(np.eye(64, dtype=bool), 1.0, -1.0)
    assert len(set(fingerprints(jax.nn.relu, *points))) == 64


def test_a_comparison_of_integers_follows_that_of_the_floats_behind_it() -> None:
    def function(x: Any) -> Any:
        return jnp.where(jnp.arange(3) < jnp.sum(x > 0), x, 0.0)

    here, same, other = fingerprints(function, [1.0, -1.0, -1.0], [2.0, -2.0, -1.0], [1.0, 1.0, -1.0])
    assert here == same != other
