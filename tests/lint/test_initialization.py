from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.lint import ConstantInitialization, IdenticalLayers, InitializationScale, LowPrecision, Setup

from ._data_and_optimizer import INPUTS, apply, batches, calm, classifier, classify, network, only, silent


def test_branches_from_one_key_are_red() -> None:
    def loss(params: Any, batch: Any) -> Any:
        hidden = jnp.tanh(batch[0] @ params["a"]["w"]) + jnp.tanh(batch[0] @ params["b"]["w"])
        return optax.softmax_cross_entropy_with_integer_labels(hidden @ params["last"]["w"], batch[1]).mean()

    def branches(first: int, second: int) -> Any:
        draw = [jax.random.normal(jax.random.key(k), (6, 8)) / 2 for k in (first, second)]
        return {"a": {"w": draw[0]}, "b": {"w": draw[1]}, "last": {"w": network()["last"]["w"]}}

    finding = only(IdenticalLayers().check(classifier(params=branches(7, 7), loss=loss)))
    assert finding.severity == "problem" and finding.where == "a"
    assert silent(IdenticalLayers().check(classifier(params=branches(7, 8), loss=loss)))


def deep(weights: list[Any]) -> Any:
    return {f"layer{i}": {"w": w, "b": jnp.zeros(w.shape[1])} for i, w in enumerate(weights)}


def forward(params: Any, batch: Any, activation: Any = jnp.tanh) -> Any:
    x = batch[0]
    for name in sorted(params):
        x = x @ params[name]["w"] + params[name]["b"]
        x = activation(x) if name != max(params) else x
    return optax.softmax_cross_entropy_with_integer_labels(x, batch[1]).mean()


def relu(params: Any, batch: Any) -> Any:
    return forward(params, batch, jax.nn.relu)


def drawn(scale: float, widths: tuple[int, ...] = (6, 32, 32, 32, 3)) -> Any:
    keys = jax.random.split(jax.random.key(0), len(widths))
    pairs = zip(keys, widths[:-1], widths[1:], strict=False)
    return deep([jax.random.normal(key, (a, b)) * scale / a**0.5 for key, a, b in pairs])


def test_one_key_in_layers_behind_one_another_is_a_warning() -> None:
    params = drawn(1.0)
    params["layer2"]["w"] = params["layer1"]["w"]
    assert only(IdenticalLayers().check(classifier(params=params, loss=forward))).severity == "warning"
    # the same numbers, scaled
    params["layer2"]["w"] = 0.3 * params["layer1"]["w"]
    assert only(IdenticalLayers().check(classifier(params=params, loss=forward))).severity == "warning"
    params["layer1"]["w"] = params["layer2"]["w"] = jnp.eye(32)
    assert silent(IdenticalLayers().check(classifier(params=params, loss=forward)))


@pytest.mark.parametrize("constant", [0.0, 0.01, 0.5])
@pytest.mark.parametrize("loss", [forward, relu])
def test_constant_layers_are_red(constant: float, loss: Any) -> None:
    widths = [(6, 8), (8, 8), (8, 3)]
    params = deep([jnp.full(shape, constant) for shape in widths])
    finding = only(ConstantInitialization().check(classifier(params=params, loss=loss)))
    assert finding.severity == "problem" and finding.change == ("initialization", "lecun_normal")


def test_zeros_at_the_end_are_healthy() -> None:
    params = drawn(1.0)
    params["layer3"]["w"] = jnp.zeros((32, 3))
    assert silent(ConstantInitialization().check(classifier(params=params, loss=forward)))
    assert calm(InitializationScale().check(classifier(params=params, loss=forward)))


def test_zeros_at_the_end_of_a_residual_branch_are_healthy() -> None:
    def loss(params: Any, batch: Any) -> Any:
        x = batch[0] @ params["in"]["w"]
        x = x + jnp.tanh(x @ params["up"]["w"]) @ params["down"]["w"]
        return optax.softmax_cross_entropy_with_integer_labels(x @ params["out"]["w"], batch[1]).mean()

    key = jax.random.split(jax.random.key(0), 3)
    params = {
        "in": {"w": jax.random.normal(key[0], (6, 8)) / 2.4},
        "up": {"w": jax.random.normal(key[1], (8, 16)) / 2.8},
        "down": {"w": jnp.zeros((16, 8))},
        "out": {"w": jax.random.normal(key[2], (8, 3)) / 2.8},
    }
    assert silent(ConstantInitialization().check(classifier(params=params, loss=loss)))


def test_a_linear_model_from_zero_is_healthy() -> None:
    params = deep([jnp.zeros((6, 3))])
    assert silent(ConstantInitialization().check(classifier(params=params, loss=forward)))
    assert silent(InitializationScale().check(classifier(params=params, loss=forward)))


def test_saturated_units_are_red() -> None:
    finding = only(InitializationScale().check(classifier(params=drawn(20.0), loss=forward)))
    assert finding.severity == "problem" and finding.evidence["flat units"] > 0.7
    assert finding.evidence["scale over LeCun"] == pytest.approx(20, rel=0.2)
    assert only(InitializationScale().check(classifier(params=drawn(20.0), loss=relu))).severity == "problem"


