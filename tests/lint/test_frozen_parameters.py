from __future__ import annotations

import optax
import pytest

from nnwidgets.lint import FrozenParameters

from ._data_and_optimizer import classifier, only, silent


def test_nothing_moves_is_red() -> None:
    for tx in (optax.set_to_zero(), optax.adam(0.0)):
        assert only(FrozenParameters().check(classifier(tx))).severity == "problem"


def test_some_layers_frozen_is_said() -> None:
    tx = optax.multi_transform({"on": optax.adam(1e-3), "off": optax.set_to_zero()}, {"hidden": "off", "last": "on"})
    finding = only(FrozenParameters().check(classifier(tx)))
    assert finding.severity == "warning" and finding.where == "hidden/b"
    # 56 of 83
    assert finding.evidence["share of parameters"] == pytest.approx(56 / 83)


@pytest.mark.parametrize(
    "tx",
    [
        optax.sgd(optax.linear_schedule(0.0, 0.1, 100)),
        optax.MultiSteps(optax.adam(1e-3), 16).gradient_transformation(),
        optax.polyak_sgd(),
        optax.inject_hyperparams(optax.adam)(1e-3),
    ],
)
def test_a_late_start_is_silent(tx: optax.GradientTransformation) -> None:
    assert silent(FrozenParameters().check(classifier(tx)))
