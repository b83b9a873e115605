"""Where the boxes of a network go: rows by depth, from top to bottom; what skips a row goes round at the side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Points. Between two rows: lines that leave, headers of the frames that begin there, lines that arrive.
BOX, LEAVE, ARRIVE, HEADER, EDGE = 44, 14, 16, 19, 6


@dataclass(frozen=True)
class Frame:
    """An opened fold around its boxes.

    Attributes:
        key: of the fold.
        depth: how many frames it lies in.
        header: the top of its headline.
        top: of what it encloses.
        bottom: likewise.
        left: in lanes, the left edge of what it encloses.
        right: likewise.
        closed: whether only its own boxes lie in that rectangle, so that it may be drawn.
    """

    key: str
    depth: int
    header: int
    top: int
    bottom: int
    left: float
    right: float
    closed: bool


@dataclass(frozen=True)
class Layout:
    """Places of boxes, in the order given.

    Attributes:
        ranks: the row of each box: one more than the lowest of those that lead to it.
        lanes: the place of each box's left edge in its row, in boxes; rows are centred.
        tops: points.
        tracks: for each edge, -1 when it leads to the next row; else the number of its way round at the side, from inside.
        frames: outer ones first.
        wide: boxes in the widest row.
        height: points.
    """

    ranks: tuple[int, ...]
    lanes: tuple[float, ...]
    tops: tuple[int, ...]
    tracks: tuple[int, ...]
    frames: tuple[Frame, ...]
    wide: int
    height: int


def lay_out(count: int, edges: Sequence[tuple[int, int]], inside: Mapping[str, tuple[int, Sequence[int]]]) -> Layout:
    """Place `count` boxes, which are in the order in which they are called.

    Args:
        count: how many.
        edges: from and to.
        inside: for each opened fold, how deep it lies, and its boxes.

    Example:
        >>> lay_out(3, [(0, 1), (1, 2), (0, 2)], {}).ranks
        (0, 1, 2)
    """
    ranks = _ranks(count, edges)
    lanes, wide = _lanes(ranks, edges)
    starts = {key: min(ranks[box] for box in held) for key, (_, held) in inside.items()}
    rows = max(ranks, default=-1) + 1
    # one headline below the other for frames that begin in one row
    levels = [sorted({inside[key][0] for key, start in starts.items() if start == row}) for row in range(rows)]
    tops, top = [], EDGE - LEAVE - ARRIVE
    for row in range(rows):
        top += LEAVE + ARRIVE + HEADER * len(levels[row])
        tops.append(top)
        top += BOX
    frames = []
    for key, (depth, held) in sorted(inside.items(), key=lambda item: item[1][0]):
        first, last = starts[key], max(ranks[box] for box in held)
        left, right = min(lanes[box] for box in held), max(lanes[box] for box in held) + 1
        others = set(range(count)) - set(held)
        alone = not any(first <= ranks[box] <= last and left - 1 < lanes[box] < right for box in others)
        level = len(levels[first]) - levels[first].index(depth)
        header = tops[first] - ARRIVE - HEADER * level
        frames.append(Frame(key, depth, header, tops[first], tops[last] + BOX, left, right, alone))
    return Layout(
        tuple(ranks), tuple(lanes), tuple(tops[rank] for rank in ranks), _tracks(ranks, edges), tuple(frames), wide,
        max(top, 0) + LEAVE,
    )  # fmt: skip


def _ranks(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The longest way to each box; what nothing leads to stands right before its first use."""
    if not edges:
        return list(range(count))
    # a fold may lead back to what was called before it: that does not count
    forward = sorted({(start, end) for start, end in edges if start < end})
    ranks = [0] * count
    for start, end in forward:
        ranks[end] = max(ranks[end], ranks[start] + 1)
    led_to = {end for _, end in forward}
    for box in range(count):
        after = [ranks[end] for start, end in forward if start == box]
        if box not in led_to and after:
            ranks[box] = min(after) - 1
    used = sorted(set(ranks))
    return [used.index(rank) for rank in ranks]


def _lanes(ranks: Sequence[int], edges: Sequence[tuple[int, int]]) -> tuple[list[float], int]:
    """Left edges of the boxes: each row in the order of what leads to it, and centred, an input at its right."""
    rows: dict[int, list[int]] = {}
    for box, rank in enumerate(ranks):
        rows.setdefault(rank, []).append(box)
    before: dict[int, list[int]] = {}
    for start, end in edges:
        if ranks[start] < ranks[end]:
            before.setdefault(end, []).append(start)
    lanes = [0.0] * len(ranks)
    for _, row in sorted(rows.items()):
        led_to = [box for box in row if box in before]
        middle = {box: sum(lanes[start] for start in before[box]) / len(before[box]) for box in led_to}
        ordered = sorted(led_to, key=lambda box: (middle[box], box)) + [box for box in row if box not in before]
        left = -len(led_to or row) / 2
        for place, box in enumerate(ordered):
            lanes[box] = left + place
    first = min(lanes, default=0.0)
    return [lane - first for lane in lanes], math.ceil(max(lanes, default=-1.0) - first + 1)


def _tracks(ranks: Sequence[int], edges: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """All that one box sends round goes one way; ways that overlap lie side by side, the shortest inside."""
    spans: dict[int, tuple[int, int]] = {}
    for start, end in edges:
        if ranks[end] - ranks[start] != 1:
            low, high = spans.get(start, (ranks[start], ranks[start]))
            spans[start] = min(low, ranks[end]), max(high, ranks[end])
    taken: list[list[tuple[int, int]]] = []
    of: dict[int, int] = {}
    for start, (low, high) in sorted(spans.items(), key=lambda item: (item[1][1] - item[1][0], item[0])):
        free = (n for n, track in enumerate(taken) if all(high <= other[0] or other[1] <= low for other in track))
        of[start] = next(free, len(taken))
        if of[start] == len(taken):
            taken.append([])
        taken[of[start]].append((low, high))
    return tuple(of[start] if ranks[end] - ranks[start] != 1 else -1 for start, end in edges)