def test_a_signal_that_dies_is_red_and_one_small_layer_is_not() -> None:
    assert only(InitializationScale().check(classifier(params=drawn(0.05), loss=relu))).severity == "problem"
    params = drawn(1.0)
    params["layer0"]["w"] *= 0.05
    assert only(InitializationScale().check(classifier(params=params, loss=relu))).severity == "warning"
    params = drawn(1.0)
    params["layer3"]["w"] *= 0.01
    assert silent(InitializationScale().check(classifier(params=params, loss=relu)))


@pytest.mark.parametrize("scale", [0.6, 1.0, 1.41, 2.0])
def test_common_scales_are_silent(scale: float) -> None:
    assert silent(InitializationScale().check(classifier(params=drawn(scale), loss=relu)))


def test_scale_of_a_convolution_counts_its_window() -> None:
    def loss(params: Any, batch: Any) -> Any:
        images = batch[0].reshape(-1, 6, 1, 1) * jnp.ones((1, 1, 6, 4))
        x = jax.lax.conv_general_dilated(
            images, params["conv"]["w"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        logits = jax.nn.relu(x).mean((1, 2)) @ params["last"]["w"]
        return optax.softmax_cross_entropy_with_integer_labels(logits, batch[1]).mean()

    kernel = jax.random.normal(jax.random.key(0), (3, 3, 4, 8))
    params = {"conv": {"w": kernel * 10 / 6}, "last": {"w": network()["last"]["w"]}}
    finding = only(InitializationScale().check(classifier(params=params, loss=loss)))
    assert finding.where == "conv" and finding.evidence["inputs of a unit"] == 36
    assert finding.evidence["scale over LeCun"] == pytest.approx(10, rel=0.15)


def test_members_stacked_with_one_key_are_red() -> None:
    def loss(params: Any, batch: Any) -> Any:
        hidden = jnp.tanh(jnp.einsum("bi,eij->ebj", batch[0], params["members"])).mean(0)
        return optax.softmax_cross_entropy_with_integer_labels(hidden @ params["last"]["w"], batch[1]).mean()

    keys = jax.random.split(jax.random.key(0), 3)
    last = {"w": network()["last"]["w"]}
    same = {"members": jnp.stack([jax.random.normal(keys[0], (6, 8))] * 3), "last": last}
    different = {"members": jnp.stack([jax.random.normal(key, (6, 8)) / 2 for key in keys]), "last": last}
    assert only(IdenticalLayers().check(classifier(params=same, loss=loss))).severity == "problem"
    assert silent(IdenticalLayers().check(classifier(params=different, loss=loss)))


def half(params: Any, dtype: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.astype(dtype), params)


def test_updates_that_bfloat16_swallows_are_red() -> None:
    finding = only(
        LowPrecision().check(classifier(optax.sgd(1e-6), params=half(drawn(1.0), jnp.bfloat16), loss=forward))
    )
    assert finding.severity == "problem" and finding.evidence["share swallowed"] > 0.9
    assert silent(LowPrecision().check(classifier(optax.adam(1e-2), params=half(network(), jnp.bfloat16))))
    assert silent(LowPrecision().check(classifier(optax.sgd(1e-6))))


def test_squares_beyond_float16_are_red() -> None:
    def loss(params: Any, batch: Any, kind: Any = jnp.float16) -> Any:
        inputs = batch[0].astype(kind) * 200
        scaled = inputs / jnp.sqrt((inputs * inputs).mean(-1, keepdims=True) + 1)
        return classify(params, (scaled.astype(jnp.float32), batch[1]))

    data = batches(INPUTS * 3)
    finding = only(LowPrecision().check(classifier(data=data, loss=loss)))
    assert (
        finding.severity == "problem"
        and finding.line
        and finding.line.endswith(":" + str(_line_of(loss, "inputs * inputs")))
    )
    setup = classifier(data=data, loss=lambda params, batch: loss(params, batch, jnp.float32))
    assert silent(LowPrecision().check(setup))


def _line_of(function: Any, text: str) -> int:
    import inspect

    lines, start = inspect.getsourcelines(function)
    return start + next(i for i, line in enumerate(lines) if text in line)


def test_gradients_lost_to_float16_are_red() -> None:
    def loss(params: Any, batch: Any, kind: Any = jnp.float16, factor: float = 1e-6) -> Any:
        logits = apply(half(params, kind), batch[0].astype(kind))
        return (jnp.mean(logits**2) * kind(factor)).astype(jnp.float32)

    setup = classifier(loss=loss)
    finding = only(LowPrecision().check(setup))
    assert finding.severity == "problem" and finding.evidence["share of gradients lost"] > 0.5
    fine = Setup(nnw.Objective(lambda p, b: loss(p, b, jnp.float16, 1.0), network()), optax.adam(1e-3), batches())
    assert silent(LowPrecision().check(fine))
    assert np.isfinite(setup.first[0])
