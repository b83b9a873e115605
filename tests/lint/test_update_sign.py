from __future__ import annotations

import optax
import pytest

from nnwidgets.lint import UpdateSign

from ._data_and_optimizer import classifier, only, silent


@pytest.mark.parametrize(
    "tx",
    [optax.scale_by_adam(), optax.chain(optax.adam(1e-3), optax.scale(-1.0)), optax.sgd(-0.1), optax.identity()],
)
def test_up_the_slope_is_red(tx: optax.GradientTransformation) -> None:
    finding = only(UpdateSign().check(classifier(tx)))
    assert finding.severity == "problem" and finding.where == ""
    assert finding.evidence["cosine of update and gradient"] > 0.5


def test_the_wrong_sign_of_one_group_is_named() -> None:
    labels = {"hidden": "down", "last": "up"}
    tx = optax.multi_transform({"down": optax.sgd(0.1), "up": optax.sgd(-0.1)}, labels)
    assert only(UpdateSign().check(classifier(tx))).where == "last/b"


@pytest.mark.parametrize(
    "tx",
    [
        optax.adamw(1e-3, weight_decay=10.0),
        optax.sgd(optax.warmup_cosine_decay_schedule(0.0, 0.1, 100, 1000), momentum=0.9, nesterov=True),
        optax.MultiSteps(optax.lion(1e-3), 4).gradient_transformation(),
        optax.adafactor(1e-2),
        optax.contrib.sam(optax.sgd(0.1), optax.sgd(0.05)) if hasattr(optax, "contrib") else optax.sgd(0.1),
    ],
)
def test_down_the_slope_is_silent(tx: optax.GradientTransformation) -> None:
    assert silent(UpdateSign().check(classifier(tx)))
