"""The compiled float64 programs of a gradient check."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._branches import fingerprint, total
from ._by_tensor import products
from ._float64 import Float64, promoted
from ._function import Function
from ._pieces import Pieces
from ._point import Point
from ._rows import Rows
from ._signs import both_signs, signs

CHUNK = 128
"""Rows that one call evaluates, one after the other: memory does not grow with their number."""

ALL, DIRECTION, COORDINATE = "all tensors", "direction", "coordinate"
"""What a row moves: rows of a kind share a program."""

Line = Callable[[int, int, int], Any]
"""(tensor, where it begins, where it ends) -> something of a line through the point."""

Evaluate = Callable[[list[Any], Callable[[list[Any]], list[Any]]], Any]
"""(whether each tensor moves, moves the tensors along the row) -> the function's value at that end of the row."""

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

    @cached_property
    def _tensors(self) -> list[tuple[int, int, int]]:
        """Each tensor, with where it begins and ends."""
        return [(t, start, stop) for t, (start, stop) in enumerate(pairwise(self.offsets.tolist()))]

    def point(self, inputs: list[Any], seed: int) -> Point:
        """Gradients at these inputs, and the directions that belong to them."""
        # by a program of its own: within a loop, XLA would promote them anew for every row
        wide = self._promote(inputs)
        values, gradients, exact = self._at(wide)
        salt = np.uint32(seed % 2**32)
        # asked for before anything is waited for; not kept, for they are larger than the gradients
        patterns = both_signs(int(self.offsets[-1]), salt)
        across = products(np.asarray(patterns)[:, None], np.asarray(gradients), self.offsets)
        return Point(wide, self.offsets, np.asarray(values), gradients, salt, across, exact)

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

        In chunks, so that long work can be told of and interrupted; each kind by a program of its own.
        """
        shape, dtype, run = program
        found, done = np.empty((len(rows), len(sides), *shape), dtype), 0
        moves_all, moves_one = rows.tensor < 0, rows.index >= 0
        for kind, here in {ALL: moves_all, DIRECTION: ~(moves_all | moves_one), COORDINATE: moves_one}.items():
            mine = np.flatnonzero(here)
            for start in range(0, len(mine), CHUNK // len(sides)):
                chosen = mine[start : start + CHUNK // len(sides)]
                steps = rows.step[chosen, None] * np.array(sides)
                # few arguments, for each has its price: integers as floats, exact below 2**53
                fields = np.zeros((4, CHUNK))
                fields[:3, : steps.size] = np.repeat(
                    [rows.tensor[chosen], rows.which[chosen], rows.index[chosen]], len(sides), 1
                )
                fields[3, : steps.size] = steps.ravel()
                directions = point.computed, point.mixture, point.seed
                out = run(kind, point.inputs, directions, fields, np.int32(steps.size))
                found[chosen] = np.asarray(out)[: steps.size].reshape(*steps.shape, *shape)
                done += len(chosen)
                told(done)
        return found.reshape(len(rows) * len(sides), *shape)

    @cached_property
    def _promote(self) -> Any:
        avals = self.function.forward.in_avals
        return jax.jit(lambda inputs: [promoted(each, aval) for each, aval in zip(inputs, avals, strict=True)])

    @cached_property
    def _at(self) -> Any:
        exact = self.function.exact_gradient

        def at(inputs: list[Any]) -> Any:
            # in one program: XLA evaluates once what they share
            return *self.gradients(self.function.gradient, inputs), exact and self.gradients(exact, inputs)[1]

        return jax.jit(at)

    def _looped(
        self, at: Callable[[list[Any], bool], Evaluate], shape: tuple[int, ...], dtype: Any
    ) -> tuple[Any, Any, Any]:
        """Compile a function of one row so that as many rows are evaluated as are given, one after the other.

        Args:
            at: (inputs, whether every row moves all tensors) -> what evaluates it at rows through them.
            shape: of the value.
            dtype: of the value.
        """

        def loop(kind: str, inputs: list[Any], directions: Any, fields: Any, n: Any) -> Any:
            tensor, which, index = fields[:3].astype(np.int64)
            evaluate = at(inputs, kind == ALL)

            def body(k: Any, out: Any) -> Any:
                if kind == COORDINATE:
                    moves, along = self._coordinate(index[k], fields[3, k])
                else:
                    moves, along = self._direction(
                        directions, None if kind == ALL else tensor[k], which[k], fields[3, k]
                    )
                touched = [moves(t, start, stop) for t, start, stop in self._tensors]
                return out.at[k].set(evaluate(touched, partial(self._move, touched, along)))

            return jax.lax.fori_loop(0, n, body, jnp.zeros((CHUNK, *shape), dtype))

        return shape, dtype, jax.jit(loop, static_argnums=0)

    def _direction(self, directions: Any, tensor: Any, which: Any, step: Any) -> tuple[Line, Line]:
        """Which tensors a row along a direction moves (all for None), and by what."""
        gradients, mixture, seed = directions
        weights = mixture[4] if tensor is None else 1.0
        lean, side = step * weights * mixture[which], step * weights * mixture[2 + which]
        if self.many:  # nothing is compiled there, and NumPy's slices are a hundred times quicker
            random = np.asarray(signs(0, int(self.offsets[-1]), seed, which))
            gradients, lean, side = (np.asarray(each) for each in (gradients, lean, side))

        def along(t: int, start: int, stop: int) -> Any:
            pattern = random[start:stop] if self.many else signs(start, stop, seed, which)
            return lean[t] * gradients[:, start:stop].sum(axis=0) + side[t] * pattern

        return lambda t, start, stop: tensor is None or tensor == t, along

    def _coordinate(self, index: Any, step: Any) -> tuple[Line, Line]:
        """Which tensor a row along a coordinate moves, and by what."""

        def along(t: int, start: int, stop: int) -> Any:
            return jnp.where(jnp.arange(start, stop) == index, step, 0.0)

        return lambda t, start, stop: (index >= start) & (index < stop), along

    def _move(self, touched: list[Any], along: Line, tensors: list[Any]) -> list[Any]:
        """The tensors moved; to leave one as it is costs less than to move it by zero."""

        def moved(t: int, start: int, stop: int) -> Any:
            value = tensors[t]
            by = partial(along, t, start, stop)
            if self.many or touched[t] is True:
                return value + by().reshape(jnp.shape(value)) if touched[t] else value
            return jax.lax.cond(touched[t], lambda: value + by().reshape(jnp.shape(value)), lambda: jnp.asarray(value))

        return [moved(t, start, stop) for t, start, stop in self._tensors]

    @cached_property
    def _loss(self) -> Any:
        def wide(*inputs: Any) -> Any:
            return self.float64(self.function.forward, list(inputs))

        def at(inputs: list[Any], all_move: bool) -> Evaluate:
            if self.many or all_move:
                return lambda touched, move: wide(*self._moved(inputs, move))[0]
            count = len(self.sizes)
            pieces = Pieces(jax.make_jaxpr(wide)(*inputs), inputs, count)
            return lambda touched, move: pieces(move(inputs[:count]), touched)[0]

        return self._looped(at, (len(self.function.parts),), np.float64)

    @cached_property
    def _taken(self) -> Any:
        replay = self.float64.noting(fingerprint)

        def at(inputs: list[Any], all_move: bool) -> Evaluate:
            return lambda touched, move: total(replay(self.function.forward, self._moved(inputs, move))[1])

        return self._looped(at, (), np.uint32)

    @cached_property
    def _slopes(self) -> Any:
        def at(inputs: list[Any], all_move: bool) -> Evaluate:
            zeros = [jnp.zeros_like(each) for each in inputs[: len(self.sizes)]]
            return lambda touched, move: self.float64(self.function.exact_tangent, [*inputs, *move(zeros)])[0]

        return self._looped(at, (len(self.function.parts),), np.float64)

    def _moved(self, inputs: list[Any], move: Any) -> list[Any]:
        """The inputs with their first ones, the tensors, moved."""
        count = len(self.sizes)
        return [*move(inputs[:count]), *inputs[count:]]
