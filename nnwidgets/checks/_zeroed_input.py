"""Whether the network has learned anything from its input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax
import numpy as np

from nnwidgets.records import Check

from ._chance import is_at_chance
from ._subject import Subject
from ._told import told


@dataclass(frozen=True)
class ZeroedInput:
    """With zeros in place of the inputs the loss of a trained network must rise; else it learned nothing from them.

    Before there was any training both losses are about the same, which says nothing yet. An input that is cut off, a
    constant output and a bias that does all the work show here. Source: Karpathy, "A Recipe for Training Neural Networks"
    (2019), "input-independent baseline".

    Attributes:
        least: by which share of the loss zeros must be worse.
        batches: how many are looked at.
        steps: that a run must have made before the loss can tell.
    """

    least: float = 0.01
    batches: int = 4
    steps: int = 20

    name: ClassVar[str] = "zeroed input"
    heading: ClassVar[int] = 2

    def seconds(self, subject: Subject) -> float:
        """About how long it takes."""
        return 1.0

    def run(self, subject: Subject) -> Check:
        """The loss in evaluation of some batches as they are, and with zeros as inputs."""
        inputs = {field.index for field in subject.setup.fields if field.is_input and not field.is_target}
        if not inputs:
            words = "which arrays of a batch are inputs alone can't be told from the traced loss."
            return told(self, "no array is an input alone", "", "unknown", words)
        given, zeroed = [], []
        for batch in subject.setup.batches[: self.batches]:
            leaves, structure = jax.tree.flatten(batch)
            empty = [np.zeros_like(leaf) if i in inputs else leaf for i, leaf in enumerate(leaves)]
            given.append(subject.loss(batch, train=False))
            zeroed.append(subject.loss(jax.tree.unflatten(structure, empty), train=False))
        ours, theirs = float(np.mean(given)), float(np.mean(zeroed))
        measured = f"{ours:.4g} with the inputs, {theirs:.4g} with zeros"
        numbers = {"given": ours, "zeroed": theirs}
        expected = f"zeros at least {self.least:.0%} worse"
        if not np.isfinite(ours):
            words = "the loss is not finite, which says nothing of this: see activations."
            return told(self, measured, expected, "unknown", words, **numbers)
        if theirs - ours > self.least * abs(ours):
            return told(self, measured, expected, "ok", "it uses its inputs.", **numbers)
        if abs(theirs - ours) <= 1e-6 * abs(ours) and subject.step >= self.steps:
            words = "the loss does not change with the inputs at all: see connections."
            return told(self, measured, expected, "wrong", words, **numbers)
        if subject.step >= self.steps and is_at_chance(subject, ours, self.batches):
            words = "the loss is still what chance gives: nothing was learned yet that the inputs could help with."
            return told(self, measured, expected, "unknown", words, **numbers)
        if subject.step < self.steps:
            words = f"the run has made {subject.step} steps: an untrained network can't tell yet. Run it again later."
            return told(self, measured, expected, "unknown", words, **numbers)
        words = (
            "what it has learned does not come from the inputs. Look whether they reach the output (connections), "
            "whether they are scaled, and whether the loss has gone below what the labels alone give."
        )
        return told(self, measured, expected, "wrong", words, **numbers)
