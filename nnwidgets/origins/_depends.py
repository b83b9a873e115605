"""Which elements of an operation's operand some elements of its output are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nnwidgets.trace import bind

from ._tape import SLICE, STACK, Step

Mask = np.ndarray
Masks = Sequence[Mask | None]


def depends(step: Step, operand: int, masks: Masks) -> Mask | None:
    """The elements of one operand that these elements of the outputs are made of; all of it where that is not known.

    A `select_n` is made of what it chose. An element that is multiplied by zero counts.

    Args:
        step: the operation.
        operand: which of its inputs.
        masks: for each output the elements, or None for none of them.

    Returns:
        a mask of the operand's shape, or None if there is nothing.
    """
    value = step.inputs[operand].array
    wanted = [mask for mask in masks if mask is not None and mask.any()]
    if value is None or not wanted or not value.size:
        return None
    rule = _RULES.get(step.kind, _elementwise if len(step.outputs) == 1 else _everything)
    found = rule(step, operand, masks)
    return found if found is not None and found.any() else None


def _shape(step: Step, operand: int) -> tuple[int, ...]:
    array = step.inputs[operand].array
    assert array is not None
    return array.shape


def _everything(step: Step, operand: int, masks: Masks) -> Mask:
    return np.ones(_shape(step, operand), bool)


def _only(masks: Masks) -> Mask:
    assert masks[0] is not None
    return masks[0]


def _elementwise(step: Step, operand: int, masks: Masks) -> Mask:
    """Of an operation on elements at the same place, axes of length 1 stretched; of all others, everything."""
    shape, mask = _shape(step, operand), _only(masks)
    if shape == mask.shape and step.kind not in _MIXING:
        return mask
    stretched = len(shape) == mask.ndim and all(a in (1, b) for a, b in zip(shape, mask.shape, strict=True))
    if step.kind in _MIXING or not stretched:
        return np.ones(shape, bool)
    return mask.any(axis=tuple(axis for axis, size in enumerate(shape) if size != mask.shape[axis]), keepdims=True)


def _reshaped(step: Step, operand: int, masks: Masks) -> Mask:
    return _only(masks).reshape(_shape(step, operand))


def _broadcast(step: Step, operand: int, masks: Masks) -> Mask | None:
    shape, mask = _shape(step, operand), _only(masks)
    if operand:
        return None
    kept = [int(axis) for axis in step.eqn.params["broadcast_dimensions"]]
    mask = mask.any(axis=tuple(axis for axis in range(mask.ndim) if axis not in kept))
    for axis, size in enumerate(shape):
        if size == 1 and mask.shape[axis] != 1:
            mask = mask.any(axis=axis, keepdims=True)
    return mask


def _transposed(step: Step, operand: int, masks: Masks) -> Mask:
    return np.transpose(_only(masks), np.argsort(step.eqn.params["permutation"]))


def _concatenated(step: Step, operand: int, masks: Masks) -> Mask:
    axis = step.eqn.params["dimension"]
    start = sum(_shape(step, k)[axis] for k in range(operand))
    return np.take(_only(masks), range(start, start + _shape(step, operand)[axis]), axis)


def _selected(step: Step, operand: int, masks: Masks) -> Mask:
    mask, which = _only(masks), step.inputs[0].array
    assert which is not None
    if operand:
        mask = mask & (which.astype(int) == operand - 1)
    return mask if mask.shape == _shape(step, operand) else np.asarray(mask.any())


def _clamped(step: Step, operand: int, masks: Masks) -> Mask:
    mask = _only(masks)
    return mask if mask.shape == _shape(step, operand) else np.asarray(mask.any())


def _reduced(step: Step, operand: int, masks: Masks) -> Mask:
    gone = step.eqn.params["axes"]
    mask = masks[0] if masks[0] is not None else masks[-1]
    assert mask is not None
    return np.broadcast_to(np.expand_dims(mask, tuple(gone)), _shape(step, operand))


def _dot(step: Step, operand: int, masks: Masks) -> Mask:
    mask, shape = _only(masks), _shape(step, operand)
    if operand > 1:
        return np.ones(shape, bool)
    contracted, batch = (pair[operand] for pair in step.eqn.params["dimension_numbers"])
    free = [axis for axis in range(len(shape)) if axis not in contracted and axis not in batch]
    # the output has the batch axes, then the free ones of the left operand, then those of the right one
    start = len(batch) if operand == 0 else mask.ndim - len(free)
    mine = range(start, start + len(free))
    mask = np.asarray(mask.any(axis=tuple(axis for axis in range(len(batch), mask.ndim) if axis not in mine)))
    mask = mask.reshape(*mask.shape, *(1 for _ in contracted))
    mask = np.transpose(mask, np.argsort([*batch, *free, *contracted]))
    return np.broadcast_to(mask, shape)


def _convolved(step: Step, operand: int, masks: Masks) -> Mask:
    """Of the images, the examples; of the kernel, everything."""
    numbers = step.eqn.params["dimension_numbers"]
    mask, shape = _only(masks), _shape(step, operand)
    if operand or step.eqn.params["batch_group_count"] != 1:
        return np.ones(shape, bool)
    examples = mask.any(axis=tuple(axis for axis in range(mask.ndim) if axis != numbers.out_spec[0]))
    place = [1] * len(shape)
    place[numbers.lhs_spec[0]] = -1
    return np.broadcast_to(np.asarray(examples).reshape(place), shape)


def _keeping(axes: Callable[[Step, int], Sequence[int]]) -> Callable[[Step, int, Masks], Mask]:
    """A rule for operations that mix elements only along the other axes."""

    def rule(step: Step, operand: int, masks: Masks) -> Mask:
        shape = _shape(step, operand)
        kept, found = list(axes(step, len(shape))), np.zeros(shape, bool)
        for mask in masks:
            if mask is None:
                continue
            if mask.ndim < len(kept) or any(axis >= mask.ndim or mask.shape[axis] != shape[axis] for axis in kept):
                return np.ones(shape, bool)
            mixed = mask.any(axis=tuple(axis for axis in range(mask.ndim) if axis not in kept))
            found = found | np.expand_dims(mixed, tuple(axis for axis in range(len(shape)) if axis not in kept))
        return found

    return rule


def _without(parameter: str) -> Callable[[Step, int], Sequence[int]]:
    return lambda step, ndim: [axis for axis in range(ndim) if axis != step.eqn.params[parameter]]


def _of_windows(step: Step, ndim: int) -> Sequence[int]:
    windows = step.eqn.params["window_dimensions"]
    return [axis for axis, size in enumerate(windows) if size == 1] if len(windows) == ndim else []


def _of_matrices(step: Step, ndim: int) -> Sequence[int]:
    return range(ndim - 2)


def _by_number(step: Step, operand: int, masks: Masks) -> Mask | None:
    """For what only picks elements: its operand's elements are numbered, and the numbers looked at."""
    shape = _shape(step, operand)
    # an index is needed for everything, and what is picked by it depends on where it stands
    if operand and step.kind in ("gather", "dynamic_slice"):
        return _indexed(step, operand, masks)
    params = dict(step.eqn.params)
    if "fill_value" in params:
        params["fill_value"] = -1
    values = []
    for k, each in enumerate(step.inputs):
        assert each.array is not None
        is_data = k < _DATA.get(step.kind, len(step.inputs))
        numbers = np.arange(each.array.size, dtype=np.int32).reshape(each.array.shape)
        values.append((numbers if k == operand else np.full_like(numbers, -1)) if is_data else each.array)
    try:
        numbered = np.asarray(bind(step.eqn, values, params)[0])
    except Exception:
        return _everything(step, operand, masks)
    picked = numbered[_only(masks)]
    found = np.zeros(shape, bool)
    found.reshape(-1)[picked[(picked >= 0) & (picked < found.size)]] = True
    return found


