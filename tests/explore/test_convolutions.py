"""Convolutions turned into the layout that is quick in loops: the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnwidgets.explore._convolutions import quick_in_loops

RANDOM = np.random.default_rng(0)


def _numbers(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def _image_loss(**options: Any) -> Callable[..., jax.Array]:
    def loss(filters: Any, images: Any) -> jax.Array:
        made = jax.lax.conv_general_dilated(images, filters, **options)
        return jnp.sum(jnp.sin(made))

    return loss


CASES = {
    "as Flax writes it": (
        _image_loss(window_strides=(1, 1), padding="SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")),
        _numbers(3, 2, 4, 5), _numbers(2, 6, 7, 4),
    ),
    "as PyTorch and Equinox do, with strides": (
        _image_loss(window_strides=(2, 1), padding=((1, 0), (2, 1)), dimension_numbers=("NCHW", "OIHW", "NCHW")),
        _numbers(5, 4, 3, 3), _numbers(2, 4, 6, 7),
    ),
    "groups and dilation": (
        _image_loss(
            window_strides=(1, 1), padding="VALID", rhs_dilation=(2, 1), feature_group_count=2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        ),
        _numbers(2, 2, 2, 6), _numbers(2, 6, 7, 4),
    ),
    "transposed": (
        _image_loss(
            window_strides=(1, 1), padding=((2, 1), (2, 2)), lhs_dilation=(2, 2), dimension_numbers=("NHWC", "HWIO", "NHWC")
        ),
        _numbers(3, 3, 4, 2), _numbers(2, 4, 4, 4),
    ),
    "one dimension": (
        _image_loss(window_strides=(1,), padding="SAME", dimension_numbers=("NWC", "WIO", "NWC")),
        _numbers(3, 4, 5), _numbers(2, 9, 4),
    ),
    "another layout of the outputs": (
        _image_loss(window_strides=(1, 1), padding="SAME", dimension_numbers=("HWNC", "OHWI", "CNHW")),
        _numbers(5, 3, 2, 4), _numbers(6, 7, 2, 4),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_the_same(case: str) -> None:
    loss, filters, images = CASES[case]
    plain = jax.jit(jax.grad(loss, argnums=(0, 1)))(filters, images)
    quick = jax.jit(quick_in_loops(jax.grad(loss, argnums=(0, 1))))(filters, images)
    for ours, theirs in zip(quick, plain, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def _layouts(function: Callable[..., Any], *args: Any) -> set[tuple[int, ...]]:
    """The places of batch and features in all convolutions of a program, inside loops, too."""
    found, waiting = set(), [jax.make_jaxpr(function)(*args).jaxpr]
    while waiting:
        for eqn in waiting.pop().eqns:
            waiting += [
                getattr(each, "jaxpr", each)
                for each in eqn.params.values()
                if hasattr(each, "eqns") or hasattr(each, "jaxpr")
            ]
            if eqn.primitive.name == "conv_general_dilated":
                numbers = eqn.params["dimension_numbers"]
                found.add((numbers.lhs_spec[:2], numbers.rhs_spec[:2], numbers.out_spec[:2]))
    return found


def test_it_reaches_into_loops_and_calls() -> None:
    loss, filters, images = CASES["as Flax writes it"]

    def descend(filters: Any, images: Any) -> Any:
        step = jax.jit(lambda at, _: (at - 0.1 * jax.grad(loss)(at, images), None))
        return jax.lax.scan(step, filters, None, length=2)[0]

    quick = quick_in_loops(descend)
    np.testing.assert_allclose(quick(filters, images), descend(filters, images), rtol=1e-5, atol=1e-5)
    # the gradient of a filter has the images' features as its batch; turned round, all are alike
    assert len(_layouts(descend, filters, images)) == 2
    assert _layouts(quick, filters, images) == {((0, 3), (3, 2), (0, 3))}


def test_what_has_no_convolution_is_left_as_it_is() -> None:
    calls = []

    def function(x: Any) -> dict[str, Any]:
        calls.append(x)
        return {"twice": 2 * x}

    assert quick_in_loops(function)(jnp.ones(2))["twice"].tolist() == [2, 2]
    # once to look at it, once to run it
    assert len(calls) == 2
