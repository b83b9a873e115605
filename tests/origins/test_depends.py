"""Which elements an operation depends on, against the pattern of its Jacobian."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from nnwidgets.origins._depends import depends
from nnwidgets.origins._record import record

A = np.random.default_rng(0).uniform(0.5, 1.5, (3, 4)).astype(np.float32)
B = np.random.default_rng(1).uniform(0.5, 1.5, (4, 2)).astype(np.float32)
IMAGES = np.random.default_rng(2).uniform(0.5, 1.5, (2, 6, 6, 3)).astype(np.float32)
KERNEL = np.random.default_rng(3).uniform(0.5, 1.5, (3, 3, 3, 2)).astype(np.float32)

EXACT: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "mul": (lambda a: a * A, (A,)),
    "mul of a column": (lambda a, b: lax.mul(a, jnp.broadcast_to(b, a.shape)), (A, A[:, :1])),
    "exp": (jnp.exp, (A,)),
    "select_n": (lambda a, b: jnp.where(A > 1, a, b), (A, A + 1)),
    "reshape": (lambda a: a.reshape(2, 6), (A,)),
    "transpose": (lambda a: a.T, (A,)),
    "broadcast": (lambda a: jnp.broadcast_to(a[:, None], (3, 5, 4)), (A,)),
    "squeeze": (lambda a: a[:1].squeeze(0), (A,)),
    "concatenate": (lambda a, b: jnp.concatenate([a, b.T[:, :4]], axis=0), (A, B)),
    "slice": (lambda a: a[1:, ::2], (A,)),
    "rev": (lambda a: a[::-1], (A,)),
    "pad": (lambda a: jnp.pad(a, ((1, 0), (0, 2))), (A,)),
    "gather": (lambda a: a[np.array([2, 0, 2])], (A,)),
    "dynamic_slice": (lambda a: lax.dynamic_slice(a, (1, 1), (2, 2)), (A,)),
    "dynamic_update_slice": (lambda a, b: lax.dynamic_update_slice(a, b, (1, 1)), (A, B[:2])),
    "reduce_sum": (lambda a: a.sum(axis=1), (A,)),
    "dot": (lambda a, b: a @ b, (A, B)),
    "batched dot": (lambda a: jnp.einsum("bij,bkj->bik", a, a + 1), (A.reshape(3, 2, 2),)),
    "clamp": (lambda a: jnp.clip(a, 0.0, 2.0), (A,)),
    "convert": (lambda a: a.astype(jnp.bfloat16).astype(jnp.float32), (A,)),
}
AT_LEAST: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "cumsum": (lambda a: jnp.cumsum(a, axis=1), (A,)),
    "sort": (lambda a: jnp.sort(a, axis=1), (A,)),
    "conv": (
        lambda a, k: lax.conv_general_dilated(a, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")),
        (IMAGES, KERNEL),
    ),
    "average pool": (lambda a: lax.reduce_window(a, 0.0, lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID"), (IMAGES,)),
    "scatter": (lambda a, b: a.at[np.array([0, 2])].add(b), (A, A[:2])),
    "cholesky": (lambda a: jnp.linalg.cholesky(a @ a.T + jnp.eye(3)), (A,)),
    "fft": (lambda a: jnp.abs(jnp.fft.fft(a)), (A,)),
    "scan": (lambda a: lax.scan(lambda c, x: (c + x, c * x), jnp.zeros(4), a)[1], (A,)),
}


def patterns(fn: Callable[..., Any], args: tuple[Any, ...]) -> list[tuple[np.ndarray, np.ndarray]]:
    """For a few elements of the output and each argument: what is said, and where the Jacobian is not zero."""
    closed = jax.make_jaxpr(fn)(*args)
    tape = record(closed, [jnp.asarray(each) for each in args], [f"{k}" for k in range(len(args))])
    jacobians = jax.jacrev(fn, argnums=tuple(range(len(args))))(*args)
    output = tape.outputs[0]
    assert output.array is not None
    found = []
    for place in list(np.ndindex(output.array.shape))[::3]:
        only = np.zeros(output.array.shape, bool)
        only[place] = True
        said = {id(output): only}
        for step in reversed(tape.steps):
            masks = [said.get(id(each)) for each in step.outputs]
            for k, each in enumerate(step.inputs):
                mask = depends(step, k, masks)
                if mask is not None:
                    said[id(each)] = said.get(id(each), np.zeros_like(mask)) | mask
        for value, jacobian in zip(tape.inputs, jacobians, strict=True):
            assert value.array is not None
            found.append((said.get(id(value), np.zeros(value.array.shape, bool)), np.asarray(jacobian)[place] != 0))
    return found


@pytest.mark.parametrize("name", EXACT)
def test_as_the_jacobian_says(name: str) -> None:
    for said, is_made_of in patterns(*EXACT[name]):
        np.testing.assert_array_equal(said, is_made_of)


@pytest.mark.parametrize("name", AT_LEAST)
def test_no_less_than_the_jacobian_says(name: str) -> None:
    for said, is_made_of in patterns(*AT_LEAST[name]):
        assert not (is_made_of & ~said).any()


def test_examples_stay_apart_in_a_convolution_and_a_pool() -> None:
    for name in ("conv", "average pool"):
        said = patterns(*AT_LEAST[name])[0][0]
        assert said[0].any() and not said[1].any()
