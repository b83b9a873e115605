"""Passengers with names, tickets and cabins as running numbers, unscaled, into 512 units (Stack Overflow 31627380)."""

from __future__ import annotations

import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

GROUP = "data"
ACCEPT = {"InputScale"}
WHERE = ""
STEPS = 200


def passengers(seed: int, count: int):
    rng = np.random.default_rng(seed)
    deck, woman = rng.integers(1, 4, count), rng.integers(0, 2, count)
    age, fare = rng.uniform(1, 75, count), np.exp(rng.normal(5 - deck, 0.6)) * 2
    table = [
        deck,
        rng.permutation(count),  # the name
        woman,
        age,
        rng.integers(0, 5, count),
        rng.integers(0, 4, count),
        rng.integers(0, 681, count),  # the ticket
        fare,
        rng.integers(0, 148, count),  # the cabin
        rng.integers(0, 3, count),
    ]
    score = 2.2 * woman - 1.1 * deck - 0.03 * age + 0.4 * np.log(fare) + 0.3 * rng.normal(size=count)
    return np.stack(table, axis=1).astype(np.float32), (score > np.quantile(score, 0.6)).astype(np.int32)


class Survival(nnx.Module):
    def __init__(self, rngs):
        self.hidden = nnx.Linear(10, 512, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.output = nnx.Linear(512, 2, rngs=rngs)

    def __call__(self, x):
        return self.output(self.dropout(nnx.relu(self.hidden(x))))


def cross_entropy(logits, labels):
    return optax.softmax_cross_entropy(logits, nnx.one_hot(labels, 2)).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    table, labels = passengers(seed, 891)
    if not fault:
        table = (table - table[:700].mean(0)) / table[:700].std(0)
    test = table[700:], labels[700:]
    session = nnw.Session(
        nnw.from_nnx(Survival(nnx.Rngs(seed)), cross_entropy),
        optax.adam(1e-3),
        data.batches((table[:700], labels[:700]), 32, seed),
        validation=[test],
        seed=seed,
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    table, labels = session.held_out
    model = session.model
    model.eval()
    return float(np.mean(np.argmax(model(table), -1) != labels))
