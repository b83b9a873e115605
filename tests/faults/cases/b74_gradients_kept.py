"""Gradients are added to those of the steps before and never set back to zero (Stack Overflow 60335387)."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "optax"
ACCEPT = {"GradientMismatch", "AccumulationScale", "WrongGradient", "ExplodingGradient", "Divergence", "Oscillation"}
WHERE = ""
STEPS = 200


def cross_entropy(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def run(seed: int = 0, fault: bool = True, steps: int = STEPS) -> tuple[nnw.Monitor, float]:
    train, (test_inputs, test_labels) = data.blobs(74, classes=6, features=12)
    model = eqx.nn.MLP(12, 6, width_size=32, depth=2, key=jax.random.key(seed))
    monitor = nnw.Monitor(nnw.from_equinox(model, cross_entropy), seed=seed)
    params, static = eqx.partition(model, eqx.is_inexact_array)
    tx = monitor.instrument(optax.sgd(0.1))
    opt_state = tx.init(params)

    @jax.jit
    def train_step(params, kept, opt_state, batch):
        def loss_fn(params):
            return cross_entropy(jax.vmap(eqx.combine(params, static))(batch[0]), batch[1])

        loss, grads = jax.value_and_grad(loss_fn)(params)
        kept = jax.tree.map(jnp.add, kept, grads)
        updates, opt_state = tx.update(kept, opt_state, params)
        return optax.apply_updates(params, updates), kept, opt_state, loss

    kept = jax.tree.map(jnp.zeros_like, params)
    for batch in monitor.steps(data.batches(train, 50, seed), steps):
        params, kept, opt_state, loss = train_step(params, kept, opt_state, batch)
        if not fault:
            kept = jax.tree.map(jnp.zeros_like, kept)
        opt_state = monitor.record(loss=loss, params=params, opt_state=opt_state, batch=batch)

    logits = np.asarray(jax.vmap(eqx.combine(params, static))(test_inputs))
    return monitor, float(np.mean(np.argmax(logits, -1) != test_labels)) if np.isfinite(logits).all() else float("nan")


def error(result: tuple[nnw.Monitor, float]) -> float:
    return result[1]
