"""The training loss without dropout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nnwidgets.trace import Op, Value

from ._dropouts import Dropout, dropouts_of
from ._functions import maker
from ._parts import constant
from ._rewritten import Change
from ._setup import Traced


def undropped(traced: Traced) -> list[tuple[Value, Change]]:
    """What `Rewritten` must change, so that each dropout lets everything pass, at its right scale."""
    return [(each.output, passing(traced, each)) for each in dropouts_of(traced)]


def passing(traced: Traced, dropout: Dropout) -> Callable[[Any, Any], Any]:
    """What stands in the place of the output of one dropout, so that it lets everything pass."""
    given = next(i for i, value in enumerate(dropout.op.inputs) if value is dropout.input)
    factor = 1 - dropout.rate if _is_scaled(traced, dropout) else 1.0
    return lambda operands, _: operands[given] * factor


def _is_scaled(traced: Traced, dropout: Dropout) -> bool:
    """Whether what stays is divided by its share, before the choice or after it; a mask that is scaled is gone with it."""
    program = traced.program
    after = [program.ops[use] for use in dropout.output.uses]
    before = maker(program, dropout.input)
    return any(op is not None and _divides(traced, op, 1 - dropout.rate) for op in (before, *after))


def _divides(traced: Traced, op: Op, share: float) -> bool:
    if op.primitive not in ("mul", "div") or len(op.inputs) != 2:
        return False
    number = constant(traced.program, op.inputs[1])
    if number is None and op.primitive == "mul":
        number = constant(traced.program, op.inputs[0])
    wanted = share if op.primitive == "div" else 1 / share
    return number is not None and abs(number - wanted) < 0.01 * wanted
