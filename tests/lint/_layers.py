"""Small networks of each framework for the rules on connections and layers, with the parts that can be wrong to be chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import flax.linen as linen
import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from nnwidgets.lint import Setup
from nnwidgets.records import Finding

ROWS, FEATURES, WIDTH, CLASSES = 8, 6, 4, 3
RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.normal(size=(ROWS, FEATURES)).astype(np.float32)
LABELS = RANDOM.integers(0, CLASSES, ROWS).astype(np.int32)
BATCH = (INPUTS, LABELS)
PARAMS: dict[str, Any] = {
    "hidden": {"b": jnp.zeros(WIDTH), "w": jnp.asarray(RANDOM.normal(size=(FEATURES, WIDTH)), jnp.float32)},
    "last": {"b": jnp.zeros(CLASSES), "w": jnp.asarray(RANDOM.normal(size=(WIDTH, CLASSES)), jnp.float32)},
}


def cross_entropy(outputs: Any, labels: Any) -> Any:
    return optax.softmax_cross_entropy_with_integer_labels(outputs, labels).mean()


def dense(layer: Any, x: Any) -> Any:
    return x @ layer["w"] + layer["b"]


def setup(objective: Any, *batches: Any, tx: Any = None, validation: Sequence[Any] = (), params: Any = None) -> Setup:
    """A set-up of an objective, or of a plain loss of the parameters above."""
    if not isinstance(objective, nnw.Objective):
        objective = nnw.Objective(objective, PARAMS if params is None else params)
    return Setup(objective, optax.adam(1e-3) if tx is None else tx, batches or [BATCH], validation=validation)


def found(rule: Any, setup: Setup) -> list[Finding]:
    """What a rule finds, as a list."""
    each = rule.check(setup)
    return [each] if isinstance(each, Finding) else list(each or ())


def severities(rule: Any, setup: Setup) -> list[str]:
    return [each.severity for each in found(rule, setup)]


class Linen(linen.Module):
    rate: float = 0.5
    early: bool = False
    behind: bool = False

    @linen.compact
    def __call__(self, x: Any, train: bool = False) -> Any:
        drop = linen.Dropout(self.rate, deterministic=not train)
        x = linen.Dense(WIDTH, name="hidden")(x)
        x = drop(x) if self.early else x
        x = linen.BatchNorm(use_running_average=not train, name="norm")(x)
        x = linen.relu(x)
        x = x if self.early or self.behind else drop(x)
        x = linen.Dense(CLASSES, name="last")(x)
        return drop(x) if self.behind else x


def from_linen(rate: float = 0.5, early: bool = False, behind: bool = False) -> nnw.Objective:
    model = Linen(rate, early, behind)
    return nnw.from_linen(model, model.init(jax.random.key(0), INPUTS), cross_entropy)


class Nnx(nnx.Module):
    def __init__(self, rate: float, early: bool, behind: bool, rngs: nnx.Rngs) -> None:
        self.early, self.behind = early, behind
        self.hidden, self.last = nnx.Linear(FEATURES, WIDTH, rngs=rngs), nnx.Linear(WIDTH, CLASSES, rngs=rngs)
        self.norm, self.drop = nnx.BatchNorm(WIDTH, rngs=rngs), nnx.Dropout(rate, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        x = self.hidden(x)
        x = nnx.relu(self.norm(self.drop(x) if self.early else x))
        x = self.last(x if self.early or self.behind else self.drop(x))
        return self.drop(x) if self.behind else x


def from_nnx(rate: float = 0.5, early: bool = False, behind: bool = False) -> nnw.Objective:
    return nnw.from_nnx(Nnx(rate, early, behind, nnx.Rngs(0)), cross_entropy)


class Equinox(eqx.Module):
    hidden: eqx.nn.Linear
    norm: eqx.nn.BatchNorm
    drop: eqx.nn.Dropout
    last: eqx.nn.Linear
    early: bool = eqx.field(static=True)
    behind: bool = eqx.field(static=True)

    def __init__(self, rate: float, early: bool, behind: bool) -> None:
        keys = jax.random.split(jax.random.key(0))
        self.hidden, self.last = (
            eqx.nn.Linear(FEATURES, WIDTH, key=keys[0]),
            eqx.nn.Linear(WIDTH, CLASSES, key=keys[1]),
        )
        self.norm, self.drop = eqx.nn.BatchNorm(WIDTH, "batch", mode="batch"), eqx.nn.Dropout(rate)
        self.early, self.behind = early, behind

    def __call__(self, x: Any, state: Any, *, key: Any = None) -> Any:
        x = self.hidden(x)
        x, state = self.norm(self.drop(x, key=key) if self.early else x, state)
        x = jax.nn.relu(x)
        x = self.last(x if self.early or self.behind else self.drop(x, key=key))
        return self.drop(x, key=key) if self.behind else x, state


def from_equinox(rate: float = 0.5, early: bool = False, behind: bool = False) -> nnw.Objective:
    model, state = eqx.nn.make_with_state(Equinox)(rate, early, behind)
    return nnw.from_equinox(model, cross_entropy, state=state)


def from_keras(rate: float = 0.5, early: bool = False, behind: bool = False) -> nnw.Objective:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    inputs = keras.Input((FEATURES,))
    x = layers.Dense(WIDTH, name="hidden")(inputs)
    x = layers.Dropout(rate)(x) if early else x
    x = layers.ReLU()(layers.BatchNormalization(name="norm")(x))
    x = x if early or behind else layers.Dropout(rate)(x)
    x = layers.Dense(CLASSES, name="last")(x)
    return nnw.from_keras(keras.Model(inputs, layers.Dropout(rate)(x) if behind else x), cross_entropy)


def by_hand(
    rate: float = 0.5, early: bool = False, behind: bool = False, *, key: Any = None, always: bool = False
) -> nnw.Objective:
    """Dropout and batch norm written out; the statistics' running averages are in the state.

    With ``always``, evaluation is as training.
    """

    def drop(x: Any, rng: Any, train: bool) -> Any:
        kept = jax.random.uniform(rng, x.shape) > rate
        return x * kept / (1 - rate) if train else x

    def loss_fn(params: Any, batch: Any, *, rng: Any, state: Any, train: bool) -> Any:
        rng, train = rng if key is None else key, train or always
        x = dense(params["hidden"], batch[0])
        x = drop(x, rng, train) if early else x
        mean, variance = (x.mean(0), x.var(0)) if train else (state["mean"], state["variance"])
        new = {"mean": 0.9 * state["mean"] + 0.1 * mean, "variance": 0.9 * state["variance"] + 0.1 * variance}
        x = jnp.maximum((x - mean) / jnp.sqrt(variance + 1e-5), 0)
        x = x if early or behind else drop(x, rng, train)
        x = dense(params["last"], x)
        x = drop(x, rng, train) if behind else x
        return cross_entropy(x, batch[1]), {"state": new if train else state, "outputs": x}

    return nnw.Objective(loss_fn, PARAMS, {"mean": jnp.zeros(WIDTH), "variance": jnp.ones(WIDTH)})


MAKERS = {"linen": from_linen, "nnx": from_nnx, "equinox": from_equinox, "keras": from_keras, "by hand": by_hand}
