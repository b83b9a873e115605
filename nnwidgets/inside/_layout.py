"""What an input is (an image, a sequence, tokens, a table), and where its channels lie."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from nnwidgets.trace import Op, Program, Value

from ._images import Array, colours, maps

_RESHAPES = ("reshape", "squeeze", "expand_dims")
# What moves or cuts numbers, each axis staying where it is.
_SAME_AXES = ("pad", "slice", "dynamic_slice", "rev", "copy", "convert_element_type", "reduce_precision")
_COLOURS = (1, 3, 4)


@dataclass(frozen=True)
class Layout:
    """How one example of an input is looked at.

    Attributes:
        kind: "image" (and volumes), "sequence" (of vectors), "tokens", "table".
        channels: the axis of its channels in an example, counted from 0 without the batch; None where there is none.
    """

    kind: str
    channels: int | None = None

    def channels_last(self, example: Array) -> Array:
        """(positions ..., channels); a table is channels alone, tokens and grey images get one channel."""
        if self.kind == "table":
            return example.reshape(-1)
        if self.channels is None:
            return example[..., None]
        return np.moveaxis(example, self.channels, -1)

    def images(self, example: Array) -> Array:
        """As it is shown: (1, height, width, 3) for three channels, else (count, height, width)."""
        last = self.channels_last(example)
        if self.kind == "image" and last.shape[-1] == 3 and last.ndim == 3:
            return colours(last)[None]
        if self.kind == "tokens":
            return last.reshape(1, -1, last.shape[-2])
        if last.ndim == 2:
            # positions from left to right
            return last.T[None]
        return maps(last, spatial=True)

    def over(self, example: Array) -> Array:
        """What a map of the positions is laid over: (height, width) or (height, width, 3)."""
        images = self.images(example)
        if images.ndim == 4 or len(images) == 1:
            return images[0]
        return np.asarray(images, np.float32).mean(0)

    def map(self, values: Array) -> Array:
        """One number for each position, or each feature of a table, as (1, height, width) like `over`."""
        values = np.asarray(values)
        if self.kind != "image" or values.ndim < 2:
            return values.reshape(1, 1, -1)
        while values.ndim > 2:
            values = values[len(values) // 2]
        return values[None]


def find_layout(program: Program, field: Value) -> Layout:
    """The layout of an array of the batch whose first axis is that of the examples.

    Where a convolution consumes it, its dimension numbers say which axis holds the channels. Else shape and dtype must do:
    an array that is flattened before it is used, or has 1, 3 or 4 channels first or last, is an image.
    """
    shape = tuple(field.aval.shape[1:])
    for op in program.ops:
        if op.primitive == "conv_general_dilated":
            found = _followed(program, op.inputs[0], op.eqn.params["dimension_numbers"].lhs_spec[1], field)
            if found is not None:
                spatial = len(shape) - (found[0] is not None)
                return Layout("sequence" if spatial == 1 else "image", None if found[0] is None else found[0] - 1)
    whole = field.aval.dtype.kind in "iub"
    if len(shape) < 2:
        return Layout("tokens" if whole and shape else "table")
    if len(shape) == 2:
        image = field.aval.dtype == np.uint8 or _flattened(program, field)
        return Layout("image") if image else Layout("tokens" if whole else "sequence", None if whole else 1)
    if shape[-1] in _COLOURS or shape[0] not in _COLOURS:
        return Layout("image", len(shape) - 1)
    return Layout("image", 0)


def _flattened(program: Program, field: Value) -> bool:
    for op in program.ops:
        if op.primitive == "reshape" and len(op.outputs[0].aval.shape) == 2 and len(op.inputs[0].aval.shape) > 2:
            merged = op.outputs[0].aval.shape[0] == field.aval.shape[0]
            if merged and _followed(program, op.inputs[0], 0, field) is not None:
                return True
    return False


def _followed(program: Program, value: Value, axis: int, field: Value) -> tuple[int | None] | None:
    """The axis of the field that an axis of a value was: (None,) for a new one; None if it is not made of the field alone."""
    here: int | None = axis
    while value is not field:
        if value.op is None:
            if not value.via or value.via[0].aval.shape != value.aval.shape:
                return None
            value = value.via[0]
            continue
        op = program.ops[value.op]
        wide = [each for each in op.inputs if each.data]
        if len(wide) != 1 or wide[0].trained or (step := _step(op, wide[0], here)) is None:
            return None
        value, here = wide[0], step[0]
    return (here,)


def _step(op: Op, given: Value, axis: int | None) -> tuple[int | None] | None:
    shape, made = given.aval.shape, op.outputs[0].aval.shape
    if op.primitive == "transpose":
        return (None if axis is None else op.eqn.params["permutation"][axis],)
    if op.primitive == "broadcast_in_dim":
        dims = list(op.eqn.params["broadcast_dimensions"])
        return (dims.index(axis) if axis in dims else None,)
    if op.primitive in _RESHAPES:
        return (None if axis is None else _before_reshape(shape, made, axis),)
    if op.primitive in _SAME_AXES or shape == made:
        return (axis,)
    return None


def _before_reshape(shape: Any, made: Any, axis: int) -> int | None:
    ahead = prod(made[:axis])
    same = (k for k, size in enumerate(shape) if size == made[axis] and prod(shape[:k]) == ahead)
    return next(same, None)
