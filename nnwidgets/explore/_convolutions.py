"""Convolutions written so that a CPU computes them fast inside a loop."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from nnwidgets.trace import Replay, bind, inner_programs

F = TypeVar("F", bound=Callable[..., Any])
_CONVOLUTION = "conv_general_dilated"
# What is gone into; inside the others a derivative rule or a recomputation would be lost.
_OPENED = ("jit", "pjit", "closed_call", "scan", "while", "cond")


def quick_in_loops(function: F) -> F:
    """The same function, for the body of a loop (`jax.lax.scan`, `map`, `while_loop`) that is not differentiated further.

    XLA's compiler for the CPU brings convolutions into the layout of its fast kernels, (batch, ..., channels) with filters
    (..., input, output), in the outermost program alone. The gradient of a filter has another layout, and takes some twenty
    times longer in a loop than outside. Here the axes are turned in the program itself; the numbers are the same. On other
    devices the function is left as it is.

    Args:
        function: of trees of arrays, pure.

    Example:
        >>> loss = lambda filters, image: jax.lax.conv(image, filters, (1, 1), "SAME").sum()
        >>> image, filters = jnp.ones((1, 1, 3, 3)), jnp.ones((1, 1, 1, 1))
        >>> quick_in_loops(jax.grad(loss))(filters, image).item()
        9.0
    """

    @wraps(function)
    def quick(*args: Any) -> Any:
        if jax.default_backend() != "cpu":
            return function(*args)
        program, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
        if not _holds_convolution(program.jaxpr):
            return function(*args)
        replay = Replay(run=_run, opens=lambda eqn, _: eqn.primitive.name in _OPENED and _is_opened(eqn))
        outputs, _ = replay(program, jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(shapes), outputs)

    return quick  # pyright: ignore[reportReturnType]


def _run(eqn: Any, values: list[Any]) -> list[Any]:
    return [_turned(eqn, *values)] if eqn.primitive.name == _CONVOLUTION else bind(eqn, values)


def _turned(eqn: Any, inputs: jax.Array, filters: jax.Array) -> jax.Array:
    given = eqn.params["dimension_numbers"]
    spatial = "".join(chr(ord("0") + axis) for axis in range(inputs.ndim - 2))
    (batch, features, *places), (made, taken, *window) = given.lhs_spec, given.rhs_spec
    inputs = jnp.transpose(inputs, (batch, *places, features))
    filters = jnp.transpose(filters, (*window, taken, made))
    layout = (f"N{spatial}C", f"{spatial}IO", f"N{spatial}C")
    numbers = jax.lax.conv_dimension_numbers(inputs.shape, filters.shape, layout)
    (outputs,) = bind(eqn, [inputs, filters], {**eqn.params, "dimension_numbers": numbers})
    batch, features, *places = given.out_spec
    order = [0] * outputs.ndim
    for axis, source in zip((batch, *places, features), range(outputs.ndim), strict=True):
        order[axis] = source
    return jnp.transpose(outputs, order)


def _is_opened(eqn: Any) -> bool:
    return any(_holds_convolution(inner) for inner in inner_programs(eqn))


def _holds_convolution(jaxpr: Any) -> bool:
    return any(eqn.primitive.name == _CONVOLUTION or _is_opened(eqn) for eqn in jaxpr.eqns)
