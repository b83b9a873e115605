from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nnwidgets.lint import AdamEpsilon, ClippingAfterAdam, TightClipping

from ._data_and_optimizer import INPUTS, batches, classifier, classify, network, only, regressor, silent


def test_pinned_updates_behind_adam_are_red() -> None:
    finding = only(ClippingAfterAdam().check(classifier(optax.chain(optax.adam(0.1), optax.clip_by_global_norm(0.05)))))
    assert finding.severity == "problem" and finding.evidence["bound"] == pytest.approx(0.05, rel=1e-3)
    assert "global norm" in finding.explanation


def test_a_bound_on_entries_is_told_from_one_on_the_norm() -> None:
    finding = only(ClippingAfterAdam().check(classifier(optax.chain(optax.adam(0.1), optax.clip(0.01)))))
    assert finding.severity == "problem" and "entries" in finding.explanation
    assert finding.evidence["bound"] == pytest.approx(0.01, rel=1e-3)


def test_a_wide_bound_is_a_warning_but_red_where_gradients_are_wild() -> None:
    tx = optax.chain(optax.adam(1e-4), optax.clip_by_global_norm(1.0))
    assert only(ClippingAfterAdam().check(classifier(tx))).severity == "warning"
    targets = np.ones((len(INPUTS), 1), np.float32)
    # one batch of four with targets far out
    targets[:16] = 1e4
    assert only(ClippingAfterAdam().check(regressor(targets, tx))).severity == "problem"


@pytest.mark.parametrize(
    "tx",
    [
        optax.chain(optax.clip_by_global_norm(1.0), optax.adam(0.1)),
        optax.adafactor(1e-2),
        optax.lamb(1e-2),
        optax.sgd(0.1),
        optax.chain(optax.scale_by_adam(), optax.clip_by_block_rms(1.0), optax.scale(-1e-3)),
    ],
)
def test_clipping_before_adam_is_silent(tx: optax.GradientTransformation) -> None:
    assert silent(ClippingAfterAdam().check(classifier(tx)))


def test_a_bound_that_leaves_nothing_is_red() -> None:
    tx = optax.chain(optax.clip_by_global_norm(1e-9), optax.sgd(0.1))
    finding = only(TightClipping().check(classifier(tx)))
    assert finding.severity == "problem" and finding.evidence["update over weights"] < 1e-9
    below = optax.chain(optax.clip_by_global_norm(1e-11), optax.adam(1e-3))
    assert only(TightClipping().check(classifier(below))).severity == "problem"
    tight = optax.chain(optax.clip_by_global_norm(1e-4), optax.sgd(1.0))
    finding = only(TightClipping().check(classifier(tight)))
    assert finding.severity == "warning" and finding.confirm == "higher learning rate"


def test_usual_bounds_are_silent() -> None:
    for tx in (
        optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.1)),
        optax.chain(optax.clip_by_global_norm(1e-3), optax.adam(1e-3)),
        optax.adam(1e-3, eps=10.0),
        optax.adamw(1e-3),
    ):
        assert silent(TightClipping().check(classifier(tx)))


def test_epsilon_above_the_gradients() -> None:
    finding = only(AdamEpsilon().check(classifier(optax.adam(1e-3, eps=10.0))))
    assert finding.severity == "warning" and finding.confirm == "higher learning rate"
    assert only(AdamEpsilon().check(classifier(optax.adam(1e-3, eps=1e6)))).severity == "problem"
    for tx in (optax.adam(1e-3), optax.adam(1e-3, eps=1e-4), optax.sgd(0.1)):
        assert silent(AdamEpsilon().check(classifier(tx)))


def test_epsilon_that_vanishes_in_float16_is_red() -> None:
    half = {name: {key: leaf.astype(jnp.float16) for key, leaf in layer.items()} for name, layer in network().items()}
    data = batches()
    # a feature that is always 0 has a gradient of 0
    data = [(inputs * np.array([0, 1, 1, 1, 1, 1], np.float32), labels) for inputs, labels in data]
    finding = only(AdamEpsilon().check(classifier(optax.adam(1e-3), data, half, classify)))
    assert finding.severity == "problem" and "float16" in finding.explanation
