"""What of a large network is shown as one box: scopes, and long runs of siblings."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

# Siblings that are listed one by one; of more, runs of one name are folded, and then whatever neighbours there are.
SIBLINGS = 30
RUN = 8
CHUNK = 20
# Boxes that a network shows before anybody has opened anything, and that opening one adds without a further click.
BOXES = 40
INSIDE = 12


@dataclass(frozen=True)
class Fold:
    """Several layers that can be one box.

    Attributes:
        key: unique in its network; "" is the whole network.
        label: what stands on the box.
        parts: what it opens to: positions of nodes, and folds, in the order in which they are called.
        run: whether it is a stretch of siblings, not a scope of the user's.
    """

    key: str
    label: str
    parts: tuple[Part, ...]
    run: bool = False


Part = Fold | int


def fold(names: Sequence[str]) -> Fold:
    """The whole network, by the scopes in the paths of its layers.

    Example:
        >>> [part.label for part in fold(["a/x", "a/y", *(f"layer_{i}" for i in range(300))]).parts]
        ['a', 'layer_0 … layer_299 (300)']
    """
    return Fold("", "", _siblings(_scopes(names, range(len(names)), 0), lambda part: _name(part, names)))


def members(part: Part) -> Iterator[int]:
    """The positions of all nodes in it."""
    if isinstance(part, int):
        yield part
    else:
        for each in part.parts:
            yield from members(each)


def folds(part: Part) -> Iterator[Fold]:
    """It and all folds in it, from outside to inside."""
    if isinstance(part, Fold):
        yield part
        for each in part.parts:
            yield from folds(each)


def boxes(part: Part, opened: frozenset[str]) -> list[Part]:
    """What is shown of it, in the order in which the first layer of each box is called."""
    if isinstance(part, int) or part.key not in opened:
        return [part]
    return sorted((box for each in part.parts for box in boxes(each, opened)), key=lambda box: next(members(box)))


def at_first(whole: Fold, limit: int = BOXES) -> frozenset[str]:
    """The scopes that are open before anybody clicked: level by level, as long as that makes at most `limit` boxes."""
    return _deepen(whole, frozenset({whole.key}), limit)


def opening(whole: Fold, opened: frozenset[str], key: str) -> frozenset[str]:
    """What is open after this fold was opened: it, and the scopes in it if they are small."""
    found = next((each for each in folds(whole) if each.key == key), None)
    return opened if found is None else opened | _deepen(found, frozenset({key}), INSIDE)


def closing(whole: Fold, opened: frozenset[str], key: str) -> frozenset[str]:
    """What is open after this fold and all in it were closed; the whole network stays."""
    found = next((each for each in folds(whole) if each.key == key), None)
    return opened if found is None or found is whole else opened - {each.key for each in folds(found)}


def leading_to(whole: Fold, opened: frozenset[str], node: int) -> frozenset[str]:
    """What is open after all folds around this node were opened, and nothing else."""
    return opened | {each.key for each in folds(whole) if node in members(each)}


def _deepen(part: Fold, opened: frozenset[str], limit: int) -> frozenset[str]:
    while True:
        closed = {box.key for box in boxes(part, opened) if isinstance(box, Fold) and not box.run}
        if not closed or len(boxes(part, opened | closed)) > limit:
            return opened
        opened |= closed


def _scopes(names: Sequence[str], positions: Sequence[int], depth: int) -> list[Part]:
    """These nodes, which have `depth` parts of their path in common, by the next part."""
    paths = {position: names[position].split("/") for position in positions}
    groups: dict[str, list[int]] = {}
    for position, path in paths.items():
        groups.setdefault(path[min(depth, len(path) - 1)], []).append(position)
    parts: list[Part] = []
    for group in groups.values():
        deeper = any(len(paths[position]) > depth + 1 for position in group)
        if len(group) == 1 or not deeper:
            parts += group
            continue
        inside = _scopes(names, group, depth + 1)
        if len(inside) == 1 and isinstance(inside[0], Fold):
            parts.append(inside[0])
            continue
        key = "/".join(max((paths[position] for position in group), key=len)[: depth + 1])
        parts.append(Fold(key, key, _siblings(inside, lambda part: _name(part, names))))
    return parts


def _siblings(parts: Sequence[Part], name: Callable[[Part], str]) -> tuple[Part, ...]:
    """The same parts, in runs where there are too many."""
    if len(parts) <= SIBLINGS:
        return tuple(parts)
    runs: list[list[Part]] = []
    for part in parts:
        if runs and _stem(name(runs[-1][0])) == _stem(name(part)):
            runs[-1].append(part)
        else:
            runs.append([part])
    found: list[Part] = []
    for run in runs:
        found += [_run(run, name)] if len(run) > RUN else run
    return tuple(found) if len(found) <= SIBLINGS else _chunks(found, name)


def _run(parts: Sequence[Part], name: Callable[[Part], str]) -> Fold:
    first, last = name(parts[0]), name(parts[-1])
    short = last.rpartition("/")[2] if last.rpartition("/")[0] == first.rpartition("/")[0] else last
    inside = tuple(parts) if len(parts) <= SIBLINGS else _chunks(parts, name)
    return Fold(f"{first} … {last}", f"{first} … {short} ({len(parts)})", inside, run=True)


def _chunks(parts: Sequence[Part], name: Callable[[Part], str]) -> tuple[Part, ...]:
    """At most `CHUNK` neighbouring stretches, each of which may be cut again."""
    size = math.ceil(len(parts) / min(CHUNK, math.ceil(len(parts) / CHUNK)))
    return tuple(_run(parts[start : start + size], name) for start in range(0, len(parts), size))


def _name(part: Part, names: Sequence[str]) -> str:
    return names[part] if isinstance(part, int) else part.key


def _stem(name: str) -> str:
    """The name without its last number: that of ``layer_12`` is ``layer_``."""
    return re.sub(r"\d+(?=\D*$)", "", name)
