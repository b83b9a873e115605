"""Activation maximisation: the input that a unit answers to most."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.records import Picture

from ._images import picture
from ._network import Network
from ._score import Case, input_field

# The share of the input that each step takes away: its size settles where a step adds as much.
_DECAY = 0.05
_NOISE = 0.01


def maximise(case: Case, layer: str, unit: int, steps: int = 64, seed: int = 0, scale: float = 1.0) -> Picture:
    """An input found by gradient ascent on one unit of a layer, before its nonlinearity; of a channel, on its mean.

    From small noise, ``x <- (1 - decay) x + decay scale g / rms(g)``: the gradient is normalised, and the L2 decay lets the
    input grow to about the size of the data.

    Args:
        case: the rest of the batch, where the network has further inputs.
        layer: name of a layer's output.
        unit: which of its units.
        steps: of the ascent, compiled as one `jax.lax.scan`.
        seed: of the noise.
        scale: root mean square of the data.

    Raises:
        ValueError: the input is whole numbers, or there is no such layer or unit.

    References:
        D. Erhan, Y. Bengio, A. Courville, P. Vincent, "Visualizing Higher-Layer Features of a Deep Network", University of
        Montreal, technical report 1341, 2009.
    """
    network, field, example = case.network, case.field, case.example
    spot = network.layer(layer)
    if not np.issubdtype(example.dtype, np.inexact):
        raise ValueError(
            f"the input is whole numbers ({example.dtype}), which can't be climbed: a gradient moves floating ones only."
        )
    if not 0 <= unit < spot.many:
        raise ValueError(f"{layer} has no unit {unit}: they are numbered from 0 to {spot.many - 1}.")

    def run(leaves: list[Any], row: Any, unit: Any, key: Any, scale: Any) -> Any:
        def activation(given: jax.Array) -> jax.Array:
            whole = jnp.asarray(leaves[field]).at[row].set(given)
            value = network.take([*leaves[:field], whole, *leaves[field + 1 :]], [spot])[0][row]
            return (value if spot.units is None else jnp.take(value, unit, -1)).mean().astype(jnp.float32)

        def step(carried: Any, _: Any) -> tuple[Any, jax.Array]:
            given, _ = carried
            value, slope = jax.value_and_grad(activation)(given)
            size = jnp.sqrt(jnp.mean(jnp.square(slope)))
            return ((1 - _DECAY) * given + _DECAY * scale * slope / jnp.where(size > 0, size, 1), given), value

        start = _NOISE * scale * jax.random.normal(key, example.shape, example.dtype)
        # one more, for the activation at the end: the network is compiled once, in the scan
        (_, given), values = jax.lax.scan(step, (start, start), length=steps + 1)
        return given, values[0], values[-1]

    program = network.compiled(("maximise", layer, steps), lambda: run)
    found, first, last = program(case.leaves, case.row, unit, jax.random.key(seed), jnp.asarray(scale, example.dtype))
    words = f"unit {unit} of {layer}: {float(first):.3g} at the start, {float(last):.3g} after {steps} steps"
    if float(first) == float(last):
        words += "; no gradient reaches the input"
    images = case.layout.images(np.asarray(found))
    return picture(
        images, "maximised unit", "gradient", layer, shape=example.shape, signed=images.ndim == 3, words=words
    )


def can_climb(network: Network) -> bool:
    """Whether the input is made of floating numbers."""
    field = input_field(network)
    return field is not None and network.traced.fields[field].aval.dtype.kind in "fV"
