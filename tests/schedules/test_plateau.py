"""Reduction on a plateau: the same epochs as in Keras (the real callback) and in PyTorch (its rule in a loop)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import keras as real
import numpy as np
import optax
import pytest

from nnwidgets import schedules

RATE, STEPS_PER_EPOCH = 0.5, 3
GENERATOR = np.random.default_rng(0)
# falls, stays, falls again, stays
LOSSES = np.concatenate([np.linspace(2, 1, 12), np.full(20, 1.0), np.linspace(1, 0.5, 6), np.full(22, 0.5)])
LOSSES = (LOSSES + 1e-3 * GENERATOR.normal(size=LOSSES.shape)).astype(np.float32)


def rates(plateau: optax.GradientTransformationExtraArgs, losses: Any) -> list[float]:
    """Learning rate after each step of a run whose optimizer has the rate ``RATE``."""
    tx = optax.chain(optax.sgd(RATE), plateau)
    params = jnp.zeros(())

    def body(opt_state: Any, loss: jax.Array) -> tuple[Any, jax.Array]:
        updates, opt_state = tx.update(jnp.ones(()), opt_state, params, value=loss)
        return opt_state, updates

    updates = jax.jit(lambda: jax.lax.scan(body, tx.init(params), jnp.asarray(losses))[1])()
    return (-np.asarray(updates)).tolist()


OPTIONS = [
    {},
    {"patience": 3},
    {"patience": 0, "factor": 0.9},
    {"patience": 2, "cooldown": 1},
    {"patience": 2, "cooldown": 4, "factor": 0.5},
    {"patience": 3, "factor": 0.5, "min_lr": 0.1},
]


@pytest.mark.parametrize("options", [*OPTIONS, {"patience": 4, "min_delta": 0.05}])
def test_reduces_when_keras_does(options: dict[str, Any]) -> None:
    callback = real.callbacks.ReduceLROnPlateau("loss", mode="min", **options)
    optimizer = SimpleNamespace(learning_rate=np.float32(RATE))
    callback.set_model(SimpleNamespace(optimizer=optimizer, metrics=[]))
    callback.on_train_begin()
    expected = []
    for epoch, loss in enumerate(LOSSES):
        callback.on_epoch_end(epoch, {"loss": loss})
        expected.append(float(optimizer.learning_rate))
    found = rates(schedules.keras.reduce_lr_on_plateau(RATE, **options), LOSSES)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert len(set(expected)) > 1


@pytest.mark.parametrize(
    "options",
    [*OPTIONS, {"patience": 4, "threshold": 0.05}, {"patience": 4, "threshold": 0.02, "threshold_mode": "abs"}],
)
def test_reduces_when_pytorch_does(options: dict[str, Any]) -> None:
    chosen = {
        "factor": 0.1,
        "patience": 10,
        "threshold": 1e-4,
        "threshold_mode": "rel",
        "cooldown": 0,
        "min_lr": 0.0,
        **options,
    }
    rate, best, bad, cooling, expected = RATE, np.inf, 0, 0, []
    for loss in LOSSES:
        enough = best * (1 - chosen["threshold"]) if chosen["threshold_mode"] == "rel" else best - chosen["threshold"]
        best, bad = (loss, 0) if loss < enough else (best, bad + 1)
        if cooling:
            cooling, bad = cooling - 1, 0
        if bad > chosen["patience"]:
            rate, cooling, bad = max(rate * chosen["factor"], chosen["min_lr"]), chosen["cooldown"], 0
        expected.append(rate)
    found = rates(schedules.pytorch.reduce_lr_on_plateau(RATE, **options), LOSSES)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert len(set(expected)) > 1


@pytest.mark.parametrize("framework", [schedules.keras, schedules.pytorch])
def test_the_losses_of_an_epoch_are_averaged(framework: Any) -> None:
    """Batches that scatter around the epoch's loss change nothing; the reduction comes with the epoch's last step."""
    batches = np.stack([LOSSES - 0.3, LOSSES, LOSSES + 0.3], 1).ravel()
    by_epoch = rates(framework.reduce_lr_on_plateau(RATE, patience=3), LOSSES)
    by_batch = rates(framework.reduce_lr_on_plateau(RATE, patience=3, steps_per_epoch=STEPS_PER_EPOCH), batches)
    np.testing.assert_allclose(by_batch[STEPS_PER_EPOCH - 1 :: STEPS_PER_EPOCH], by_epoch, rtol=1e-6)
    assert len(set(by_batch)) > 1
