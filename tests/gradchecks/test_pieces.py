"""Programs in pieces."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import io_callback

from nnwidgets.gradchecks._pieces import MOST, Pieces, _cut


def chain(a: Any, b: Any, c: Any, x: Any) -> Any:
    """Three layers; the middle one's bias is used again at the end, and one output is a constant."""
    hidden = jnp.tanh(jnp.tanh(x @ a) @ b["kernel"] + b["bias"])
    return (hidden @ c).sum() + (b["bias"] ** 2).sum(), 2.0


def branches(a: Any, b: Any, c: Any, x: Any) -> Any:
    """Two layers beside each other, and a loop over the third."""

    def step(carry: Any, _: Any) -> Any:
        return jnp.sin(carry @ c), carry.sum()

    carry, sums = jax.lax.scan(step, x @ a + jnp.cos(x @ b["kernel"]) + b["bias"], None, length=3)
    return carry.mean(), sums


@pytest.mark.parametrize("function", [chain, branches])
def test_as_if_all_of_it_were_evaluated(function: Any) -> None:
    """Whichever inputs change: each of the 16 choices."""
    random = np.random.default_rng(0)
    a, c, x, kernel = (random.normal(size=(4, 4)).astype(np.float32) for _ in range(4))
    leaves, tree = jax.tree.flatten((a, {"kernel": kernel, "bias": random.normal(size=4).astype(np.float32)}, c, x))

    def whole(*leaves: Any) -> Any:
        return jax.tree.leaves(function(*jax.tree.unflatten(tree, leaves)))

    closed = jax.make_jaxpr(whole)(*leaves)
    others = [leaf + random.normal(size=leaf.shape).astype(np.float32) for leaf in leaves[:4]]

    @jax.jit
    def in_pieces(touched: Any) -> Any:
        changed = [jnp.where(now, new, old) for now, new, old in zip(touched, others, leaves, strict=False)]
        return Pieces(closed, leaves, 4)(changed, touched)

    for touched in product([False, True], repeat=4):
        changed = [new if now else old for now, new, old in zip(touched, others, leaves, strict=False)]
        for found, expected in zip(in_pieces(list(touched)), whole(*changed, x), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_what_a_change_does_not_reach_is_left_out() -> None:
    """Counted by what the layers say: the layers before the one that changes are silent."""
    said: list[str] = []

    def layer(name: str, x: Any, w: Any) -> Any:
        return io_callback(lambda y: (said.append(name), y)[1], jax.ShapeDtypeStruct(x.shape, x.dtype), x @ w)

    def function(a: Any, b: Any, c: Any, x: Any) -> Any:
        return layer("c", layer("b", layer("a", layer("data", x, x), a), b), c).sum()

    inputs = [np.eye(2, dtype=np.float32)] * 4
    closed = jax.make_jaxpr(function)(*inputs)

    @jax.jit
    def moved(touched: Any) -> Any:
        pieces = Pieces(closed, inputs, 3)
        return jax.lax.fori_loop(0, 5, lambda k, total: total + pieces(inputs[:3], touched)[0], 0.0)

    for touched, expected in {(1, 0, 0): "abc" * 5, (0, 1, 0): "bc" * 5, (0, 0, 1): "c" * 5, (0, 0, 0): ""}.items():
        said.clear()
        jax.block_until_ready(moved([bool(each) for each in touched]))
        jax.effects_barrier()
        once, again = said[:4], said[4:]
        assert once == ["data", "a", "b", "c"]
        assert "".join(again) == expected


@pytest.mark.parametrize("layers", [0, 1, 3, 8, 9, 50])
def test_few_pieces_of_about_as_many_layers(layers: int) -> None:
    """A vector begins no piece, a matrix does, until there are as many pieces as may be."""

    def function(weights: Any, biases: Any, x: Any) -> Any:
        for w, b in zip(weights, biases, strict=True):
            x = x @ w + b
        return x

    weights, biases, x = [np.eye(2)] * layers, [np.ones(2)] * layers, np.ones(2)
    closed = jax.make_jaxpr(function)(weights, biases, x)
    pieces = _cut(closed.jaxpr, closed.jaxpr.invars[: 2 * layers])
    assert len(pieces) == min(layers, MOST)
    matrices = [sum(t < layers for t in piece.reach - before.reach) for before, piece in pairwise(pieces)]
    assert not matrices or max(matrices) - min(matrices) <= 1
