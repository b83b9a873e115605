"""How each layer of a network fares now: what was found there, and whether its newest readings are numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from nnwidgets.records import Finding, History, NetworkGraph, Node

# Readings of tensors, of layers, and of what lies in a layer (its nonlinearity).
TENSORS = {"gradient/norm": "gradient norm", "update/ratio": "update ratio"}
LAYERS = {"activation/mean": "mean", "activation/std": "std"}
UNITS = {"activation/dead": "dead", "activation/saturated": "saturated"}
_GRAVEST = ("problem", "nan", "warning", "well", "")


@dataclass(frozen=True)
class Readings:
    """The newest readings: for each name its step, and its value by path."""

    steps: Mapping[str, int] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def of(self, name: str, path: str) -> float | None:
        """The reading of this path, or of the layer that it is a call of; None if there is none."""
        known = self.values.get(name, {})
        return known.get(path, known.get(plain_path(path)))


@dataclass(frozen=True)
class Health:
    """One layer now.

    Attributes:
        state: "problem", "nan", "warning", "well" or "" (nothing is known).
        mark: its sign.
        findings: those that speak of this layer.
    """

    state: str
    mark: str
    findings: tuple[Finding, ...] = ()


def readings(history: History) -> Readings:
    """The newest row of each reading that a layer's box or details show."""
    steps: dict[str, int] = {}
    values: dict[str, dict[str, float]] = {}
    for name in (*TENSORS, *LAYERS, *UNITS):
        newest = history.latest(name)
        if newest is not None:
            steps[name] = newest[0]
            values[name] = dict(zip(history.tail(name, 1).layers, newest[1].tolist(), strict=True))
    return Readings(steps, values)


def health(graph: NetworkGraph, newest: Readings, findings: Sequence[Finding]) -> tuple[Health, ...]:
    """Each node's health, in their order."""
    names = {plain_path(node.name) for node in graph.nodes}
    return tuple(
        _health(node, newest, [each for each in findings if each.where and _speaks_of(each.where, node, names)])
        for node in graph.nodes
    )


def worst(parts: Iterable[Health]) -> Health:
    """The gravest of them, with everything that was found."""
    known = list(parts)
    gravest = min(known, key=lambda each: _GRAVEST.index(each.state), default=Health("", ""))
    # "all is well" must be true of all
    if gravest.state == "well" and any(not each.state for each in known):
        gravest = Health("", "")
    if gravest.state == "problem":
        sign = next((part for each in known if (part := each.mark.removeprefix("✗ ")) in ("NaN", "∞")), "")
        gravest = Health("problem", f"✗ {sign}".strip())
    found = {id(finding): finding for each in known for finding in each.findings}
    return Health(gravest.state, gravest.mark, tuple(found.values()))


@lru_cache(maxsize=10_000)
def plain_path(name: str) -> str:
    """The layer's path: its second call is "layer (2)", the first layer of a scan "layer[0]".

    Example:
        >>> plain_path("encoder/Dense_0 (2)"), plain_path("block[3]")
        ('encoder/Dense_0', 'block')
    """
    return re.sub(r"(\[\d+\])?( \(\d+\))?$", "", name)


def within(node: Node, values: Mapping[str, float]) -> dict[str, float]:
    """Readings of what lies in this layer, such as its nonlinearity."""
    path = plain_path(node.name)
    return {name: value for name, value in values.items() if name == path or name.startswith(f"{path}/")}


def _health(node: Node, newest: Readings, found: Sequence[Finding]) -> Health:
    severities = {each.severity for each in found}
    numbers = [newest.of("gradient/norm", tensor) for tensor in node.tensors]
    numbers += [newest.of(name, node.name) for name in LAYERS]
    known = [value for value in numbers if value is not None]
    bad = [value for value in known if not math.isfinite(value)]
    sign = ("NaN" if any(map(math.isnan, bad)) else "∞") if bad else ""
    if "problem" in severities:
        return Health("problem", f"✗ {sign}".strip(), tuple(found))
    if bad:
        return Health("nan", sign, tuple(found))
    if "warning" in severities:
        return Health("warning", "!", tuple(found))
    return Health("well", "✓", tuple(found)) if known else Health("", "", tuple(found))


def _speaks_of(where: str, node: Node, names: set[str]) -> bool:
    """Whether a finding's place is this layer, in it, or a scope around it that is no layer itself."""
    path, place = plain_path(node.name), plain_path(where)
    # the second call of a layer alone
    if where != place:
        return where == node.name
    if where in node.tensors:
        return True
    nearest = place
    while nearest and nearest not in names:
        nearest = nearest.rpartition("/")[0]
    return path == nearest if nearest else path.startswith(f"{place}/")
