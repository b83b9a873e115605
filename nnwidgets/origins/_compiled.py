"""A program that is finite operation by operation, but not as the compiler arranges it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.trace import ClosedJaxpr, Replay

from ._path import ancestors
from ._tape import Step, Tape


def compiled_results(closed: ClosedJaxpr, inputs: list[Any]) -> list[Any]:
    """The outputs of the program, compiled as a user compiles it."""
    return jax.device_get(jax.jit(lambda given: Replay(opens=lambda *_: False)(closed, given)[0])(inputs))


def is_finite(value: Any) -> bool:
    """Whether all of it is; what is no float is."""
    return not _is_float(value) or bool(np.isfinite(value).all())


def first_in_compiled(closed: ClosedJaxpr, inputs: list[Any], tape: Tape, output: int) -> Step | None:
    """The first operation before this output whose result is not finite in a compiled program that ends there.

    Found by halving, so with as many programs as the number of operations has binary digits; None if programs that end
    earlier are all finite.
    """
    before = ancestors(tape, [tape.outputs[output]])
    steps = [step for step, mine in zip(tape.steps, before, strict=True) if mine and not step.times and _floats(step)]
    low, high = 0, len(steps)
    while low < high:
        middle = (low + high) // 2
        if _is_finite(closed, inputs, steps[middle].address):
            low = middle + 1
        else:
            high = middle
    return steps[low] if low < len(steps) else None


def _is_finite(closed: ClosedJaxpr, inputs: list[Any], wanted: tuple[int, ...]) -> bool:
    def note(eqn: Any, address: Any, values: list[Any], outputs: list[Any]) -> dict[Any, Any]:
        return {k: each for k, each in enumerate(outputs) if _is_float(each)} if address == wanted else {}

    def opens(eqn: Any, address: Any) -> bool:
        return address == wanted[: len(address)] and len(address) < len(wanted)

    values = jax.jit(lambda given: Replay(note=note, opens=opens)(closed, given)[1])(inputs)
    return all(is_finite(each) for each in jax.device_get(values).values())


def _floats(step: Step) -> bool:
    return any(each.array is not None and jnp.issubdtype(each.array.dtype, jnp.inexact) for each in step.outputs)


def _is_float(value: Any) -> bool:
    return hasattr(value, "dtype") and jnp.issubdtype(value.dtype, jnp.inexact)
