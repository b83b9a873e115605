"""The compiled float64 programs of a gradient check."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._branches import fingerprint, total
from ._float64 import Float64, promoted
from ._function import Function
from ._point import Point
from ._rows import Rows
from ._signs import signs

CHUNK = 128
"""Rows that one call evaluates, one after the other: memory does not grow with their number."""

MANY = 2000
"""Tensors that are still compiled: XLA takes about 0.1 s for each."""


class Programs:
    """What is compiled for one `Function`; call everything inside ``jax.enable_x64(True)``.

    Attributes:
        float64: evaluates the programs, and knows what ran in its own precision.
        sizes: numbers of each tensor.
        evaluations: how often the loss was evaluated.
        many: so many tensors that compiling would take minutes: to be called inside ``jax.disable_jit()``.
    """

    def __init__(self, function: Function) -> None:
        self.function, self.float64 = function, Float64()
        self.sizes = np.array([math.prod(tensor.shape) for tensor in function.tensors], np.int64)
        self.offsets = np.concatenate([[0], np.cumsum(self.sizes)])
        self.evaluations, self.many = 0, len(self.sizes) > MANY

    def point(self, inputs: list[Any], seed: int) -> Point:
        """Gradients at these inputs, and the directions that belong to them."""
        values, gradients = self._at(inputs)
        return Point(
            inputs,
            self.offsets,
            np.array([np.linalg.norm(np.asarray(each, np.float64)) for each in inputs[: len(self.sizes)]]),
            np.asarray(values),
            gradients,
            np.uint32(seed % 2**32),
            lambda: self._exact and np.asarray(self._exact(inputs)),
        )

    def promote(self, inputs: list[Any]) -> list[Any]:
        """Inputs of any precision in float64; to be traced."""
        return [promoted(each, aval) for each, aval in zip(inputs, self.function.forward.in_avals, strict=True)]

    def gradients(self, closed: Any, *inputs: Any) -> tuple[Any, Any]:
        """The parts of the loss, and their gradients in rows (parts, numbers); to be traced."""
        values, *leaves = self.float64(closed, jax.tree.leaves(inputs))
        if self.many:
            return values, np.concatenate([np.ravel(leaf) for leaf in leaves]).reshape(len(self.function.parts), -1)
        rows = jnp.zeros((len(self.function.parts), int(self.offsets[-1])))
        # one after the other: XLA's concatenation computes what goes in number by number, 15 times as long in all
        for k, leaf in enumerate(leaves):
            part, tensor = divmod(k, len(self.sizes))
            rows = jax.lax.dynamic_update_slice(rows, jnp.ravel(leaf)[None], (part, int(self.offsets[tensor])))
        return values, rows

    def differences(self, point: Point, rows: Rows, told: Callable[[int], None] = lambda done: None) -> np.ndarray:
        """The loss at both ends of each row (rows, 2, parts)."""
        self.evaluations += 2 * len(rows)
        ends = self._evaluate(self._loss, point, rows, (1, -1), told)
        return ends.reshape(len(rows), 2, len(self.function.parts))

    def branches(self, point: Point, rows: Rows) -> np.ndarray:
        """Whether both ends of each row lie on the smooth piece of the point itself (rows,)."""
        self.evaluations += 3 * len(rows)
        taken = self._evaluate(self._taken, point, rows, (0, 1, -1)).reshape(len(rows), 3)
        return (taken == taken[:, :1]).all(axis=1)

    def tangents(self, point: Point, rows: Rows) -> np.ndarray | None:
        """Exact derivatives along the rows in forward mode (rows, parts); None where JAX has none."""
        if self.function.exact_tangent is None:
            return None
        self.evaluations += 2 * len(rows)
        return self._evaluate(self._slopes, point, rows.at(1.0), (1,))

    def _evaluate(
        self,
        program: Any,
        point: Point,
        rows: Rows,
        sides: tuple[int, ...],
        told: Callable[[int], None] = lambda done: None,
    ) -> np.ndarray:
        """Each row at these multiples of its step, one after the other (rows * sides, ...).

        In chunks, so that long work can be told of and interrupted; directions and coordinates by programs of their own.
        """
        shape, dtype, run = program
        found, done = np.empty((len(rows), len(sides), *shape), dtype), 0
        given = point.computed, point.factors, point.weights, point.seed
        for single in (False, True):
            kind = np.flatnonzero((rows.index >= 0) == single)
            for start in range(0, len(kind), CHUNK // len(sides)):
                chosen = kind[start : start + CHUNK // len(sides)]
                steps = rows.step[chosen, None] * np.array(sides)
                fields = [np.repeat(each[chosen], len(sides)) for each in (rows.tensor, rows.which, rows.index)]
                padded = [np.resize(each, CHUNK) for each in (*fields, steps.ravel())]
                out = run(single, point.inputs, given, *padded, np.int32(steps.size))
                found[chosen] = np.asarray(out)[: steps.size].reshape(*steps.shape, *shape)
                done += len(chosen)
                told(done)
        return found.reshape(len(rows) * len(sides), *shape)

    @cached_property
    def _at(self) -> Any:
        return jax.jit(lambda inputs: self.gradients(self.function.gradient, self.promote(inputs)))

    @cached_property
    def _exact(self) -> Any:
        exact = self.function.exact_gradient
        return exact and jax.jit(lambda inputs: self.gradients(exact, self.promote(inputs))[1])

    def _looped(self, one: Callable[..., Any], shape: tuple[int, ...], dtype: Any) -> tuple[Any, Any, Any]:
        """Compile a function of one row so that as many rows are evaluated as are given, one after the other."""

        def loop(
            single: bool, inputs: list[Any], point: Any, tensor: Any, which: Any, index: Any, step: Any, n: Any
        ) -> Any:  # fmt: skip
            values = self.promote(inputs)

            def body(k: Any, out: Any) -> Any:
                if single:
                    line = self._along_coordinate(index[k], step[k])
                else:
                    line = self._along_direction(point, tensor[k], which[k], step[k])
                return out.at[k].set(one(values, line))

            return jax.lax.fori_loop(0, n, body, jnp.zeros((CHUNK, *shape), dtype))

        return shape, dtype, jax.jit(loop, static_argnums=0)

    def _along_direction(self, point: Any, tensor: Any, which: Any, step: Any) -> list[Any]:
        """What a row along a direction adds to each tensor."""
        gradients, factors, weights, seed = point
        steps = step * jnp.where(tensor < 0, weights, (jnp.arange(len(self.sizes)) == tensor).astype(weights.dtype))
        lean, side = (steps * each[which] for each in factors)
        random = signs(int(self.offsets[-1]), seed, which)
        if self.many:  # slices are a hundred times quicker there
            gradients, lean, side, random = (np.asarray(each) for each in (gradients, lean, side, random))
        return [
            (lean[t] * gradients[:, start:stop].sum(axis=0) + side[t] * random[start:stop]).reshape(shape.shape)
            for t, ((start, stop), shape) in enumerate(zip(pairwise(self.offsets), self.function.tensors, strict=True))
        ]

    def _along_coordinate(self, index: Any, step: Any) -> list[Any]:
        """What a row along a coordinate adds to each tensor."""
        xp: Any = np if self.many else jnp
        return [
            xp.where(xp.arange(start, stop) == index, step, 0.0).reshape(shape.shape)
            for (start, stop), shape in zip(pairwise(self.offsets), self.function.tensors, strict=True)
        ]

    @cached_property
    def _loss(self) -> Any:
        def one(values: list[Any], line: list[Any]) -> Any:
            return self.float64(self.function.forward, _moved(values, line))[0]

        return self._looped(one, (len(self.function.parts),), np.float64)

    @cached_property
    def _taken(self) -> Any:
        replay = self.float64.noting(fingerprint)

        def one(values: list[Any], line: list[Any]) -> Any:
            return total(replay(self.function.forward, _moved(values, line))[1])

        return self._looped(one, (), np.uint32)

    @cached_property
    def _slopes(self) -> Any:
        def one(values: list[Any], line: list[Any]) -> Any:
            return self.float64(self.function.exact_tangent, [*values, *line])[0]

        return self._looped(one, (len(self.function.parts),), np.float64)


def _moved(values: list[Any], line: list[Any]) -> list[Any]:
    """The inputs with their first ones, the tensors, moved."""
    moved = [value + each for value, each in zip(values, line, strict=False)]
    return [*moved, *values[len(line) :]]
