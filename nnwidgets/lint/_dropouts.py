"""Dropouts, recognised by what they compute: a value, or 0 where a uniform random number lies beyond a bound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nnwidgets.trace import Op, Program, Value

from ._functions import SHAPE_ONLY
from ._once import once
from ._parts import constant
from ._setup import Traced

_CASTS = SHAPE_ONLY | {"convert_element_type"}
_RANDOM = ("random_bits", "threefry2x32", "rng_bit_generator", "rng_uniform", "iota_2x32_shape")
# What turns random bits into uniform numbers of [0, 1).
_BITS = frozenset({"bitcast_convert_type", "or", "xor", "shift_right_logical", "concatenate", "slice"})
_UNIFORM = _CASTS | _BITS | {"max", "mul", "add", "sub"}
_NEUTRAL = {"mul": (1.0,), "add": (0.0, -1.0), "sub": (1.0, 0.0), "max": (0.0,)}
_TURNED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}


@dataclass(frozen=True, eq=False)
class Dropout:
    """One dropout of activations.

    Attributes:
        rate: the share that is set to zero.
        input: what it is taken from.
        output: what is left, not yet scaled or scaled.
        mask: the choice.
        op: the operation that makes the output.
    """

    rate: float
    input: Value
    output: Value
    mask: Value
    op: Op


@once
def dropouts_of(traced: Traced) -> list[Dropout]:
    """Those of activations, in order; random choices among the inputs or the parameters are none."""
    return [each for each in _choices(traced) if each.input.trained]


@once
def input_dropouts_of(traced: Traced) -> list[Dropout]:
    """Those of the inputs, before any parameter is met, in order."""
    return [each for each in _choices(traced) if not each.input.trained and traced.fields_of(each.input)]


@once
def _choices(traced: Traced) -> list[Dropout]:
    program = traced.program
    found = [each for op in program.ops if op.primitive in _TURNED for each in _of_choice(program, op)]
    return [each for each in found if 0 < each.rate < 1]


def _of_choice(program: Program, op: Op) -> Iterator[Dropout]:
    kept = _share(program, op)
    if kept is None:
        return
    # (mask, the share for which it is not zero, whether it was turned round)
    waiting = [(op.outputs[0], kept)]
    while waiting:
        value, share = waiting.pop()
        for use in value.uses:
            user = program.ops[use]
            if user.primitive in _CASTS or _is_scaled(program, user, value):
                waiting.append((user.outputs[0], share))
            elif user.primitive == "not":
                waiting.append((user.outputs[0], 1 - share))
            elif user.primitive == "select_n" and user.inputs[0] is value and len(user.inputs) == 3:
                yield from _selected(program, op, user, share, waiting)
            elif user.primitive == "mul" and (other := _other(user, value)) is not None and _is_data(other):
                yield Dropout(1 - share, other, user.outputs[0], op.outputs[0], user)


def _selected(
    program: Program, op: Op, user: Op, share: float, waiting: list[tuple[Value, float]]
) -> Iterator[Dropout]:
    _, otherwise, chosen = user.inputs
    numbers = constant(program, otherwise), constant(program, chosen)
    if None not in numbers and 0 in numbers:
        waiting.append((user.outputs[0], share if numbers[0] == 0 else 1 - share))
    elif numbers[0] == 0 and _is_data(chosen):
        yield Dropout(1 - share, chosen, user.outputs[0], op.outputs[0], user)
    elif numbers[1] == 0 and _is_data(otherwise):
        yield Dropout(share, otherwise, user.outputs[0], op.outputs[0], user)


def _share(program: Program, op: Op) -> float | None:
    """How often a comparison of uniform random numbers with a constant holds."""
    for (number, bound), name in ((op.inputs, op.primitive), (op.inputs[::-1], _TURNED[op.primitive])):
        limit = constant(program, bound)
        if limit is not None and _is_uniform(program, number):
            return limit if name in ("lt", "le") else 1 - limit
    return None


def _is_uniform(program: Program, value: Value) -> bool:
    for _ in range(30):
        while value.op is None and value.via:
            value = value.via[0]
        if value.op is None:
            return False
        op = program.ops[value.op]
        if op.primitive in _RANDOM:
            return True
        if op.primitive not in _UNIFORM:
            return False
        numbers = [constant(program, each) for each in op.inputs]
        if op.primitive in _NEUTRAL and not any(number in _NEUTRAL[op.primitive] for number in numbers):
            return False
        value = next((each for each, number in zip(op.inputs, numbers, strict=True) if number is None), value)
    return False


def _is_scaled(program: Program, op: Op, value: Value) -> bool:
    return op.primitive in ("mul", "div") and op.inputs[0] is value and bool(constant(program, op.inputs[1]))


def _other(op: Op, value: Value) -> Value | None:
    return next((each for each in op.inputs if each is not value), None)


def _is_data(value: Value) -> bool:
    return value.data and value.aval.dtype.kind in "fV"
