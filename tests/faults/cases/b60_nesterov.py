"""A convolutional network with SGD at a rate that Nesterov momentum makes ten times too high (SO 37624102)."""

from __future__ import annotations

import flax.linen as nn
import jax
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "steps"
ACCEPT = {"LearningRateTooHigh", "Divergence", "NonFinite", "DeadUnits", "ExplodingGradient", "Oscillation"}
WHERE = ""
STEPS = 200


class ConvNet(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(16, (5, 5), padding="VALID", name="conv1")(x))
        x = nn.max_pool(x, (2, 2), (2, 2))
        x = nn.relu(nn.Conv(32, (3, 3), name="conv2")(x))
        x = nn.relu(nn.Dense(64, name="dense1")(x.reshape(len(x), -1)))
        return nn.Dense(4, name="dense2")(x)


def crossentropy(logits, onehot):
    return optax.softmax_cross_entropy(logits, onehot).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    (images, labels), test = data.shapes(seed)
    centred = (images - images.mean()) / images.std()
    net = ConvNet()
    session = nnw.Session(
        nnw.from_linen(net, net.init(jax.random.key(seed), centred[:2]), crossentropy),
        optax.sgd(0.3 if fault else 0.01, momentum=0.9, nesterov=True),
        data.batches((centred, data.one_hot(labels, 4)), 30, seed),
        seed=seed,
    )
    session.held_out = (test[0] - images.mean()) / images.std(), test[1]
    return session


def error(session: nnw.Session) -> float:
    images, labels = session.held_out
    logits = np.asarray(ConvNet().apply(session.model, images))
    return float(np.mean(np.argmax(logits, -1) != labels)) if np.isfinite(logits).all() else float("nan")
