"""A loss spike is looked into: the layer that grew first, and the examples that carried it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw

from .test_rewind import X, bits, forget_most

RANDOM = np.random.default_rng(3)
Y = (X @ RANDOM.standard_normal(6)).astype(np.float32)


def loss_fn(params: Any, batch: Any) -> Any:
    x, y = batch
    return jnp.mean((jnp.tanh(x @ params["first"]) @ params["second"] - y) ** 2)


def run_of(batches: Any, tx: Any = None) -> nnw.Session:
    params = {
        "first": jnp.asarray(RANDOM.standard_normal((6, 8)), jnp.float32) / 3,
        "second": jnp.asarray(RANDOM.standard_normal(8), jnp.float32) / 3,
    }
    return nnw.Session(nnw.Objective(loss_fn, params), tx or optax.sgd(1e-2), batches, budget=0)


def batches(step: int) -> Any:
    here = np.arange(8 * (step % 5), 8 * (step % 5) + 8)
    x, y = X[here], Y[here].copy()
    if step == 33:
        # two labels are wrong by far
        y[[2, 5]] += [300.0, -200.0]
    return x, y


def test_two_examples_carried_it() -> None:
    run = run_of(batches).run(40)
    forget_most(run)
    before = bits(run)
    spike = run.spike()
    assert spike.step == 33 and bits(run) == before and run.step == 40
    assert spike.carriers == [2, 5] and spike.share > 0.9
    assert spike.loss > 100 * spike.usual
    assert f"{spike.share:.0%} of the gradient norms of its 8 examples: 2 (loss" in repr(spike)
    # what each example gives by itself is what autodiff says of it alone
    state = run.rewind(33)
    for i in range(8):
        alone = tuple(each[i : i + 1] for each in batches(33))
        loss, grads = jax.value_and_grad(loss_fn)(state.params, alone)
        norm = np.sqrt(sum(float(jnp.sum(leaf**2)) for leaf in grads.values()))
        assert spike.examples is not None
        np.testing.assert_allclose(spike.examples[:, i], [float(loss), norm], rtol=1e-4)


def test_the_layer_that_grew_first() -> None:
    """At step 20 the update of one layer is 400 times as large: its next loss jumps, and so do gradients."""

    def update(updates: Any, state: Any, params: Any = None) -> Any:
        return {**updates, "second": jnp.where(state == 20, 400.0, 1.0) * updates["second"]}, state + 1

    kick = optax.GradientTransformation(lambda params: jnp.zeros((), jnp.int32), update)
    run = run_of(lambda step: (X[:8], Y[:8] * 3), optax.chain(optax.sgd(1e-2), kick)).run(30)
    spike = run.spike()
    assert spike.step in (21, 22) and spike.first_step == 21 and spike.first is not None
    k = int(np.flatnonzero(spike.steps == 21)[0])
    assert spike.growth[k, spike.layers.index(spike.first)] == spike.growth[k].max() > 3


def test_nothing_stands_out() -> None:
    run = run_of(lambda step: (X[:8], Y[:8])).run(20)
    with pytest.raises(ValueError, match=r"no loss is above those before it: type session\.spike\(step\)"):
        run.spike()
    asked = run.spike(10)
    assert asked.step == 10 and not asked.stands_out and "not above the usual" in repr(asked)
    assert "no gradient grew threefold" in repr(asked)
    assert "there is no step before it" in repr(run.spike(0))
    with pytest.raises(ValueError, match="a step that was made, 0 to 19, got 20"):
        run.spike(20)


def test_the_largest_is_told_though_it_is_no_spike() -> None:
    """Batches differ: one is always above the others, and that is no more than their spread."""
    random = np.random.default_rng(5)
    data = [(X[:8], (Y[:8] * (1 + 0.2 * random.standard_normal(8))).astype(np.float32)) for _ in range(30)]
    spike = run_of(data, optax.sgd(1e-4)).run(30).spike()
    assert not spike.stands_out and 0 < spike.spreads < 6
    assert f"no spike, at {spike.spreads:.2g} times the usual spread" in repr(spike)


def test_before_the_first_step() -> None:
    with pytest.raises(ValueError, match=r"0 steps were made: type session\.run\(100\) first"):
        run_of(batches).spike()


def test_a_loss_of_the_whole_batch_has_no_examples() -> None:
    def contrast(params: Any, batch: Any) -> Any:
        return jnp.mean((batch @ params["w"]).reshape(2, 4).prod(0) ** 2)

    run = nnw.Session(nnw.Objective(contrast, {"w": jnp.ones(6)}), optax.sgd(1e-3), [X[:8]], budget=0).run(5)
    assert "cannot be computed of one example" in repr(run.spike(4))
