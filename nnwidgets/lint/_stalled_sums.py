"""Sums carried along a loop in a dtype that is too coarse for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxpr_as_fun

from nnwidgets.trace import Op, is_literal, scan_counts

from ._setup import Setup

# Equal terms no longer count once there are so many: 2 to the bits of the mantissa, with the hidden one.
_FULL = {"bfloat16": 256, "float16": 2048}


@dataclass(frozen=True)
class Stalled:
    """A sum that has lost a part of itself.

    Attributes:
        op: the loop.
        dtype: of the sum.
        length: terms.
        lost: norm of what is missing over that of the sum in float32.
    """

    op: Op
    dtype: str
    length: int
    lost: float


def stalled_sums(setup: Setup) -> list[Stalled]:
    """The plain sums in half precision over a scan of the training program, with what each loses on the first batch."""
    found: list[Stalled] = []
    for op in setup.train.program.ops:
        if op.primitive != "scan" or op.loops:
            continue
        for position, term in _sums(op.eqn):
            dtype, length = op.outputs[position].aval.dtype.name, op.eqn.params["length"]
            inputs = setup.train.values([*op.inputs[: len(op.eqn.invars)], op.outputs[position]])
            lost = _lost(op.eqn, inputs[:-1], inputs[-1], position, term)
            found.append(Stalled(op, dtype, length, lost))
    return found


def _sums(eqn: Any) -> list[tuple[int, Any]]:
    """Which carried values are the carried value plus a term, and that term's variable in the body."""
    consts, carried = scan_counts(eqn)
    body = eqn.params["jaxpr"].jaxpr
    made = {var: each for each in body.eqns for var in each.outvars}
    found = []
    for position in range(carried):
        before, after = body.invars[consts + position], body.outvars[position]
        least = _FULL.get(before.aval.dtype.name if hasattr(before.aval, "dtype") else "")
        add = made.get(after) if not is_literal(after) else None
        if least is None or eqn.params["length"] < least or add is None or add.primitive.name != "add":
            continue
        terms = [var for var in add.invars if var is not before]
        if len(terms) == 1 and not is_literal(terms[0]):
            found.append((position, terms[0]))
    return found


def _lost(eqn: Any, inputs: list[Any], carried_out: Any, position: int, term: Any) -> float:
    consts, carried = scan_counts(eqn)
    body = eqn.params["jaxpr"]
    about = body.jaxpr.debug_info._replace(result_paths=None)
    wider = body.replace(jaxpr=body.jaxpr.replace(outvars=[*body.jaxpr.outvars, term], debug_info=about))
    leaves = [jnp.asarray(leaf) for leaf in inputs]
    constants, carry, rest = leaves[:consts], leaves[consts : consts + carried], leaves[consts + carried :]

    def step(state: Any, given: Any) -> Any:
        values, total = state
        *made, last = jaxpr_as_fun(wider)(*constants, *values, *given)
        return (made[:carried], total + last.astype(jnp.float32)), None

    start = carry[position].astype(jnp.float32)
    length, backwards = eqn.params["length"], eqn.params["reverse"]
    (_, total), _ = jax.jit(
        lambda carry, start, rest: jax.lax.scan(step, (carry, start), rest, length=length, reverse=backwards)
    )(carry, start, rest)
    whole = np.asarray(total, np.float64)
    size = float(np.linalg.norm(whole))
    return float(np.linalg.norm(whole - np.asarray(carried_out, np.float64))) / size if size else 0.0
