"""Evaluating a jaxpr one equation at a time, each as the caller likes, inside calls, loops and branches."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from ._jax import ClosedJaxpr, bind, call_body, ends_by_example, is_literal, scan_counts
from ._program import Address

Place = tuple[Address, int]
Notes = dict[Hashable, jax.Array]


@dataclass(frozen=True)
class Replay:
    """How to evaluate a program.

    Attributes:
        run: (equation, inputs) -> outputs, for each equation that is not opened.
        note: (equation, address, inputs, outputs) -> arrays by name, for every equation.
        opens: (equation, address) -> whether to go inside a call, loop or branch.
        constant: (value, aval) -> the value to take for a constant of the program.
    """

    run: Callable[[Any, list[Any]], list[Any]] = bind  # pyright: ignore[reportAssignmentType]
    note: Callable[[Any, Address, list[Any], list[Any]], Mapping[Hashable, Any]] = lambda *_: {}
    opens: Callable[[Any, Address], bool] = lambda *_: True
    constant: Callable[[Any, Any], Any] = lambda value, aval: value

    def __call__(self, closed: ClosedJaxpr, inputs: list[Any]) -> tuple[list[Any], Notes]:
        """The program's outputs, and the notes; pure, to be called inside `jax.jit`.

        A note from inside a scan is one array with the iterations along a leading axis; from a while loop, the last
        iteration's (NaN when there was none); from a branch that was not taken, NaN (0 for integers).
        """
        notes: Notes = {}
        return self._evaluate(closed, inputs, (), notes), notes

    def _evaluate(self, closed: ClosedJaxpr, inputs: list[Any], address: Address, notes: Notes) -> list[Any]:
        env = dict(zip(closed.jaxpr.invars, inputs, strict=True))
        for var, const in zip(closed.jaxpr.constvars, closed.consts, strict=True):
            env[var] = self.constant(const, var.aval)

        def read(atom: Any) -> Any:
            return self.constant(atom.val, atom.aval) if is_literal(atom) else env[atom]

        for i, eqn in enumerate(closed.jaxpr.eqns):
            here = (*address, i)
            values = [read(atom) for atom in eqn.invars]
            body, loop = call_body(eqn), _LOOPS.get(eqn.primitive.name)
            if (body is None and loop is None) or not self.opens(eqn, here):
                outputs = self.run(eqn, values)
            elif body is not None:
                outputs = self._evaluate(body, values, (*here, 0), notes)
            else:
                assert loop is not None
                outputs = loop(self, eqn, values, here, notes)
            notes.update(self.note(eqn, here, values, outputs))
            env.update(zip(eqn.outvars, outputs, strict=True))
        return [read(atom) for atom in closed.jaxpr.outvars]

    def _scan(self, eqn: Any, values: list[Any], here: Address, notes: Notes) -> list[Any]:
        n_consts, n_carry = scan_counts(eqn)
        consts, carry, sliced = values[:n_consts], values[n_consts : n_consts + n_carry], values[n_consts + n_carry :]

        def body(carry: list, sliced: list) -> tuple:
            inner: Notes = {}
            results = self._evaluate(eqn.params["jaxpr"], [*consts, *carry, *sliced], (*here, 0), inner)
            return results[:n_carry], (results[n_carry:], inner)

        length, reverse = eqn.params["length"], eqn.params["reverse"]
        carry, (stacked, inner) = jax.lax.scan(body, carry, sliced, length=length, reverse=reverse)
        notes.update(inner)
        return [*carry, *stacked]

    def _while(self, eqn: Any, values: list[Any], here: Address, notes: Notes) -> list[Any]:
        n_cond, n_body = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
        test, consts, carry = values[:n_cond], values[n_cond : n_cond + n_body], values[n_cond + n_body :]

        def wanted(carry: list[Any]) -> Any:
            return self._evaluate(eqn.params["cond_jaxpr"], [*test, *carry], (*here, 0), {})[0]

        def body(carried: tuple) -> tuple:
            inner: Notes = {}
            results = self._evaluate(eqn.params["body_jaxpr"], [*consts, *carried[0]], (*here, 1), inner)
            if ends_by_example(eqn):
                # the examples lie along the leading axes
                goes, chosen = wanted(carried[0]), zip(results, carried[0], strict=True)
                results = [
                    jnp.where(jax.lax.expand_dims(goes, range(goes.ndim, jnp.ndim(new))), new, old)
                    for new, old in chosen
                ]
            return results, inner

        def go_on(carried: tuple) -> Any:
            return jnp.any(wanted(carried[0]))

        _, shapes = jax.eval_shape(body, (carry, {}))
        carry, inner = jax.lax.while_loop(go_on, body, (carry, {name: _unknown(s) for name, s in shapes.items()}))
        notes.update(inner)
        return carry

    def _cond(self, eqn: Any, values: list[Any], here: Address, notes: Notes) -> list[Any]:
        def branch(k: int, jaxpr: ClosedJaxpr) -> Any:
            def run(*operands: Any) -> tuple:
                inner: Notes = {}
                return self._evaluate(jaxpr, list(operands), (*here, k), inner), inner

            return run

        branches = [branch(k, jaxpr) for k, jaxpr in enumerate(eqn.params["branches"])]
        shapes: dict = {}
        for run in branches:
            shapes.update(jax.eval_shape(run, *values[1:])[1])

        def complete(run: Any) -> Any:
            def completed(*operands: Any) -> tuple:
                results, inner = run(*operands)
                return results, {name: inner[name] if name in inner else _unknown(s) for name, s in shapes.items()}

            return completed

        outputs, inner = jax.lax.switch(values[0], [complete(run) for run in branches], *values[1:])
        notes.update(inner)
        return outputs


_LOOPS = {"scan": Replay._scan, "while": Replay._while, "cond": Replay._cond}


def values_at(closed: ClosedJaxpr, inputs: list[Any], places: Iterable[Place]) -> dict[Place, jax.Array]:
    """The values at these places of the program, for these inputs; only the calls that hold one are opened."""
    wanted = frozenset(places)
    opened = frozenset(address[:k] for address, _ in wanted for k in range(len(address)))

    def note(eqn: Any, address: Address, values: list[Any], outputs: list[Any]) -> dict[Hashable, Any]:
        return {(address, k): value for k, value in enumerate(outputs) if (address, k) in wanted}

    _, notes = Replay(note=note, opens=lambda eqn, address: address in opened)(closed, inputs)
    return notes  # pyright: ignore[reportReturnType]


def _unknown(shape: jax.ShapeDtypeStruct) -> jax.Array:
    return jnp.full(shape.shape, jnp.nan if jnp.issubdtype(shape.dtype, jnp.inexact) else 0, shape.dtype)
