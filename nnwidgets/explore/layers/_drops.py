"""The dropouts of a traced loss: where they are, what they do from step to step, and the loss with them elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from nnwidgets.lint import Setup, Traced
from nnwidgets.lint._dropout import constant_masks, is_on_outputs
from nnwidgets.lint._dropouts import Dropout, dropouts_of, input_dropouts_of
from nnwidgets.lint._predictions import outputs_of
from nnwidgets.trace import Value

from .._values import once_a_program, reader
from ._neighbours import Neighbours


@dataclass(frozen=True, eq=False)
class Drop:
    """One dropout.

    Attributes:
        place: what it stands behind.
        rate: as it is written; None where the mask is a constant, which was drawn before.
        input: what it takes values from.
        output: what it leaves.
        size: numbers in its mask.
        on_outputs: whether it acts on what the network says.
        found: as `nnwidgets.lint` sees it; None where the mask is a constant.
        line: where it is called, or None.
    """

    place: str
    rate: float | None
    input: Value
    output: Value
    size: int
    on_outputs: bool
    found: Dropout | None
    line: str | None


@once_a_program
def drops_of(setup: Setup) -> list[Drop]:
    """Those that training has, in order."""
    traced = setup.train
    walker = Neighbours(traced)

    def drop(each: Dropout) -> Drop:
        place = walker.layer_of(each.input)
        on_outputs = is_on_outputs(setup, each)
        return Drop(
            place,
            each.rate,
            each.input,
            each.output,
            prod(each.mask.aval.shape),
            on_outputs,
            each,
            traced.line(each.op),
        )

    found = [drop(each) for each in (*input_dropouts_of(traced), *dropouts_of(traced))]
    known, masks = {id(each.found.op) for each in found if each.found is not None}, constant_masks(traced)
    # what evaluation has, too, is an attention's mask
    for op in masks if len(masks) > len(constant_masks(setup.evaluation)) else []:
        if id(op) in known:
            continue
        kept = next(each for each in op.inputs[1:] if each.data)
        size = prod(op.inputs[0].aval.shape)
        found.append(Drop(walker.layer_of(kept), None, kept, op.outputs[0], size, False, None, traced.line(op)))
    return sorted(found, key=lambda each: each.output.op or 0)


def active_in_evaluation(setup: Setup) -> int:
    """How many dropouts the program of evaluation has."""
    return len(dropouts_of(setup.evaluation)) + len(input_dropouts_of(setup.evaluation))


class Consecutive(NamedTuple):
    """Two steps that follow one another, on one batch with the same parameters.

    Attributes:
        rates: share of the non-zero values that each dropout sets to zero.
        agreement: share of the values that were chosen alike in both steps.
        alike: for each pair of dropouts with inputs of one shape, the share chosen alike within a step.
        train: how far the outputs of both lie apart in training, over their spread.
        evaluation: the same in evaluation.
        state: after the first of them.
    """

    rates: Any
    agreement: Any
    alike: Any
    train: Any
    evaluation: Any
    state: Any


def pairs_of(drops: list[Drop]) -> list[tuple[int, int]]:
    """Indices of those with inputs of one shape."""
    shapes = [drop.input.aval.shape for drop in drops]
    return [(i, j) for i in range(len(drops)) for j in range(i + 1, len(drops)) if shapes[i] == shapes[j]]


@once_a_program
def consecutive(setup: Setup) -> Callable[[Any, Any, Any, Any, Any], Consecutive]:
    """(params, state, batch, rng of a step, rng of the next) -> `Consecutive`; compiled."""
    drops, traced = drops_of(setup), setup.train
    given = reader(traced, [drop.input for drop in drops])
    left = reader(traced, [drop.output for drop in drops])
    said, told = reader(traced, _said(traced)), reader(setup.evaluation, _said(setup.evaluation))
    pairs, objective = pairs_of(drops), setup.objective

    def masks(*inputs: Any) -> list[tuple[jax.Array, jax.Array]]:
        both = zip(given(*inputs), left(*inputs), strict=True)
        return [(x != 0, (x != 0) & (y == 0)) for x, y in both]

    @jax.jit
    def look(params: Any, state: Any, batch: Any, rng: Any, following: Any) -> Consecutive:
        _, (after, _) = objective(params, state, batch, rng, True)
        one, two = masks(params, state, batch, rng), masks(params, after, batch, following)
        return Consecutive(
            [jnp.sum(dropped) / jnp.maximum(jnp.sum(known), 1) for known, dropped in one],
            [_alike(a, b) for a, b in zip(one, two, strict=True)],
            [_alike(one[i], one[j]) for i, j in pairs],
            _apart(said(params, state, batch, rng), said(params, after, batch, following)),
            _apart(told(params, state, batch, rng), told(params, state, batch, following)),
            after,
        )

    return look


def _said(traced: Traced) -> list[Value]:
    return outputs_of(traced) or [traced.program.outputs[0]]


def _alike(one: tuple[jax.Array, jax.Array], other: tuple[jax.Array, jax.Array]) -> jax.Array:
    known = one[0] & other[0]
    return jnp.sum((one[1] == other[1]) & known) / jnp.maximum(jnp.sum(known), 1)


def _apart(one: list[jax.Array], other: list[jax.Array]) -> jax.Array:
    found = []
    for a, b in zip(one, other, strict=True):
        a, b = a.astype(jnp.float32), b.astype(jnp.float32)
        size = jnp.maximum(jnp.std(a), 1e-6 * jnp.max(jnp.abs(a)) + 1e-30)
        found.append(jnp.sqrt(jnp.mean(jnp.square(a - b))) / size)
    return jnp.max(jnp.stack(found))
