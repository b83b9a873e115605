"""What curvature, surfaces and gradients of single examples cost, in gradients of a batch."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.explore._convolutions import quick_in_loops
from nnwidgets.explore.batches._per_example import group_gradients
from nnwidgets.explore.curvature._hessian import hessian_vector_product, spectrum
from nnwidgets.explore.curvature._plane import filter_directions
from nnwidgets.explore.curvature._surface import surface

from ._measure import Row, Turn, paired, progress, take_turns
from ._models import BATCH, MODELS, Reference

# What must not be exceeded: gradients' time for the top eigenvalue; compiled programs, and calls of one, for a surface.
GRADIENTS, ONE = 40.0, 1
WITH_GOAL, SIDE, LOOPED = "CNN 100k", 21, 4
GRADIENT = "gradient"


def rows(quick: bool) -> list[Row]:
    """Those of the small models; of all but the largest if not quick."""
    found = []
    for name in list(MODELS)[: 2 if quick else 3]:
        progress(f"{name}: curvature, surface, examples")
        found += [Row(**(vars(row) | {"name": f"{name}: {row.name}"})) for row in _of(MODELS[name](), quick)]
    return found


def _of(reference: Reference, quick: bool) -> list[Row]:
    at = _At(reference)
    turns = {
        GRADIENT: at.turn(at.gradient),
        "eigenvalue": at.turn(at.eigenvalue),
        "examples": at.turn(at.examples),
        "loop": at.turn(at.loop),
    }
    if not quick:
        turns |= {
            "surface": at.turn(at.surface),
            "point by point": at.turn(at.points),
            "plain loop": at.turn(at.plain_loop),
        }
    at.turn(at.surface)(3)
    for name, turn in turns.items():
        progress(f"  compiling: {name}")
        turn(1)
    seconds, rounds = (0.5, 6) if quick else (10.0, 9)
    found = take_turns(turns, seconds=seconds, rounds=rounds, most=2000, base=GRADIENT)
    for name in set(turns) & {"loop", "plain loop"}:
        found[name] = [each / LOOPED for each in found[name]]
    goal = GRADIENTS if reference.name == WITH_GOAL else None
    return [
        Row("gradient of a batch of 32, the unit", 1e3 * statistics.median(found[GRADIENT]), unit="ms"),
        _ratio(found, "eigenvalue", "top eigenvalue of the Hessian, in gradients", at.told(), goal),
        *_programs(at, found),
        _ratio(found, "examples", f"norms of {BATCH} examples' gradients, in gradients", "both passes: twice that"),
        _ratio(found, "loop", "a gradient inside a compiled loop, in gradients", "convolutions turned"),
        *([] if quick else [_ratio(found, "plain loop", "the same, convolutions as they come", "")]),
    ]


def _ratio(found: dict[str, list[float]], one: str, name: str, note: str, goal: float | None = None) -> Row:
    ratio, low, high = paired(found, one, GRADIENT)
    note = ", ".join(each for each in (f"{1e3 * statistics.median(found[one]):.3g} ms", note) if each)
    return Row(name, ratio, goal, None if goal is None else ratio <= goal, low, high, note=note)


def _programs(at: _At, found: dict[str, list[float]]) -> list[Row]:
    """How many programs a surface takes, and how long."""
    name, programs = f"{SIDE} x {SIDE} surface", surface(at.objective)._cache_size()
    rows = [
        Row(
            f"{name}, compiled programs",
            programs,
            ONE,
            programs <= ONE,
            unit="",
            note=f"for {at.surfaces} surfaces, one call each",
        ),
    ]
    if "surface" in found:
        rows.append(_ratio(found, "surface", f"{name}, in gradients", f"{SIDE * SIDE} losses"))
        ratio, low, high = paired(found, "surface", "point by point")
        rows.append(Row(f"{name}, beside {SIDE * SIDE} calls of a compiled loss", ratio, None, None, low, high))
    return rows


class _At:
    """A reference model at its initial point, and what is measured of it."""

    def __init__(self, reference: Reference) -> None:
        self.objective, self.reference = reference.objective(), reference
        self.params, self.batch = self.objective.params, jax.device_put(reference.batches[0])
        self._key, self.surfaces = 0, 0
        self._gradient = jax.jit(jax.value_and_grad(reference.loss))
        self._loss = jax.jit(reference.loss)
        self._spectrum = jax.jit(self._find, static_argnums=(3, 4))
        self._examples = jax.tree.map(lambda leaf: leaf[:, None], self.batch)
        self._loops = {
            quick: jax.jit(lambda params, batch, quick=quick: self._repeated(params, batch, quick))
            for quick in (True, False)
        }
        self._losses = surface(self.objective)
        self._seen: list[Any] = []

    def turn(self, run: Callable[[], Any]) -> Turn:
        """So many calls, each waited for."""

        def steps(count: int) -> None:
            for _ in range(count):
                jax.block_until_ready(run())

        return steps

    def _find(self, params: Any, batch: Any, key: jax.Array, iterations: int, tolerance: float) -> Any:
        product = hessian_vector_product(lambda at: self.reference.loss(at, batch), params)
        return spectrum(product, params, key, iterations=iterations, tolerance=tolerance)

    def gradient(self) -> Any:
        return self._gradient(self.params, self.batch)

    def eigenvalue(self) -> Any:
        """Each time from another first vector."""
        self._key += 1
        found = self._spectrum(self.params, self.batch, jax.random.key(self._key), 20, 3e-3)
        self._seen.append(found)
        return found

    def told(self) -> str:
        """How exact the eigenvalues were, and how many products they took."""
        exact = float(self._spectrum(self.params, self.batch, jax.random.key(0), 60, 1e-6).values[0])
        error = max(abs(float(each.values[0]) / exact - 1) for each in self._seen)
        products = [int(each.products) for each in self._seen]
        return f"{min(products)} to {max(products)} products; off by {error:.1e} at most"

    def surface(self) -> Any:
        """Each time along other directions."""
        across, up = filter_directions(self.params, 2, self.surfaces % 3)
        self.surfaces += 1
        places = np.linspace(-1, 1, SIDE, dtype=np.float32)
        return self._losses(
            self.params, self.objective.state, self.batch, jax.random.key(0), across, up, places, places
        )

    def points(self) -> Any:
        """The same surface, a call for each point."""
        across, up = filter_directions(self.params, 2)
        places: Sequence[float] = np.linspace(-1, 1, SIDE).tolist()
        moved = jax.jit(lambda params, x, y: jax.tree.map(lambda leaf, a, b: leaf + x * a + y * b, params, across, up))
        return [self._loss(moved(self.params, x, y), self.batch) for y in places for x in places]

    def examples(self) -> Any:
        keys = jax.random.split(jax.random.key(0), BATCH)
        run = group_gradients(self.objective)
        return run(self.params, self.objective.state, self._examples, keys, self.params, jnp.float32(1))

    def _repeated(self, params: Any, batch: Any, quick: bool) -> Any:
        gradient = jax.grad(self.reference.loss)
        gradient = quick_in_loops(gradient) if quick else gradient

        def step(at: Any, _: None) -> Any:
            return jax.tree.map(lambda leaf, grad: leaf - 1e-3 * grad, at, gradient(at, batch)), None

        return jax.lax.scan(step, params, None, length=LOOPED)[0]

    def loop(self) -> Any:
        return self._loops[True](self.params, self.batch)

    def plain_loop(self) -> Any:
        return self._loops[False](self.params, self.batch)
