"""Gradients of single examples, and what is taken for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.explore.batches._groups import Groups, groups_of
from nnwidgets.explore.batches._per_example import group_gradients

RANDOM = np.random.default_rng(0)
INPUTS, TARGETS = RANDOM.normal(size=(96, 5)).astype(np.float32), RANDOM.normal(size=96).astype(np.float32)
BATCHES = [(INPUTS[i : i + 8], TARGETS[i : i + 8]) for i in range(0, 96, 8)]
PARAMS = {
    "w": jnp.asarray(RANDOM.normal(size=(5, 4)), jnp.float32),
    "v": jnp.asarray(RANDOM.normal(size=4), jnp.float32),
}


def errors(params: Any, batch: Any) -> jax.Array:
    return (jnp.tanh(batch[0] @ params["w"]) @ params["v"] - batch[1]) ** 2


def mean_loss(params: Any, batch: Any) -> jax.Array:
    return errors(params, batch).mean()


def sum_loss(params: Any, batch: Any) -> Any:
    penalty = 3 * jnp.sum(params["w"] ** 2)
    return errors(params, batch).sum() + penalty, {"penalty": penalty}


def dropped_loss(params: Any, batch: Any, *, rng: Any, state: Any, train: bool) -> Any:
    hidden = jnp.tanh(batch[0] @ params["w"]) * state["scale"]
    if train:
        hidden = hidden * jax.random.bernoulli(rng, 0.5, hidden.shape) * 2
    return jnp.mean((hidden @ params["v"] - batch[1]) ** 2), {"state": {"scale": state["scale"] + 1}}


def centred_loss(params: Any, batch: Any, *, train: bool) -> jax.Array:
    """Like a batch norm: examples meet in training alone, and the program shows no spread."""
    hidden = jnp.tanh(batch[0] @ params["w"])
    hidden = hidden - hidden.mean(0) if train else hidden
    return jnp.mean((hidden @ params["v"] - batch[1]) ** 2)


def contrastive_loss(params: Any, batch: Any) -> jax.Array:
    alike = jnp.tanh(batch[0] @ params["w"]) @ jnp.tanh(batch[0] @ params["w"]).T
    return optax.softmax_cross_entropy_with_integer_labels(alike, jnp.arange(len(alike))).mean()


def of_one_size(params: Any, batch: Any) -> jax.Array:
    return errors(params, (batch[0].reshape(8, 5), batch[1])).mean()


def found(loss: Callable[..., Any], batches: Any = BATCHES, state: Any = None) -> Groups | str:
    session = nnw.Session(nnw.Objective(loss, PARAMS, state), optax.sgd(0.1), batches, budget=0)
    return groups_of(session.lab(), 40, 10)


@pytest.mark.parametrize(("loss", "share"), [(mean_loss, 1.0), (sum_loss, 1 / 8)])
def test_examples_that_have_gradients_of_their_own(loss: Any, share: float) -> None:
    groups = found(loss)
    assert isinstance(groups, Groups)
    assert (groups.rows, groups.batch, groups.count, groups.share, groups.words) == (1, 8, 40, share, "")
    np.testing.assert_array_equal(groups.examples[0][:, 0], INPUTS[:40])


def test_dropout_does_not_make_examples_depend_on_each_other() -> None:
    groups = found(dropped_loss, state={"scale": jnp.ones(())})
    assert isinstance(groups, Groups)
    assert groups.rows == 1


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (centred_loss, "the examples of a batch influence each other"),
        (contrastive_loss, "the examples of a batch influence each other"),
        (of_one_size, "the loss takes batches of one size alone"),
    ],
)
def test_else_whole_batches_are_taken(loss: Any, words: str) -> None:
    groups = found(loss)
    assert isinstance(groups, Groups)
    assert (groups.rows, groups.batch, groups.count, groups.words) == (8, 8, 10, words)
    np.testing.assert_array_equal(groups.examples[0].reshape(-1, 5), INPUTS[:80])
    words = found(loss, BATCHES[:3] * 5)
    assert "at least 8, and the data has 3" in str(words)


def test_batches_of_one_example() -> None:
    groups = found(mean_loss, [(INPUTS[i : i + 1], TARGETS[i : i + 1]) for i in range(50)])
    assert isinstance(groups, Groups)
    assert (groups.rows, groups.batch, groups.count) == (1, 1, 40)


def test_arrays_of_unequal_length_have_no_examples() -> None:
    words = found(
        lambda params, batch: errors(params, (batch[0][:8], batch[1])).mean(), [(INPUTS[:9], TARGETS[:8])] * 9
    )
    assert "no common first axis" in str(words)


def _keys(count: int) -> Any:
    return jax.random.split(jax.random.key(1), count)


@pytest.mark.parametrize(("rows", "device"), [(1, "cpu"), (1, "gpu"), (8, "cpu")])
def test_norms_and_products_are_those_of_a_plain_loop(rows: int, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # elsewhere than on a CPU several are taken side by side
    monkeypatch.setattr(jax, "default_backend", lambda: device)
    objective = nnw.Objective(dropped_loss, PARAMS, {"scale": jnp.full((), 2.0)})
    examples = (INPUTS[:48].reshape(-1, rows, 5), TARGETS[:48].reshape(-1, rows))
    keys, given = _keys(48 // rows), jax.tree.map(lambda leaf: 1 + leaf, PARAMS)
    result = group_gradients(objective)(PARAMS, objective.state, examples, keys, given, jnp.float32(1))
    gradient = jax.jit(jax.grad(lambda params, batch, key: objective(params, objective.state, batch, key, True)[0]))
    total = jax.tree.map(np.zeros_like, PARAMS)
    for i, key in enumerate(keys):
        grads = gradient(PARAMS, (examples[0][i], examples[1][i]), key)
        for k, (leaf, other) in enumerate(zip(jax.tree.leaves(grads), jax.tree.leaves(given), strict=True)):
            assert result.squares[i, k] == pytest.approx(float(jnp.sum(leaf**2)), rel=1e-3)
            assert result.products[i, k] == pytest.approx(float(jnp.sum(leaf * other)), rel=1e-3, abs=1e-4)
        total = jax.tree.map(np.add, total, grads)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), result.total, total)


def test_a_sum_with_a_penalty_comes_to_the_gradient_of_the_batch() -> None:
    objective, batch = nnw.Objective(sum_loss, PARAMS), BATCHES[0]
    examples = jax.tree.map(lambda leaf: leaf[:, None], batch)
    result = group_gradients(objective)(PARAMS, None, examples, _keys(8), PARAMS, jnp.float32(1 / 8))
    whole = jax.grad(lambda params: sum_loss(params, batch)[0])(PARAMS)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), result.total, whole)
