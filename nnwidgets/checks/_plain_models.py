"""The plain models that a network must beat: a constant output, a linear one, one hidden layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nnwidgets.lint import Setup

from ._features import Features
from ._tail import Tail
from ._training import ADAM, Course, Loop

KINDS = ("prior", "linear", "one hidden layer")
RATES = (1e-3, 1e-2)
_WIDTH, _MOST = 64, 4_000_000


class PlainModels:
    """All of them, at both learning rates, trained at once on the user's own loss: their parameters do not meet.

    Args:
        setup: with the batches that they are trained on.

    Raises:
        ValueError: inputs or outputs are not known, or there are too many of them.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup, self._tail = setup, Tail(setup, setup.evaluation)
        self._features = Features(setup, self._tail.shape)
        self._outputs = prod(self._tail.shape[self._features.positions :])
        self._shift, self._scale = self._tail.scale()

    def train(
        self,
        batches: Sequence[Any],
        steps: int,
        key: jax.Array,
        go_on: Callable[[Course], bool] = lambda course: True,
    ) -> dict[str, Any]:
        """The parameters after so many steps, by kind, along a first axis by learning rate."""
        data = [self._given(batch) for batch in batches]
        models = self._started(data[0]["features"].shape[-1])
        rates = jax.tree.map(lambda leaf: np.float32(RATES).reshape(-1, *(1,) * (leaf.ndim - 1)), models)
        tx = optax.chain(ADAM, optax.stateless(lambda updates, _: jax.tree.map(jnp.multiply, updates, rates)))

        def loss(models: Any, state: Any, given: Any, rng: Any) -> Any:
            return sum(self._losses(self._tail, each, given, state, rng).sum() for each in models.values()), state

        state = self._setup.params, self._setup.state
        return Loop(loss, tx).run(models, state, data, key=key, steps=steps, go_on=go_on).params

    def losses(self, models: dict[str, Any], setup: Setup, batches: Sequence[Any], key: jax.Array) -> dict[str, Any]:
        """The loss of each kind at its better learning rate, batch by batch; the set-up has batches of their shapes."""
        tail = self._tail if setup is self._setup else Tail(setup, setup.evaluation)
        state = setup.params, setup.state
        run = jax.jit(
            lambda models, given, state: [
                self._losses(tail, each, given, state, key) for each in models.values()
            ]
        )  # fmt: skip
        found = np.array([run(models, self._given(batch), state) for batch in batches], np.float64)
        # batches, kinds, rates
        best = np.nan_to_num(found.mean(0), nan=np.inf).argmin(-1)
        return {kind: found[:, i, best[i]] for i, kind in enumerate(models)}

    def _given(self, batch: Any) -> dict[str, Any]:
        return {"features": self._features(batch), "batch": batch}

    def _losses(self, tail: Tail, models: Any, given: Any, state: Any, rng: Any) -> jax.Array:
        features, (params, more) = jnp.asarray(given["features"]), state

        def loss(model: Any) -> jax.Array:
            outputs = _apply(model, features).reshape(len(features), *tail.shape)
            return tail.loss(outputs * self._scale + self._shift, params, more, given["batch"], rng)

        return jax.vmap(loss)(models)

    def _started(self, features: int) -> dict[str, Any]:
        if max(features, _WIDTH) * self._outputs > _MOST or features * _WIDTH > _MOST:
            raise ValueError(f"{features} features and {self._outputs} outputs are too many")
        rng, bias = np.random.default_rng(0), np.zeros(self._outputs, np.float32)

        def draw(inputs: int, outputs: int) -> Any:
            return (rng.normal(size=(inputs, outputs)) * (2 / inputs) ** 0.5).astype(np.float32)

        models = {
            "prior": [{"b": bias}],
            "linear": [{"w": np.zeros((features, self._outputs), np.float32), "b": bias}],
            "one hidden layer": [
                {"w": draw(features, _WIDTH), "b": np.zeros(_WIDTH, np.float32)},
                {"w": 0.1 * draw(_WIDTH, self._outputs), "b": bias},
            ],
        }
        return jax.tree.map(lambda leaf: jnp.stack([jnp.asarray(leaf)] * len(RATES)), models)


def _apply(model: Any, x: jax.Array) -> jax.Array:
    for layer in model[:-1]:
        x = jax.nn.relu(x @ layer["w"] + layer["b"])
    last = model[-1]
    return x @ last["w"] + last["b"] if "w" in last else jnp.broadcast_to(last["b"], (*x.shape[:-1], len(last["b"])))
