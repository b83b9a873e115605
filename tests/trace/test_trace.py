"""Layers, operations and captured values of plain functions, through calls, loops and branches."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nnwidgets as nnw
from nnwidgets.trace import Trace, trace_objective

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(3, 4)).astype(np.float32)
PARAMS = {
    name: {"w": GENERATOR.normal(size=(4, 4)).astype(np.float32), "b": np.full(4, 0.1, np.float32)}
    for name in ("one", "two")
}
KEY = jax.random.key(0)


def traced(loss_fn: Callable[..., Any], params: Any = None, batch: Any = X) -> tuple[Trace, dict[str, Any]]:
    objective = nnw.Objective(loss_fn, PARAMS if params is None else params)
    trace = trace_objective(objective, batch)
    return trace, jax.jit(trace.capture)(objective.params, None, batch, KEY)


def dense(p: Any, x: Any) -> Any:
    return x @ p["w"] + p["b"]


def by_hand(x: Any = X) -> tuple[Any, Any]:
    one = dense(PARAMS["one"], x)
    return one, dense(PARAMS["two"], np.maximum(one, 0))


def in_one_piece(params: Any, batch: Any) -> Any:
    hidden = jnp.maximum(batch @ params["one"]["w"] + params["one"]["b"], 0)
    return jnp.sum((hidden @ params["two"]["w"] + params["two"]["b"]) ** 2)


def by_functions(params: Any, batch: Any) -> Any:
    return jnp.sum(dense(params["two"], jax.nn.relu(dense(params["one"], batch))) ** 2)


def compiled_and_remat(params: Any, batch: Any) -> Any:
    layer = jax.checkpoint(jax.jit(dense))
    return jnp.sum(layer(params["two"], jnp.where((h := layer(params["one"], batch)) > 0, h, 0)) ** 2)


@jax.custom_vjp
def doubled(x: Any) -> Any:
    return x


doubled.defvjp(lambda x: (x, None), lambda _, g: (2 * g,))


def custom_rule(params: Any, batch: Any) -> Any:
    return jnp.sum(dense(params["two"], jax.nn.relu(doubled(dense(params["one"], batch)))) ** 2)


@pytest.mark.parametrize("loss_fn", [in_one_piece, by_functions, compiled_and_remat, custom_rule])
def test_values_are_those_by_hand(loss_fn: Any) -> None:
    trace, values = traced(loss_fn)
    assert [each.name for each in trace.watched] == ["one", "one/relu/input", "one/relu/output", "two"]
    one, two = by_hand()
    np.testing.assert_allclose(values["one"], one, rtol=1e-5)
    np.testing.assert_allclose(values["one/relu/output"], np.maximum(one, 0), rtol=1e-5)
    np.testing.assert_allclose(values["two"], two, rtol=1e-5)


def test_a_layer_that_is_called_twice_is_watched_twice() -> None:
    def loss_fn(params: Any, batch: Any) -> Any:
        return jnp.sum(dense(params["one"], jnp.tanh(dense(params["one"], batch)))) + jnp.sum(params["two"]["w"])

    trace, values = traced(loss_fn)
    first = dense(PARAMS["one"], X)
    np.testing.assert_allclose(values["one"], first, rtol=1e-5)
    np.testing.assert_allclose(values["one (2)"], dense(PARAMS["one"], np.tanh(first)), rtol=1e-5)
    assert [layer.outputs for layer in trace.layers] == [("one", "one (2)"), ()]


def test_a_scan_over_layers_shows_each() -> None:
    params = {"layers": jax.tree.map(lambda a, b: np.stack([a, b]), PARAMS["one"], PARAMS["two"])}

    def loss_fn(params: Any, batch: Any) -> Any:
        x, _ = jax.lax.scan(lambda x, p: (jax.nn.relu(dense(p, x)), None), batch, params["layers"])
        return jnp.sum(x)

    trace, values = traced(loss_fn, params)
    one, two = by_hand()
    np.testing.assert_allclose(values["layers[0]"], one, rtol=1e-5)
    np.testing.assert_allclose(values["layers[1]"], two, rtol=1e-5)
    np.testing.assert_allclose(values["layers[1]/relu/output"], np.maximum(two, 0), rtol=1e-5)
    assert trace.layers[0].outputs == ("layers[0]", "layers[1]")


def test_what_follows_a_layer_in_a_scan_bears_its_name() -> None:
    def loss_fn(params: Any, batch: Any) -> Any:
        def body(x: Any, _: Any) -> Any:
            return dense(params["one"], jnp.tanh(dense(params["two"], x))), None

        return jnp.sum(jax.lax.scan(body, batch, length=2)[0])

    trace, values = traced(loss_fn)
    assert [each.name for each in trace.watched] == ["two", "two/tanh/input", "two/tanh/output", "one"]
    assert values["two"].shape == (2, 3, 4)


def test_a_scan_over_time_keeps_its_steps_on_an_axis() -> None:
    def loss_fn(params: Any, batch: Any) -> Any:
        def cell(h: Any, x: Any) -> Any:
            h = jnp.tanh(dense(params["one"], x) + h @ params["two"]["w"])
            return h, h

        return jnp.sum(jax.lax.scan(cell, jnp.zeros(4), batch)[1])

    _, values = traced(loss_fn)
    h, wanted = np.zeros(4), []
    for x in X:
        h = np.tanh(dense(PARAMS["one"], x) + h @ PARAMS["two"]["w"])
        wanted.append(h)
    np.testing.assert_allclose(values["one"], dense(PARAMS["one"], X), rtol=1e-5)
    np.testing.assert_allclose(values["two/tanh/output"], wanted, rtol=1e-5)


def test_a_while_loop_gives_its_last_iteration_and_a_branch_its_value() -> None:
    def loss_fn(params: Any, batch: Any) -> Any:
        _, x = jax.lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, dense(params["one"], c[1])), (0, batch))
        taken = jax.lax.cond(jnp.sum(batch) < 1e9, lambda x: dense(params["two"], x), lambda x: x, x)
        return jnp.sum(taken)

    _, values = traced(loss_fn)
    x = X
    for _ in range(3):
        x = dense(PARAMS["one"], x)
    np.testing.assert_allclose(values["one"], x, rtol=1e-4)
    np.testing.assert_allclose(values["two"], dense(PARAMS["two"], x), rtol=1e-4)


def test_a_branch_not_taken_is_nan() -> None:
    def loss_fn(params: Any, batch: Any) -> Any:
        return jnp.sum(
            jax.lax.cond(
                jnp.sum(batch) > 1e9, lambda x: dense(params["one"], x), lambda x: dense(params["two"], x), batch
            )
        )

    _, values = traced(loss_fn)
    assert np.isnan(values["one"]).all()
    np.testing.assert_allclose(values["two"], dense(PARAMS["two"], X), rtol=1e-5)


def test_the_nonlinearities_of_the_loss_do_not_count() -> None:
    def loss_fn(params: Any, batch: Any) -> Any:
        outputs = dense(params["two"], jax.nn.silu(dense(params["one"], batch)))
        return jnp.sum(jax.nn.softplus(outputs)) + jnp.sum(jnp.maximum(1 - outputs, 0)), {"outputs": outputs}

    trace, _ = traced(loss_fn)
    assert {each.function for each in trace.watched} == {"", "silu"}


def test_operations_know_their_layer_and_line() -> None:
    trace, _ = traced(in_one_piece)
    lines, start = inspect.getsourcelines(in_one_piece)
    (product,) = [op for op in trace.operations if op.primitive == "dot_general" and op.layer == "two"]
    assert str(product.source) == f"{__file__}:{start + 2}"
    assert (product.inputs, product.outputs) == (("float32[3,4]", "float32[4,4]"), ("float32[3,4]",))
    assert trace.layers[0].source is not None
    assert lines[trace.layers[0].source.line - start].strip().startswith("hidden =")
    assert repr(trace).startswith("Trace(2 layers, ")


def test_other_shapes_are_refused() -> None:
    trace, _ = traced(in_one_piece)
    with pytest.raises(ValueError, match=r"batch is float32\[2,4\] instead of float32\[3,4\]\. A key"):
        trace.capture(PARAMS, None, X[:2], KEY)
    with pytest.raises(ValueError, match=r"rng is None instead of key<fry>\[\]"):
        trace.capture(PARAMS, None, X, None)
