"""The trace's names and values are those that each framework's own capture gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import keras
import numpy as np
import pytest
from flax import nnx

from nnwidgets.trace import Trace, trace_objective
from tests import models

KEY = jax.random.key(7)


def captured(framework: str, train: bool) -> tuple[Trace, dict[str, Any], Any, Any]:
    objective, batch, model = models.make(framework)
    trace = trace_objective(objective, batch, train=train)
    values = jax.jit(trace.capture)(objective.params, objective.state, batch, KEY)
    outputs = {each.layer: values[each.name] for each in trace.watched if each.role == "output"}
    return trace, outputs, batch[0], model


def same(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    assert set(found) == set(wanted)
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


def test_linen() -> None:
    _, found, inputs, (model, variables) = captured("linen", train=True)
    rngs = {"dropout": jax.random.fold_in(KEY, 0)}
    _, variables_out = model.apply(
        variables, inputs, True, rngs=rngs, capture_intermediates=True, mutable=["intermediates"]
    )
    wanted = {
        "/".join(str(key.key) for key in path[:-2]): leaf
        for path, leaf in jax.tree_util.tree_flatten_with_path(variables_out["intermediates"])[0]
    }
    # Linen captures modules: containers and dropout, which have no parameters of their own, and no bare parameters.
    position = found.pop("position")
    np.testing.assert_allclose(position, wanted["Embed_0"] + variables["params"]["position"], rtol=1e-6)
    same(found, {name: value for name, value in wanted.items() if name in found})
    assert len(found) == 2 * 8 + 3


def test_nnx() -> None:
    _, found, inputs, model = captured("nnx", train=False)
    model.eval()
    _, state = nnx.capture(model, nnx.Intermediate, method_outputs=nnx.Intermediate)(inputs)
    wanted = {
        "/".join(str(getattr(key, "key", getattr(key, "name", ""))) for key in path).partition("/__call__")[0]: leaf
        for path, leaf in jax.tree_util.tree_flatten_with_path(state)[0]
    }
    same(found, {name: value for name, value in wanted.items() if name in found})
    assert set(found) == {"convs/0", "convs/1", "norm", "hidden", "head"}


def test_equinox() -> None:
    """Equinox has no capture: its layers are replaced by ones that note their result, as its FAQ suggests."""
    _, found, inputs, model = captured("equinox", train=False)

    class Noting(eqx.Module):
        layer: Any
        name: str = eqx.field(static=True)

        def __call__(self, x: Any, **options: Any) -> Any:
            notes[self.name] = self.layer(x, **options)
            return notes[self.name]

    names = ("conv", "norm", "head")
    noting = eqx.tree_at(
        lambda model: [getattr(model, name) for name in names],
        eqx.nn.inference_mode(model),
        [Noting(getattr(model, name), name) for name in names],
    )
    notes: dict[str, Any] = {}

    def run(x: Any) -> dict[str, Any]:
        notes.clear()
        noting(x)
        return dict(notes)

    wanted = jax.vmap(run)(inputs)
    x = wanted["norm"]
    for i in range(3):
        wanted[f"blocks[{i}]"] = x @ model.blocks.weight[i].T + model.blocks.bias[i]
        x = jax.nn.relu(wanted[f"blocks[{i}]"])
    same(found, wanted)


def test_keras() -> None:
    _, found, inputs, model = captured("keras", train=False)
    layers = [layer for layer in model.layers if layer.trainable_weights]
    outputs = keras.Model(model.input, [layer.output for layer in layers])(inputs, training=False)
    same(found, {layer.name: output for layer, output in zip(layers, outputs, strict=True)})
    assert set(found) == {"conv", "norm", "hidden", "head"}


@pytest.mark.parametrize("framework", models.FRAMEWORKS)
def test_shapes_units_and_nonlinearities(framework: str) -> None:
    objective, batch, _ = models.make(framework)
    trace = trace_objective(objective, batch)
    values = jax.eval_shape(trace.capture, objective.params, objective.state, batch, KEY)
    assert {each.name: each.shape for each in trace.watched} == {name: value.shape for name, value in values.items()}
    functions = {f"{each.layer}/{each.function}": each for each in trace.watched if each.role == "nonlinearity_output"}
    wanted = {
        "linen": {"LinenBlock_0/up/gelu", "LinenBlock_1/up/gelu"},
        "nnx": {"convs/0/relu", "convs/1/relu", "hidden/tanh"},
        "equinox": {"conv/relu", "blocks[0]/relu", "blocks[1]/relu", "blocks[2]/relu"},
        "keras": {"conv/relu", "hidden/tanh"},
    }
    assert set(functions) == wanted[framework]
    if framework == "equinox":
        assert (functions["conv/relu"].shape, functions["conv/relu"].unit_axis) == ((4, 4, 3, 3), -3)
    assert all(layer.outputs for layer in trace.layers)
    assert sorted(path for layer in trace.layers for path in layer.parameters) == sorted(objective.paths)
