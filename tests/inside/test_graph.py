"""The graph is what flows into what."""

from __future__ import annotations

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import nnwidgets as nnw
from nnwidgets.inside import Inside
from nnwidgets.records import NetworkGraph

X, Y = np.ones((2, 4), np.float32), np.zeros(2, np.float32)


def dense(x: Any, layer: Any) -> Any:
    return x @ layer["w"] + layer["b"]


def layer(given: int = 4, made: int = 4) -> Any:
    return {"w": np.full((given, made), 0.1, np.float32), "b": np.zeros(made, np.float32)}


def graph(loss_fn: Any, params: Any, batch: Any = (X, Y)) -> NetworkGraph:
    return Inside(nnw.Objective(loss_fn, params), [batch]).graph()


def arrows(found: NetworkGraph) -> set[str]:
    return {f"{found.nodes[a].name} > {found.nodes[b].name}" for a, b in found.edges}


def test_a_residual_network() -> None:
    """x goes round a block of two layers, and round nothing at the end."""

    def loss_fn(params: Any, batch: Any) -> Any:
        x, y = batch
        x = dense(x, params["stem"])
        x = x + dense(jax.nn.relu(dense(x, params["up"])), params["down"])
        x = x + jnp.tanh(dense(x, params["mix"]))
        x = x * params["scale"]
        return jnp.mean((dense(x, params["head"])[:, 0] - y) ** 2)

    names = ("stem", "up", "down", "mix")
    params = {**{name: layer() for name in names}, "scale": np.ones(4, np.float32), "head": layer(4, 1)}
    found = graph(loss_fn, params)
    assert arrows(found) == {
        "input > stem",
        "stem > up",
        "up > down",
        "stem > mix",
        "down > mix",
        "stem > scale",
        "down > scale",
        "mix > scale",
        "scale > head",
        "head > loss",
    }
    nodes = {node.name: node for node in found.nodes}
    assert [node.name for node in found.nodes] == ["input", *names, "scale", "head", "loss"]
    assert all(a < b for a, b in found.edges)
    assert nodes["up"].functions == ("relu",) and nodes["mix"].functions == ("tanh",)
    assert (nodes["up"].kind, nodes["up"].shape, nodes["up"].parameters) == ("dense", (2, 4), 20)
    assert set(nodes["up"].tensors) == {"up/w", "up/b"}
    assert nodes["scale"].kind == "layer"
    file, _, line = nodes["up"].line.rpartition(":")
    assert file == __file__ and int(line) == dense.__code__.co_firstlineno + 1


def test_a_scan_over_layers_and_a_layer_called_twice() -> None:
    def loss_fn(params: Any, batch: Any) -> Any:
        x, y = batch

        def block(carried: Any, part: Any) -> Any:
            x, first = carried
            return (x + jnp.tanh(dense(x, part["a"]) @ part["c"]["w"]) + first, first), None

        x = dense(x, params["shared"])
        (x, _), _ = jax.lax.scan(block, (x, x), params["blocks"])
        x = dense(jax.nn.relu(x), params["shared"])
        return jnp.mean((x.sum(1) - y) ** 2)

    blocks = jax.tree.map(lambda *leaves: np.stack(leaves), *[{"a": layer(), "c": {"w": layer()["w"]}}] * 2)
    found = graph(loss_fn, {"shared": layer(), "blocks": blocks})
    assert [node.name for node in found.nodes] == [
        "input",
        "shared",
        "blocks/a[0]",
        "blocks/c[0]",
        "blocks/a[1]",
        "blocks/c[1]",
        "shared (2)",
        "loss",
    ]
    wanted = {
        "input > shared",
        "shared > blocks/a[0]",
        "blocks/a[0] > blocks/c[0]",
        "shared > blocks/a[1]",
        "blocks/c[0] > blocks/a[1]",
        "blocks/a[1] > blocks/c[1]",
        "blocks/c[0] > shared (2)",
        "blocks/c[1] > shared (2)",
        "shared > shared (2)",
        "shared (2) > loss",
    }
    assert arrows(found) == wanted
    assert [node.parameters for node in found.nodes] == [0, 20, 20, 16, 20, 16, 0, 0]


def test_a_network_over_time_is_recurrent() -> None:
    def loss_fn(params: Any, batch: Any) -> Any:
        x, y = batch

        def step(h: Any, x: Any) -> Any:
            h = jnp.tanh(dense(jnp.concatenate([h, x], 1), params["cell"]))
            return h, None

        h, _ = jax.lax.scan(step, jnp.zeros((2, 4)), jnp.swapaxes(x, 0, 1))
        return jnp.mean((dense(h, params["head"])[:, 0] - y) ** 2)

    found = graph(loss_fn, {"cell": layer(7, 4), "head": layer(4, 1)}, (np.ones((2, 5, 3), np.float32), Y))
    assert [node.kind for node in found.nodes] == ["input", "recurrent", "dense", "loss"]
    assert arrows(found) == {"input > cell", "cell > head", "head > loss"}


def test_three_hundred_layers_are_quick() -> None:
    def loss_fn(params: Any, batch: Any) -> Any:
        x, y = batch
        for each in params:
            x = jax.nn.relu(dense(x, each))
        return jnp.mean((x.sum(1) - y) ** 2)

    # time of this process alone: the machine may be busy
    started = time.process_time()
    found = graph(loss_fn, [layer() for _ in range(300)])
    assert time.process_time() - started < 4
    assert len(found.nodes) == 302
    assert found.edges == tuple((k, k + 1) for k in range(301))
