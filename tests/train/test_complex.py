"""A model with complex parameters: both parts are watched, and no warning comes of it."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw

RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.normal(size=(6, 32, 16)).astype(np.float32)
SHIFTED = np.fft.irfft(np.fft.rfft(INPUTS) * np.exp(1j * np.arange(9)), n=16)[..., :3].astype(np.float32)
BATCHES = list(zip(INPUTS, SHIFTED, strict=True))
PARAMS = {
    "filters": jnp.asarray(RANDOM.normal(size=(2, 9)) + 1j * RANDOM.normal(size=(2, 9)), jnp.complex64),
    "w": jnp.asarray(RANDOM.normal(size=(32, 3)) / 6, jnp.float32),
}
CONJUGATE = optax.stateless(lambda grads, _: jax.tree.map(jnp.conj, grads))


def loss_fn(params: Any, batch: Any) -> Any:
    inputs, targets = batch
    filtered = jnp.fft.irfft(jnp.fft.rfft(inputs)[:, None] * params["filters"], n=16)
    outputs = jnp.tanh(filtered).reshape(len(inputs), -1) @ params["w"]
    return jnp.mean((outputs - targets) ** 2), {"outputs": outputs, "targets": targets}


@pytest.fixture(scope="module")
def trained() -> nnw.Session:
    tx = optax.chain(CONJUGATE, optax.adam(1e-2))
    objective = nnw.Objective(loss_fn, PARAMS)
    return nnw.Session(objective, tx, BATCHES[:5], validation=BATCHES[5:], validation_every=20, budget=math.inf).run(60)


def test_norms_are_of_both_parts(trained: nnw.Session) -> None:
    norms = trained.history["parameter/norm"]
    first = np.asarray(norms.values)[0, norms.layers.index("filters")]
    assert first == pytest.approx(np.linalg.norm(np.asarray(PARAMS["filters"])), rel=1e-6)
    loss = trained.history["train/loss"].values
    assert loss[-5:].mean() < 0.8 * loss[:5].mean()
    assert [finding.rule for finding in trained.findings] == []
    assert trained.gradcheck().ok


def test_the_checklist_and_the_experiments(trained: nnw.Session) -> None:
    # without warnings: those are errors here
    checklist = trained.checklist()
    assert checklist.ok, checklist
    assert [checklist[name].verdict for name in ("gradients", "one step", "set-up")] == ["ok"] * 3, checklist
    surface = trained.explore.loss_surface()
    assert "doubled" in repr(surface)
    assert "clipped" in repr(trained.explore.clipping())


@pytest.mark.parametrize("budget", [0.0, math.inf], ids=["by the step itself", "by the probes"])
def test_a_nan_in_the_imaginary_part_alone_is_seen(budget: float) -> None:
    def bad(params: Any, batch: Any) -> Any:
        # at 0 the slope of a square root is infinite, times 0 it is NaN; the parameters stay as they are
        return jnp.real(params["z"]).sum() + 0.0 * jnp.sqrt(jnp.imag(params["z"])).sum()

    session = nnw.Session(
        nnw.Objective(bad, {"z": jnp.ones(3, jnp.complex64)}), optax.set_to_zero(), [jnp.ones(1)], budget=budget
    )
    session.run(3)
    assert [finding.rule for finding in session.findings] == ["NonFinite"]
