"""The layers that an operation of any program made from the loss may belong to, told by its Python stack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax

from nnwidgets.objective import Objective

from ._calls import find_calls, innermost
from ._jax import Frame
from ._program import flatten

Key = tuple[tuple[int, int], ...]


Finder = Callable[[Sequence[Frame], Sequence[str]], tuple[str, ...]]


def layer_finder(objective: Objective, batch: Any, *, train: bool = True) -> Finder:
    """Traces the loss; a function from the stack and the name scopes of an operation to the paths of its layers.

    Operations of a backward pass stand where the operations stand that they are derivatives of. There are several layers where
    one line calls them in turn, in the order of their calls; none where the line is in no layer. Where name scopes say which
    part of the parameters an operation belongs to, they are believed.

    Args:
        objective: the loss.
        batch: a batch, or its shapes.
        train: whether to trace it as it is in training.
    """
    inputs = (objective.params, objective.state, batch, jax.random.key(0))
    closed = jax.make_jaxpr(lambda p, s, b, r: objective(p, s, b, r, train)[0])(*inputs)
    program = flatten(closed, len(jax.tree.leaves(objective.params)), len(jax.tree.leaves(objective.state)))
    calls = find_calls(program, objective.paths)
    layers: dict[Key, dict[str, None]] = {}
    exact: set[Key] = set()
    for index, op in enumerate(program.ops):
        if op.is_loop:
            continue
        call, key = innermost(calls, index), _key(op.stack)
        exact.add(key)
        for depth in range(len(key) + 1):
            layers.setdefault(key[:depth], {})["" if call is None else call.layer] = None

    parts = {path[:end] for path in objective.paths for end, letter in enumerate(path) if letter == "/"}

    def find(stack: Sequence[Frame], scopes: Sequence[str]) -> tuple[str, ...]:
        # the outermost scope may be the model as a whole
        named = ["/".join(scopes[start:]) for start in (0, 1)]
        scope = next((each for each in named if each in parts), None)
        if scope is not None:
            return (scope,)
        key = _key(stack)
        depth = next((depth for depth in range(len(key), -1, -1) if key[:depth] in layers), 0)
        known = tuple(layers.get(key[:depth], ()))
        return known if "" not in known and (key in exact or len(known) == 1) else ()

    return find


def _key(stack: Sequence[Frame]) -> Key:
    """The frames of the user and of frameworks: JAX's own differ from pass to pass."""
    return tuple((frame.code, frame.position) for frame in stack if not (frame.in_jax or frame.in_nnwidgets))
