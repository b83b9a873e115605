"""Complex parameters, and JAX's gradient, which is the conjugate, given to the optimizer as it is (google/jaxopt#169)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "optax"
ACCEPT = {"ConjugateGradient"}
WHERE = "filters"
STEPS = 300
LENGTH = 16


def signals():
    """Noise, and the same through a filter that delays and damps; the filter is the only thing to be learned."""
    rng = np.random.default_rng(124)
    inputs = rng.normal(size=(800, LENGTH)).astype(np.float32)
    frequencies = np.arange(LENGTH // 2 + 1)
    heard = np.fft.irfft(np.fft.rfft(inputs) * np.exp(-(0.1 + 1j) * frequencies), n=LENGTH)
    return inputs, (heard + 0.05 * rng.normal(size=heard.shape)).astype(np.float32)


def apply(params, x):
    return jnp.fft.irfft(jnp.fft.rfft(x) * params["filters"], n=LENGTH) + params["bias"]


def loss_fn(params, batch):
    inputs, targets = batch
    outputs = apply(params, inputs)
    return jnp.mean((outputs - targets) ** 2), {"outputs": outputs, "targets": targets}


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    inputs, targets = signals()
    parts = jax.random.normal(jax.random.key(seed), (2, LENGTH // 2 + 1))
    params = {"filters": jax.lax.complex(parts[0], parts[1]), "bias": jnp.zeros(LENGTH)}
    conjugate = optax.stateless(lambda grads, params: jax.tree.map(jnp.conj, grads))
    tx = optax.adam(2e-2)
    return nnw.Session(
        nnw.Objective(loss_fn, params),
        tx if fault else optax.chain(conjugate, tx),
        data.batches((inputs[:600], targets[:600]), 40, seed),
        validation=data.batches((inputs[600:], targets[600:]), 100),
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    inputs, targets = signals()
    return float(np.mean((apply(session.params, inputs[600:]) - targets[600:]) ** 2))
