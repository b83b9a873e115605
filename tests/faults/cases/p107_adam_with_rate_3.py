"""Adam with a learning rate of 3 in place of 0.003 (mozilla/DeepSpeech#258)."""

from __future__ import annotations

import flax.linen as nn
import jax
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "steps"
ACCEPT = {"LearningRateTooHigh", "Divergence", "Oscillation", "UpdateRatio", "DeadUnits"}
WHERE = ""
STEPS = 200


class Network(nn.Module):
    @nn.compact
    def __call__(self, tokens):
        x = nn.Embed(20, 24, name="embed")(tokens).mean(axis=1)
        x = nn.LayerNorm(name="norm")(x)
        x = nn.relu(nn.Dense(48, name="hidden")(x))
        return nn.Dense(3, name="classes")(x)


def loss(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.sentences(207)
    model = Network()
    return nnw.Session(
        nnw.from_linen(model, model.init(jax.random.key(seed), train[0][:1]), loss),
        optax.adam(3.0 if fault else 0.003),
        data.epochs(train, 30, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    tokens, labels = data.sentences(207).test
    logits = np.asarray(Network().apply(session.model, tokens))
    return float(np.mean(np.argmax(logits, -1) != labels))
