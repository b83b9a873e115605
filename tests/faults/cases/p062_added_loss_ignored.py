"""What a Keras layer adds to the loss is lost where a JAX loss calls the model itself (keras-team/keras#19430, #19402)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "state"
ACCEPT = {"Overfitting"}
WHERE = ""
STEPS = 400


class FewWeights(keras.layers.Layer):
    """A linear unit that is told to use few of its inputs."""

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(shape=(input_shape[-1], 1), name="kernel")
        self.bias = self.add_weight(shape=(1,), initializer="zeros", name="bias")

    def call(self, x: Any) -> Any:
        self.add_loss(0.15 * jnp.sum(jnp.abs(self.kernel.value)))
        return keras.ops.matmul(x, self.kernel) + self.bias


def needles(seed: int, count: int) -> tuple[data.Array, data.Array]:
    """A hundred features, of which two matter; targets of variance about 1."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, 100)).astype(np.float32)
    targets = 0.8 * features[:, 3] - 0.6 * features[:, 40] + 0.2 * rng.normal(size=count)
    return features, targets.astype(np.float32)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((100,)), FewWeights()])
    trained = [variable.path for variable in model.trainable_variables]

    def loss_fn(params: Any, batch: Any) -> Any:
        features, targets = batch
        values = [params[path] for path in trained]
        called: Any = model.stateless_call(values, [], features, training=True, return_losses=True)
        predicted, _, added = called
        aux = {"outputs": predicted[:, 0], "targets": targets}
        loss = jnp.mean((predicted[:, 0] - targets) ** 2)
        return (loss, aux) if fault else (loss + sum(added), {**aux, "penalty": sum(added)})

    params = {variable.path: variable.value for variable in model.trainable_variables}
    batches = data.batches(needles(seed, 120), 40, seed)
    validation = [needles(1000 + seed, 400)]
    session = nnw.Session(nnw.Objective(loss_fn, params), optax.adam(0.01), batches, validation=validation, seed=seed)
    session.held_out = needles(1000 + seed, 400)
    return session


def error(session: nnw.Session) -> float:
    _, (_, aux) = session.objective(session.params, session.state, session.held_out, jax.random.key(0), False)
    targets = np.asarray(aux["targets"])
    return float(np.mean((np.asarray(aux["outputs"]) - targets) ** 2) / targets.var())
