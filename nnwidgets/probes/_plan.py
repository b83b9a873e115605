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


@dataclass(frozen=True)
class Plan:
    """One kind of reading: what to run, and where its numbers belong.

    Attributes:
        kind: ``"statistics"`` or ``"histograms"``.
        probes: the functions that are run.
        layout: name, layers and shape of each part of the packed array, in order.
    """

    kind: str
    probes: tuple[Probe, ...]
    layout: tuple[tuple[str, tuple[str, ...], tuple[int, ...]], ...]

    def packed(self, snapshot: Snapshot) -> jax.Array:
        """All readings of the kind as one float32 vector; pure, to be compiled."""
        parts = [part.values for probe in self.probes for part in _read(probe, snapshot).values()]
        return jnp.concatenate([jnp.asarray(part, jnp.float32).reshape(-1) for part in parts])

    def write(self, history: History, step: int, packed: npt.NDArray[np.float32]) -> None:
        """Put a packed vector that has arrived into the history."""
        start = 0
        tables: dict[tuple[str, tuple[str, ...]], dict[str, npt.NDArray[np.float32]]] = {}
        for name, layers, shape in self.layout:
            size = int(np.prod(shape))
            values = packed[start : start + size].reshape(shape)
            start += size
            what, _, reading = name.partition("/")
            if len(shape) == 2:
                rows = (values[:, 0].copy(), values[:, 1].copy(), values[:, 2:].copy())
                history.add_histogram(Histogram(name, step, layers, *rows))
            else:
                tables.setdefault((what, layers), {})[reading] = values
        for (what, layers), readings in tables.items():
            history.add(what, step, layers, readings)


def make_plan(probes: Sequence[Probe], snapshot: Snapshot) -> tuple[tuple[Plan, ...], tuple[Notice, ...]]:
    """Sort the probes by kind, by running each once without computing anything.

    Args:
        probes: pure functions of a snapshot that return a mapping from ``"<what>/<reading>"`` to a `PerLayer`, a scalar,
            or a mapping from layer to scalar.
        snapshot: one with the run's shapes; only its shapes are used.

    Returns:
        The plans, and a notice for each probe that failed and is left out.
    """
    kinds: dict[str, tuple[list[Probe], list[Any]]] = {}
    notices: list[Notice] = []
    for probe in probes:
        layout: list[tuple[str, tuple[str, ...], tuple[int, ...]]] = []

        def dry(loss: Any, params: Any, grads: Any, updates: Any, probe: Probe = probe, layout: Any = layout) -> Any:
            found = _read(probe, Snapshot(loss, params, grads, updates, snapshot.paths))
            layout.extend((name, part.layers, tuple(part.values.shape)) for name, part in found.items())
            return [part.values for part in found.values()]

        try:
            jax.eval_shape(dry, snapshot.loss, snapshot.params, snapshot.grads, snapshot.updates)
        except Exception as error:
            name = getattr(probe, "__name__", repr(probe))
            notices.append(Notice(name, f"the probe was left out: {error}", traceback.format_exc()))
            continue
        kind = "histograms" if layout and all(len(shape) == 2 for _, _, shape in layout) else "statistics"
        functions, parts = kinds.setdefault(kind, ([], []))
        functions.append(probe)
        parts.extend(layout)
    plans = tuple(Plan(kind, tuple(functions), tuple(parts)) for kind, (functions, parts) in kinds.items())
    return plans, tuple(notices)


def _read(probe: Probe, snapshot: Snapshot) -> dict[str, PerLayer]:
    found = probe(snapshot)
    if not isinstance(found, Mapping) or not found:
        raise TypeError(f"wanted a mapping such as {{'gradient/sign': value}}, got {type(found).__name__}")
    return {name: _per_layer(name, value) for name, value in found.items()}


def _per_layer(name: str, value: Any) -> PerLayer:
    if "/" not in name:
        raise ValueError(f"a reading's name is '<what>/<reading>', got {name!r}")
    if isinstance(value, Mapping):
        value = PerLayer(tuple(value), jnp.stack([jnp.asarray(item, jnp.float32) for item in value.values()]))
    if not isinstance(value, PerLayer):
        value = PerLayer(("",), jnp.asarray(value, jnp.float32).reshape(1))
    if value.values.ndim not in (1, 2) or value.values.shape[0] != len(value.layers):
        raise ValueError(f"{name} has {len(value.layers)} layers but values of shape {list(value.values.shape)}")
    return value
