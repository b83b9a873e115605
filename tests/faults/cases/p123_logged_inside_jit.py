"""Losses are put into a list inside the compiled step, where they have no values yet (JAX's Sharp Bits)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "speed"
EXPECT = "loss has no value yet: call monitor.record outside of jit"


def loud() -> None:
    def loss_fn(params, batch):
        inputs, targets = batch
        return jnp.mean((inputs @ params["w"] + params["b"] - targets) ** 2)

    params = {"w": jnp.zeros(5), "b": jnp.zeros(())}
    monitor = nnw.Monitor(nnw.Objective(loss_fn, params))
    tx = monitor.instrument(optax.sgd(0.1))
    opt_state = tx.init(params)
    losses = []

    @jax.jit
    def train_step(params, opt_state, batch):
        loss, grads = jax.value_and_grad(loss_fn)(params, batch)
        losses.append(loss)
        updates, opt_state = tx.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    for batch in monitor.steps(data.batches(data.curve(123).train, 50), 3):
        params, opt_state = train_step(params, opt_state, batch)
        opt_state = monitor.record(loss=losses[-1], params=params, opt_state=opt_state, batch=batch)
