"""Along which axis of a value its units (neurons, channels) lie."""

from __future__ import annotations

from ._program import Op, Program, Value

_MIXES_AXES = ("dot_general", "conv_general_dilated", "gather", "scan", "while", "cond")
_RESHAPES = ("reshape", "squeeze", "expand_dims", "broadcast_in_dim")


def unit_axes(program: Program) -> dict[Value, int]:
    """The unit axis of the values where it is known, counted from the end (-1: the last).

    A product with a parameter has its units along the parameter's own axis, a convolution along its feature axis:
    channels come first in Equinox and PyTorch-like layouts, and `jax.vmap` may have put the batch last. Operations that keep
    the rank or the trailing axes keep it; elsewhere it is unknown, and the last is the best guess.
    """
    axes: dict[Value, int] = {}
    for op in program.ops:
        axis = _axis(op, axes)
        if axis is not None:
            for output in op.outputs:
                axes[output] = axis
    return axes


def _axis(op: Op, axes: dict[Value, int]) -> int | None:
    output = op.outputs[0] if op.outputs else None
    if output is None or not hasattr(output.aval, "shape"):
        return None
    rank = len(output.aval.shape)
    if op.primitive == "conv_general_dilated" and not op.inputs[1].data:
        return op.eqn.params["dimension_numbers"].out_spec[1] - rank
    if op.primitive == "dot_general":
        return _product_axis(op, rank)
    if op.primitive in _MIXES_AXES:
        return None
    known = next((value for value in op.inputs if value in axes), None)
    if known is None:
        return None
    axis, shape = axes[known], known.aval.shape
    if op.primitive in _RESHAPES:
        return axis if shape[axis:] == output.aval.shape[axis:] else None
    if len(shape) != rank:
        return None
    if op.primitive == "transpose":
        return op.eqn.params["permutation"].index(axis + rank) - rank
    return axis


def _product_axis(op: Op, rank: int) -> int | None:
    (left_sums, right_sums), (left_batch, right_batch) = op.eqn.params["dimension_numbers"]
    left, right = op.inputs
    left_free = len(left.aval.shape) - len(left_sums) - len(left_batch)
    right_free = len(right.aval.shape) - len(right_sums) - len(right_batch)
    if left.origins and not left.data and left_free:
        return len(left_batch) + left_free - 1 - rank
    if right.origins and not right.data and right_free:
        return -1
    return None
