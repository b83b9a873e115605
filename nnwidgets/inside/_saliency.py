"""Saliency: how fast the score changes with each part of the input."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.lint._parts import after
from nnwidgets.records import Picture
from nnwidgets.trace import Op

from ._images import Array, picture
from ._network import Network
from ._score import Case, gradient_at, input_field, score
from ._spots import spot_of


def saliency(case: Case) -> Picture:
    """``|d score / d input|``, of several channels the largest; of whole numbers that of what they are turned into.

    Tokens have no derivative: theirs is taken at their embeddings, bytes' where they become floating numbers.

    References:
        K. Simonyan, A. Vedaldi, A. Zisserman, "Deep Inside Convolutional Networks", arXiv:1312.6034, section 3.
        J. Li, X. Chen, E. Hovy, D. Jurafsky, "Visualizing and Understanding Neural Models in NLP", arXiv:1506.01066.
    """
    layout, words = case.layout, f"the size of the derivative of {case.words}"
    if np.issubdtype(case.example.dtype, np.inexact):
        slopes = np.abs(_input_gradient(case))
        slopes = layout.channels_last(slopes)
        if layout.kind != "table":
            slopes = slopes.max(-1)
    else:
        op = entry_of(case)
        slopes, _ = gradient_at(case, spot_of(case.network.traced, op.outputs[0], case.network.examples))
        slopes = _of_positions(case, np.abs(slopes))
        words += ", by its embedding" if op.primitive == "gather" else ""
    return picture(
        layout.map(slopes),
        "saliency",
        "gradient",
        shape=case.example.shape,
        over=layout.over(case.example),
        words=words,
        each="images",
    )


def _of_positions(case: Case, slopes: Array) -> Array:
    """One number a position of the input: the largest of those that belong to it."""
    shape, layout = case.example.shape, case.layout
    if slopes.shape == shape:
        slopes = layout.channels_last(slopes)
        return slopes if layout.kind == "table" else slopes.max(-1)
    if slopes.shape[: len(shape)] == shape:
        return slopes.reshape(*shape, -1).max(-1)
    raise ValueError(
        f"a number of shape {slopes.shape} is made of the whole numbers of shape {shape}: which belongs to which is "
        "not known."
    )


def _input_gradient(case: Case) -> Array:
    network, logits, field = case.network, case.outputs.logits, case.field

    def run(leaves: list[Any], row: Any, output: Any) -> jax.Array:
        def total(given: jax.Array) -> jax.Array:
            return score(network.take([*leaves[:field], given, *leaves[field + 1 :]], [logits])[0][row], output)

        return jax.grad(lambda given: total(given).astype(jnp.float32))(leaves[field])[row]

    return np.asarray(network.compiled("saliency", lambda: run)(case.leaves, case.row, case.output), np.float32)


def has_gradient(network: Network) -> bool:
    """Whether the input has a derivative, or something that is made of it at once."""
    field = input_field(network)
    if field is None:
        return False
    value = network.traced.fields[field]
    return value.aval.dtype.kind in "fV" or _entry(network, field) is not None


def entry_of(case: Case) -> Op:
    """Where the whole numbers of the input become floating ones: the look-up of their embeddings, else the first cast.

    Raises:
        ValueError: there is no such place.
    """
    op = _entry(case.network, case.field - case.network.first_field)
    if op is None:
        raise ValueError("the input is whole numbers, and where they become floating ones was not found.")
    return op


def _entry(network: Network, field: int) -> Op | None:
    program = network.traced.program
    made = [program.ops[i] for i in sorted(after(program, [network.traced.fields[field]]))]
    entries = [
        op
        for op in made
        if not op.loops
        and not op.is_loop
        and op.outputs
        and op.outputs[0].aval.dtype.kind in "fV"
        and not any(value.data and value.aval.dtype.kind in "fV" for value in op.inputs)
    ]
    lookups = [op for op in entries if op.primitive == "gather" and op.inputs[0].trained]
    return next(iter(lookups or entries), None)
