from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
import pytest

from nnwidgets.lint import AccumulationScale

from ._data_and_optimizer import classifier, only, silent


def several(tx: optax.GradientTransformation, count: int, mean: bool) -> optax.GradientTransformation:
    return optax.MultiSteps(tx, count, use_grad_mean=mean).gradient_transformation()


@pytest.mark.parametrize("count", [2, 5])
def test_a_sum_of_gradients(count: int) -> None:
    finding = only(AccumulationScale().check(classifier(several(optax.sgd(0.1), count, False))))
    assert finding.severity == "warning" and finding.confirm == "lower learning rate"
    assert finding.evidence["batches per update"] == count
    assert only(AccumulationScale().check(classifier(several(optax.adam(1e-3), count, False)))).severity == "note"
    assert silent(AccumulationScale().check(classifier(several(optax.sgd(0.1), count, True))))


class Kept(NamedTuple):
    total: Any


def never_forgets() -> optax.GradientTransformation:
    def update(grads: Any, state: Kept, params: Any = None) -> Any:
        total = jax.tree.map(jnp.add, state.total, grads)
        return total, Kept(total)

    return optax.GradientTransformation(lambda params: Kept(jax.tree.map(jnp.zeros_like, params)), update)


@pytest.mark.parametrize("then", [optax.sgd(0.1), optax.adam(1e-3), optax.sgd(optax.cosine_decay_schedule(0.1, 50))])
def test_gradients_that_are_never_forgotten_are_red(then: optax.GradientTransformation) -> None:
    finding = only(AccumulationScale().check(classifier(optax.chain(never_forgets(), then))))
    assert finding.severity == "problem" and "never forgets" in finding.explanation


@pytest.mark.parametrize(
    "tx",
    [
        optax.sgd(0.1, momentum=0.99),
        optax.adam(1e-3, b1=0.99),
        optax.lion(1e-3),
        optax.adagrad(0.1),
        optax.rmsprop(1e-3, momentum=0.9),
        optax.chain(optax.adam(1e-3), optax.clip_by_global_norm(1e-4)),
    ],
)
def test_momentum_is_silent(tx: optax.GradientTransformation) -> None:
    assert silent(AccumulationScale().check(classifier(tx)))
