"""Which data a run read: a hash of every batch, and what its fields look like."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ._fields import Field
from ._leaves import as_bytes, as_numpy
from ._model_text import without_addresses
from ._rows import examples_in, row_checksums

# Seconds that may be spent before the run has earned any.
_GIVEN = 1.0
# What is kept of the first pass: rows for 0.8 MB, and batches for as much.
_MOST_ROWS, _MOST_BATCHES = 200_000, 50_000


@dataclass(frozen=True)
class _Batch:
    """What is known of one batch of the first pass."""

    digest: bytes = b""
    # four bytes a field, and four bytes a row
    columns: bytes = b""
    rows: bytes = b""


@dataclass
class _Held:
    """A batch of a list: its place in the first pass if it has one there, and its hash once that is known."""

    place: int | None
    digest: bytes
    # lest another object gets the identity of one that is gone
    leaves: list[Any]


@dataclass
class _Read:
    """The leaves of a batch, as far as they can be read."""

    paths: tuple[str, ...]
    arrays: list[np.ndarray | None] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)


class Fingerprint:
    """Hashes the batches of a run in its own thread, within a bank of seconds that the run's own time fills.

    Args:
        held: the source is a list or tuple, which keeps its batches: the same one is hashed once, and known by its identity
            afterwards.

    Example:
        >>> prints = Fingerprint(held=False)
        >>> batch = (np.ones((4, 2), np.float32), np.arange(4))
        >>> prints.note(0, batch) == prints.note(1, batch)
        True
        >>> about = prints.facts()
        >>> about["batches"], about["examples"], about["fields"]["0"]["shape"], about["fields"]["1"]["labels"]
        (1, 4, [4, 2], {'0': 1, '1': 1, '2': 1, '3': 1})
    """

    def __init__(self, held: bool) -> None:
        self._held = held
        self._lock = threading.Lock()
        self._bank = _GIVEN
        self._fields: dict[str, Field] = {}
        self._batches: list[_Batch] = []
        self._more = self._hashed = self._rows = self._examples = 0
        self._named: dict[Any, tuple[str, ...]] = {}
        self._list: dict[tuple[int, ...], _Held] = {}
        self._known: dict[bytes, int | None] = {}
        # of the steps of a source that isn't held, every so manieth is hashed: the same ones in two runs
        self._every = 1
        self.seconds = 0.0

    def earn(self, seconds: float) -> None:
        """Let it spend so many seconds more; 1 % of what the run itself took."""
        self._bank += seconds

    def note(self, step: int, batch: Any, again: bool = False) -> int | None:
        """The hash of one batch.

        Args:
            step: whose batch it is.
            batch: any pytree; what can't be read as numbers is hashed by its repr, and named in the facts.
            again: it belongs to a later pass, or a replay: nothing but the hash is taken.

        Returns:
            the first 8 bytes of the SHA-256, as a signed integer; None where the bank was empty.
        """
        import jax

        leaves, structure = jax.tree.flatten(batch)
        held = self._list.get(tuple(map(id, leaves))) if self._held else None
        if held is not None and held.digest:
            return _number(held.digest)
        begun = time.perf_counter()
        if not self._affords(step):
            if held is None and not again:
                with self._lock:
                    self._add(_Batch(), leaves)
            return None
        try:
            return self._hash(leaves, structure, held, again)
        finally:
            spent = time.perf_counter() - begun
            self._bank -= spent
            self.seconds += spent

    def facts(self) -> dict[str, Any]:
        """The section "data" of a run's facts; from any thread.

        Returns:
            dict: ``fields`` by path, each with shape, dtype and statistics; ``batches`` of the first pass and how many of them
            were ``hashed``; ``examples``, those in hashed batches; ``hash``, the SHA-256 over the batches' own in their order;
            ``digests``, 16 hexadecimal digits a batch, ``columns``, 8 a field of each batch, and ``rows``, 8 an example; a
            batch that was left out has an empty string. ``seconds`` were spent.
        """
        with self._lock:
            batches, more = list(self._batches), self._more
            fields = {path: each.facts() for path, each in self._fields.items()}
            counts = {"hashed": self._hashed, "examples": self._examples, "seconds": round(self.seconds, 3)}
        return {
            "fields": fields,
            "batches": len(batches) + more,
            **counts,
            "hash": hashlib.sha256(b"".join(each.digest for each in batches)).hexdigest(),
            "digests": [each.digest[:8].hex() for each in batches],
            "columns": [each.columns.hex() for each in batches],
            "rows": [each.rows.hex() for each in batches],
        }

    def _affords(self, step: int) -> bool:
        """Whether a batch is hashed; a list gets what was left out on its next pass."""
        if self._held:
            return self._bank > 0
        if step % self._every:
            return False
        if self._bank <= 0:
            self._every *= 2
        elif self._bank > _GIVEN and self._every > 1:
            self._every //= 2
        return self._bank > 0

    def _hash(self, leaves: list[Any], structure: Any, held: _Held | None, again: bool) -> int:
        read = self._read(leaves, structure)
        digest = hashlib.sha256(b"".join(read.parts)).digest()
        with self._lock:
            # a callable, or a loader that doesn't shuffle, gives the same ones again
            if digest not in self._known and (held is not None or not again):
                columns = b"".join(part[-32:-28] for part in read.parts)
                self._put(_Batch(digest, columns, self._rows_of(read)), leaves, held)
                self._hashed += 1
                self._describe(read)
            elif self._held:
                self._list[tuple(map(id, leaves))] = _Held(self._known.get(digest), digest, leaves)
        return _number(digest)

    def _put(self, batch: _Batch, leaves: list[Any], held: _Held | None) -> None:
        if held is None:
            held = self._add(batch, leaves)
        elif held.place is not None:
            self._batches[held.place] = batch
        held.digest = batch.digest
        if len(self._known) < _MOST_BATCHES:
            self._known[batch.digest] = held.place

    def _add(self, batch: _Batch, leaves: list[Any]) -> _Held:
        held = _Held(None, batch.digest, leaves)
        if len(self._batches) < _MOST_BATCHES:
            held.place = len(self._batches)
            self._batches.append(batch)
        else:
            self._more += 1
        if self._held:
            self._list[tuple(map(id, leaves))] = held
        return held

    def _read(self, leaves: list[Any], structure: Any) -> _Read:
        read = _Read(self._paths(structure))
        for path, leaf in zip(read.paths, leaves, strict=True):
            array, content, told = _content(leaf)
            read.arrays.append(array)
            # path, dtype and shape in words, and last the 32 bytes of the content's own hash
            read.parts.append(f"{path} {told}\0".encode() + hashlib.sha256(content).digest())
        return read

    def _paths(self, structure: Any) -> tuple[str, ...]:
        found = self._named.get(structure)
        if found is None:
            from nnwidgets.objective import leaf_paths

            found = leaf_paths(structure.unflatten([0] * structure.num_leaves))
            self._named[structure] = found
        return found

    def _rows_of(self, read: _Read) -> bytes:
        arrays = [array for array in read.arrays if array is not None]
        count = examples_in(arrays)
        self._examples += count
        if self._rows + count > _MOST_ROWS:
            return b""
        self._rows += count
        return row_checksums(arrays)

    def _describe(self, read: _Read) -> None:
        for path, array in zip(read.paths, read.arrays, strict=True):
            if path not in self._fields:
                self._fields[path] = Field()
            self._fields[path].add(array)


def _content(leaf: Any) -> tuple[np.ndarray | None, Any, str]:
    """A leaf as an array, its bytes, and its dtype and shape in words; no array where it holds no numbers."""
    try:
        array = as_numpy(leaf)
        if array.dtype.kind != "O":
            return array, as_bytes(array), f"{getattr(leaf, 'dtype', array.dtype)}{list(array.shape)}"
    except Exception:
        # gone, or of a kind that NumPy doesn't know
        array = None
    return None, _written(leaf).encode(), type(leaf).__qualname__


def _written(leaf: Any) -> str:
    try:
        return without_addresses(repr(leaf))
    except Exception:
        return "unreadable"


def _number(digest: bytes) -> int:
    return int.from_bytes(digest[:8], "big", signed=True)
