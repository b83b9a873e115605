"""Attention: which positions each position looks at."""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from nnwidgets.lint import Traced
from nnwidgets.lint._functions import SHAPE_ONLY, Function, find_functions, maker
from nnwidgets.lint._once import once
from nnwidgets.records import Picture
from nnwidgets.trace import Op, Program, Value
from nnwidgets.trace._watched import Taken, _before

from ._images import picture
from ._network import Network
from ._spots import Spot, spot_of

if TYPE_CHECKING:
    from ._score import Case

# What a softmax may go through before it weighs the values: dropout, a mask, a cast.
_CARRY = SHAPE_ONLY | {"convert_element_type", "mul", "div", "select_n"}


def attention(case: Case) -> tuple[Picture, ...]:
    """Of each call of an attention, its weights: an image a head, a row a query, a column a key; each row sums to 1."""
    spots = attentions(case.network)
    return tuple(_picture(spot, weights) for spot, weights in zip(spots, case.values(spots), strict=True))


def _picture(spot: Spot, weights: Any) -> Picture:
    heads = weights.reshape(-1, *weights.shape[-2:]) if weights.ndim > 1 else weights.reshape(1, 1, -1)
    return picture(
        heads,
        "attention",
        "activation",
        spot.name,
        titles=[f"head {head}" for head in range(len(heads))],
        shape=weights.shape,
        words="rows are queries, columns keys, each row sums to 1",
        each="heads",
        square=False,
    )


@once
def attentions(network: Network) -> tuple[Spot, ...]:
    """The weights of each call of an attention, (heads, queries, keys) an example; one for each layer of a scan."""
    traced = network.traced
    found: list[Spot] = []
    for function in find_functions(traced.program):
        if function.name == "softmax" and len(function.axes) == 1 and _weighs(traced.program, function):
            found += _spots(traced, function, network.examples)
    again: dict[str, int] = {}
    for i, spot in enumerate(found):
        number = again[spot.name] = again.get(spot.name, 0) + 1
        found[i] = spot if number == 1 else replace(spot, name=f"{spot.name} ({number})")
    return tuple(found)


def _weighs(program: Program, function: Function) -> bool:
    """Whether its result is multiplied, along the axis that it sums over, with something else that is made of data."""
    waiting, seen = [function.output], {id(function.output)}
    while waiting:
        value = waiting.pop()
        for op in (program.ops[i] for i in value.uses):
            if op.primitive == "dot_general" and _with_data(op, value):
                return True
            if op.primitive in _CARRY:
                new = [each for each in op.outputs if id(each) not in seen]
                seen.update(map(id, new))
                waiting += new
    return False


def _with_data(op: Op, value: Value) -> bool:
    other = op.inputs[1] if op.inputs[0] is value else op.inputs[0]
    return other is not value and other.data


def _spots(traced: Traced, function: Function, examples: int) -> list[Spot]:
    value = function.output
    assert value.op is not None and value.place is not None
    axis = function.axes[0]
    layer = _layer(traced, function)
    scans = [address for kind, address in traced.program.ops[value.op].loops if kind == "scan"]
    plain = replace(spot_of(traced, value, examples, axis, layer), layer=layer)
    if not scans:
        return [plain]
    if len(scans) > 1 or not traced.program.stacked[scans[0]]:
        # inside a loop over time each step has weights of its own
        return []
    return [
        replace(plain, name=f"{layer}[{i}]", taken=Taken(value.place, i, False))
        for i in range(traced.program.lengths[scans[0]])
    ]


def _layer(traced: Traced, function: Function) -> str:
    """The layer of an attention: that of its queries and keys, or what both paths begin with."""
    score = maker(traced.program, function.input)
    while score is not None and score.primitive != "dot_general":
        data = [value for value in score.inputs if value.data and value.trained]
        score = maker(traced.program, data[0]) if data else None
    if score is None:
        return "attention"
    one, other = (_newest(traced, value) for value in score.inputs)
    if one == other:
        return one or "attention"
    shared = takewhile(lambda pair: pair[0] == pair[1], zip(one.split("/"), other.split("/"), strict=False))
    return "/".join(part for part, _ in shared) or "attention"


def _newest(traced: Traced, value: Value) -> str:
    """The layer whose parameters were the last to be mixed in."""
    before = _before(traced.program, [value])
    used = {i: call.layer for call in traced.calls for i in call.consumed if i in before}
    return used[max(used)] if used else ""
