"""Each framework's model becomes an objective that trains and comes back as the user's own model."""

from __future__ import annotations

from typing import Any

import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import nnwidgets as nnw

INPUTS = np.random.default_rng(0).normal(size=(16, 5)).astype(np.float32)
TARGETS = (INPUTS[:, 0] > 0).astype(np.int32)


def loss(logits: Any, labels: Any) -> Any:
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


class Linen(linen.Module):
    @linen.compact
    def __call__(self, x: Any, train: bool) -> Any:
        x = linen.BatchNorm(use_running_average=not train)(linen.Dense(8)(x))
        return linen.Dense(2)(linen.Dropout(0.1, deterministic=not train)(linen.relu(x)))


class Nnx(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.first, self.norm = nnx.Linear(5, 8, rngs=rngs), nnx.BatchNorm(8, rngs=rngs)
        self.dropout, self.last = nnx.Dropout(0.1, rngs=rngs), nnx.Linear(8, 2, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.last(self.dropout(nnx.relu(self.norm(self.first(x)))))


def make(framework: str) -> nnw.Objective:
    if framework == "linen":
        model = Linen()
        return nnw.from_linen(model, model.init(jax.random.key(0), INPUTS, train=False), loss)
    if framework == "nnx":
        return nnw.from_nnx(Nnx(nnx.Rngs(0)), loss)
    if framework == "equinox":
        import equinox

        return nnw.from_equinox(equinox.nn.MLP(5, 2, 8, 1, key=jax.random.key(0)), loss)
    import keras

    layers = [keras.layers.Dense(8, "relu"), keras.layers.BatchNormalization(), keras.layers.Dense(2)]
    return nnw.from_keras(keras.Sequential([keras.Input((5,)), *layers]), loss)


@pytest.mark.parametrize("framework", ["linen", "nnx", "equinox", "keras"])
def test_a_model_learns_through_its_adapter(framework: str) -> None:
    objective = make(framework)
    session = nnw.Session(objective, optax.adam(0.02), [(INPUTS, TARGETS)]).run(60)
    losses = session.history["train/loss"].values
    assert losses[-1] < losses[0] / 2
    assert len(objective.paths) == len(jax.tree.leaves(session.params))
    assert objective.restore(session.params, session.state) is not None


def test_linen_gives_what_apply_gives() -> None:
    model = Linen()
    variables = model.init(jax.random.key(0), INPUTS, train=False)
    objective = nnw.from_linen(model, variables, loss)
    value, (_, aux) = objective(objective.params, objective.state, (INPUTS, TARGETS), jax.random.key(1), False)
    outputs = model.apply(variables, INPUTS, train=False)
    np.testing.assert_allclose(aux["outputs"], outputs, rtol=1e-6)
    np.testing.assert_allclose(value, loss(jnp.asarray(outputs), TARGETS), rtol=1e-6)


def test_an_objective_says_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="can't be used"):
        nnw.Objective(lambda params: 0.0, {"w": jnp.ones(2, jnp.int32)})
    objective = nnw.Objective(lambda params, batch: params["w"] * batch, {"w": jnp.ones(3)})
    with pytest.raises((ValueError, TypeError), match=r"scalar|mean"):
        objective.check(jnp.ones(3))
