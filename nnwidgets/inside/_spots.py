"""Values of the traced program, taken example by example, their units along the last axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import jax
import jax.numpy as jnp

from nnwidgets.lint import Traced
from nnwidgets.lint._rows import Axis, rows_of
from nnwidgets.trace import Call, Value, layer_of
from nnwidgets.trace._replay import Place
from nnwidgets.trace._watched import Taken, Watched, find_watched


@dataclass(frozen=True, eq=False)
class Spot:
    """One value of the program.

    Attributes:
        name: as in `Watched`.
        layer: path of the layer that gave it.
        function: the nonlinearity that gave it, else "".
        value: the value itself.
        taken: how it comes out of the program; None for one that goes in.
        shape: as taken, with the batch.
        rows: where the examples lie; None where they can't be told apart.
        units: the axis of the units, None where there is none.
        examples: in the batch that was traced.
        call: of the layer whose output it is, None for a nonlinearity's.
        follows: the place of what a nonlinearity is applied to.
    """

    name: str
    layer: str
    function: str
    value: Value
    taken: Taken | None
    shape: tuple[int, ...]
    rows: Axis | None
    units: int | None
    examples: int
    call: Call | None = None
    follows: Place | None = None

    @property
    def many(self) -> int:
        """How many units it has."""
        return 1 if self.units is None else self.shape[self.units]

    @property
    def in_loop(self) -> bool:
        """Whether it is made anew in each iteration of a loop."""
        return self.iteration is not None or len(self.value.aval.shape) != len(self.shape)

    @property
    def iteration(self) -> int | None:
        """Which of the layers that a scan runs through."""
        return None if self.taken is None else self.taken.iteration

    def by_example(self, array: jax.Array) -> jax.Array:
        """(examples, positions ..., units); what the examples share is repeated for each."""
        rows = self.rows
        if rows is None:
            array = array if self.units is None else jnp.moveaxis(array, self.units, -1)
            return jnp.broadcast_to(array[None], (self.examples, *array.shape))
        axis = rows.axis
        if self.units is not None:
            array = jnp.moveaxis(array, self.units, -1)
            axis -= self.units < axis
        before, after = array.shape[:axis], array.shape[axis + 1 :]
        array = array.reshape(*before, rows.outer, self.examples, rows.inner, *after)
        array = jnp.moveaxis(array, axis + 1, 0)
        merged = [size for size in (rows.outer, rows.inner) if size > 1]
        return array.reshape(self.examples, *before, *merged, *after)


def find_spots(traced: Traced, examples: int) -> tuple[Spot, ...]:
    """Each layer's output and each nonlinearity's output, in the order in which they are made.

    An inner layer comes before the one that holds it; of a scan over layers each layer with all that it holds.
    """
    outputs = [value for path, value in traced.aux if path[0] == "outputs"]
    made = {value.place: value for op in traced.program.ops for value in op.outputs}
    calls = {(call.layer, _made(call.output).place): call for call in traced.calls}
    found = find_watched(traced.program, traced.calls, outputs)
    given = {_label(watched): taken.place for watched, taken in found if watched.role == "nonlinearity_input"}
    spots = []
    for watched, taken in found:
        if watched.role == "output":
            call = calls.get((watched.layer.partition("[")[0], taken.place))
            spots.append(_spot(traced, watched, made[taken.place], taken, examples, call, None))
        elif watched.role == "nonlinearity_output":
            spots.append(_spot(traced, watched, made[taken.place], taken, examples, None, given.get(_label(watched))))
    spots.sort(
        key=lambda spot: (spot.value.op, spot.call is not None, -spot.call.start if spot.call is not None else 0)
    )
    spots = _joined(traced, spots)
    groups = ((scan, list(group)) for scan, group in groupby(spots, lambda spot: _scan(traced, spot)))
    return tuple(
        spot
        for scan, group in groups
        for spot in (group if scan is None else sorted(group, key=lambda each: each.iteration or 0))
    )


def _label(watched: Watched) -> str:
    """The same for the input and the output of a nonlinearity."""
    start, end = f"{watched.layer}/{watched.function}/", watched.role.removeprefix("nonlinearity_")
    return start + watched.name.removeprefix(start + end)


def _joined(traced: Traced, spots: Sequence[Spot]) -> list[Spot]:
    """A call that is the rest of the one before it (of the same layer, at once, with other parameters) and that as one."""
    joined: list[Spot] = []
    for spot in spots:
        first = joined[-1] if joined else None
        if first is None or first.call is None or spot.call is None or not _goes_on(traced, first, spot):
            joined.append(spot)
            continue
        consumed = (*first.call.consumed, *spot.call.consumed)
        call = Call(spot.call.layer, first.call.start, spot.call.stop, spot.call.output, consumed)
        joined[-1] = replace(spot, name=first.name, call=call)
    return joined


def _goes_on(traced: Traced, first: Spot, spot: Spot) -> bool:
    one, other = first.call, spot.call
    if one is None or other is None or (first.layer, one.stop) != (spot.layer, other.start):
        return False
    return not set(leaves_of(traced, one)) & set(leaves_of(traced, other))


def leaves_of(traced: Traced, call: Call) -> list[int]:
    """The parameters of its layer that a call consumes."""
    found = {leaf for i in call.consumed for value in traced.program.ops[i].inputs for leaf in value.origins}
    return sorted(leaf for leaf in found if layer_of(traced._setup.objective.paths[leaf]) == call.layer)


def _scan(traced: Traced, spot: Spot) -> Any:
    """The scan over layers that it is made in."""
    if spot.iteration is None or spot.value.op is None:
        return None
    return next(address for kind, address in traced.program.ops[spot.value.op].loops if kind == "scan")


def spot_of(traced: Traced, value: Value, examples: int, units: int | None = -1, name: str = "") -> Spot:
    """A spot for any value outside loops; `units` is the axis of its units, if it is not that of the examples."""
    shape = value.aval.shape
    taken = None if value.place is None else Taken(value.place, None, False)
    rows = _rows(traced, value, shape, 0, examples)
    axis = None if units is None or not shape else units % len(shape)
    return Spot(name, "", "", value, taken, shape, rows, _other(axis, rows), examples)


def _spot(
    traced: Traced,
    watched: Watched,
    value: Value,
    taken: Taken,
    examples: int,
    call: Call | None,
    follows: Place | None,
) -> Spot:
    shape = watched.shape
    rows = _rows(traced, value, shape, len(shape) - len(value.aval.shape), examples)
    if taken.units_last and rows is not None:
        rows = Axis(rows.axis - 1, rows.outer, rows.inner)
    units = _other(watched.unit_axis % len(shape) if shape else None, rows)
    function = watched.function if watched.role == "nonlinearity_output" else ""
    return Spot(watched.name, watched.layer, function, value, taken, shape, rows, units, examples, call, follows)


def _rows(traced: Traced, value: Value, shape: tuple[int, ...], lead: int, examples: int) -> Axis | None:
    found = rows_of(traced).of(value)
    if found is not None:
        return Axis(found.axis + lead, found.outer, found.inner)
    # not followed up to here: where it usually is, if the length is right
    return Axis(lead) if value.data and len(shape) > lead and shape[lead] == examples > 1 else None


def _other(axis: int | None, rows: Axis | None) -> int | None:
    return None if rows is not None and axis == rows.axis else axis


def _made(value: Any) -> Any:
    while value.op is None and value.via:
        value = value.via[0]
    return value
