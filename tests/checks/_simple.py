"""Small runs that are healthy, and the same with one thing wrong."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw

RNG = np.random.default_rng(0)
# four clusters of six features, in even shares
LABELS = np.tile(np.arange(4, dtype=np.int32), 80)
INPUTS = (2 * RNG.normal(size=(4, 6))[LABELS] + 0.6 * RNG.normal(size=(320, 6))).astype(np.float32)
# real targets with mean 0 that a line can learn
REALS = (INPUTS @ RNG.normal(size=6) / 3).astype(np.float32)
REALS -= REALS.mean()


def batches(inputs: Any = INPUTS, targets: Any = LABELS, size: int = 32) -> list[Any]:
    return [(inputs[i : i + size], targets[i : i + size]) for i in range(0, len(inputs), size)]


def started(outputs: int = 4, features: int = 6, width: int = 16, depth: int = 1) -> Any:
    """Layers of tanh with LeCun's spread, biases 0, and a head."""
    sizes = [features, *[width] * depth]
    keys = jax.random.split(jax.random.key(0), depth + 1)
    params = {
        f"hidden{i}": {"w": jax.random.normal(keys[i], (a, b)) / a**0.5, "b": jnp.zeros(b)}
        for i, (a, b) in enumerate(itertools.pairwise(sizes))
    }
    return params | {
        "head": {"w": 0.3 * jax.random.normal(keys[-1], (width, outputs)) / width**0.5, "b": jnp.zeros(outputs)}
    }


def outputs_of(params: Any, x: Any) -> Any:
    for name in sorted(each for each in params if each.startswith("hidden")):
        x = jnp.tanh(x @ params[name]["w"] + params[name]["b"])
    return x @ params["head"]["w"] + params["head"]["b"]


def cross_entropy(params: Any, batch: Any) -> Any:
    return optax.softmax_cross_entropy_with_integer_labels(outputs_of(params, batch[0]), batch[1]).mean()


def squared(params: Any, batch: Any) -> Any:
    return jnp.mean((outputs_of(params, batch[0])[:, 0] - batch[1]) ** 2)


def session(
    loss: Callable[..., Any] = cross_entropy,
    data: Any = None,
    params: Any = None,
    tx: Any = None,
    steps: int = 0,
    **more: Any,
) -> nnw.Session:
    made = nnw.Session(
        nnw.Objective(loss, started() if params is None else params),
        tx or optax.adam(1e-2), batches() if data is None else data, budget=0, **more,
    )  # fmt: skip
    return made.run(steps) if steps else made
