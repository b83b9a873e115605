"""What the network answers: the logits or predictions, and the targets that they are compared with."""

from __future__ import annotations

from dataclasses import dataclass

from nnwidgets.lint._functions import Function, find_functions, plain
from nnwidgets.lint._rows import rows_of
from nnwidgets.trace import Value

from ._network import Network
from ._spots import Spot, spot_of

_CHOICE = ("softmax", "log_softmax", "logsumexp")


@dataclass(frozen=True, eq=False)
class Outputs:
    """The answers of a network.

    Attributes:
        task: "classes" (one of several), "labels" (each yes or no) or "numbers".
        loss: how they are compared, see `Head.loss`; "" where it is not known.
        answered: "softmax", "log_softmax" or "sigmoid" where the outputs are made of the logits by it, else "".
        logits: by example (examples, positions ..., classes), before such a function.
        targets: what may be the targets, the likeliest first.
        field: which of the batch's arrays is looked at as the input.
    """

    task: str
    loss: str
    answered: str
    logits: Spot
    targets: tuple[Spot, ...]
    field: int


def find_outputs(network: Network) -> Outputs | None:
    """The outputs in ``aux`` where the loss gives them, else what it compares with targets; None where neither is known."""
    traced, head = network.traced, network.traced.head
    given = [value for path, value in traced.aux if path[0] == "outputs" and _is_output(value)]
    value = given[0] if given else _compared(network)
    if value is None:
        return None
    last = _last_function(network, value)
    answered = last.name if last is not None else ""
    value = last.input if last is not None else value
    axis = _class_axis(network, value, last)
    fields = traced.fields_of(value)
    if not fields:
        return None
    if head.loss == "softmax cross-entropy" or answered in _CHOICE:
        task = "classes"
    else:
        task = "labels" if head.loss == "sigmoid cross-entropy" or answered == "sigmoid" else "numbers"
    wanted = [each for path, each in traced.aux if path[0] == "targets" and each.const is None]
    wanted += [label.value for label in head.labels()]
    wanted += [traced.fields[i] for i in sorted(head.targets)]
    targets = tuple(spot_of(traced, each, network.examples, None) for each in wanted if _can_be_taken(network, each))
    sizes = {i: (i not in head.targets, traced.fields[i].aval.size) for i in sorted(fields)}
    field = max(sizes, key=lambda i: sizes[i])
    logits = spot_of(traced, value, network.examples, axis)
    return Outputs(task, head.loss, answered, logits, targets, field)


def _compared(network: Network) -> Value | None:
    """What the loss takes as the outputs: what goes into its softmax, or is subtracted from targets; else the last layer's."""
    head, rows = network.traced.head, rows_of(network.traced)
    taken = [each.input for each in head.functions if each.name in _CHOICE]
    if head.loss in ("squared error", "absolute error"):
        taken += [ours for _, ours, _ in head.differences]
    usable = (value for value in taken if _is_output(value) and rows.of(value) is not None)
    return next((value for value in usable if not network.traced.program.ops[value.op or 0].loops), head.logits)


def _is_output(value: Value) -> bool:
    return value.op is not None and value.data and value.trained and value.aval.dtype.kind in "fV"


def _can_be_taken(network: Network, value: Value) -> bool:
    if value.op is None:
        return any(value is field for field in network.traced.fields)
    return not network.traced.program.ops[value.op].loops


def _last_function(network: Network, value: Value) -> Function | None:
    """The softmax or sigmoid that made the outputs of logits."""
    program = network.traced.program
    start = plain(program, value)
    if start.op is None or start.aval.shape != value.aval.shape:
        return None
    found = (each for each in find_functions(program) if each.name in ("softmax", "log_softmax", "sigmoid"))
    same = next((each for each in found if plain(program, each.output) is start), None)
    return same if same is not None and same.input.op is not None and same.input.trained else None


def _class_axis(network: Network, value: Value, last: Function | None) -> int:
    """The axis that a softmax sums over, else the last."""
    head, shape = network.traced.head, value.aval.shape
    functions = [last] if last is not None else head.functions
    for each in functions:
        if each.name in _CHOICE and each.input.aval.shape == shape and each.axes:
            return each.axes[0]
    return -1
