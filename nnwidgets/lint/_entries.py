"""What reaches the first layers: the operands of the first products and lookups, as the program has prepared them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.trace import Op, Value, innermost, values_at

from ._once import once
from ._setup import Array, Setup, Traced

PRODUCTS = ("dot_general", "conv_general_dilated")
_LOOKUPS = ("gather", "dynamic_slice")
# Numbers that are looked at in all batches together; more would cost seconds.
_MOST = 20_000_000


@dataclass(frozen=True)
class Entry:
    """One operand that comes from the batch and has met no weights before.

    Attributes:
        value: the operand.
        op: the product or lookup that takes it.
        is_index: whether it chooses rows of a table of parameters.
        layer: path of the layer that takes it.
    """

    value: Value
    op: Op
    is_index: bool
    layer: str


@dataclass(frozen=True)
class Entered:
    """An entry with its numbers: rows along the first axis, of all first batches and of validation."""

    entry: Entry
    train: Array
    validation: Array | None


def outer(value: Value) -> Value:
    """The value outside all loops that one inside stands for."""
    while value.op is None and value.via:
        value = value.via[0]
    return value


def weights_and_data(op: Op) -> tuple[Value, Value] | None:
    """The operand that is made of parameters alone and the one that holds data, if an operation multiplies such."""
    if op.primitive not in PRODUCTS:
        return None
    for weights, data in (op.inputs[:2], op.inputs[1::-1]):
        if weights.origins and not weights.data and data.data:
            return weights, data
    return None


def find_entries(traced: Traced) -> list[Entry]:
    """Where the batch enters the network, in order."""
    met: set[int] = set()
    found: dict[int, Entry] = {}
    for index, op in enumerate(traced.program.ops):
        pair = weights_and_data(op) or _lookup(op)
        operand = outer(pair[1]) if pair else None
        if pair or any(id(outer(value)) in met for value in op.inputs):
            met.update(map(id, op.outputs))
        if operand is None or id(operand) in met or not operand.data or not traced.fields_of(operand):
            continue
        call = innermost(traced.calls, index)
        found.setdefault(id(operand), Entry(operand, op, op.primitive in _LOOKUPS, call.layer if call else ""))
    return list(found.values())


def _lookup(op: Op) -> tuple[Value, Value] | None:
    if op.primitive in _LOOKUPS and len(op.inputs) > 1 and op.inputs[0].origins and not op.inputs[0].data:
        chosen = next((value for value in op.inputs[1:] if value.data), None)
        return None if chosen is None else (op.inputs[0], chosen)
    return None


@once
def entered(setup: Setup) -> list[Entered]:
    """Every entry of the training program with its numbers, and those of validation in the evaluation program."""
    entries = find_entries(setup.train)
    train = _numbers(setup, setup.train, entries)
    validation: list[Array | None] = [None] * len(entries)
    if setup.validation and jax.tree.structure(setup.validation[0]) == jax.tree.structure(setup.batch):
        # its batches are of their own size, so they have a program of their own
        other = Setup(
            setup.objective, setup.tx, setup.validation, params=setup.params, state=setup.state, key=setup.key
        )
        others = find_entries(other.evaluation)
        # both programs prepare the same data; where one has more entries, which belong together is not known
        validation = _numbers(other, other.evaluation, others) if len(others) == len(entries) else validation
    return [Entered(*each) for each in zip(entries, train, validation, strict=True) if each[1] is not None]


def _numbers(setup: Setup, traced: Traced, entries: list[Entry]) -> list[Array | None]:
    places = [entry.value.place for entry in entries]
    needed = {place for place in places if place is not None}

    @jax.jit
    def look(leaves: list[jax.Array]) -> Any:
        return values_at(traced.closed, leaves, needed)

    found: list[list[Array]] = [[] for _ in entries]
    number = {id(value): i for i, value in enumerate(traced.program.inputs)}
    traced_shapes = [leaf.aval.shape for leaf in traced.fields]
    for batch in setup.batches:
        if [np.shape(leaf) for leaf in jax.tree.leaves(batch)] != traced_shapes:
            continue
        if sum(array.size for part in found for array in part) > _MOST:
            break
        leaves = jax.tree.leaves([setup.params, setup.state, batch, jax.random.fold_in(setup.key, 0)])
        seen = look([jnp.asarray(leaf) for leaf in leaves]) if needed else {}
        for entry, part, place in zip(entries, found, places, strict=True):
            array = np.asarray(leaves[number[id(entry.value)]] if place is None else seen[place])
            part.append(_by_row(array, setup.rows))
    return [np.concatenate(part) if part else None for part in found]


def _by_row(array: Array, rows: int | None) -> Array:
    """The axis of the examples first; where none is as long as the batch, the array as it is."""
    if rows is None or not array.ndim:
        return array.reshape(-1, 1) if array.ndim < 2 else array
    axis = next((i for i, length in enumerate(array.shape) if length == rows), None)
    if axis is not None:
        return np.moveaxis(array, axis, 0).reshape(rows, -1) if array.ndim < 3 else np.moveaxis(array, axis, 0)
    return array.reshape(rows, -1) if array.shape[0] % rows == 0 else array
