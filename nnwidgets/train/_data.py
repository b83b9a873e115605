"""The batches of a run, from whatever gives them."""

from __future__ import annotations

import inspect
import itertools
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


class Batches:
    """Batch k for step k, from an iterable of pytrees or a callable ``batches(step)``.

    An iterable that can be started again (a list, a data loader) starts a new epoch when it ends. A generator ends the
    run when it ends. Every batch must have the structure and shapes of the first, since each new shape compiles the
    step again.

    Batches that were given can be asked for again. A list has them, a callable makes them anew; of any other source the
    newest are kept by reference, and older ones come from going through it once more, which gives the same ones unless
    it shuffles: whoever replays a run compares losses.

    Args:
        source: any iterable of pytrees of arrays, or a callable that takes the step (int) and gives a pytree.
        memory: bytes of batches that are kept.

    Raises:
        TypeError: if `source` is neither.
    """

    def __init__(self, source: Iterable[Any] | Callable[[int], Any], memory: int = 0) -> None:
        if not callable(source) and not isinstance(source, Iterable):
            raise TypeError(
                f"batches must be an iterable of batches or a callable batches(step), got {type(source).__name__}: "
                "put one batch (inputs, targets) into a list, [batch], to train on it alone."
            )
        refuse_one_batch(source, "batches")
        if callable(source):
            _check_callable(source)
        self._source = source
        self._iterator: Iterator[Any] | None = None
        self._first: Any = None
        self._outline: Any = None
        self._described: str | None = None
        self._given = 0
        self._memory, self._held, self._position = memory, 0, -1
        # drawn, and not given: it has another shape
        self._refused: Any = None
        self._kept: dict[int, Any] = {}
        # a number each, not an object: a set of one batch has as many epochs as steps
        self._epochs = array("q", [0])
        # the epoch that is gone through again, and how far
        self._again: tuple[int, int, Iterator[Any]] | None = None
        # the first batch's structure, as shapes
        self.like: Any = None

    def first(self) -> Any:
        """The batch of the first step, without losing it.

        Raises:
            ValueError: if there is none.
        """
        if self._first is None and self._given == 0:
            self._first = self._draw(0)
            if self._first is None:
                raise ValueError(
                    "batches is empty: wanted at least one batch, got none. Give a list of batches, a data loader, or a "
                    "callable batches(step); a generator that was used up before gives nothing more."
                )
            self._outline, self._described = _outline(self._first), describe(self._first)
            self.like = jax.tree.map(
                lambda leaf: jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf)), self._first
            )
        return self._first

    @property
    def ready(self) -> Sequence[Any]:
        """All batches, where they are there already: those of a list."""
        return self._source if isinstance(self._source, (list, tuple)) else ()

    @property
    def epoch(self) -> int:
        """How often the source was started again; 0 for a callable."""
        return len(self._epochs) - 1

    def take(self, step: int) -> Any | None:
        """The batch of one step, or None when a generator has ended; steps ascend, but those given before can come again.

        Raises:
            ValueError: if its structure or shapes differ from the first batch's, or it was given before and is gone.
        """
        self._position = step
        return self.peek(step)

    def peek(self, step: int) -> Any | None:
        """The same, without saying that the run is there: what is drawn ahead is kept for it."""
        if step < self._given:
            return self._past(step)
        batch = self.first() if self._given == 0 else self._draw(step) if self._refused is None else self._refused
        if batch is None:
            return None
        # put into words only where it differs: words for each batch would cost a small model a tenth of its step
        if _outline(batch) != self._outline and (found := describe(batch)) != self._described:
            self._refused = batch
            raise ValueError(
                f"the batch of step {step} differs from the first one: got {found}, wanted {self._described}. Each new "
                "shape compiles the step again; drop the short last batch (drop_last=True, drop_remainder=True) or pad it."
            )
        self._given, self._first = self._given + 1, None
        if step > self._position and not isinstance(self._source, (list, tuple)):
            # ahead of the run: the source may fill the same arrays with what comes next
            batch = jax.tree.map(lambda leaf: leaf.copy() if isinstance(leaf, np.ndarray) else leaf, batch)
        self._keep(step, batch)
        return batch

    def skip(self, count: int) -> None:
        """As if so many batches had been given; a source that is not a callable is gone through."""
        if callable(self._source):
            self.first()
            self._first, self._given = None, count
            return
        for step in range(self._given, count):
            if self.take(step) is None:
                raise ValueError(
                    f"the data ended after {step} batches, wanted more than {count}: it is not the same data."
                )

    def window(self, step: int, count: int) -> list[Any]:
        """The batches of so many steps from this one on, without losing them; fewer if the data ends, or one has another shape.

        Raises:
            ValueError: there is none.
        """
        found: list[Any] = []
        while len(found) < count:
            try:
                batch = self.peek(step + len(found))
            except ValueError:
                # for whoever takes it
                if not found:
                    raise
                break
            if batch is None:
                break
            found.append(batch)
        if not found:
            raise ValueError(f"there is no batch left for step {step}: the data has ended.")
        return found

    def _keep(self, step: int, batch: Any) -> None:
        if isinstance(self._source, (list, tuple)):
            return
        if 0 < step <= self._position and _share(batch, self._kept.get(step - 1)):
            # a buffer that is filled anew for each batch: what was kept is no longer what it was
            self._memory, self._held, self._kept = 0, 0, {}
            return
        self._kept[step] = batch
        self._held += _bytes(batch)
        # those that were drawn ahead of the run are not to be had again
        while self._held > self._memory and self._kept and (oldest := next(iter(self._kept))) < self._position:
            self._held -= _bytes(self._kept.pop(oldest))

    def _past(self, step: int) -> Any:
        source = self._source
        if step in self._kept:
            return self._kept[step]
        if callable(source):
            return source(step)
        if isinstance(source, (list, tuple)):
            return source[step % len(source)]
        if self._iterator is source:
            kept = f"kept are those of steps {min(self._kept)} to {max(self._kept)}" if self._kept else "none is kept"
            raise ValueError(
                f"the batch of step {step} is gone: a generator gives each batch once, and {kept}. Give a list, a data loader, "
                "or a callable batches(step)."
            )
        epoch = self._epochs[bisect_right(self._epochs, step) - 1]
        if self._again is None or self._again[0] != epoch or self._again[1] > step:
            self._again = (epoch, epoch, iter(source))
        _, position, iterator = self._again
        batch = next(itertools.islice(iterator, step - position, None), None)
        self._again = (epoch, step + 1, iterator)
        if batch is None or _outline(batch) != self._outline:
            raise ValueError(
                f"the data source gives no batch like the one of step {step} when it is gone through again."
            )
        return batch

    def _draw(self, step: int) -> Any | None:
        if callable(self._source):
            return self._source(step)
        if self._iterator is None:
            self._iterator = iter(self._source)
        batch = next(self._iterator, None)
        if batch is None and self._iterator is not self._source and self._given:
            self._iterator = iter(self._source)
            batch = next(self._iterator, None)
            self._epochs.append(step)
        return batch


