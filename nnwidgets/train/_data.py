"""The batches of a run, from whatever gives them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


class Batches:
    """Batch k for step k, from an iterable of pytrees or a callable ``batches(step)``.

    An iterable that can be started again (a list, a data loader) starts a new epoch when it ends. A generator ends the
    run when it ends. Every batch must have the structure and shapes of the first, since each new shape compiles the
    step again.

    Args:
        source: any iterable of pytrees of arrays, or a callable that takes the step (int) and gives a pytree.

    Raises:
        TypeError: if `source` is neither.
    """

    def __init__(self, source: Iterable[Any] | Callable[[int], Any]) -> None:
        if not callable(source) and not isinstance(source, Iterable):
            raise TypeError(
                f"batches must be an iterable of batches or a callable batches(step), got {type(source).__name__}: "
                "put one batch (inputs, targets) into a list, [batch], to train on it alone."
            )
        if isinstance(source, tuple) and source and all(hasattr(part, "shape") for part in source):
            raise TypeError(
                f"batches is one batch, a tuple of {len(source)} arrays, wanted an iterable of batches: put it into a list, "
                "[(inputs, targets)]."
            )
        if callable(source):
            _check_callable(source)
        self._source = source
        self._iterator: Iterator[Any] | None = None
        self._first: Any = None
        self._outline: Any = None
        self._described: str | None = None
        self._given = 0
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
            self._outline, self._described = _outline(self._first), _describe(self._first)
            self.like = jax.tree.map(
                lambda leaf: jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf)), self._first
            )
        return self._first

    def take(self, step: int) -> Any | None:
        """The batch of one step, or None when a generator has ended.

        Raises:
            ValueError: if its structure or shapes differ from the first batch's.
        """
        if self._given == 0:
            batch = self.first()
            self._first = None
        else:
            batch = self._draw(step)
        if batch is None:
            return None
        # put into words only where it differs: words for each batch would cost a small model a tenth of its step
        if _outline(batch) != self._outline and (found := _describe(batch)) != self._described:
            raise ValueError(
                f"the batch of step {step} differs from the first one: got {found}, wanted {self._described}. Each new "
                "shape compiles the step again; drop the short last batch (drop_last=True, drop_remainder=True) or pad it."
            )
        self._given += 1
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
        return batch


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


def _outline(batch: Any) -> tuple[Any, ...]:
    leaves, structure = jax.tree.flatten(batch)
    return structure, [(getattr(leaf, "shape", ()), getattr(leaf, "dtype", type(leaf))) for leaf in leaves]


def _describe(batch: Any) -> str:
    leaves, structure = jax.tree.flatten(batch)
    shapes = [f"{jnp.result_type(leaf)}{list(np.shape(leaf))}" for leaf in leaves]
    return str(jax.tree.unflatten(structure, shapes)).replace("'", "")
