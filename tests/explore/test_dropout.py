"""Dropout's masks, rates and variance shift against masks drawn from known keys; the other order against one written out."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.explore._side_by_side import Way, side_by_side
from nnwidgets.explore.layers._dropout import Dropout
from nnwidgets.explore.layers._variance_shift import orders

from ._normed import BATCHES, RATE, dropped, loss_fn, session

QUICK = Dropout(steps=0, batches=4)


def masks(lab: Any, steps: int, shape: tuple[int, ...] = (16, 12)) -> list[Any]:
    """What the steps from here on keep."""
    keys = [jax.random.fold_in(lab.key, np.uint32(lab.step + k)) for k in range(steps)]
    return [np.asarray(jax.random.bernoulli(key, 1 - RATE, shape)) for key in keys]


@pytest.fixture(scope="module")
def run() -> nnw.Session:
    return session(loss_fn("before"), steps=5)


@pytest.fixture(scope="module")
def found(run: nnw.Session) -> Any:
    return QUICK.run(run.lab())


def test_rates_and_masks_step_by_step(run: nnw.Session, found: Any) -> None:
    kept = masks(run.lab(), 4)
    assert found["places"] == ["first"]
    assert found["rates"] == [pytest.approx(RATE)]
    assert found["measured_rates"] == [pytest.approx(np.mean([1 - mask.mean() for mask in kept[:3]]), rel=1e-5)]
    alike = [np.mean(one == other) for one, other in itertools.pairwise(kept)]
    assert found["as_the_step_before"] == [pytest.approx(min(alike), rel=1e-5)]
    assert found["train_outputs_apart"] > 0.1
    assert found["evaluation_outputs_apart"] == 0


def test_variance_shift_of_each_channel(run: nnw.Session, found: Any) -> None:
    on, off = [], []
    for k, mask in enumerate(masks(run.lab(), 4)):
        hidden = BATCHES[(5 + k) % 6][0].astype(np.float64) @ np.asarray(run.params["first"]["w"], np.float64)
        hidden += np.asarray(run.params["first"]["b"])
        on.append(np.where(mask, hidden / (1 - RATE), 0).var(0))
        off.append(hidden.var(0))
    ratios = np.mean(on, 0) / np.mean(off, 0)
    assert found["variance_shift"] == [pytest.approx(np.median(ratios), rel=1e-3)]
    assert found["largest_variance_shift"] == [pytest.approx(ratios.max(), rel=1e-3)]
    (picture,) = found.pictures
    assert np.allclose(picture.lines[0].y, ratios, rtol=1e-3)
    # E[x²] / keep - E[x]² over E[x²] - E[x]², which is more than 1 / keep where the mean is not 0
    assert found["variance_shift"][0] > 1 / (1 - RATE)


def test_the_other_order_is_that_of_a_network_written_so(run: nnw.Session) -> None:
    lab = run.lab()
    others = orders(lab.setup)
    assert list(others) == ["behind the last norm", "no dropout"]
    ways = {name: Way(each, lab.tx) for name, each in others.items()}
    ours = side_by_side(lab, ways, steps=6, keys=2)
    behind = loss_fn("behind")
    for name, other in (("behind the last norm", behind), ("no dropout", loss_fn("nowhere"))):
        # the moved dropout draws from its own key
        plain = plain_losses(lab, other, lambda rng: jax.random.fold_in(rng, 0x5EED))
        assert ours[name].losses[0] == pytest.approx(plain, rel=2e-5)
    assert not np.allclose(ours["no dropout"].losses[0], ours["behind the last norm"].losses[0], rtol=1e-3)


def plain_losses(lab: Any, loss: Any, key_of: Any) -> list[float]:
    """A loop as people write it, with the first key's batches and random numbers."""
    params, state, opt_state, losses = lab.params, lab.state, lab.opt_state, []
    whole = jax.random.fold_in(lab.key, np.uint32(lab.step + 1))
    gradient = jax.jit(jax.value_and_grad(lambda p, s, b, r: loss(p, b, rng=r, state=s, train=True), has_aux=True))
    for k in range(6):
        rng = key_of(jax.random.fold_in(whole, np.uint32(k)))
        (value, aux), grads = gradient(params, state, lab.batches[k % 6], rng)
        updates, opt_state = lab.tx.update(grads, opt_state, params)
        params, state = optax.apply_updates(params, updates), aux["state"]
        losses.append(float(value))
    return losses


def test_both_orders_are_compared(run: nnw.Session) -> None:
    found = Dropout(steps=40, keys=2, batches=2).run(run.lab())
    for name in ("as_it_is", "behind_the_last_norm", "no_dropout"):
        assert np.isfinite(found[f"evaluation_loss_{name}"])
    change = found["evaluation_loss_no_dropout"] - found["evaluation_loss_as_it_is"]
    assert found["evaluation_loss_no_dropout_change"] == pytest.approx(change)
    better = (
        found["evaluation_loss_no_dropout_change_high"] < 0
        or found["evaluation_loss_behind_the_last_norm_change_high"] < 0
    )
    assert found.verdict == ("suspicious" if better else "ok"), found
    assert "times that without" in found.answer
    assert {line.name for line in found.pictures[-1].lines} == {"as it is", "behind the last norm", "no dropout"}


def test_no_shift_where_dropout_is_behind_the_norm() -> None:
    found = Dropout(batches=2).run(session(loss_fn("behind"), steps=3).lab())
    assert found.verdict == "ok", found
    assert found["variance_shift"] == [pytest.approx(1.0)]
    assert "no shift to speak of" in found.answer
    # and so there is nothing to be trained
    assert "evaluation_loss_as_it_is" not in found.numbers


def test_one_key_for_two_dropouts() -> None:
    def loss(params: Any, batch: Any, *, rng: Any, train: bool) -> Any:
        hidden = jnp.tanh(batch @ params["one"])
        hidden = dropped(hidden, rng, 0.5) if train else hidden
        hidden = jnp.tanh(hidden @ params["two"])
        hidden = dropped(hidden, rng, 0.5) if train else hidden
        return jnp.mean((hidden @ params["out"]) ** 2)

    rng = np.random.default_rng(0)
    weights = {"one": rng.normal(size=(4, 16)), "two": rng.normal(size=(16, 16)), "out": rng.normal(size=16)}
    weights = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), weights)
    data = [rng.normal(size=(8, 4)).astype(np.float32) for _ in range(4)]
    found = QUICK.run(nnw.Session(nnw.Objective(loss, weights), optax.sgd(0.1), data, budget=0).lab())
    assert found.verdict == "suspicious", found
    assert "given one key" in found.answer


def test_modes_turned_round() -> None:
    def loss(params: Any, batch: Any, *, rng: Any, train: bool) -> Any:
        hidden = jnp.tanh(batch @ params["one"])
        return jnp.mean((hidden if train else dropped(hidden, rng, 0.5)) ** 2)

    data = [np.ones((8, 4), np.float32)] * 3
    run = nnw.Session(nnw.Objective(loss, {"one": jnp.ones((4, 16)) / 4}), optax.sgd(0.1), data, budget=0)
    found = QUICK.run(run.lab())
    assert found.verdict == "wrong"
    assert "evaluation" in found.answer


def test_a_network_without_dropout() -> None:
    found = QUICK.run(session(loss_fn("nowhere")).lab())
    assert found.verdict == "unknown"
    assert "No dropout was recognised" in found.answer


@pytest.mark.parametrize("options", [{"steps": -1}, {"keys": 0}, {"batches": 1}])
def test_options_out_of_range(options: Any) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        Dropout(**options).run(session(loss_fn()).lab())
