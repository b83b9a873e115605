"""Dropout and batch norm, of every framework and by hand: recognised, and judged."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.lint import (
    BatchNormOneRow,
    BatchStatisticsNotStored,
    BiasBeforeBatchNorm,
    DropoutBeforeBatchNorm,
    DropoutKey,
    DropoutRate,
    TrainModeInEvaluation,
)
from nnwidgets.lint._batch_norms import batch_norms_of
from nnwidgets.lint._dropouts import dropouts_of
from tests.lint import _layers as made

EVERY = pytest.mark.parametrize("framework", made.MAKERS)


@EVERY
def test_a_healthy_network_is_recognised_and_left_in_peace(framework: str) -> None:
    setup = made.setup(made.MAKERS[framework](), validation=[made.BATCH])
    (dropout,), (norm,) = dropouts_of(setup.train), batch_norms_of(setup.train).found
    assert dropout.rate == pytest.approx(0.5)
    assert norm.count == made.ROWS
    assert norm.input.aval.shape == (made.ROWS, made.WIDTH)
    assert not dropouts_of(setup.evaluation)
    assert not batch_norms_of(setup.evaluation).found
    # Equinox takes the spread of a count, too
    assert batch_norms_of(setup.evaluation).stored
    for rule in (
        DropoutBeforeBatchNorm(),
        DropoutRate(),
        DropoutKey(),
        TrainModeInEvaluation(),
        BatchStatisticsNotStored(),
        BatchNormOneRow(),
    ):
        assert not made.found(rule, setup), type(rule).__name__
    # harmless, and worth a note
    assert made.severities(BiasBeforeBatchNorm(), setup) == ["note"]


@EVERY
def test_dropout_before_the_norm(framework: str) -> None:
    (finding,) = made.found(DropoutBeforeBatchNorm(), made.setup(made.MAKERS[framework](0.3, early=True)))
    assert finding.severity == "warning"
    assert finding.evidence["rate"] == pytest.approx(0.3)


@EVERY
def test_dropout_on_the_outputs(framework: str) -> None:
    (finding,) = made.found(DropoutRate(), made.setup(made.MAKERS[framework](0.2, behind=True)))
    assert finding.severity == "problem"
    assert finding.evidence["rate"] == pytest.approx(0.2)
    assert finding.where == "last"


@EVERY
def test_strong_dropout(framework: str) -> None:
    (finding,) = made.found(DropoutRate(), made.setup(made.MAKERS[framework](0.8)))
    assert finding.severity == "warning"
    assert finding.evidence["rate"] == pytest.approx(0.8)


def test_a_constant_key() -> None:
    (finding,) = made.found(DropoutKey(), made.setup(made.by_hand(key=jax.random.key(3))))
    assert finding.severity == "problem"
    assert "constant" in finding.explanation


@pytest.mark.parametrize("advances", [True, False])
def test_a_key_in_the_state(advances: bool) -> None:
    def loss_fn(params: Any, batch: Any, *, state: Any, train: bool) -> Any:
        x = jax.nn.relu(made.dense(params["hidden"], batch[0]))
        rng, new = jax.random.split(jax.random.wrap_key_data(state["key"]))
        x = jnp.where(jax.random.bernoulli(rng, 0.5, x.shape), x / 0.5, 0) if train else x
        new_state = {"key": jax.random.key_data(new) if advances else state["key"]}
        return made.cross_entropy(made.dense(params["last"], x), batch[1]), {"state": new_state}

    objective = nnw.Objective(loss_fn, made.PARAMS, {"key": jax.random.key_data(jax.random.key(0))})
    assert made.severities(DropoutKey(), made.setup(objective)) == ([] if advances else ["problem"])


@pytest.mark.parametrize(("validation", "severity"), [([made.BATCH], "problem"), ([], "warning")])
def test_the_mode_of_training_in_evaluation(validation: list[Any], severity: str) -> None:
    setup = made.setup(made.by_hand(always=True), validation=validation)
    findings = made.found(TrainModeInEvaluation(), setup)
    assert [each.severity for each in findings] == [severity, severity]
    assert "1 dropouts" in findings[0].explanation
    assert "1 batch norms" in findings[1].explanation


def test_noise_that_is_no_dropout_may_stay_in_evaluation() -> None:
    def loss_fn(params: Any, batch: Any, *, rng: Any) -> Any:
        x = made.dense(params["hidden"], batch[0])
        x = x + jax.random.normal(rng, x.shape)
        return made.cross_entropy(made.dense(params["last"], x), batch[1])

    assert not made.found(TrainModeInEvaluation(), made.setup(loss_fn, validation=[made.BATCH]))
    assert not made.found(DropoutRate(), made.setup(loss_fn))


def test_statistics_that_are_thrown_away() -> None:
    model = made.Linen()
    variables = model.init(jax.random.key(0), made.INPUTS)

    def loss_fn(params: Any, batch: Any, *, rng: Any, state: Any, train: bool) -> Any:
        outputs, _ = model.apply(
            {"params": params, **state}, batch[0], train=train, mutable=["batch_stats"], rngs={"dropout": rng}
        )
        return made.cross_entropy(outputs, batch[1]), {"state": state, "outputs": outputs}

    objective = nnw.Objective(loss_fn, variables["params"], {"batch_stats": variables["batch_stats"]})
    (finding,) = made.found(BatchStatisticsNotStored(), made.setup(objective))
    assert (finding.severity, finding.evidence["stored variances"]) == ("problem", 1)


def test_one_row() -> None:
    batch = (made.INPUTS[:1], made.LABELS[:1])
    for framework, maker in made.MAKERS.items():
        assert made.severities(BatchNormOneRow(), made.setup(maker(), batch)) == ["problem"], framework


def test_layer_norm_whitening_and_decorrelation_are_no_batch_norm() -> None:
    def loss_fn(params: Any, batch: Any) -> Any:
        x = made.dense(params["hidden"], batch[0])
        x = (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-5)
        outputs = made.dense(params["last"], x)
        # the spread over the batch as a term of the loss (VICReg)
        spread = jnp.mean(jax.nn.relu(1 - jnp.sqrt(outputs.var(0) + 1e-4)))
        return made.cross_entropy(outputs, batch[1]) + spread, {"outputs": outputs}

    setup = made.setup(loss_fn)
    assert not batch_norms_of(setup.train).found
    assert not made.found(TrainModeInEvaluation(), setup)


def test_depth_that_is_dropped_by_example_is_no_strong_dropout() -> None:
    def loss_fn(params: Any, batch: Any, *, rng: Any, train: bool) -> Any:
        x = made.dense(params["hidden"], batch[0])
        kept = jax.random.bernoulli(rng, 0.2, (len(x), 1))
        x = jax.nn.relu(x) + (jnp.where(kept, jnp.tanh(x) / 0.2, 0) if train else jnp.tanh(x))
        return made.cross_entropy(made.dense(params["last"], x), batch[1])

    assert not made.found(DropoutRate(), made.setup(loss_fn))


def test_noise_on_the_inputs_is_no_dropout() -> None:
    def loss_fn(params: Any, batch: Any, *, rng: Any) -> Any:
        inputs = batch[0] * jax.random.bernoulli(rng, 0.1, batch[0].shape)
        outputs = made.dense(params["last"], jax.nn.relu(made.dense(params["hidden"], inputs)))
        return made.cross_entropy(outputs, batch[1])

    setup = made.setup(loss_fn, validation=[made.BATCH])
    assert not dropouts_of(setup.train)
    assert not made.found(TrainModeInEvaluation(), setup)


def test_a_norm_over_images_counts_the_pixels() -> None:
    images = np.random.default_rng(0).normal(size=(4, 3, 3, 2)).astype(np.float32)

    def loss_fn(params: Any, batch: Any) -> Any:
        x = jnp.einsum("bhwc,cd->bhwd", batch[0], params["w"])
        flat = x.reshape(-1, 2)
        x = ((flat - flat.mean(0)) * jax.lax.rsqrt(flat.var(0) + 1e-5)).reshape(x.shape)
        return optax.l2_loss(x.mean((1, 2)).sum(-1), batch[1]).mean()

    setup = made.setup(loss_fn, (images, np.ones(4, np.float32)), params={"w": jnp.eye(2)})
    (norm,) = batch_norms_of(setup.train).found
    assert norm.count == 36
