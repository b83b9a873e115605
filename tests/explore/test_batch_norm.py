"""Batch norm's statistics against NumPy, and one update of the averages in each framework."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import flax.linen as nn
import jax
import keras
import numpy as np
import optax
import pytest
from flax import nnx

import nnwidgets as nnw
from nnwidgets.explore.layers._batch_norm import BatchNorm
from nnwidgets.explore.layers._norm_statistics import gap, ratio

from ._normed import BATCHES, EPSILON, MOMENTUM, loss_fn, session

FEW = BatchNorm(batches=4, settle=30)


def forward(params: Any, inputs: Any) -> Any:
    """What goes into the norm, in NumPy."""
    return np.asarray(inputs, np.float64) @ np.asarray(params["first"]["w"], np.float64) + np.asarray(
        params["first"]["b"]
    )


def evaluated(params: Any, mean: Any, var: Any, batch: Any, of_batch: bool = False) -> float:
    """The loss with these statistics, in NumPy."""
    hidden = forward(params, batch[0])
    mean, var = (hidden.mean(0), hidden.var(0)) if of_batch else (mean, var)
    normed = (hidden - mean) / np.sqrt(var + EPSILON) * np.asarray(params["norm"]["scale"]) + np.asarray(
        params["norm"]["bias"]
    )
    logits = np.maximum(normed, 0) @ np.asarray(params["last"]["w"], np.float64)
    scores = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    return -float(scores[np.arange(len(logits)), batch[1]].mean())


@pytest.fixture(scope="module")
def run() -> nnw.Session:
    return session(loss_fn("nowhere"), steps=7)


@pytest.fixture(scope="module")
def found(run: nnw.Session) -> Any:
    return FEW.run(run.lab())


def test_batch_against_stored_statistics(run: nnw.Session, found: Any) -> None:
    coming = [BATCHES[(7 + k) % 6] for k in range(4)]
    hidden = [forward(run.params, batch[0]) for batch in coming]
    means, variances = np.stack([each.mean(0) for each in hidden]), np.stack([each.var(0) for each in hidden]).mean(0)
    mean, var = (np.asarray(run.state[name], np.float64) for name in ("mean", "var"))
    away = np.sqrt(np.mean((mean - means.mean(0)) ** 2 / variances))
    assert found["distances"][0] == pytest.approx(away, rel=1e-3)
    assert found["variance_ratios"][0] == pytest.approx(np.exp(np.log(var / variances).mean()), rel=1e-3)
    assert found["momenta"][0] == pytest.approx(MOMENTUM, abs=1e-4)
    assert found["start_left"][0] == pytest.approx(MOMENTUM**7, rel=1e-2)
    assert found["orders"] == ["first, norm, relu"]
    assert found["values_in_each_mean"] == [16]


def test_the_same_batches_in_both_modes(run: nnw.Session, found: Any) -> None:
    coming = [BATCHES[(7 + k) % 6] for k in range(4)]
    mean, var = (np.asarray(run.state[name], np.float64) for name in ("mean", "var"))
    train = np.mean([evaluated(run.params, mean, var, batch, of_batch=True) for batch in coming])
    now = np.mean([evaluated(run.params, mean, var, batch) for batch in coming])
    # thirty passes over the six batches that come, with fixed parameters
    for k in range(30):
        hidden = forward(run.params, BATCHES[(7 + k) % 6][0])
        mean, var = 0.9 * mean + 0.1 * hidden.mean(0), 0.9 * var + 0.1 * hidden.var(0)
    later = np.mean([evaluated(run.params, mean, var, batch) for batch in coming])
    assert found["train_loss"] == pytest.approx(train, rel=1e-4)
    assert found["evaluation_loss"] == pytest.approx(now, rel=1e-4)
    assert found["evaluation_loss_settled"] == pytest.approx(later, rel=1e-4)
    assert abs(now - later) > 1e-3


def test_the_distance_along_the_run(found: Any) -> None:
    (course,) = [plot for plot in found.pictures if "along the run" in plot.title]
    assert course.lines[0].x[0] == 0
    assert course.lines[0].y[-1] < course.lines[0].y[0]


def test_nothing_is_told_of_a_lag_before_the_first_step() -> None:
    found = FEW.run(session(loss_fn("nowhere")).lab())
    assert found.verdict == "unknown"
    assert "ask again later" in found.answer


def test_averages_that_lag() -> None:
    run = session(loss_fn("nowhere", momentum=0.999), steps=40)
    found = BatchNorm(batches=4, settle=3000).run(run.lab())
    assert found.verdict == "suspicious", found
    assert found["momenta"][0] == pytest.approx(0.999, abs=1e-4)
    assert "The averages lag" in found.answer
    assert f"{0.999**40:.0%} of what they started with" in found.answer
    assert found["evaluation_loss"] > 1.1 * found["evaluation_loss_settled"]


def test_statistics_that_are_never_stored() -> None:
    found = FEW.run(session(loss_fn("nowhere", store=False), steps=5).lab())
    assert found.verdict == "wrong"
    assert "never stored" in found.answer
    assert found["momenta"] == [1.0]


def test_a_batch_of_three_rows() -> None:
    few = [(inputs[:3], labels[:3]) for inputs, labels in BATCHES]
    found = FEW.run(session(loss_fn("nowhere"), steps=3, batches=few).lab())
    assert found.verdict == "suspicious"
    assert "over 3 values" in found.answer


def test_a_network_without_one() -> None:
    from tests.checks._simple import session as plain

    found = BatchNorm().run(plain().lab())
    assert (found.verdict, found.rows) == ("unknown", ())


@pytest.mark.parametrize("options", [{"batches": 0}, {"settle": 0}])
def test_options_out_of_range(options: Any) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        BatchNorm(**options).run(session(loss_fn()).lab())


def test_dead_channels_do_not_count() -> None:
    means, variances = np.array([[1.0, 5.0]]), np.array([1.0, 0.0])
    assert gap(means, variances, np.array([3.0, 0.0])) == 2.0
    assert ratio(variances, np.array([2.0, 7.0])) == pytest.approx(2.0)
    assert np.isnan(gap(means, np.zeros(2), np.array([3.0, 0.0])))


class LinenNet(nn.Module):
    @nn.compact
    def __call__(self, x: Any, train: bool = False) -> Any:
        x = nn.relu(nn.BatchNorm(use_running_average=not train, momentum=0.8)(nn.Dense(8)(x)))
        return nn.Dense(3)(x)


class NnxNet(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.conv = nnx.Conv(1, 5, (2,), padding="VALID", rngs=rngs)
        self.norm, self.head = nnx.BatchNorm(5, momentum=0.8, rngs=rngs), nnx.Linear(20, 3, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.head(self.norm(nnx.relu(self.conv(x[..., None]))).reshape(len(x), -1))


class EquinoxNet(eqx.Module):
    first: eqx.nn.Linear
    norm: eqx.nn.BatchNorm
    last: eqx.nn.Linear

    def __init__(self, key: Any) -> None:
        keys = jax.random.split(key)
        self.first, self.last = eqx.nn.Linear(5, 8, key=keys[0]), eqx.nn.Linear(8, 3, key=keys[1])
        self.norm = eqx.nn.BatchNorm(8, "batch", momentum=0.8, mode="batch")

    def __call__(self, x: Any, state: Any) -> Any:
        x, state = self.norm(self.first(x), state)
        return self.last(jax.nn.relu(x)), state


def cross_entropy(logits: Any, labels: Any) -> Any:
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def made(framework: str) -> nnw.Objective:
    if framework == "linen":
        model = LinenNet()
        return nnw.from_linen(model, model.init(jax.random.key(0), BATCHES[0][0]), cross_entropy)
    if framework == "nnx":
        return nnw.from_nnx(NnxNet(nnx.Rngs(0)), cross_entropy)
    if framework == "equinox":
        model, state = eqx.nn.make_with_state(EquinoxNet)(jax.random.key(0))
        return nnw.from_equinox(model, cross_entropy, state=state)
    layers = keras.layers
    inputs = keras.Input((5,))
    hidden = layers.ReLU()(layers.BatchNormalization(momentum=0.8, name="norm")(layers.Dense(8, name="first")(inputs)))
    return nnw.from_keras(keras.Model(inputs, layers.Dense(3, name="head")(hidden)), cross_entropy)


ORDERS = {
    "linen": "Dense_0, norm, relu",
    "nnx": "relu, norm, head",
    "equinox": "first, norm, relu",
    "keras": "first, norm, relu",
}


@pytest.mark.parametrize("framework", list(ORDERS))
def test_in_each_framework(framework: str) -> None:
    run = nnw.Session(made(framework), optax.sgd(0.01), BATCHES, budget=0).run(30)
    found = BatchNorm(batches=6, settle=20).run(run.lab())
    assert found["orders"] == [ORDERS[framework]]
    # Equinox takes the start out of its averages again, so that the newest batch counts for a little more
    assert found["momenta"][0] == pytest.approx(0.8, abs=1e-3)
    # one batch stands out by its chance, and the parameters hardly moved
    assert found["distances"][0] < 0.4
    assert found["variance_ratios"][0] == pytest.approx(1, abs=0.25)
    assert found.verdict == "ok", found


def test_the_batch_in_evaluation_too() -> None:
    in_training = loss_fn("nowhere")

    def loss(params: Any, batch: Any, *, rng: Any, state: Any, train: bool) -> Any:
        return in_training(params, batch, rng=rng, state=state, train=True)

    found = FEW.run(session(loss, steps=2).lab())
    assert found.verdict == "wrong"
    assert "use the statistics of the batch in evaluation" in found.answer


def test_a_run_that_blew_up() -> None:
    run = session(loss_fn("nowhere"), optax.sgd(np.inf), steps=2)
    found = FEW.run(run.lab())
    assert np.isnan(found["train_loss"])
    assert found.verdict in ("ok", "unknown")
