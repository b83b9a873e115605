"""A program in pieces, so that what a change of its inputs does not reach is not evaluated again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
from jax.interpreters.partial_eval import dce_jaxpr

from nnwidgets.trace import ClosedJaxpr, bind, is_literal

MOST = 8
"""Pieces of a program: more are slower to compile (8 by a seventh, 32 twice as slow), and save little."""

Values = dict[Any, Any]


@dataclass(frozen=True)
class Piece:
    """Equations that are evaluated together, or not at all.

    Attributes:
        equations: in order.
        reach: the changing inputs on which its results depend.
        results: its variables that are needed elsewhere.
    """

    equations: list[Any]
    reach: frozenset[int]
    results: list[Any]


class Pieces:
    """A program at some inputs, of which the first may be changed; to be made and called inside `jax.jit`.

    Args:
        closed: the program.
        inputs: of the program, as they are.
        changing: how many of its first inputs may be changed.
    """

    def __init__(self, closed: ClosedJaxpr, inputs: Sequence[Any], changing: int) -> None:
        jaxpr, _ = dce_jaxpr(closed.jaxpr, [True] * len(closed.jaxpr.outvars), instantiate=True)
        self._changing, self._outvars = jaxpr.invars[:changing], jaxpr.outvars
        self._pieces = _cut(jaxpr, self._changing)
        self._kept: Values = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*closed.consts, *inputs], strict=True))
        _evaluate(jaxpr.eqns, self._kept)

    def __call__(self, changed: Sequence[Any], touched: Sequence[Any]) -> list[Any]:
        """The outputs.

        Args:
            changed: the inputs that may be, as they are now.
            touched: whether each is another (booleans).
        """
        values = self._kept | dict(zip(self._changing, changed, strict=True))
        for piece in self._pieces:
            reached = sum(touched[t] for t in piece.reach) > 0
            results = jax.lax.cond(reached, partial(_anew, piece, values), partial(_of, piece, self._kept))
            values.update(zip(piece.results, results, strict=True))
        return [_read(atom, values) for atom in self._outvars]


def _cut(jaxpr: Any, changing: Sequence[Any]) -> list[Piece]:
    """A piece begins where a matrix or a kernel is first used, as a layer does."""
    reach = {var: frozenset([t]) for t, var in enumerate(changing)}
    kernels = {var for var in changing if var.aval.ndim > 1}
    groups, count, used = list[list[Any]](), len(kernels), 0
    for eqn in jaxpr.eqns:
        inputs = {atom for atom in eqn.invars if not is_literal(atom)}
        reached = frozenset[int]().union(*(reach.get(var, ()) for var in inputs))
        if not reached:
            continue
        reach |= dict.fromkeys(eqn.outvars, reached)
        # evenly, where there are too many of them
        if not groups or (inputs & kernels and used * MOST >= len(groups) * count):
            groups.append([])
        used += len(inputs & kernels)
        kernels -= inputs
        groups[-1].append(eqn)
    needed, pieces = {atom for atom in jaxpr.outvars if not is_literal(atom)}, list[Piece]()
    for group in reversed(groups):
        results = [var for eqn in group for var in eqn.outvars if var in needed]
        pieces.append(Piece(group, frozenset[int]().union(*(reach[var] for var in results)), results))
        needed |= {atom for eqn in group for atom in eqn.invars if not is_literal(atom)}
    return [piece for piece in reversed(pieces) if piece.results]


def _of(piece: Piece, values: Values) -> list[Any]:
    return [values[var] for var in piece.results]


def _anew(piece: Piece, values: Values) -> list[Any]:
    inside = dict(values)
    _evaluate(piece.equations, inside)
    return _of(piece, inside)


def _evaluate(equations: Sequence[Any], values: Values) -> None:
    """Adds what they make to the values."""
    for eqn in equations:
        outputs = bind(eqn, [_read(atom, values) for atom in eqn.invars])
        values.update(zip(eqn.outvars, outputs, strict=True))


def _read(atom: Any, values: Values) -> Any:
    return atom.val if is_literal(atom) else values[atom]
