"""Outputs and targets that are spread over one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding
from nnwidgets.trace import Op, Value

from ._setup import Setup, Traced
from ._told import told

_COMBINES = frozenset({"sub", "mul", "add", "div", "max", "min", "pow", "eq", "squared_difference", "atan2"})


@dataclass(frozen=True)
class SilentBroadcast:
    """Outputs of shape (n, 1) against targets of shape (n,): each output is compared with every target, without an error.

    The best the network can then do is to give the mean of the targets, with a loss of var(y). Seen from the shapes in
    the program: outputs and targets are spread along different axes of one (n, n) array. Sources: pytorch#16045, keras#14627.
    """

    def check(self, setup: Setup) -> Finding | None:
        """The first operation where it happens."""
        traced = setup.train
        for op, ours, theirs in pairs(traced):
            if len({id(ours), id(theirs)}) == 2 and (where := _crossed(ours, theirs)) is not None:
                shape = op.outputs[0].aval.shape
                return told(
                    self,
                    f"Outputs of shape {_text(ours)} meet targets of shape {_text(theirs)}: they are spread to "
                    f"{list(shape)}, so that "
                    "each output is compared with the target of every example. The network can only learn the mean "
                    "of the targets.",
                    "Bring both to one shape: outputs.squeeze(-1), or targets[:, None]; assert outputs.shape == "
                    "targets.shape in the loss.",
                    where=traced.head.layers[-1] if traced.head.layers else "",
                    line=traced.line(op),
                    outputs=_text(ours),
                    targets=_text(theirs),
                    together=str(list(shape)),
                    axes=where,
                )
        return None


@dataclass(frozen=True)
class LabelWidth:
    """The labels have more columns than the outputs: one output is compared with each column of the label.

    It happens with one-hot labels and a last layer of one unit. Seen from the shapes in the program.
    """

    def check(self, setup: Setup) -> Finding | None:
        """The first operation where one column of outputs meets several of a target."""
        traced, head = setup.train, setup.train.head
        outputs = [value for path, value in traced.aux if path[0] == "outputs"]
        for op, ours, theirs in pairs(traced):
            mine, labels = ours.aval.shape, theirs.aval.shape
            one = len(mine) == len(labels) >= 2 and mine[:-1] == labels[:-1] and mine[-1] == 1 < labels[-1]
            if not one or op.primitive not in ("sub", "mul", "squared_difference"):
                continue
            values = _field_values(setup, theirs)
            coded = values is not None and values.ndim == 2 and set(np.unique(values)) <= {0, 1}
            single = all(each.aval.shape[-1:] == (1,) for each in head.all_logits)
            made = head.is_logits(ours) or head.feeding(ours, ("sigmoid", "softmax", "tanh", "relu", "log")) is not None
            if made or (single and coded) or (outputs and head.path(outputs[0], ours)):
                return told(
                    self,
                    f"The outputs have one column and the labels {labels[-1]}: the one output is compared with every column"
                    + (", so a one-hot label asks of it to be 0 and 1 at once." if coded else "."),
                    f"Give the last layer {labels[-1]} outputs, or bring the labels to one column.",
                    where=head.layers[-1] if head.layers else "",
                    line=traced.line(op),
                    outputs=_text(ours),
                    targets=_text(theirs),
                )
        return None


def pairs(traced: Traced) -> list[tuple[Op, Value, Value]]:
    """Each operation of the loss in which outputs and targets meet element by element; both as before they were spread."""
    head, found = traced.head, []
    for op in head.tail:
        if op.primitive not in _COMBINES or len(op.inputs) != 2:
            continue
        for ours, theirs in (op.inputs, op.inputs[::-1]):
            if head.trained(ours) and theirs.data and not theirs.trained and theirs.aval.shape:
                found.append((op, _before_spread(traced, ours), _before_spread(traced, theirs)))
    return found


def _before_spread(traced: Traced, value: Value) -> Value:
    """The value before it was repeated along an axis; with the axes that it was given for it, of length 1."""
    while value.op is not None:
        op = traced.program.ops[value.op]
        if op.primitive != "broadcast_in_dim":
            break
        before = op.inputs[0]
        if before.aval.size == value.aval.size:
            # only axes of length 1 were added: those say along which axis it is spread next
            break
        if len(before.aval.shape) != len(value.aval.shape):
            break
        value = before
    return value


def _crossed(ours: Value, theirs: Value) -> str | None:
    mine, labels = ours.aval.shape, theirs.aval.shape
    width = max(len(mine), len(labels))
    mine, labels = (1,) * (width - len(mine)) + mine, (1,) * (width - len(labels)) + labels
    first = [i for i in range(width) if mine[i] > 1 and labels[i] == 1]
    second = [i for i in range(width) if labels[i] > 1 and mine[i] == 1]
    for i in first:
        for k in second:
            if mine[i] == labels[k]:
                return f"outputs along axis {i}, targets along axis {k}"
    return None


def _text(value: Value) -> str:
    return str(list(value.aval.shape))


def _field_values(setup: Setup, value: Value) -> np.ndarray | None:
    fields = setup.train.fields_of(value)
    return setup.fields[next(iter(fields))].values if len(fields) == 1 else None
