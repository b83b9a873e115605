"""The standard deviation of features that are constant has no slope (jax-ml/jax#11716): statistics pooling of silence."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "nan"
ACCEPT = {"NonFinite", "UnguardedLog"}
WHERE = ""
STEPS = 200
CLASSES = 3


class SpeakerNet(nn.Module):
    """Frames to utterances by the mean and the deviation over time."""

    guarded: bool

    @nn.compact
    def __call__(self, frames: jax.Array) -> jax.Array:
        frames = nn.tanh(nn.Dense(16)(frames))
        centre = frames.mean(1)
        spread = _guarded_deviation(frames) if self.guarded else frames.std(axis=1)  # the fault
        return nn.Dense(CLASSES)(jnp.concatenate([centre, spread], -1))


def _guarded_deviation(frames: jax.Array) -> jax.Array:
    return jnp.sqrt(frames.var(axis=1) + 1e-5)


def utterances(seed: int, count: int) -> tuple[data.Array, data.Array]:
    """Frames (n, 15, 6) whose centre and size differ between speakers; one clip in 150 is silence."""
    rng = np.random.default_rng(seed)
    speaker = rng.integers(0, CLASSES, count).astype(np.int32)
    size = np.array([0.4, 0.8, 1.4])[speaker][:, None, None]
    frames = size * rng.normal(size=(count, 15, 6)) + 0.2 * (speaker - 1)[:, None, None]
    frames[140::150] = 0
    return frames.astype(np.float32), speaker


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    model = SpeakerNet(guarded=not fault)
    examples = utterances(0, 900)
    variables: Any = model.init(jax.random.key(seed), examples[0][:1])
    objective = nnw.from_linen(model, variables, cross_entropy)
    return nnw.Session(objective, optax.adam(0.01), data.batches(examples, 20, seed), seed=seed)


def error(session: nnw.Session) -> float:
    frames, speaker = utterances(1, 400)
    logits = SpeakerNet(guarded=True).apply(session.model, frames)
    return float(np.mean(np.argmax(np.asarray(logits), -1) != speaker))
