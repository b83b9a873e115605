"""A traced program in float64, whatever the precision it was written in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.trace import ClosedJaxpr, Replay, Source, bind, inner_programs, is_key, source_of

# Whose result is the bits themselves, or the host's, or a kernel's own: they run in the precision they were written in.
_EXACT = ("bitcast_convert_type",)
_FOREIGN = ("callback", "ffi_call", "custom_call", "pallas_call", "custom_partitioning", "shard_map")
_DTYPES = ("new_dtype", "dtype", "preferred_element_type", "accumulate_type", "accumulation_type")


def promoted(value: Any, aval: Any) -> Any:
    """An array with floats in float64, everything else as it was traced. Call it inside ``jax.enable_x64(True)``."""
    if is_key(aval):
        return value
    # through NumPy: a Python int, or an int64, would stay one here
    return jnp.asarray(np.asarray(value) if not isinstance(value, jax.Array) else value, _wider(aval.dtype))


class Float64:
    """Evaluates programs with floats in float64, constants included; call it inside ``jax.enable_x64(True)``.

    Attributes:
        foreign: the operations that ran in their own precision, a kernel or a callback, with the user's line.
    """

    def __init__(self) -> None:
        self.foreign: dict[str, Source | None] = {}
        self.replay = Replay(run=self._run, constant=promoted)

    def __call__(self, closed: ClosedJaxpr, inputs: list[Any]) -> list[Any]:
        """The program's outputs, floats in float64."""
        return self.replay(closed, inputs)[0]

    def noting(self, note: Any) -> Replay:
        """The same evaluation, which also notes something of every operation."""
        return replace(self.replay, note=note)

    def _solved(self, eqn: Any, values: list[Any]) -> list[Any]:
        """A linear system, by the solver that the program holds for it."""
        lengths, programs = eqn.params["const_lengths"], eqn.params["jaxprs"]
        start = lengths.matvec + lengths.vecmat
        return self(programs.solve, [*values[start : start + lengths.solve], *values[sum(lengths) :]])

    def _run(self, eqn: Any, values: list[Any]) -> list[Any]:
        name = eqn.primitive.name
        if name == "reduce_precision":
            return values
        if name in _EXACT:
            return _in_own_precision(eqn, values)
        if name == "custom_linear_solve":
            return self._solved(eqn, values)
        # a program inside is of the precision that it was traced in
        if not any(part in name for part in _FOREIGN) and (name in _REBUILT or not inner_programs(eqn)):
            rebuilt = _REBUILT.get(name)
            if rebuilt is not None:
                return [rebuilt(*values, eqn.params)]
            try:
                return bind(eqn, values, {key: _promoted_parameter(key, value) for key, value in eqn.params.items()})
            except (TypeError, ValueError, NotImplementedError):
                pass  # it is bound to the precision that it was traced in
        if any(_is_float(variable.aval) for variable in eqn.outvars):
            self.foreign.setdefault(name, source_of(eqn))
        return _in_own_precision(eqn, values)


def _in_own_precision(eqn: Any, values: list[Any]) -> list[Any]:
    narrow = [
        value.astype(atom.aval.dtype) if _is_float(atom.aval) else value
        for value, atom in zip(values, eqn.invars, strict=True)
    ]
    return [promoted(output, output.aval) for output in bind(eqn, narrow)]


def _promoted_parameter(key: str, value: Any) -> Any:
    if key in _DTYPES and value is not None and not jnp.issubdtype(value, jax.dtypes.prng_key):
        return _wider(jnp.dtype(value))
    return value


def _wider(dtype: Any) -> Any:
    if jnp.issubdtype(dtype, jnp.floating):
        return np.dtype("float64")
    return np.dtype("complex128") if jnp.issubdtype(dtype, jnp.complexfloating) else dtype


def _is_float(aval: Any) -> bool:
    return hasattr(aval, "dtype") and jnp.issubdtype(aval.dtype, jnp.inexact)


def _scatter(scatter: Callable[..., Any]) -> Callable[..., Any]:
    """Scatters hold their combining function as a program of the precision they were traced in: make it anew."""

    def run(operand: Any, indices: Any, updates: Any, params: dict[str, Any]) -> Any:
        names = ("dimension_numbers", "indices_are_sorted", "unique_indices", "mode")
        return scatter(operand, indices, updates, **{name: params[name] for name in names})

    return run


_REBUILT = {
    "scatter": _scatter(jax.lax.scatter),
    "scatter-add": _scatter(jax.lax.scatter_add),
    "scatter_add": _scatter(jax.lax.scatter_add),
    "scatter-mul": _scatter(jax.lax.scatter_mul),
    "scatter_mul": _scatter(jax.lax.scatter_mul),
    "scatter_min": _scatter(jax.lax.scatter_min),
    "scatter-min": _scatter(jax.lax.scatter_min),
    "scatter_max": _scatter(jax.lax.scatter_max),
    "scatter-max": _scatter(jax.lax.scatter_max),
}
