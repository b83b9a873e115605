"""Whether the network has learned what belongs to what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import numpy as np

from nnwidgets.records import Check

from ._chance import is_at_chance
from ._subject import Subject
from ._told import told


@dataclass(frozen=True)
class ShuffledLabels:
    """With the labels of other examples the loss of a trained network must rise; else labels and inputs do not belong together.

    The labels are permuted among the rows of a batch: their shares stay, what is lost is which belongs to which. Inputs
    and labels that were shuffled separately, an output that ignores its input, and labels that never reach the loss
    show here. Source: Karpathy, "A Recipe for Training Neural Networks" (2019); permutation tests (Ojala and Garriga, 2010).

    Attributes:
        least: by which share of the loss other labels must be worse.
        batches: how many are looked at.
        steps: that a run must have made before the loss can tell.
        sure: steps from which on it must.
    """

    least: float = 0.01
    batches: int = 4
    steps: int = 20
    sure: int = 100

    name: ClassVar[str] = "shuffled labels"
    heading: ClassVar[int] = 2

    def seconds(self, subject: Subject) -> float:
        """About how long it takes."""
        return 2.0

    def run(self, subject: Subject) -> Check:
        """The loss in evaluation with the labels of each example, and with those of others."""
        setup = subject.setup
        labels = {field.index for field in setup.fields if field.is_target and not field.is_input}
        if not labels or setup.rows is None or setup.rows < 2:
            words = "no array of the batch is a target alone, one row an example."
            return told(self, "which arrays are labels can't be told", "", "unknown", words)
        pairs = [(batch, self._permuted(batch, labels, setup.rows, i)) for i, batch in enumerate(setup.batches)]
        pairs = [each for each in pairs[: self.batches] if each[1] is not None]
        expected = f"others' labels at least {self.least:.0%} worse"
        if not pairs:
            words = "all labels of a batch are the same, in each of the first batches: shuffle the examples."
            return told(self, "the labels of a batch are all the same", expected, "unknown", words)
        own, other = (float(np.mean([subject.loss(pair[i], train=False) for pair in pairs])) for i in range(2))
        measured = f"{own:.4g} with their own labels, {other:.4g} with those of others"
        numbers = {"own": own, "others": other}
        if not np.isfinite(own):
            words = "the loss is not finite, which says nothing of this: see activations."
            return told(self, measured, expected, "unknown", words, **numbers)
        if other - own > self.least * abs(own):
            words = "what belongs to what was learned." if subject.step >= self.steps else ""
            return told(self, measured, expected, "ok", words, **numbers)
        if subject.step < self.steps:
            words = f"the run has made {subject.step} steps: an untrained network can't tell yet. Run it again later."
            return told(self, measured, expected, "unknown", words, **numbers)
        words = (
            "the labels of other examples do as well as their own. Look whether inputs and labels are shuffled together, "
            "and whether the output depends on the inputs (zeroed input, connections)."
        )
        if subject.step < self.sure or is_at_chance(subject, own, self.batches):
            words += " The loss is still what chance gives: it may be that nothing was learned yet."
            return told(self, measured, expected, "suspicious", words, **numbers)
        words += " The loss is below chance all the same: it comes from something else than the labels."
        return told(self, measured, expected, "wrong", words, **numbers)

    def _permuted(self, batch: Any, labels: set[int], rows: int, seed: int) -> Any | None:
        """Each example with the labels of another one; None where that changes nothing."""
        order = np.random.default_rng(seed).permutation(rows)
        # along one cycle through all rows, so that none keeps its own
        taken = np.empty(rows, np.int64)
        taken[order] = np.roll(order, 1)
        leaves, structure = jax.tree.flatten(batch)
        made = [leaf[taken] if i in labels else leaf for i, leaf in enumerate(leaves)]
        same = all(np.array_equal(made[i], leaves[i]) for i in labels)
        return None if same else jax.tree.unflatten(structure, made)
