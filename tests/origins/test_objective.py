"""In models of every framework: the layer, the line, the row of the batch."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import flax.linen as linen
import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from flax import nnx

import nnwidgets as nnw
from nnwidgets.origins import ObjectiveOrigin
from nnwidgets.records import NanReport
from tests.models import FRAMEWORKS, make

from ._marks import line_of

KEY = jax.random.key(0)
# an example of zeros, the third, has a norm without a slope
INPUTS = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
INPUTS[2] = 0.0
TARGETS = np.ones((5, 3), np.float32)


def squared(outputs: Any, targets: Any) -> Any:
    return jnp.mean((outputs - targets) ** 2)


class LinenUnit(linen.Module):
    @linen.compact
    def __call__(self, x: Any) -> Any:
        x = linen.Dense(3, use_bias=False)(x)
        return x / jnp.sqrt((x**2).sum(-1, keepdims=True))  # unit


class LinenModel(linen.Module):
    @linen.compact
    def __call__(self, x: Any) -> Any:
        for k in range(2):
            x = LinenUnit()(x) if k else linen.Dense(4, use_bias=False)(x)
        return x


class NnxUnit(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.kernel = nnx.Param(jax.random.normal(rngs.params(), (4, 3)))

    def __call__(self, x: Any) -> Any:
        x = x @ self.kernel[...]
        return x / jnp.sqrt((x**2).sum(-1, keepdims=True))  # unit


class NnxModel(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.first, self.unit = nnx.Linear(4, 4, use_bias=False, rngs=rngs), NnxUnit(rngs)

    def __call__(self, x: Any) -> Any:
        return self.unit(self.first(x))


class EqxUnit(eqx.Module):
    weight: jax.Array

    def __call__(self, x: Any) -> Any:
        x = self.weight @ x
        return x / jnp.sqrt((x**2).sum())  # unit


class EqxModel(eqx.Module):
    first: eqx.nn.Linear
    unit: EqxUnit

    def __call__(self, x: Any) -> Any:
        return self.unit(self.first(x))


class KerasUnit(keras.layers.Layer):
    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], 3), name="kernel", initializer="ones")

    def call(self, x: Any) -> Any:
        x = x @ self.kernel
        return x / keras.ops.sqrt(keras.ops.sum(x**2, -1, keepdims=True))  # unit


def objective(framework: str) -> tuple[nnw.Objective, str, str]:
    """The objective, the layer and the line of its fault."""
    if framework == "linen":
        model = LinenModel()
        variables = model.init(KEY, INPUTS)
        return nnw.from_linen(model, variables, squared), "LinenUnit_0", line_of(LinenUnit, "# unit")
    if framework == "nnx":
        return nnw.from_nnx(NnxModel(nnx.Rngs(0)), squared), "unit", line_of(NnxUnit, "# unit")
    if framework == "equinox":
        model = EqxModel(eqx.nn.Linear(4, 4, use_bias=False, key=KEY), EqxUnit(jax.random.normal(KEY, (3, 4))))
        return nnw.from_equinox(model, squared), "unit", line_of(EqxUnit, "# unit")
    inputs = keras.Input((4,))
    outputs = KerasUnit(name="unit")(keras.layers.Dense(4, use_bias=False, name="first")(inputs))
    return nnw.from_keras(keras.Model(inputs, outputs), squared), "unit", line_of(KerasUnit, "# unit")


def look(objective: nnw.Objective, batch: Any, params: Any = None) -> NanReport:
    given = objective.params if params is None else params
    return ObjectiveOrigin(objective)(given, objective.state, batch, KEY)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_layer_line_and_row(framework: str) -> None:
    faulty, layer, line = objective(framework)
    report = look(faulty, (INPUTS, TARGETS))
    assert report.forward is not None and not report.finite
    assert (report.forward.what, report.forward.layer, report.forward.line) == ("div", layer, line), repr(report)
    assert report.forward.rows == (2,)
    assert report.forward.operands[0].values == (0.0,) and report.forward.operands[1].values == (0.0,)
    assert set(report.results) == set(faulty.paths)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_healthy_models_are_healthy(framework: str) -> None:
    healthy, batch, _ = make(framework)
    report = look(healthy, batch)
    assert report.finite and report.forward is None and report.backward is None
    assert "everything is finite" in repr(report)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_parameter_that_is_not_finite_is_named(framework: str) -> None:
    healthy, batch, _ = make(framework)
    leaves, structure = jax.tree.flatten(healthy.params)
    leaves[-1] = leaves[-1].at[(0,) * leaves[-1].ndim].set(jnp.nan)
    report = look(healthy, batch, jax.tree.unflatten(structure, leaves))
    assert report.forward is not None and report.backward is None
    assert (report.forward.kind, report.forward.what) == ("input", f"params/{healthy.paths[-1]}")
    assert "earlier update" in report.forward.remedy
    assert report.headline == f"the loss is nan: params/{healthy.paths[-1]} holds NaN"


def test_a_missing_value_in_the_batch_is_named_with_its_rows() -> None:
    healthy, (images, labels), _ = make("nnx")
    images = images.copy()
    images[1, 2, 3, 0] = images[3, 0, 0, 0] = np.nan
    report = look(healthy, (images, labels))
    assert report.forward is not None and report.backward is None
    assert (report.forward.kind, report.forward.what, report.forward.rows) == ("input", "batch/0", (1, 3))
    assert report.headline == "the loss is nan: batch/0 holds NaN in rows 1, 3"
    assert report.forward.operands[0].indices == ((1, 2, 3, 0), (3, 0, 0, 0))


def test_of_layers_that_one_line_calls_the_right_one() -> None:
    """Told by their order, in the backward pass by the reverse of it."""

    def layer(params: Any, x: Any) -> Any:
        return jnp.sqrt(x @ params["w"])  # layer

    def loss_fn(params: Any, batch: Any) -> Any:
        x = batch
        for each in params:
            x = 1 + layer(each, x)
        return x.sum()

    params = [{"w": jnp.ones((2, 2))}, {"w": jnp.ones((2, 2))}, {"w": jnp.ones((2, 2))}]
    for k in range(3):
        for scale, wanted in ((0.0, "backward"), (-1.0, "forward")):
            spoilt = [{"w": each["w"] * (scale if i == k else 1.0)} for i, each in enumerate(params)]
            report = look(nnw.Objective(loss_fn, params), jnp.ones((4, 2)), spoilt)
            assert report.origin is not None and report.origin is getattr(report, wanted)
            assert (report.origin.line, report.origin.layer) == (line_of(layer, "# layer"), str(k)), repr(report)


def test_random_numbers_and_state_are_those_of_the_step() -> None:
    def loss_fn(params: Any, batch: Any, *, rng: Any, state: Any) -> Any:
        kept = jax.random.bernoulli(rng, 0.5, batch.shape)
        scaled = params["w"] * batch / jnp.where(kept, state["scale"], 0.0)  # dropped
        return jnp.abs(scaled).sum(), {"state": state}

    objective = nnw.Objective(loss_fn, {"w": jnp.ones(3)}, {"scale": jnp.ones(3)})
    report = ObjectiveOrigin(objective)(objective.params, objective.state, jnp.ones((4, 3)), jax.random.key(7))
    dropped = ~np.asarray(jax.random.bernoulli(jax.random.key(7), 0.5, (4, 3)))
    assert report.forward is not None and report.forward.line == line_of(loss_fn, "# dropped")
    assert report.forward.count == dropped.sum()
    assert report.forward.rows == tuple(np.flatnonzero(dropped.any(axis=1)))
    spoilt = ObjectiveOrigin(objective)(objective.params, {"scale": jnp.full(3, jnp.nan)}, jnp.ones((4, 3)), KEY)
    assert spoilt.forward is not None and spoilt.forward.what == "state/scale"


def test_where_memory_is_short_the_half_that_is_not_finite_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def loss_fn(params: Any, batch: Any) -> Any:
        return jnp.log(jnp.abs(batch @ params["w"])).mean()

    objective = nnw.Objective(loss_fn, {"w": jnp.ones((4, 8))})
    batch = np.ones((16, 4), np.float32)
    batch[13] = 0.0
    monkeypatch.setattr("nnwidgets.origins._objective.MOST_BYTES", 2_000)
    report = look(objective, batch)
    assert report.forward is not None and report.forward.rows == (13,)
    assert report.notes == ("of the 16 examples of the batch, 12 to 15 were looked at, for memory",)
    monkeypatch.setattr("nnwidgets.origins._locate.MOST_BYTES", 2_000)
    with pytest.raises(MemoryError, match=r"the values between all operations would take .* give fewer examples"):
        look(objective, np.ones((16, 4), np.float32))