def refuse_one_batch(source: Any, name: str) -> None:
    """Raise a TypeError for a tuple or a dictionary of arrays where batches are wanted."""
    parts = list(source.values()) if isinstance(source, dict) else source if isinstance(source, tuple) else ()
    if parts and all(hasattr(part, "shape") for part in parts):
        raise TypeError(
            f"{name} is one batch, a {type(source).__name__} of {len(parts)} arrays, wanted an iterable of batches: put it "
            f"into a list, {'[{...}]' if isinstance(source, dict) else '[(inputs, targets)]'}."
        )


def _check_callable(source: Callable[..., Any]) -> None:
    try:
        inspect.signature(source).bind(0)
    except TypeError as error:
        raise TypeError(
            f"batches is a callable that does not take a step ({error}): wanted batches(step), or an iterable of batches."
        ) from None
    except ValueError:
        # a built-in without a signature
        return


def batch_size(batch: Any) -> int | None:
    """Examples in a batch: the length of its first array that has one."""
    return next((len(leaf) for leaf in jax.tree.leaves(batch) if np.ndim(leaf)), None)


def _bytes(batch: Any) -> int:
    return sum(getattr(leaf, "nbytes", 0) for leaf in jax.tree.leaves(batch))


def _share(one: Any, other: Any) -> bool:
    arrays = [[leaf for leaf in jax.tree.leaves(each) if isinstance(leaf, np.ndarray)] for each in (one, other)]
    return any(_overlap(a, b) for a, b in zip(*arrays, strict=False))


def _overlap(a: Any, b: Any) -> bool:
    try:
        return bool(np.shares_memory(a, b, max_work=10_000))
    except np.exceptions.TooHardError:
        return True


def _outline(batch: Any) -> tuple[Any, ...]:
    leaves, structure = jax.tree.flatten(batch)
    return structure, [(getattr(leaf, "shape", ()), getattr(leaf, "dtype", type(leaf))) for leaf in leaves]


def describe(batch: Any) -> str:
    """Its structure with dtypes and shapes in the place of arrays."""
    leaves, structure = jax.tree.flatten(batch)
    shapes = [f"{jnp.result_type(leaf)}{list(np.shape(leaf))}" for leaf in leaves]
    return str(jax.tree.unflatten(structure, shapes)).replace("'", "")
