"""How each layer's output is spread, and how many of its units no longer do anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import jax
import jax.numpy as jnp

from ._histograms import count_bins
from ._snapshot import PerLayer, Snapshot
from ._summary import summarize

if TYPE_CHECKING:
    from nnwidgets.trace import Watched

T = TypeVar("T")

RECTIFIERS = ("relu", "relu6")

# Outputs from which on the slope is below 5 % of the function's steepest: tanh |y| > sqrt(0.95), sigmoid
# y (1 - y) < 0.05 / 4. The hard ones are flat there.
FLAT = {
    "tanh": (-0.97468, 0.97468),
    "sigmoid": (0.01266, 0.98734),
    "logistic": (0.01266, 0.98734),
    "hard_tanh": (-1.0, 1.0),
    "hard_sigmoid": (0.0, 1.0),
}


def activation_statistics(snapshot: Snapshot) -> dict[str, PerLayer]:
    """Mean and standard deviation of each layer's output over batch, positions and units, in float32.

    Returns:
        ``"activation/mean"`` and ``"activation/std"``, float32 (layers,); NaN where the output has a NaN.
    """
    outputs = _outputs(snapshot)
    found = summarize(list(outputs.values()))
    return _readings(outputs, {"activation/mean": found.mean, "activation/std": found.std})


def activation_histograms(snapshot: Snapshot) -> dict[str, PerLayer]:
    """The distribution of each layer's output: thirty bins over at most 4,096 of its values.

    Returns:
        ``"activation/histogram"``, float32 (layers, 2 + 30), as `histograms` gives them.
    """
    outputs = _outputs(snapshot)
    return _readings(outputs, {"activation/histogram": count_bins(list(outputs.values()))})


def dead_units(snapshot: Snapshot) -> dict[str, PerLayer]:
    """The share of a ReLU's units that are zero for every example of the batch and at every position.

    No gradient passes through such a unit, so that it cannot come back by itself on these data. A unit is an entry of
    the value's `Watched.unit_axis`, a neuron or channel; an output of one axis is one unit.

    Returns:
        ``"activation/dead"``, float32 (nonlinearities,) between 0 and 1, for relu and relu6. A NaN counts as alive.
    """
    outputs = _nonlinearities(snapshot, RECTIFIERS)
    shares = [jnp.mean(_sum_of_each_unit(each, value) <= 0, dtype=jnp.float32) for each, value in outputs.values()]
    return _readings(outputs, {"activation/dead": shares})


def saturated_units(snapshot: Snapshot) -> dict[str, PerLayer]:
    """The share of the outputs of tanh and sigmoid where their slope is below 5 % of its largest value.

    That is beyond ``|tanh x| = 0.975`` (``|x| = 2.18``) and where a sigmoid is below 0.013 or above 0.987
    (``|x| = 4.36``). For hard_tanh and hard_sigmoid: where they are flat.

    Returns:
        ``"activation/saturated"``, float32 (nonlinearities,) between 0 and 1, over units, examples and positions.

    References:
        X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010.
    """
    outputs = _nonlinearities(snapshot, FLAT)
    shares = [_outside(value, *FLAT[each.function]) for each, value in outputs.values()]
    return _readings(outputs, {"activation/saturated": shares})


def _outside(output: jax.Array, low: float, high: float) -> jax.Array:
    values = jnp.asarray(output, jnp.float32)
    return jnp.mean((values <= low) | (values >= high), dtype=jnp.float32)


def _sum_of_each_unit(each: Watched, value: jax.Array) -> jax.Array:
    """0 where all are, since a ReLU gives nothing negative; a NaN stays one, which XLA's max would lose."""
    if value.ndim < 2:
        return jnp.sum(value)
    return jnp.sum(jnp.moveaxis(value, each.unit_axis, -1), axis=tuple(range(value.ndim - 1)))


def _readings(labels: Iterable[str], readings: dict[str, Any]) -> dict[str, PerLayer]:
    """Nothing, where there is no such layer."""
    layers = tuple(labels)
    return {name: PerLayer(layers, jnp.asarray(values, jnp.float32)) for name, values in readings.items() if layers}


def _outputs(snapshot: Snapshot) -> dict[str, jax.Array]:
    return _labelled((each.layer, value) for each, value in _watched(snapshot, "output"))


def _nonlinearities(snapshot: Snapshot, functions: Container[str]) -> dict[str, tuple[Watched, jax.Array]]:
    return _labelled(
        (f"{each.layer}/{each.function}".lstrip("/"), (each, value))
        for each, value in _watched(snapshot, "nonlinearity_output")
        if each.function in functions
    )


def _watched(snapshot: Snapshot, role: str) -> list[tuple[Watched, jax.Array]]:
    found = [(each, snapshot.activations[each.name]) for each in snapshot.watched if each.role == role]
    return [(each, value) for each, value in found if jnp.issubdtype(value.dtype, jnp.floating) and value.size]


def _labelled(pairs: Iterable[tuple[str, T]]) -> dict[str, T]:
    """The values by label; a layer that is called again becomes ``"Dense_0 (2)"``."""
    labelled: dict[str, T] = {}
    seen: Counter[str] = Counter()
    for label, value in pairs:
        seen[label] += 1
        labelled[label if seen[label] == 1 else f"{label} ({seen[label]})"] = value
    return labelled
