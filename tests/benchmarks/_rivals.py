"""How gradients are checked without nnwidgets: a loop over coordinates, and JAX's own `check_grads`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.extend.core import jaxpr_as_fun
from jax.test_util import check_grads

from tests.gradchecks._trials import Bench

COORDINATES, RELATIVE = 10, 1e-2


def central_differences(
    loss: Callable[[list[Any]], Any], tensors: Sequence[Any], step: float, seed: int = 0
) -> list[tuple[np.ndarray, np.ndarray]]:
    """What everybody writes: for some coordinates of each tensor the loss at both sides, one call after the other.

    Args:
        loss: compiled, of a list of tensors.
        tensors: arrays.
        step: to both sides.
        seed: of the coordinates.

    Returns:
        for each tensor the coordinates and the derivatives along them.
    """
    random, found = np.random.default_rng(seed), []
    for t, tensor in enumerate(tensors):
        size = int(np.prod(np.shape(tensor)))
        chosen = random.choice(size, min(COORDINATES, size), replace=False)
        slopes = []
        for index in chosen:
            ends = []
            for by in (step, -step):
                moved = np.array(tensor)
                moved.flat[index] += by
                ends.append(float(loss([*tensors[:t], moved, *tensors[t + 1 :]])))
            slopes.append((ends[0] - ends[1]) / (2 * step))
        found.append((chosen, np.array(slopes)))
    return found


def loop_agrees(
    loss: Callable[[list[Any]], Any], grads: Sequence[Any], tensors: Sequence[Any], step: float, seed: int
) -> bool:
    """The loop's verdict: equal to a hundredth (and NumPy's absolute 1e-8) in every coordinate."""
    found = central_differences(loss, tensors, step, seed)
    return all(
        np.allclose(slopes, np.asarray(grad).ravel()[chosen], rtol=RELATIVE)
        for (chosen, slopes), grad in zip(found, grads, strict=True)
    )


def check_grads_agrees(loss: Callable[[list[Any]], Any], tensors: Sequence[Any]) -> bool:
    """JAX's verdict in reverse mode, with its own steps and tolerances for float32."""
    try:
        check_grads(loss, (list(tensors),), order=1, modes=["rev"])
    except AssertionError:
        return False
    return True


@dataclass(frozen=True)
class Judged:
    """What one method said of one trial.

    Attributes:
        method: its name.
        healthy: whether the gradient is right.
        wrong: whether the method says something else.
        seconds: how long it took.
    """

    method: str
    healthy: bool
    wrong: bool
    seconds: float


def side_by_side(bench: Bench, seeds: Sequence[int]) -> Iterator[Judged]:
    """Every method on the same trials; a fault that changes nothing in the gradient is left out."""
    program = jax.jit(jaxpr_as_fun(bench.model.function.forward))
    count = len(bench.model.function.tensors)
    for trial in (each for seed in seeds for each in bench.trials(seed)):
        healthy = not trial.effects.any()
        if healthy and trial.kind != "none":
            continue
        tensors, rest = [jax.numpy.asarray(each) for each in trial.inputs[:count]], trial.inputs[count:]
        grads = bench.gradients(trial.inputs[:count], rest)
        loss = partial(_loss, program, rest)
        yield Judged("nnwidgets, quick tier", healthy, trial.report.ok != healthy, trial.report.seconds)
        for method, agrees in {
            "loop, h = 0.01": partial(loop_agrees, loss, grads, tensors, 1e-2, trial.seed),
            "loop, h = 0.001": partial(loop_agrees, loss, grads, tensors, 1e-3, trial.seed),
            "jax.test_util.check_grads": partial(check_grads_agrees, loss, tensors),
        }.items():
            started = time.perf_counter()
            wrong = agrees() != healthy
            yield Judged(method, healthy, wrong, time.perf_counter() - started)


def _loss(program: Any, rest: list[Any], tensors: list[Any]) -> Any:
    return program(*tensors, *rest)[0][0]
