"""Which of the answers of a classifier are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.lint import Setup
from nnwidgets.trace import Value

Right = Callable[[jax.Array, jax.Array], jax.Array]


@dataclass(frozen=True, eq=False)
class Answers:
    """How the logits of a program are marked.

    Attributes:
        logits: to be noted.
        labels: to be noted, too, where the program makes them of the batch; else the index of a field.
        right: (logits, labels) -> which are right.
    """

    logits: Value
    labels: Value | int
    right: Right

    @property
    def has_positions(self) -> bool:
        """Whether an example has several answers: what stands before a position, or round it, may not tell them all."""
        return len(self.logits.aval.shape) > 2

    @property
    def noted(self) -> list[Value]:
        """What must be noted to mark it."""
        return [self.logits] if isinstance(self.labels, int) else [self.logits, self.labels]

    def share(self, noted: Any, batch: Any) -> jax.Array:
        """The share of right answers."""
        labels = jax.tree.leaves(batch)[self.labels] if isinstance(self.labels, int) else noted[1]
        return jnp.mean(self.right(noted[0], jnp.asarray(labels)).astype(jnp.float32))


def find_answers(setup: Setup) -> Answers | None:
    """For class numbers, rows of shares, and zeros and ones; None where the loss is another one or the labels are not found."""
    traced, head = setup.train, setup.train.head
    logits = head.logits
    if len(head.all_logits) != 1 or logits is None or logits.place is None:
        return None
    shape = logits.aval.shape
    targets = [field for field in setup.fields if field.is_target and not field.is_input]
    alike = next((field for field in targets if int(np.prod(field.shape)) == int(np.prod(shape))), None)
    if head.loss == "sigmoid cross-entropy" and alike is not None and np.isin(alike.values, (0, 1)).all():
        return Answers(logits, alike.index, lambda logits, labels: (logits > 0) == (labels.reshape(logits.shape) > 0.5))
    if head.loss != "softmax cross-entropy" or not _along_the_last(setup, shape):
        return None
    for label in head.labels():
        fitting = label.classes == shape[-1] and int(np.prod(label.value.aval.shape)) == int(np.prod(shape[:-1]))
        index = next((i for i, value in enumerate(traced.fields) if value is label.value), None)
        if fitting and (index is not None or label.value.place is not None):
            return Answers(logits, label.value if index is None else index, _is_class)
    if alike is not None and alike.shape == shape:
        return Answers(logits, alike.index, lambda logits, labels: jnp.argmax(logits, -1) == jnp.argmax(labels, -1))
    return None


def _is_class(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Numbers that are no class mark what does not count."""
    labels = labels.reshape(logits.shape[:-1])
    return (jnp.argmax(logits, -1) == labels) | (labels < 0) | (labels >= logits.shape[-1])


def _along_the_last(setup: Setup, shape: tuple[int, ...]) -> bool:
    found = setup.train.head.kinds("log_softmax", "logsumexp", "softmax")
    return bool(found) and found[-1].axes == (len(shape) - 1,) and found[-1].input.aval.shape == shape
