"""The traced loss with other numbers in the place of some of its values."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from nnwidgets.trace import Replay, Value, bind, is_key

from ._setup import Traced

Change = Callable[[Sequence[Any], Any], Any]


class Result(NamedTuple):
    """What a rewritten loss gives: the loss without and with its declared penalty, the new state, and the noted values."""

    loss: jax.Array
    whole: jax.Array
    state: Any
    noted: tuple[jax.Array, ...]


class Rewritten:
    """(params, state, batch, rng) -> `Result`; pure, to be called inside `jax.jit`, and differentiated.

    Only the calls that hold a value in question are opened, so that all other custom derivatives stay what they are.

    Args:
        traced: the loss.
        changes: for a value, ``(operands, itself) -> what stands in its place``.
        noted: values that are wanted, as they come out.

    Raises:
        ValueError: one of them is an input, or computed by an operation that stands for others, too.
    """

    def __init__(
        self, traced: Traced, changes: Sequence[tuple[Value, Change]] = (), noted: Sequence[Value] = ()
    ) -> None:
        self._closed = traced.closed
        self._changes: dict[int, list[tuple[int, Change]]] = {}
        ops, changed = traced.program.ops, set[int]()
        for value, change in changes:
            op = traced.maker(value)
            if op is None or value.place is None:
                raise ValueError("an input can't be replaced")
            changed.add(value.op or 0)
            self._changes.setdefault(id(op.eqn), []).append((value.place[1], change))
        self._targets = frozenset(id(ops[i].eqn) for i in changed)
        self._noted = [value.place for value in noted]
        if any(place is None for place in self._noted):
            raise ValueError("an input can't be noted")
        places = [value.place[0] for value in (*(value for value, _ in changes), *noted) if value.place is not None]
        self._opened = frozenset(place[:k] for place in places for k in range(1, len(place)))
        # one equation may stand for several operations, where a compiled function is called, and opened, again
        for i, op in enumerate(ops):
            again = id(op.eqn) in self._changes and i not in changed
            if again and all(op.address[:k] in self._opened for k in range(1, len(op.address))):
                raise ValueError("what is to be replaced is computed by a function that is called elsewhere, too")
        self._penalty = next((i for i, (path, _) in enumerate(traced.aux) if path == ("penalty",)), None)

    def __call__(self, params: Any, state: Any, batch: Any, rng: Any) -> Result:
        """The loss with these inputs, of the shapes that were traced."""
        leaves = [leaf if is_key(leaf) else jnp.asarray(leaf) for leaf in jax.tree.leaves((params, state, batch, rng))]
        replay = Replay(run=self._run, note=self._note, opens=self._opens)
        outputs, notes = replay(self._closed, leaves)
        old, structure = jax.tree.flatten(state)
        rest = outputs[1 + len(old) :]
        penalty = 0.0 if self._penalty is None else rest[self._penalty]
        noted = tuple(notes[place] for place in self._noted)
        new = jax.tree.unflatten(structure, outputs[1 : 1 + len(old)])
        return Result(outputs[0] - penalty, outputs[0], new, noted)

    def _run(self, eqn: Any, values: list[Any]) -> list[Any]:
        outputs = bind(eqn, values)
        for k, change in self._changes.get(id(eqn), ()):
            made = jnp.asarray(change(values, outputs[k]), outputs[k].dtype)
            outputs[k] = jnp.broadcast_to(made, outputs[k].shape)
        return outputs

    def _note(self, eqn: Any, address: Any, values: list[Any], outputs: list[Any]) -> Mapping[Hashable, Any]:
        return {(address, k): value for k, value in enumerate(outputs) if (address, k) in self._noted}

    def _opens(self, eqn: Any, address: tuple[int, ...]) -> bool:
        return address in self._opened and id(eqn) not in self._targets


def unchanged(loss: Callable[..., Any]) -> Callable[[Any, Any, Any, Any], Result]:
    """The objective itself in training, in the same form."""

    def run(params: Any, state: Any, batch: Any, rng: Any) -> Result:
        whole, (new, aux) = loss(params, state, batch, rng, True)
        return Result(whole - aux.get("penalty", 0.0), whole, new, ())

    return run
