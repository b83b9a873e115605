"""A network with one dropout and one batch norm, written by hand, as a session."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw

RATE, MOMENTUM, EPSILON = 0.4, 0.9, 1e-5
RNG = np.random.default_rng(3)
INPUTS = RNG.normal(1.0, 1.0, size=(96, 5)).astype(np.float32)
LABELS = (INPUTS[:, 0] + INPUTS[:, 1] > 2).astype(np.int32) + (INPUTS[:, 2] > 1).astype(np.int32)
BATCHES = [(INPUTS[i : i + 16], LABELS[i : i + 16]) for i in range(0, 96, 16)]


def params() -> Any:
    rng = np.random.default_rng(4)
    return {
        "first": {"w": jnp.asarray(rng.normal(size=(5, 12)) / 2, jnp.float32), "b": jnp.ones(12)},
        "norm": {"scale": jnp.ones(12), "bias": jnp.zeros(12)},
        "last": {"w": jnp.asarray(rng.normal(size=(12, 3)) / 3, jnp.float32)},
    }


def state() -> Any:
    return {"mean": jnp.zeros(12), "var": jnp.ones(12)}


def dropped(x: Any, rng: Any, rate: float) -> Any:
    keep = jax.random.bernoulli(rng, 1 - rate, x.shape)
    return jnp.where(keep, x / (1 - rate), 0)


def loss_fn(where: str = "before", rate: float = RATE, momentum: float = MOMENTUM, store: bool = True) -> Any:
    """The loss with its dropout before the norm, behind it, or nowhere."""

    def loss(params: Any, batch: Any, *, rng: Any, state: Any, train: bool) -> Any:
        inputs, labels = batch
        hidden = inputs @ params["first"]["w"] + params["first"]["b"]
        if train and where == "before":
            hidden = dropped(hidden, rng, rate)
        mean, var = (hidden.mean(0), hidden.var(0)) if train else (state["mean"], state["var"])
        if train and store:
            state = {
                "mean": momentum * state["mean"] + (1 - momentum) * mean,
                "var": momentum * state["var"] + (1 - momentum) * var,
            }
        normed = (hidden - mean) * jax.lax.rsqrt(var + EPSILON) * params["norm"]["scale"] + params["norm"]["bias"]
        active = jnp.maximum(normed, 0)
        if train and where == "behind":
            active = dropped(active, rng, rate)
        logits = active @ params["last"]["w"]
        value = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
        return value, {"state": state, "outputs": logits, "targets": labels}

    return loss


def session(loss: Any, tx: Any = None, steps: int = 0, batches: Any = None) -> nnw.Session:
    made = nnw.Session(
        nnw.Objective(loss, params(), state()), tx or optax.adam(1e-2), BATCHES if batches is None else batches,
        validation=BATCHES[:2], budget=0,
    )  # fmt: skip
    return made.run(steps) if steps else made
