"""How the data of two runs differs: in which batch, which row and which field."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._change import Change, pairs, text_of

_DTYPE, _DATA, _STATISTICS = 39, 40, 41
# Sums in another order are not the same bits.
_CLOSE = 1e-9


def changed_data(left: dict[str, Any], right: dict[str, Any], step: int | None) -> list[Change]:
    """Of the sections "data" of two runs.

    Args:
        left: of the first.
        right: of the second.
        step: the first one that read another batch; None if none is known.
    """
    if not left or not right:
        return []
    fields = _fields(left.get("fields", {}), right.get("fields", {}))
    batches = _Batches.of(left), _Batches.of(right)
    words = _words(*batches, left, right, step)
    if not words:
        # what is not on record of one of them, as where it was shorter, is no difference
        return [each for each in fields if not each.follows]
    hashes = [f"sha256 {facts.get('hash', '')[:12]}" for facts in (left, right)]
    return [Change("data", "batches", hashes[0], hashes[1], _DATA, step or 0, words), *fields]


def first_other_batch(left: tuple[Any, Any], right: tuple[Any, Any]) -> int | None:
    """The first step that both hashed, and whose hashes differ."""
    common, one, other = np.intersect1d(left[0], right[0], assume_unique=True, return_indices=True)
    apart = np.flatnonzero(np.ravel(left[1])[one] != np.ravel(right[1])[other])
    return int(common[apart[0]]) if len(apart) else None


@dataclass(frozen=True)
class _Batches:
    """The checksums of the first pass of one run."""

    digests: list[str]
    columns: list[list[str]]
    rows: list[list[str]]

    @classmethod
    def of(cls, facts: dict[str, Any]) -> _Batches:
        columns, rows = ([_split(each) for each in facts.get(name, [])] for name in ("columns", "rows"))
        return cls(facts.get("digests", []), columns, rows)

    @property
    def examples(self) -> list[str]:
        return [row for batch in self.rows for row in batch]

    @property
    def whole(self) -> bool:
        """Whether every row is known."""
        return bool(self.rows) and all(self.rows)


def _split(text: str) -> list[str]:
    return [text[i : i + 8] for i in range(0, len(text), 8)]


def _words(left: _Batches, right: _Batches, a: dict[str, Any], b: dict[str, Any], step: int | None) -> str:
    differing = [
        i
        for i, (one, other) in enumerate(zip(left.digests, right.digests, strict=False))
        if one and other and one != other
    ]
    if not differing and step is None:
        return ""
    since = "" if step is None else f" from step {step} on"
    if left.whole and right.whole and (found := _same_examples(left, right, since)):
        return found
    if not differing:
        return (
            f"data: {len(left.digests)} batches against {len(right.digests)}, of which the shorter comes again{since}"
        )
    place = differing[0]
    when = f"the batch of step {step}" if step is not None else f"batch {place} of the first pass"
    where = _where(left, right, a, place)
    return f"data: {len(differing)} of {len(left.digests)} batches differ, first {when}{where}"


def _same_examples(left: _Batches, right: _Batches, since: str) -> str:
    one, other = left.examples, right.examples
    sizes = [len(batches.rows[0]) for batches in (left, right)]
    shorter = min(len(one), len(other))
    if sizes[0] != sizes[1] and one[:shorter] == other[:shorter]:
        return f"data: the same examples in the same order, in batches of {sizes[0]} against {sizes[1]}"
    if len(one) == len(other) and Counter(one) == Counter(other) and one != other:
        return f"data: the same examples in another order{since}"
    return ""


def _where(left: _Batches, right: _Batches, facts: dict[str, Any], place: int) -> str:
    """The rows and the fields in which two batches differ."""
    rows, columns = (
        [batches[place] for batches in each] for each in ((left.rows, right.rows), (left.columns, right.columns))
    )
    names = list(facts.get("fields", {}))
    fields = [name for name, one, other in zip(names, *columns, strict=False) if one != other]
    of = f" of field {', '.join(fields)}" if 0 < len(fields) < len(names) else ""
    if not rows[0] or len(rows[0]) != len(rows[1]):
        return f" ({of.removeprefix(' of ')})" if of else ""
    apart = [i for i, (one, other) in enumerate(zip(*rows, strict=True)) if one != other]
    if not apart:
        return f" ({of.removeprefix(' of ')})" if of else ""
    many = f"{len(apart)} of {len(rows[0])} rows, first " if len(apart) > 1 else ""
    return f" ({many}row {apart[0]}{of})"


def _fields(left: dict[str, Any], right: dict[str, Any]) -> list[Change]:
    found = []
    for path, one, other in pairs(left, right):
        if one is None or other is None:
            found.append(_change(path, "dtype", one and one.get("dtype"), other and other.get("dtype")))
            continue
        found += [_change(path, *each) for each in pairs(_spread(one), _spread(other)) if not _is_close(*each[1:])]
    return found


def _spread(facts: dict[str, Any]) -> dict[str, Any]:
    labels = {f"label {label}": count for label, count in facts.get("labels", {}).items()}
    return {name: each for name, each in facts.items() if name != "labels"} | labels


def _is_close(left: Any, right: Any) -> bool:
    numbers = all(isinstance(each, (int, float)) for each in (left, right))
    return numbers and math.isclose(left, right, rel_tol=_CLOSE, abs_tol=1e-12)


def _change(path: str, what: str, left: Any, right: Any) -> Change:
    told = text_of(left), text_of(right)
    # a mean follows from the batches, and another dtype is a cause of other batches
    rank, follows = (_DTYPE, False) if what == "dtype" else (_STATISTICS, True)
    return Change("data", f"field {path or 'of the batch'} {what}", *told, rank, follows=follows)
