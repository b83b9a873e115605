"""How two models differ, and where they started."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import Any

from ._change import Change, pairs

_MODEL, _CONFIG, _START = 10, 12, 30


def changed_model(left: dict[str, Any], right: dict[str, Any]) -> list[Change]:
    """Of the sections "model" of two runs."""
    if not left or not right:
        return []
    found = [_tensor(*each) for each in pairs(left.get("tensors", {}), right.get("tensors", {}))]
    texts = [facts.get("config", "").splitlines() for facts in (left, right)]
    if not found and texts[0] != texts[1]:
        found.append(_config(*texts))
    if left.get("framework") != right.get("framework"):
        found.append(Change("model", "framework", left["framework"], right["framework"], _MODEL))
    return [*_together(found), *_start(left, right)]


def _tensor(path: str, left: str | None, right: str | None) -> Change:
    return Change("model", f"tensor {path}", left or "", right or "", _MODEL)


def _together(found: list[Change]) -> list[Change]:
    """The first of many is told with how many there are."""
    if len(found) < 2:
        return found
    first = found[0]
    words = f"the model: {len(found)} tensors differ, the first {first.told.removeprefix('tensor ')}"
    return [replace(first, words=words), *(replace(each, follows=True) for each in found[1:])]


def _config(left: list[str], right: list[str]) -> Change:
    lines = list(difflib.unified_diff(left, right, n=0, lineterm=""))[2:]
    removed, added = ("\n".join(line[1:].strip() for line in lines if line[0] == sign) for sign in "-+")
    return Change("model", "configuration of the model", removed, added, _CONFIG)


def _start(left: dict[str, Any], right: dict[str, Any]) -> list[Change]:
    one, other = left.get("initial", ""), right.get("initial", "")
    # other tensors start from other values anyway
    if not one or not other or one == other or left.get("tensors") != right.get("tensors"):
        return []
    words = "the initial parameters have other values, in tensors of the same shapes"
    return [Change("start", "initial parameters", f"sha256 {one[:12]}", f"sha256 {other[:12]}", _START, words=words)]