def _indexed(step: Step, operand: int, masks: Masks) -> Mask:
    """Of the indices of a gather: those of the elements that were picked."""
    shape, mask = _shape(step, operand), _only(masks)
    if step.kind != "gather":
        return np.ones(shape, bool)
    offsets = step.eqn.params["dimension_numbers"].offset_dims
    picked = np.asarray(mask.any(axis=tuple(offsets)))
    if picked.shape != shape[:-1]:
        return np.ones(shape, bool)
    return np.broadcast_to(picked[..., None], shape)


def _scattered(step: Step, operand: int, masks: Masks) -> Mask:
    return _only(masks) if operand == 0 else np.ones(_shape(step, operand), bool)


def _passed(step: Step, operand: int, masks: Masks) -> Mask | None:
    return masks[operand]


def _into_scan(step: Step, operand: int, masks: Masks) -> Mask:
    found = np.zeros(_shape(step, operand), bool)
    found[step.times[-1]] = _only(masks)
    return found


def _out_of_scan(step: Step, operand: int, masks: Masks) -> Mask:
    return _only(masks)[operand]


# Whose elements are mixed, though shapes may be equal.
_MIXING = (
    *("fft", "scan", "while", "pure_callback", "io_callback", "ffi_call", "custom_call", "pallas_call", "shard_map"),
    *("custom_linear_solve", "linear_solve", "ragged_dot", "householder_product", "schur", "hessenberg", "tridiagonal"),
    *("psum", "all_gather", "all_to_all", "ppermute", "reduce_precision_window", "reduce", "reduce_and_scatter"),
)
# How many operands hold elements to be picked; the others say which.
_DATA = {"gather": 1, "dynamic_slice": 1, "dynamic_update_slice": 2}
_REDUCTIONS = ("sum", "max", "min", "prod", "and", "or", "xor")
_RULES: dict[str, Callable[[Step, int, Masks], Mask | None]] = {
    SLICE: _into_scan,
    STACK: _out_of_scan,
    "broadcast_in_dim": _broadcast,
    "transpose": _transposed,
    "concatenate": _concatenated,
    "select_n": _selected,
    "clamp": _clamped,
    "dot_general": _dot,
    "conv_general_dilated": _convolved,
    "optimization_barrier": _passed,
    **dict.fromkeys(("reshape", "squeeze", "expand_dims"), _reshaped),
    **dict.fromkeys((f"reduce_{each}" for each in _REDUCTIONS), _reduced),
    **dict.fromkeys(("argmax", "argmin"), _reduced),
    **dict.fromkeys(("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"), _keeping(_without("axis"))),
    "sort": _keeping(_without("dimension")),
    **dict.fromkeys(
        ("reduce_window", "reduce_window_sum", "reduce_window_max", "reduce_window_min"), _keeping(_of_windows)
    ),
    **dict.fromkeys(("select_and_scatter_add", "select_and_gather_add"), _keeping(_of_windows)),
    **dict.fromkeys(
        ("cholesky", "eigh", "eig", "svd", "lu", "qr", "geqrf", "triangular_solve"), _keeping(_of_matrices)
    ),
    **dict.fromkeys(("gather", "dynamic_slice", "dynamic_update_slice", "rev", "slice", "pad"), _by_number),
    **dict.fromkeys(("scatter", "scatter_add", "scatter-add", "scatter_mul", "scatter-mul"), _scattered),
}
