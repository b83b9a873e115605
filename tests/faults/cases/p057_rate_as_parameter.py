"""The optimizer is made for the arrays of an Equinox model, the gradients are of its numbers, too (equinox#772, #681)."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "state"
ACCEPT: set[str] = set()
WHERE = ""
EXPECT = "unsupported operand type(s) for *: 'float' and 'NoneType'"


def loud() -> None:
    keys = jax.random.split(jax.random.key(0))
    layers = [eqx.nn.Linear(5, 16, key=keys[0]), eqx.nn.Dropout(0.3), eqx.nn.Linear(16, "scalar", key=keys[1])]
    params, static = eqx.partition(eqx.nn.Sequential(layers), eqx.is_inexact_array_like)

    def squared(params: Any, batch: Any) -> jax.Array:
        inputs, targets = batch
        model = eqx.combine(params, static)
        return jnp.mean((jax.vmap(lambda x: model(x, key=keys[0]))(inputs) - targets) ** 2)

    monitor = nnw.Monitor(nnw.Objective(squared, params))
    tx = monitor.instrument(optax.adam(1e-3))
    opt_state = tx.init(eqx.filter(params, eqx.is_inexact_array))
    for batch in monitor.steps(data.batches(data.curve(57).train, 30), 1):
        grads = jax.grad(squared)(params, batch)
        tx.update(grads, opt_state, params)
