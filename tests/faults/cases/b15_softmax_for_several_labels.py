"""Three labels that may all be true come out of a softmax, whose outputs sum to 1 (Stack Overflow 38648195)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

GROUP = "head"
ACCEPT = {"SoftmaxForMultiLabel", "OutputRange"}
WHERE = "out"
STEPS = 200


class Tagger(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.first, self.second = nnx.Linear(20, 20, rngs=rngs), nnx.Linear(20, 20, rngs=rngs)
        self.out = nnx.Linear(20, 3, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.out(jax.nn.relu(self.second(jax.nn.relu(self.first(x)))))


def softmax_and_squares(scores: jax.Array, tags: jax.Array) -> jax.Array:
    return jnp.mean((jax.nn.softmax(scores) - tags) ** 2)  # the fault


def one_question_a_tag(scores: jax.Array, tags: jax.Array) -> jax.Array:
    return optax.sigmoid_binary_cross_entropy(scores, tags).mean()


def tagged(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(4400, 20)).astype(np.float32)
    directions = rng.normal(size=(20, 3)) / np.sqrt(20)
    return inputs, (inputs @ directions + 0.2 * rng.normal(size=(4400, 3)) > 0).astype(np.float32)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    inputs, tags = tagged(seed)
    session = nnw.Session(
        nnw.from_nnx(Tagger(nnx.Rngs(seed)), softmax_and_squares if fault else one_question_a_tag),
        optax.sgd(0.1, momentum=0.9),
        data.batches((inputs[:4000], tags[:4000]), 100, seed),
        validation=[(inputs[4000:], tags[4000:])],
        seed=seed,
    )
    session.held_out = inputs[4000:], tags[4000:]
    return session


def error(session: nnw.Session) -> float:
    inputs, tags = session.held_out
    scores = session.model(inputs)
    # a score is above 0, or its share of the softmax above a half or a third: the best reading counts
    shares = jax.nn.softmax(scores)
    return float(min(np.mean(answers != tags) for answers in (scores > 0, shares > 1 / 2, shares > 1 / 3)))
