"""Class numbers that the outputs do not have."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np

from nnwidgets.records import Finding

from ._head import Label
from ._setup import Setup
from ._told import told

_ARITHMETIC = frozenset({"mul", "div", "add", "sub", "eq", "gt", "lt", "ge", "le", "max", "min", "clamp"})


@dataclass(frozen=True)
class LabelRange:
    """A label lies outside the classes that the outputs have, or outside 0 to 1 where the loss takes a probability.

    JAX raises no error: a label of K gives NaN or a row of zeros, a label of -1 counts as the last class, and a sigmoid with
    labels 0, 1, 2, ... gives a cross-entropy that falls below zero without end. Labels that a mask takes out of the
    loss are not meant. Seen in the labels of the first batches. Sources: optax#1185, tensorflow#10268.
    """

    def check(self, setup: Setup) -> Finding | None:
        """The first place where it happens."""
        for label in setup.train.head.labels():
            if (found := self._class_number(setup, label)) is not None:
                return found
        return self._probability(setup)

    def _class_number(self, setup: Setup, label: Label) -> Finding | None:
        traced, bad = setup.train, None
        for batch in setup.batches:
            (values,) = traced.values([label.value], batch)
            values = np.asarray(values, np.float64)
            bad = values[(values < 0) | (values >= label.classes)]
            if bad.size and _matters(setup, label, batch, values):
                break
        else:
            return None
        assert bad is not None
        return told(
            self,
            f"Labels must be 0 to {label.classes - 1}, since the outputs have {label.classes} classes; the first batches hold "
            f"{', '.join(f'{each:g}' for each in np.unique(bad)[:5])}. JAX does not raise: such a label is "
            "clamped, counted from the end, or "
            "gives NaN or no loss at all.",
            "Number the classes from 0, or give the last layer as many outputs as there are classes; mask what is padding.",
            where=traced.head.layers[-1] if traced.head.layers else "",
            line=traced.line(label.op),
            classes=label.classes,
            outside=[float(each) for each in np.unique(bad)[:5]],
            share=float(bad.size / values.size),
        )

    def _probability(self, setup: Setup) -> Finding | None:
        """Targets of a binary cross-entropy that are no probabilities."""
        traced, head = setup.train, setup.train.head
        if head.loss != "sigmoid cross-entropy" or head.logits is None:
            return None
        size = int(np.prod(head.logits.aval.shape))
        for field in setup.fields:
            if not field.is_target or field.is_input or int(np.prod(field.shape)) != size:
                continue
            values = np.asarray(field.values, np.float64)
            outside = values[np.isfinite(values) & ((values < 0) | (values > 1))]
            if outside.size and not _scaled_in_the_loss(setup, field.index):
                several = len(np.unique(values)) > 2 and np.array_equal(values, np.round(values))
                return told(
                    self,
                    "Binary cross-entropy wants targets between 0 and 1, and gets "
                    f"{', '.join(f'{each:g}' for each in np.unique(outside)[:5])}: the loss then falls below zero without end"
                    + (", and one sigmoid cannot tell several classes apart." if several else "."),
                    "For K classes give the last layer K outputs and take softmax cross-entropy"
                    if several
                    else "Bring the targets to 0 and 1, e.g. (y + 1) / 2 for -1 and 1.",
                    where=head.layers[-1],
                    line=next((traced.line(f.op) for f in head.kinds("softplus", "log")), None),
                    outside=[float(each) for each in np.unique(outside)[:5]],
                    share=float(outside.size / values.size),
                )
        return None


def _matters(setup: Setup, label: Label, batch: object, values: np.ndarray) -> bool:
    """Whether the loss changes, or is not finite, when valid ones stand in for labels outside: a masked one is no fault."""
    leaves, structure = jax.tree.flatten(batch)
    field = np.array(leaves[label.field])
    if field.shape != values.shape or not np.array_equal(np.asarray(field, np.float64), values):
        # made of the field by some arithmetic: no replacement is known
        return True
    replaced = field.copy()
    replaced[(values < 0) | (values >= label.classes)] = 0
    again = replaced.copy()
    again[(values < 0) | (values >= label.classes)] = label.classes - 1
    losses = []
    for each in (field, replaced, again):
        leaves[label.field] = each
        loss, _ = setup.loss(setup.params, setup.state, jax.tree.unflatten(structure, leaves), setup.key, False)
        losses.append(float(loss))
    return not (np.isfinite(losses).all() and losses[0] == losses[1] == losses[2])


def _scaled_in_the_loss(setup: Setup, field: int) -> bool:
    """Whether the loss calculates with the targets before it uses them, so that their range says nothing (1 - y apart)."""
    traced = setup.train
    for op in traced.program.ops:
        theirs = op.outputs[0] if op.outputs else None
        if theirs is None or op.primitive not in _ARITHMETIC or theirs.trained or not theirs.data:
            continue
        if field in traced.fields_of(theirs) and not (op.primitive == "sub" and op.inputs[0].const == 1.0):
            return True
    return False
