"""What every schedule owes: float32 from a traced count, the same in every way of calling it; it is listed here."""

from __future__ import annotations

import inspect
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nnwidgets import schedules
from nnwidgets.schedules import keras, mxnet, pytorch, tensorflow

EVERY = {
    schedules.constant: (0.1,),
    schedules.linear_warmup: (keras.cosine_decay(0.1, 20), 10),
    schedules.inverse_square_root: (0.1, 10),
    schedules.noam: (64, 10),
    keras.exponential_decay: (0.1, 10, 0.9, True),
    keras.piecewise_constant_decay: ([10, 20], [0.3, 0.2, 0.1]),
    keras.polynomial_decay: (0.1, 20, 0.01, 2.0, True),
    keras.inverse_time_decay: (0.1, 10, 0.5),
    keras.cosine_decay: (0.0, 20, 0.1, 0.1, 10),
    keras.cosine_decay_restarts: (0.1, 5, 1.5, 0.9, 0.01),
    tensorflow.exponential_decay: (0.1, 10, 0.9),
    tensorflow.natural_exp_decay: (0.1, 10, 0.5, True),
    tensorflow.piecewise_constant: ([10], [0.3, 0.2]),
    tensorflow.polynomial_decay: (0.1, 20),
    tensorflow.inverse_time_decay: (0.1, 10, 0.5, True),
    tensorflow.cosine_decay: (0.1, 20),
    tensorflow.cosine_decay_restarts: (0.1, 5),
    tensorflow.linear_cosine_decay: (0.1, 20),
    pytorch.step_lr: (0.1, 2, 0.5, 5),
    pytorch.multi_step_lr: (0.1, [2, 3], 0.5, 5),
    pytorch.constant_lr: (0.1, 0.5, 3, 5),
    pytorch.linear_lr: (0.1, 0.5, 1.0, 3, 5),
    pytorch.exponential_lr: (0.1, 0.9, 5),
    pytorch.lambda_lr: (0.1, lambda epoch: jnp.where(epoch < 3, 0.5, 1.0), 5),
    pytorch.polynomial_lr: (0.1, 5, 2.0, 5),
    pytorch.cosine_annealing_lr: (0.1, 5, 0.01, 5),
    pytorch.cosine_annealing_warm_restarts: (0.1, 2, 2, 0.01, 3),
    pytorch.cyclic_lr: (0.01, 0.1, 5, 7, "exp_range", 0.99),
    pytorch.one_cycle_lr: (0.1, 30),
    pytorch.sequential_lr: ([pytorch.linear_lr(0.1), pytorch.exponential_lr(0.1, 0.9)], [5]),
    pytorch.chained_scheduler: (0.1, [pytorch.constant_lr(1.0), pytorch.exponential_lr(1.0, 0.9)]),
    mxnet.factor_scheduler: (10, 0.5, 0.01, 0.1, 5),
    mxnet.multi_factor_scheduler: ([10, 20], 0.5, 0.1, 5),
    mxnet.poly_scheduler: (30, 0.1, 2, 0.01, 5),
    mxnet.cosine_scheduler: (30, 0.1, 0.01, 5, 0.02, "constant"),
}
STEPS = 40


def test_every_schedule_is_listed_here() -> None:
    modules = (schedules, keras, tensorflow, pytorch, mxnet)
    public = {
        f"{module.__name__}.{name}": value
        for module in modules
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and not name.startswith("_")
        and value.__annotations__.get("return") == "optax.Schedule"
        and "schedules" in value.__module__
        and "_curves" not in value.__module__
    }
    assert {name for name, value in public.items() if value not in EVERY} == set()
    assert len(EVERY) >= 35


@pytest.mark.parametrize("make", EVERY, ids=lambda make: f"{make.__module__.split('.')[2]}.{make.__name__}")
def test_is_a_schedule_of_optax(make: Any) -> None:
    schedule = make(*EVERY[make])

    def in_every_way(count: jax.Array) -> Any:
        def body(at: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
            return at + 1, schedule(at)

        return schedule(count), jax.lax.scan(body, count, length=STEPS)[1], jax.vmap(schedule)(jnp.arange(STEPS))

    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        single, scanned, mapped = jax.jit(in_every_way)(jnp.int32(0))
    assert single.dtype == scanned.dtype == mapped.dtype == jnp.float32
    assert single.shape == () and schedule(3).dtype == jnp.float32 and schedule(3).shape == ()
    elementwise = np.asarray(schedule(np.arange(STEPS)))
    assert elementwise.dtype == np.float32 and np.isfinite(elementwise).all()
    for found in (scanned, mapped, [schedule(count) for count in (0, 1, 39)]):
        expected = elementwise if len(found) == STEPS else elementwise[[0, 1, 39]]
        np.testing.assert_allclose(np.asarray(found), expected, rtol=3e-6, atol=1e-9)


def test_an_optimizer_takes_it_in_a_compiled_step() -> None:
    """The updates of plain gradient descent are the schedule's rates."""
    tx = optax.sgd(keras.exponential_decay(1.0, 1, 0.5))
    params, grads = jnp.zeros(()), jnp.ones(())

    def body(opt_state: Any, _: None) -> tuple[Any, jax.Array]:
        updates, opt_state = tx.update(grads, opt_state, params)
        return opt_state, updates

    found = jax.jit(lambda state: jax.lax.scan(body, state, length=4)[1])(tx.init(params))
    np.testing.assert_allclose(found, [-1, -0.5, -0.25, -0.125], rtol=1e-6)


def test_learning_rates_may_be_traced() -> None:
    """So that many are mapped over at once; lengths must be known."""

    def last(rate: jax.Array) -> jax.Array:
        return keras.cosine_decay(rate, 100)(50) + pytorch.one_cycle_lr(rate, 100)(99)

    rates = jnp.array([0.1, 1.0])
    np.testing.assert_allclose(jax.vmap(last)(rates), rates * (0.5 + 1 / 25e4), rtol=1e-5)


@pytest.mark.parametrize("count", [2**24 + 1, 2**31 - 1])
def test_a_large_count_is_neither_rounded_nor_wrapped(count: int) -> None:
    """Float32 has no 2 ** 24 + 1: stairs are counted in integers."""
    stairs = [pytorch.step_lr(1.0, 2, 0.5), keras.cosine_decay_restarts(1.0, 2), pytorch.one_cycle_lr(1.0, 100)]
    assert all(np.isfinite(schedule(jnp.int32(count))) for schedule in stairs)
    parity = pytorch.cyclic_lr(0.0, 1.0, 1)
    assert float(parity(jnp.int32(count))) == count % 2
