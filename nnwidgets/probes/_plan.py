"""Probes put together into one program a kind, each giving one packed array."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from nnwidgets.records import Histogram, History, Notice

from ._snapshot import PerLayer, Snapshot

Probe = Callable[[Snapshot], Mapping[str, Any]]
Part = tuple[str, tuple[str, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Plan:
    """One kind of reading: what to run, and where its numbers belong.

    Attributes:
        kind: ``"statistics"``, ``"histograms"`` or ``"activations"``.
        probes: the functions that are run.
        layout: name, layers and shape of each part of the packed array, in order: the readings that share a table lie
            side by side.
    """

    kind: str
    probes: tuple[Probe, ...]
    layout: tuple[Part, ...]

    def packed(self, snapshot: Snapshot) -> jax.Array:
        """All readings of the kind as one float32 vector; pure, to be compiled."""
        parts: dict[str, PerLayer] = {}
        for probe in self.probes:
            parts |= _read(probe, snapshot)
        return jnp.concatenate([parts[name].values.reshape(-1) for name, _, _ in self.layout])

    def write(self, history: History, step: int, packed: npt.NDArray[np.float32]) -> None:
        """Put a packed vector that has arrived into the history; copied, so that the buffer may be used again."""
        start = 0
        for what, readings, layers, shape in self._tables():
            stop = start + len(readings) * int(np.prod(shape))
            values = packed[start:stop].reshape(len(readings), *shape)
            start = stop
            if len(shape) == 2:
                low, high, counts = values[0, :, 0].copy(), values[0, :, 1].copy(), values[0, :, 2:].copy()
                history.add_histogram(Histogram(f"{what}/{readings[0]}", step, layers, low, high, counts))
            else:
                history.table(what, readings, layers).add(step, values)

    def _tables(self) -> list[tuple[str, tuple[str, ...], tuple[str, ...], tuple[int, ...]]]:
        tables: dict[Any, list[str]] = {}
        for name, layers, shape in self.layout:
            what, reading = _split(name)
            tables.setdefault((what, layers, shape), []).append(reading)
        return [(what, tuple(readings), layers, shape) for (what, layers, shape), readings in tables.items()]


def make_plan(probes: Sequence[Probe], snapshot: Snapshot) -> tuple[tuple[Plan, ...], tuple[Notice, ...]]:
    """Sort the probes by kind, by running each once on shapes, without computing anything.

    A probe that asks for `Snapshot.activations` is of the kind ``"activations"``, another one that gives only
    histograms of the kind ``"histograms"``, any other of the kind ``"statistics"``. One that gives an empty mapping has
    nothing to read in this model and is left out in silence.

    Args:
        probes: pure functions of a snapshot that return a mapping from ``"<what>/<reading>"`` to a `PerLayer`, a scalar,
            or a mapping from layer to scalar. They may come from a notebook cell; there is no registration.
        snapshot: one with the run's shapes (arrays or `jax.ShapeDtypeStruct`); only its shapes are used.

    Returns:
        The plans, and a notice for each probe that failed and is left out.
    """
    kinds: dict[str, tuple[list[Probe], list[Part]]] = {}
    notices: list[Notice] = []
    taken: dict[str, str] = {}
    for probe in probes:
        called = getattr(probe, "__name__", repr(probe))
        try:
            kind, layout = _dry_run(probe, snapshot)
            twice = [f"{name!r}, which {taken[name]} gives already" for name, _, _ in layout if name in taken]
            if twice:
                raise ValueError(f"it gives {' and '.join(twice)}; choose another name")
        except Exception as error:
            notices.append(Notice(called, f"the probe was left out: {error}", traceback.format_exc()))
            continue
        if layout:
            taken |= {name: called for name, _, _ in layout}
            functions, parts = kinds.setdefault(kind, ([], []))
            functions.append(probe)
            parts.extend(layout)
    plans = [Plan(kind, tuple(functions), _side_by_side(parts)) for kind, (functions, parts) in kinds.items()]
    return tuple(plans), tuple(notices)


def _dry_run(probe: Probe, snapshot: Snapshot) -> tuple[str, list[Part]]:
    layout: list[Part] = []
    touched: list[bool] = []

    def dry(snapshot: Snapshot) -> list[jax.Array]:
        found = _read(probe, snapshot)
        layout.extend((name, part.layers, tuple(part.values.shape)) for name, part in found.items())
        # where a cached property was computed, it lies in the instance
        touched.append("activations" in vars(snapshot))
        return [part.values for part in found.values()]

    jax.eval_shape(dry, snapshot)
    if touched[-1]:
        return "activations", layout
    return ("histograms" if all(len(shape) == 2 for _, _, shape in layout) else "statistics"), layout


def _side_by_side(parts: list[Part]) -> tuple[Part, ...]:
    first: dict[Any, int] = {}
    for place, (name, layers, shape) in enumerate(parts):
        first.setdefault((_split(name)[0], layers, shape), place)
    return tuple(sorted(parts, key=lambda part: first[_split(part[0])[0], part[1], part[2]]))


def _read(probe: Probe, snapshot: Snapshot) -> dict[str, PerLayer]:
    found: Any = probe(snapshot)
    if not isinstance(found, Mapping):
        raise TypeError(
            f"wanted a mapping such as {{'gradient/sign': value}}, with a PerLayer, a scalar or a mapping from layer to "
            f"scalar as value; got {type(found).__name__}"
        )
    return {name: _per_layer(name, value) for name, value in found.items()}


def _per_layer(name: Any, value: Any) -> PerLayer:
    if not isinstance(name, str) or not all(_split(name)):
        raise ValueError(f"a reading's name is '<what>/<reading>', such as 'gradient/sign'; got {name!r}")
    if isinstance(value, Mapping):
        value = PerLayer(tuple(value), jnp.stack([jnp.asarray(item, jnp.float32) for item in value.values()]))
    if not isinstance(value, PerLayer):
        value = PerLayer(("",), _scalar(name, value))
    layers, values = tuple(value.layers), jnp.asarray(value.values, jnp.float32)
    wanted = 2 if name.endswith("/histogram") else 1
    if values.ndim != wanted or values.shape[0] != len(layers) or (wanted == 2 and values.shape[1] < 3):
        shape = f"({len(layers)}, 2 + bins): low, high, counts" if wanted == 2 else f"({len(layers)},)"
        raise ValueError(f"{name!r} has {len(layers)} layers, so wanted values of shape {shape}; got {values.shape}")
    if len(set(layers)) < len(layers):
        raise ValueError(f"{name!r} names a layer twice: {', '.join(layers)}")
    return PerLayer(layers, values)


def _scalar(name: str, value: Any) -> jax.Array:
    if jnp.size(value) != 1:
        raise ValueError(
            f"{name!r} is an array of shape {jnp.shape(value)}: wanted a scalar, or "
            f"PerLayer(layers, values) to say which layer each value belongs to"
        )
    return jnp.asarray(value, jnp.float32).reshape(1)


def _split(name: str) -> tuple[str, str]:
    what, _, reading = name.rpartition("/")
    return what, reading
