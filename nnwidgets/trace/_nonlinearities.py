"""The elementwise nonlinearities of a traced program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from ._calls import Call, innermost, source
from ._program import Op, Program, Value

_IN_JAX_NN = "/nn/functions.py"
_SMOOTH = frozenset(
    {"elu", "celu", "selu", "gelu", "silu", "mish", "softplus", "squareplus", "log_sigmoid", "soft_sign"}
)
_NAMED = _SMOOTH | {"relu", "relu6", "leaky_relu", "sigmoid", "hard_tanh", "hard_sigmoid", "hard_silu"}
_PRIMITIVES = {"tanh": "tanh", "logistic": "sigmoid"}


@dataclass(frozen=True)
class Nonlinearity:
    """One nonlinearity: ``function`` as in `jax.nn`, with the values before and after it."""

    function: str
    input: Value
    output: Value


def find_nonlinearities(program: Program, calls: Sequence[Call], reaches: frozenset[int]) -> list[Nonlinearity]:
    """All nonlinearities of trained data, in order: functions of `jax.nn`, tanh, logistic, ``maximum(x, 0)``.

    Args:
        program: the flat program.
        calls: its layers' calls.
        reaches: indices of the operations that the network's outputs are made of: those of the loss do not count.
    """
    groups: dict[object, tuple[str, list[int]]] = {}
    found: list[Nonlinearity | None] = []
    for index, op in enumerate(program.ops):
        if index not in reaches or op.is_loop:
            continue
        depth = next((d for d, f in enumerate(op.stack) if f.file.endswith(_IN_JAX_NN) and f.function in _NAMED), None)
        if depth is None:
            found.append(_single(op, index, program.ops, calls))
        else:
            key = (op.functions[depth], _times_left(program.ops, index, depth))
            groups.setdefault(key, (op.stack[depth].function, []))[1].append(index)
    found += [_named(program, name, indices) for name, indices in groups.values()]
    return sorted((each for each in found if each is not None), key=lambda each: each.output.op or 0)


def _times_left(ops: list[Op], index: int, depth: int) -> int:
    """Where the run of operations in one call of a function begins: two calls from one place are told apart."""
    key = ops[index].functions[depth]
    while index and ops[index - 1].within(depth, key):
        if ops[index - 1].stack[depth].position > ops[index].stack[depth].position:
            break
        index -= 1
    return index


def _named(program: Program, name: str, indices: list[int]) -> Nonlinearity | None:
    inside = set(indices)
    outputs = [v for i in indices for v in program.ops[i].outputs if any(use not in inside for use in v.uses)]
    if not outputs or not _watchable(outputs[-1]):
        return None
    output = outputs[-1]
    inputs = [v for i in indices for v in program.ops[i].inputs if v.op not in inside and _watchable(v)]
    same = [v for v in inputs if v.aval.shape == output.aval.shape]
    return Nonlinearity(name, same[0], output) if same else None


def _single(op: Op, index: int, ops: list[Op], calls: Sequence[Call]) -> Nonlinearity | None:
    if not op.outputs or not _watchable(op.outputs[0]):
        return None
    if op.primitive in _PRIMITIVES:
        return Nonlinearity(_PRIMITIVES[op.primitive], op.inputs[0], op.outputs[0])
    kept = _rectified(op, ops)
    if kept is None or not _watchable(kept):
        return None
    call = innermost(calls, index)
    # A variance that is kept from going below zero is no ReLU.
    small = call is not None and prod(op.outputs[0].aval.shape) < prod(call.output.aval.shape)
    if call is not None and small and index < call.consumed[-1]:
        return None
    return Nonlinearity("relu", kept, op.outputs[0])


def _rectified(op: Op, ops: list[Op]) -> Value | None:
    """The x of ``maximum(x, 0)`` and of ``where(x > 0, x, 0)``."""
    if op.primitive == "max" and any(value.const == 0 for value in op.inputs):
        return next((value for value in op.inputs if value.const is None), None)
    if op.primitive == "select_n" and len(op.inputs) == 3 and op.inputs[1].const == 0:
        test, _, kept = op.inputs
        if test.op is not None and ops[test.op].primitive in ("gt", "ge"):
            compared, zero = ops[test.op].inputs
            if zero.const == 0 and source(compared, ops) is source(kept, ops):
                return kept
    return None


def _watchable(value: Value) -> bool:
    return value.data and value.trained and len(value.aval.shape) > 0 and value.aval.dtype.kind in "fV"
