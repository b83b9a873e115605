"""The learning rate is read off what an optimizer does."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
import pytest

from nnwidgets.explore import learning_rate_of

PARAMS = {"w": jnp.ones((30, 20)), "b": jnp.zeros(20)}
RATE = 0.03
OPTIMIZERS: dict[str, Callable[[float], optax.GradientTransformation]] = {
    "sgd": optax.sgd,
    "momentum": lambda rate: optax.sgd(rate, 0.9),
    "nesterov": lambda rate: optax.sgd(rate, 0.9, nesterov=True),
    "decay in the loss": lambda rate: optax.chain(optax.add_decayed_weights(0.1), optax.sgd(rate)),
    "clipped": lambda rate: optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(rate)),
    "adam": optax.adam,
    "adamw": lambda rate: optax.adamw(rate, weight_decay=0.1),
    "clipped adam": lambda rate: optax.chain(optax.clip(1e-3), optax.adam(rate)),
    "rmsprop": optax.rmsprop,
    "adagrad": optax.adagrad,
    "lion": optax.lion,
    "injected": lambda rate: optax.inject_hyperparams(optax.adam)(rate),
    "accumulated": lambda rate: optax.MultiSteps(optax.adam(rate), 4).gradient_transformation(),
    "frozen in part": lambda rate: optax.masked(optax.sgd(rate), {"w": True, "b": False}),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_rate_is_found_whatever_the_state_holds(name: str) -> None:
    tx = OPTIMIZERS[name](RATE)
    opt_state, grads = tx.init(PARAMS), jax.tree.map(jnp.ones_like, PARAMS)
    for _ in range(3):
        _, opt_state = tx.update(grads, opt_state, PARAMS)
    found = learning_rate_of(tx, PARAMS, opt_state)
    assert found == pytest.approx(RATE, rel=1e-3) if name != "frozen in part" else found is not None


@pytest.mark.parametrize("make", [optax.adam, optax.sgd, lambda rate: optax.sgd(rate, 0.9)])
def test_of_a_schedule_it_is_the_coming_step_s(make: Callable[..., optax.GradientTransformation]) -> None:
    schedule = optax.linear_schedule(0.1, 0.0, 10)
    tx = make(schedule)
    opt_state, grads = tx.init(PARAMS), jax.tree.map(jnp.ones_like, PARAMS)
    for step in range(4):
        assert learning_rate_of(tx, PARAMS, opt_state) == pytest.approx(float(schedule(step)), rel=1e-3)
        _, opt_state = tx.update(grads, opt_state, PARAMS)


@pytest.mark.parametrize("tx", [optax.adafactor(0.01), optax.lbfgs()])
def test_where_it_cannot_be_told_it_is_none(tx: optax.GradientTransformation) -> None:
    assert learning_rate_of(tx, PARAMS, tx.init(PARAMS)) is None


def test_nothing_is_learned_at_a_rate_of_zero() -> None:
    tx = optax.adam(optax.warmup_cosine_decay_schedule(0.0, 0.1, 10, 100))
    assert learning_rate_of(tx, PARAMS, tx.init(PARAMS)) == 0.0
