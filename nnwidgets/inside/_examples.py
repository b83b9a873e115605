"""The examples with what becomes of them, and the orders in which they are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnwidgets.records import Example

from ._data import Data
from ._network import Network
from ._outcomes import Answers, fitting
from ._score import answers, outputs_of

ORDERS = ("wrong first", "most confident wrong first", "largest loss first", "in order")


def find_examples(data: Data, params: Any, state: Any) -> tuple[Example, ...]:
    """All examples in order; without a prediction where the network's outputs were not found."""
    found: list[Example] = []
    for network, batch, count in data.parts():
        answered = answers_of(network, network.leaves(params, state, batch))
        unknown = [Example(len(found) + k, float("nan")) for k in range(count)]
        found += unknown if answered is None else answered.examples(len(found), count)
    return tuple(found)


def answers_of(network: Network, leaves: list[Any]) -> Answers | None:
    """What the network answers to a batch."""
    outputs = outputs_of(network)
    if outputs is None:
        return None
    logits, *targets = answers(network, leaves)
    logits, wanted = fitting(outputs.task, logits.astype(np.float64), targets)
    return Answers(outputs.task, outputs.loss, outputs.answered, logits, wanted)


def ordered(examples: Sequence[Example], order: str) -> tuple[Example, ...]:
    """The examples in one of `ORDERS`; where two are alike, or what it needs is not known, in order.

    Wrong first is by the loss where nothing can be right or wrong; a loss that is NaN is the largest.

    Raises:
        ValueError: there is no such order.
    """
    if order not in ORDERS:
        raise ValueError(f"there is no order {order!r}: the orders are {', '.join(ORDERS)}.")
    judged = any(each.right is not None for each in examples)
    if order == "largest loss first" or (order != "in order" and not judged):
        return tuple(sorted(examples, key=lambda each: -np.inf if np.isnan(each.loss) else -each.loss))
    if order == "wrong first":
        return tuple(sorted(examples, key=lambda each: each.right is not False))
    if order == "most confident wrong first":
        return tuple(sorted(examples, key=_confident_and_wrong))
    return tuple(examples)


def _confident_and_wrong(example: Example) -> tuple[bool, float]:
    confidence = example.confidence or 0.0
    return (example.right is not False, confidence if example.right else -confidence)
