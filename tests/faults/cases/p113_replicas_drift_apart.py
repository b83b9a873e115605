"""Four replicas, each with its share of the data, never average their gradients (HenryNdubuaku/nanodl#12)."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "devices"
# the gradients of the first replica are not those of the loss over all data
ACCEPT = {"WrongGradient"}
WHERE = ""
STEPS = 200
REPLICAS = 4


def initialize(key):
    first, second = jax.random.split(key)
    return {
        "hidden": {"w": jax.random.normal(first, (5, 64)) * 0.6, "b": jnp.zeros(64)},
        "output": {"w": jax.random.normal(second, (64, 1)) * 0.125, "b": jnp.zeros(1)},
    }


def predict(params, x):
    hidden = jnp.tanh(x @ params["hidden"]["w"] + params["hidden"]["b"])
    return (hidden @ params["output"]["w"] + params["output"]["b"])[..., 0]


def loss_fn(params, batch):
    inputs, targets = batch
    return jnp.mean((predict(params, inputs) - targets) ** 2)


def sharded(examples, seed):
    """Batches with a leading axis of replicas; each replica reads from a quarter of the rows."""
    shares = [tuple(part[replica::REPLICAS] for part in examples) for replica in range(REPLICAS)]
    for batches in zip(*(data.epochs(share, 10, seed) for share in shares), strict=True):
        yield jax.tree.map(lambda *parts: np.stack(parts), *batches)


def run(seed: int = 0, fault: bool = True, steps: int = STEPS) -> tuple[nnw.Monitor, float]:
    train, (test_inputs, test_targets) = data.curve(113, count=120)
    params = initialize(jax.random.key(seed))
    monitor = nnw.Monitor(nnw.Objective(loss_fn, params), seed=seed)
    tx = monitor.instrument(optax.adam(0.02))

    # the replicas on one device, as one tries out what shall run on several
    @jax.jit
    @functools.partial(jax.vmap, axis_name="replicas")
    def train_step(params, opt_state, batch):
        loss, grads = jax.value_and_grad(loss_fn)(params, batch)
        if not fault:
            grads = jax.lax.pmean(grads, "replicas")
        updates, opt_state = tx.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, jax.lax.pmean(loss, "replicas")

    replicated, opt_state = jax.tree.map(lambda leaf: jnp.stack([leaf] * REPLICAS), (params, tx.init(params)))
    for batch in monitor.steps(sharded(train, seed), steps):
        replicated, opt_state, loss = train_step(replicated, opt_state, batch)
        params, first_state = jax.tree.map(lambda leaf: leaf[0], (replicated, opt_state))
        whole = jax.tree.map(lambda part: part.reshape(-1, *part.shape[2:]), batch)
        monitor.record(loss=loss[0], params=params, opt_state=first_state, batch=whole)

    # what is saved in the end is the first replica
    return monitor, float(np.mean((predict(params, test_inputs) - test_targets) ** 2) / np.var(test_targets))


def error(result: tuple[nnw.Monitor, float]) -> float:
    return result[1]
