"""Attention maps are those of an attention that is written out, in one call and in layers of a scan."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nnwidgets as nnw
from nnwidgets.inside import Inside

GENERATOR = np.random.default_rng(3)
TOKENS = GENERATOR.integers(1, 9, (3, 5)).astype(np.int32)
HEADS, SIZE, LAYERS = 2, 4, 2
PARAMS: Any = {
    "table": GENERATOR.normal(size=(9, HEADS * SIZE)).astype(np.float32),
    "blocks": {name: GENERATOR.normal(size=(LAYERS, 8, 8)).astype(np.float32) for name in ("query", "key", "value")},
    "out": {"kernel": GENERATOR.normal(size=(8, 9)).astype(np.float32)},
}


def attend(x: Any, block: Any) -> tuple[Any, Any]:
    """The new positions, and the weights (batch, heads, queries, keys)."""
    heads = (*x.shape[:2], HEADS, SIZE)
    query, key = (x @ block["query"]).reshape(heads), (x @ block["key"]).reshape(heads)
    value = (x @ block["value"]).reshape(heads)
    scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) / 4
    scores = jnp.where(jnp.tril(jnp.ones((5, 5), bool)), scores, -1e9)
    weights = jax.nn.softmax(scores)
    return x + jnp.einsum("bhqk,bkhd->bqhd", weights, value).reshape(x.shape), weights


def loss_fn(params: Any, tokens: Any) -> Any:
    """Each token is to tell the next one, by layers in a scan."""
    x, _ = jax.lax.scan(lambda x, block: (attend(x, block)[0], None), params["table"][tokens], params["blocks"])
    logs = jax.nn.log_softmax(x @ params["out"]["kernel"])[:, :-1]
    return -jnp.take_along_axis(logs, tokens[:, 1:, None], -1).mean()


@pytest.fixture(scope="module")
def inside() -> Inside:
    return Inside(nnw.Objective(loss_fn, PARAMS), [TOKENS])


@jax.jit
def by_hand() -> tuple[list[Any], Any]:
    x, weights = jnp.asarray(PARAMS["table"])[TOKENS], []
    for i in range(LAYERS):
        x, found = attend(x, {name: leaf[i] for name, leaf in PARAMS["blocks"].items()})
        weights.append(found)
    return weights, x @ PARAMS["out"]["kernel"]


def test_the_weights_of_each_layer(inside: Inside) -> None:
    found = inside.attention(1)
    assert [each.layer for each in found] == ["blocks[0]", "blocks[1]"]
    for each, wanted in zip(found, by_hand()[0], strict=True):
        np.testing.assert_allclose(each.images, wanted[1], rtol=1e-4, atol=1e-5)
    assert found[0].titles == ("head 0", "head 1")
    np.testing.assert_allclose(found[0].images.sum(-1), 1, rtol=1e-5)


def test_a_plain_loss_without_aux_is_understood(inside: Inside) -> None:
    logits = np.asarray(by_hand()[1], np.float64)
    logs = jax.nn.log_softmax(logits)
    wanted = -np.take_along_axis(np.asarray(logs)[:, :-1], TOKENS[:, 1:, None], -1)[..., 0].mean(1)
    examples = inside.examples("in order")
    np.testing.assert_allclose([each.loss for each in examples], wanted, rtol=1e-4)
    assert examples[0].target == " ".join(map(str, TOKENS[0, 1:]))


def test_tokens_are_seen_as_tokens(inside: Inside) -> None:
    assert inside.views == ("activations", "weights", "saliency", "occlusion", "attention")
    np.testing.assert_array_equal(inside.input(2).images, TOKENS[2][None, None])
    with pytest.raises(ValueError, match="whole numbers"):
        inside.maximise("out", 0)
    assert "this network has no such view" in inside.look("maximised unit").words


def test_saliency_and_occlusion_of_tokens(inside: Inside) -> None:
    """At the embeddings, for the last position that is compared with a target."""

    @jax.jit
    def last(x: Any) -> Any:
        for i in range(LAYERS):
            x, _ = attend(x, {name: leaf[i] for name, leaf in PARAMS["blocks"].items()})
        return (x @ PARAMS["out"]["kernel"])[0, -1, 3]

    x = jnp.asarray(PARAMS["table"])[TOKENS[:1]]
    wanted = np.abs(jax.jit(jax.grad(last))(x)[0]).max(-1)
    np.testing.assert_allclose(inside.saliency(0, 3).images[0, 0], wanted, rtol=1e-4, atol=1e-5)
    covered = TOKENS[:1].copy()
    covered[0, 2] = 0
    fall = last(x) - last(jnp.asarray(PARAMS["table"])[covered])
    np.testing.assert_allclose(inside.occlusion(0, output=3).images[0, 0, 2], fall, rtol=1e-3, atol=1e-4)


def test_weights_of_a_layer_of_a_scan(inside: Inside) -> None:
    assert inside.layers == ("table", "blocks[0]", "blocks[1]", "out")
    kernels = [leaf[1] for leaf in PARAMS["blocks"].values()]
    found = inside.weights("blocks[1]").images[0]
    assert any(np.array_equal(found, kernel) for kernel in kernels)
    assert [node.kind for node in inside.graph().nodes] == [
        "input",
        "embedding",
        "attention",
        "attention",
        "dense",
        "loss",
    ]
