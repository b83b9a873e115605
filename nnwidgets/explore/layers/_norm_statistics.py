"""The statistics of batch norms: of batches, and as evaluation takes them out of the state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from nnwidgets.lint import Setup
from nnwidgets.lint._predictions import outputs_of
from nnwidgets.lint._rewritten import Rewritten, unchanged
from nnwidgets.lint._undropped import undropped

from .._convolutions import quick_in_loops
from .._values import once_a_program, reader
from ._norm_layers import moments, norm_layers

Array = npt.NDArray[np.float64]
# Below this share of its layer's mean variance a channel is dead.
_DEAD = 1e-6


class Moments(NamedTuple):
    """Means and variances of the layers' channels: one array (channels,) a layer; None where they were not found."""

    means: list[Any]
    variances: list[Any]


@once_a_program
def statistics(setup: Setup) -> Callable[[Any, Any, Any, Any], tuple[Moments, Moments, Moments]]:
    """(params, state, batch, rng) -> those of the batch in training, those stored, those stored after the step; compiled."""
    layers = norm_layers(setup)
    inputs = reader(setup.train, [layer.norm.input for layer in layers])
    known = [layer.stored for layer in layers]
    means = [each.mean for each in known if each is not None and each.mean is not None]
    read_means = reader(setup.evaluation, means)
    read_variances = reader(setup.evaluation, [each.variance for each in known if each is not None])
    objective = setup.objective

    def stored(*given: Any) -> Moments:
        found = iter(read_means(*given)), iter(read_variances(*given))
        both = [
            (
                None if each is None or each.mean is None else next(found[0]).reshape(-1),
                None if each is None else next(found[1]).reshape(-1),
            )
            for each in known
        ]
        return Moments([mean for mean, _ in both], [variance for _, variance in both])

    @jax.jit
    def look(params: Any, state: Any, batch: Any, rng: Any) -> tuple[Moments, Moments, Moments]:
        both = [moments(x, layer.channels) for x, layer in zip(inputs(params, state, batch, rng), layers, strict=True)]
        _, (after, _) = objective(params, state, batch, rng, True)
        of_batch = Moments([mean for mean, _ in both], [variance for _, variance in both])
        return of_batch, stored(params, state, batch, rng), stored(params, after, batch, rng)

    return look


class Modes(NamedTuple):
    """One batch in both modes.

    Attributes:
        train: loss in training, dropout switched off.
        evaluation: loss in evaluation.
        outputs: (of training, of evaluation), or None.
    """

    train: Any
    evaluation: Any
    outputs: Any


@once_a_program
def modes(setup: Setup) -> Callable[[Any, Any, Any, Any], Modes]:
    """(params, state, batch, rng) -> `Modes`, declared penalties left out; compiled."""
    given = [outputs_of(traced)[:1] for traced in (setup.train, setup.evaluation)]
    known = all(given) and all(each[0].place is not None for each in given)
    try:
        run = Rewritten(setup.train, undropped(setup.train), given[0] if known else ())
    except ValueError:
        # one function that holds a dropout is called twice: it stays on
        run = Rewritten(setup.train, (), given[0]) if known else unchanged(setup.objective)
    read, objective = reader(setup.evaluation, given[1]), setup.objective

    @jax.jit
    def look(params: Any, state: Any, batch: Any, rng: Any) -> Modes:
        found = run(params, state, batch, rng)
        loss, (_, aux) = objective(params, state, batch, rng, False)
        outputs = (found.noted[0], read(params, state, batch, rng)[0]) if known else None
        return Modes(found.loss, loss - aux.get("penalty", 0.0), outputs)

    return look


@once_a_program
def settled(setup: Setup) -> Callable[[Any, Any, Any, Any, Any], Any]:
    """(params, state, stacked batches, order, rng) -> the state after forward passes of training; compiled."""
    objective = setup.objective

    @jax.jit
    @quick_in_loops
    def run(params: Any, state: Any, batches: Any, order: Any, rng: Any) -> Any:
        def step(state: Any, given: Any) -> tuple[Any, None]:
            number, index = given
            batch = jax.tree.map(lambda leaf: leaf[index], batches)
            return objective(params, state, batch, jax.random.fold_in(rng, number), True)[1][0], None

        return jax.lax.scan(step, state, (jnp.arange(len(order)), order))[0]

    return run


def gap(batch_means: Array, variance: Array, stored_mean: Array | None) -> float:
    """How far a stored mean lies from the batches', in standard deviations: root mean square over the channels.

    Args:
        batch_means: (batches, channels).
        variance: mean variance of the batches (channels,).
        stored_mean: (channels,).

    Returns:
        NaN where nothing is stored, or no channel varies.

    Example:
        >>> gap(np.array([[1.0, 0.0], [3.0, 0.0]]), np.array([4.0, 1.0]), np.array([0.0, 0.0]))
        0.7071067811865476
    """
    alive = variance > _DEAD * max(float(variance.mean()), 1e-30)
    if stored_mean is None or not alive.any():
        return float("nan")
    away = (stored_mean - batch_means.mean(0))[alive] / np.sqrt(variance[alive])
    return float(np.sqrt(np.mean(away**2)))


def ratio(variance: Array, stored: Array | None) -> float:
    """Stored variance over the batches': the geometric mean over the channels; NaN where nothing is stored or varies.

    Example:
        >>> ratio(np.array([1.0, 4.0]), np.array([4.0, 4.0]))
        2.0
    """
    alive = variance > _DEAD * max(float(variance.mean()), 1e-30)
    if stored is None or not alive.any():
        return float("nan")
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.exp(np.mean(np.log(stored[alive] / variance[alive]))))


def momentum(mean: Array | None, after: Array | None, batch_mean: Array) -> float:
    r"""The m of ``after = m * mean + (1 - m) * batch_mean``, by least squares over the channels; NaN where it can't be told.

    Example:
        >>> float(round(momentum(np.array([0.0, 2.0]), np.array([0.1, 1.9]), np.array([1.0, 1.0])), 6))
        0.9
    """
    if mean is None or after is None:
        return float("nan")
    way, moved = batch_mean - mean, after - mean
    size = float(way @ way)
    return 1 - float(moved @ way) / size if size > 0 else float("nan")
