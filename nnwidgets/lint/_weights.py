"""The weights that data is multiplied with, and how the signal passes through them on the first batch."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.trace import Op, Value, innermost, values_at

from ._entries import outer, weights_and_data
from ._once import once

if TYPE_CHECKING:
    from ._setup import Setup


@dataclass(frozen=True)
class Weights:
    """One product with weights.

    Attributes:
        op: the product.
        layer: path of its layer.
        leaves: indices of the parameters that the weights are made of.
        fan_in: numbers that are summed up for one output.
        gain: root mean square of the weights times the root of `fan_in`: 1 keeps the variance (LeCun), 1.41 is He's.
        before: spread of what comes in: standard deviation over the examples, root mean square over the rest.
        after: spread of what comes out.
        size: root mean square of what comes out.
        saturated: share of flat outputs of the tanh or sigmoid that follows; None where none does.
        is_head: whether its result is the network's output.
    """

    op: Op
    layer: str
    leaves: frozenset[int]
    fan_in: int
    gain: float
    before: float
    after: float
    size: float
    saturated: float | None
    is_head: bool


@once
def find_weights(setup: Setup) -> list[Weights]:
    """All products with weights in training, in order, with the signal of the first batch."""
    traced = setup.train
    found = [(i, op, pair) for i, op in enumerate(traced.program.ops) if (pair := weights_and_data(op))]
    squashers = {i: _squashed(setup, op) for i, op, _ in found}
    wanted: list[Value] = []
    for i, op, (weights, data) in found:
        squash = squashers[i]
        wanted += [outer(weights), outer(data), op.outputs[0]] + ([squash.outputs[0]] if squash else [])
    readings = _readings(setup, wanted)
    heads = set(setup.train.head.layers)
    result = []
    for i, op, (weights, data) in found:
        call = innermost(traced.calls, i)
        layer = call.layer if call else ""
        squash = squashers[i]
        fan_in = _fan_in(op, weights)
        result.append(
            Weights(
                op,
                layer,
                weights.origins,
                fan_in,
                readings[id(outer(weights))][0] * fan_in**0.5,
                readings[id(outer(data))][1],
                readings[id(op.outputs[0])][1],
                readings[id(op.outputs[0])][0],
                readings[id(squash.outputs[0])][2 if squash.primitive == "tanh" else 3] if squash else None,
                layer in heads,
            )
        )
    return result


def _fan_in(op: Op, weights: Value) -> int:
    shape = weights.aval.shape
    if op.primitive == "dot_general":
        sums = op.eqn.params["dimension_numbers"][0][0 if op.inputs[0] is weights else 1]
        return prod(shape[axis] for axis in sums)
    return prod(shape) // shape[op.eqn.params["dimension_numbers"].rhs_spec[0]]


def _squashed(setup: Setup, op: Op) -> Op | None:
    """The tanh or sigmoid that a product goes into, behind at most a bias and changes of shape."""
    ops, value = setup.train.program.ops, op.outputs[0]
    for _ in range(5):
        following = [ops[use] for use in value.uses]
        squash = next((each for each in following if each.primitive in ("tanh", "logistic")), None)
        if squash is not None:
            return squash
        if len(following) != 1 or following[0].primitive not in ("add", "reshape", "transpose", "convert_element_type"):
            return None
        value = following[0].outputs[0]
    return None


def _readings(setup: Setup, wanted: list[Value]) -> dict[int, list[float]]:
    """Of each value: root mean square, spread over the examples, share beyond +-0.97, share outside 0.03 to 0.97."""
    traced, rows = setup.train, setup.rows
    inputs = [setup.params, setup.state, setup.batch, jax.random.fold_in(setup.key, 0)]
    leaves = [jnp.asarray(leaf) for leaf in jax.tree.leaves(inputs)]
    number = {id(value): i for i, value in enumerate(traced.program.inputs)}
    values = [value for value in {id(each): each for each in wanted}.values() if value.place or id(value) in number]

    @jax.jit
    def look(leaves: list[jax.Array]) -> Any:
        found = values_at(traced.closed, leaves, {value.place for value in values if value.place})
        arrays = [found[value.place] if value.place else leaves[number[id(value)]] for value in values]
        return [_reading(array, rows) for array in arrays]

    known = dict(zip(map(id, values), look(leaves), strict=True))
    return {id(value): [float(x) for x in np.asarray(known.get(id(value), [np.nan] * 4))] for value in wanted}


def _reading(array: jax.Array, rows: int | None) -> jax.Array:
    array = array.astype(jnp.float32)
    axis = next((i for i, length in enumerate(array.shape) if length == rows), 0)
    spread = jnp.sqrt(jnp.mean(jnp.var(array, axis=axis))) if array.ndim else jnp.zeros(())
    flat = jnp.mean(jnp.abs(array) > 0.97), jnp.mean((array < 0.03) | (array > 0.97))
    return jnp.stack([jnp.sqrt(jnp.mean(array**2)), spread, *flat])
