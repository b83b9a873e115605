"""Evaluating a jaxpr while noting chosen values, inside calls, loops and branches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr

from ._jax import bind, call_body, is_literal, scan_counts
from ._program import Address

Place = tuple[Address, int]


def evaluate(closed: ClosedJaxpr, inputs: list[Any], places: Iterable[Place]) -> dict[Place, jax.Array]:
    """The values at these places of the program, for these inputs; the program's own outputs are not kept.

    A place in a scan gives one array with the iterations along a leading axis; in a while loop, the last iteration's value
    (NaN when there was none); in a branch that was not taken, NaN (0 for integers).
    """
    wanted = frozenset(places)
    opened = frozenset(address[:k] for address, _ in wanted for k in range(len(address)))
    found: dict[Place, jax.Array] = {}
    _run(closed, inputs, (), _Wanted(wanted, opened), found)
    return found


class _Wanted:
    def __init__(self, places: frozenset[Place], opened: frozenset[Address]) -> None:
        self.places, self.opened = places, opened


def _run(closed: ClosedJaxpr, inputs: list[Any], address: Address, wanted: _Wanted, found: dict) -> list[Any]:
    env = dict(zip(closed.jaxpr.constvars, closed.consts, strict=True))
    env.update(zip(closed.jaxpr.invars, inputs, strict=True))

    def read(atom: Any) -> Any:
        return atom.val if is_literal(atom) else env[atom]

    for i, eqn in enumerate(closed.jaxpr.eqns):
        here = (*address, i)
        values = [read(atom) for atom in eqn.invars]
        body = call_body(eqn)
        if here not in wanted.opened:
            outputs = bind(eqn, values)
        elif body is not None:
            outputs = _run(body, values, (*here, 0), wanted, found)
        else:
            outputs = _RUNS[eqn.primitive.name](eqn, values, here, wanted, found)
        for k, value in enumerate(outputs):
            if (here, k) in wanted.places:
                found[here, k] = value
        env.update(zip(eqn.outvars, outputs, strict=True))
    return [read(atom) for atom in closed.jaxpr.outvars]


def _run_scan(eqn: Any, values: list[Any], here: Address, wanted: _Wanted, found: dict) -> list[Any]:
    n_consts, n_carry = scan_counts(eqn)
    consts, carry, sliced = values[:n_consts], values[n_consts : n_consts + n_carry], values[n_consts + n_carry :]

    def body(carry: list, sliced: list) -> tuple:
        inner: dict = {}
        results = _run(eqn.params["jaxpr"], [*consts, *carry, *sliced], (*here, 0), wanted, inner)
        return results[:n_carry], (results[n_carry:], inner)

    length, reverse = eqn.params["length"], eqn.params["reverse"]
    carry, (stacked, inner) = jax.lax.scan(body, carry, sliced, length=length, reverse=reverse)
    found.update(inner)
    return [*carry, *stacked]


def _run_while(eqn: Any, values: list[Any], here: Address, wanted: _Wanted, found: dict) -> list[Any]:
    n_cond, n_body = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
    test, consts, carry = values[:n_cond], values[n_cond : n_cond + n_body], values[n_cond + n_body :]

    def body(carried: tuple) -> tuple:
        inner: dict = {}
        return _run(eqn.params["body_jaxpr"], [*consts, *carried[0]], (*here, 1), wanted, inner), inner

    def go_on(carried: tuple) -> Any:
        return _run(eqn.params["cond_jaxpr"], [*test, *carried[0]], (*here, 0), _NOTHING, {})[0]

    _, shapes = jax.eval_shape(body, (carry, {}))
    carry, inner = jax.lax.while_loop(go_on, body, (carry, {place: _unknown(s) for place, s in shapes.items()}))
    found.update(inner)
    return carry


def _run_cond(eqn: Any, values: list[Any], here: Address, wanted: _Wanted, found: dict) -> list[Any]:
    def branch(k: int, jaxpr: ClosedJaxpr) -> Any:
        def run(*operands: Any) -> tuple:
            inner: dict = {}
            return _run(jaxpr, list(operands), (*here, k), wanted, inner), inner

        return run

    branches = [branch(k, jaxpr) for k, jaxpr in enumerate(eqn.params["branches"])]
    shapes: dict = {}
    for run in branches:
        shapes.update(jax.eval_shape(run, *values[1:])[1])

    def complete(run: Any) -> Any:
        def completed(*operands: Any) -> tuple:
            results, inner = run(*operands)
            return results, {place: inner[place] if place in inner else _unknown(s) for place, s in shapes.items()}

        return completed

    outputs, inner = jax.lax.switch(values[0], [complete(run) for run in branches], *values[1:])
    found.update(inner)
    return outputs


def _unknown(shape: jax.ShapeDtypeStruct) -> jax.Array:
    return jnp.full(shape.shape, jnp.nan if jnp.issubdtype(shape.dtype, jnp.inexact) else 0, shape.dtype)


_NOTHING = _Wanted(frozenset(), frozenset())
_RUNS = {"scan": _run_scan, "while": _run_while, "cond": _run_cond}
