"""One traced program of the user's loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from nnwidgets.objective import Objective

from ._calls import Call, find_calls, innermost, owners
from ._program import Program, Value, flatten
from ._replay import values_at
from ._source import Source, user_source
from ._watched import Taken, Watched, find_watched


@dataclass(frozen=True)
class Layer:
    """A group of parameters that is used together.

    Attributes:
        path: e.g. ``"encoder/Dense_0"``; a parameter at the root is a layer of its own.
        parameters: paths of its parameters.
        outputs: names of its watched outputs, one a call (or a layer of a scan); none if the loss does not use it.
        source: the user's line that calls it first.
    """

    path: str
    parameters: tuple[str, ...]
    outputs: tuple[str, ...]
    source: Source | None


@dataclass(frozen=True)
class Operation:
    """One primitive operation of the program.

    Attributes:
        primitive: JAX's name for it.
        layer: path of the innermost layer that it is part of, else ``""``.
        source: the user's line that it comes from.
        inputs: what goes in, as ``"float32[16,8]"``.
        outputs: what comes out.
    """

    primitive: str
    layer: str
    source: Source | None
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Trace:
    """What `trace_objective` found.

    Attributes:
        layers: in the order in which they are called; those that the loss does not use last.
        operations: in the order in which they run, calls inlined; a loop's body once, then the loop itself.
        watched: each layer's output and each nonlinearity's input and output, in the order in which they are made.
    """

    layers: tuple[Layer, ...]
    operations: tuple[Operation, ...]
    watched: tuple[Watched, ...]
    _closed: Any
    _structure: Any
    _taken: tuple[Taken, ...]

    def capture(self, params: Any, state: Any, batch: Any, rng: Any) -> dict[str, jax.Array]:
        """The watched values by name, for these inputs, from the forward pass alone; pure, to be called inside `jax.jit`.

        What the caller does not use is not computed, once compiled. A value inside a branch that is not taken is NaN; one
        inside a while loop is that of its last iteration.

        Args:
            params: like the objective's.
            state: like the objective's.
            batch: of the shapes that were traced.
            rng: the step's key.

        Raises:
            ValueError: if structure, shapes or dtypes differ from those that were traced.
        """
        given = {"params": params, "state": state, "batch": batch, "rng": rng}
        wanted = jax.tree.unflatten(self._structure, self._closed.in_avals)
        differing = [
            f"{name} is {_outline(value)} instead of {_outline(aval)}"
            for (name, value), aval in zip(given.items(), wanted, strict=True)
            if _outline(value) != _outline(aval)
        ]
        if differing:
            raise ValueError(
                f"these inputs differ from those that were traced: {'; '.join(differing)}. A key is jax.random.key(0); for "
                "another batch trace again: trace_objective(objective, batch)."
            )
        inputs = [jnp.asarray(leaf) for leaf in jax.tree.leaves((params, state, batch, rng))]
        found = values_at(self._closed, inputs, {taken.place for taken in self._taken})
        return {each.name: taken.of(found) for each, taken in zip(self.watched, self._taken, strict=True)}

    def __repr__(self) -> str:
        return f"Trace({len(self.layers)} layers, {len(self.operations)} operations, {len(self.watched)} values)"


def trace_objective(objective: Objective, batch: Any, *, train: bool = True) -> Trace:
    """Trace the loss once, on the shapes of a batch; nothing is computed.

    Args:
        objective: the loss.
        batch: a pytree of arrays, or of `jax.ShapeDtypeStruct`.
        train: whether to trace it as it is in training.

    Example:
        >>> import jax.numpy as jnp
        >>> def loss_fn(params, batch):
        ...     hidden = jnp.tanh(batch @ params["first"]["w"] + params["first"]["b"])
        ...     return jnp.mean((hidden @ params["last"]["w"]) ** 2)
        >>> params = {"first": {"w": jnp.ones((3, 4)), "b": jnp.zeros(4)}, "last": {"w": jnp.ones((4, 1))}}
        >>> trace = trace_objective(Objective(loss_fn, params), jnp.ones((2, 3)))
        >>> [each.name for each in trace.watched]
        ['first', 'first/tanh/input', 'first/tanh/output', 'last']
        >>> trace.capture(params, None, jnp.ones((2, 3)), jax.random.key(0))["first"].shape
        (2, 4)
    """
    inputs = (objective.params, objective.state, batch, jax.random.key(0))
    closed, program, last = read_program(objective, batch, train=train)
    outputs = [value for path, value in last if path[0] == "outputs"]
    calls = find_calls(program, objective.paths)
    found = find_watched(program, calls, outputs)
    watched = tuple(each for each, _ in found)
    return Trace(
        _layers(program, calls, objective.paths, watched),
        _operations(program, calls),
        watched,
        closed,
        jax.tree.structure(inputs),
        tuple(taken for _, taken in found),
    )


def read_program(
    objective: Objective, batch: Any, *, train: bool = True
) -> tuple[Any, Program, list[tuple[tuple[Any, ...], Value]]]:
    """The traced loss as it is and as a flat program, with the values of ``aux`` under their paths; nothing is computed."""

    def forward(params: Any, state: Any, batch: Any, rng: Any) -> Any:
        return objective(params, state, batch, rng, train)

    inputs = (objective.params, objective.state, batch, jax.random.key(0))
    closed, (_, (_, aux)) = jax.make_jaxpr(forward, return_shape=True)(*inputs)
    program = flatten(closed, len(jax.tree.leaves(objective.params)), len(jax.tree.leaves(objective.state)))
    # The leaves of aux are the last outputs.
    paths = [
        tuple(getattr(key, "key", key) for key in path) for path, _ in jax.tree_util.tree_flatten_with_path(aux)[0]
    ]
    last = program.outputs[len(program.outputs) - len(paths) :]
    return closed, program, list(zip(paths, last, strict=True))


def _layers(
    program: Program, calls: list[Call], paths: tuple[str, ...], watched: tuple[Watched, ...]
) -> tuple[Layer, ...]:
    layer_of = owners(paths)
    first: dict[str, Call] = {}
    for call in calls:
        first.setdefault(call.layer, call)
    return tuple(
        Layer(
            layer,
            tuple(path for path, owner in zip(paths, layer_of, strict=True) if owner == layer),
            tuple(each.name for each in watched if each.role == "output" and each.layer.partition("[")[0] == layer),
            user_source(program.ops[first[layer].consumed[0]].stack) if layer in first else None,
        )
        for layer in dict.fromkeys((*first, *layer_of))
    )


def _operations(program: Program, calls: list[Call]) -> tuple[Operation, ...]:
    return tuple(
        Operation(
            op.primitive,
            call.layer if (call := innermost(calls, index)) is not None else "",
            user_source(op.stack),
            tuple(_describe(value.aval) for value in op.inputs),
            tuple(_describe(value.aval) for value in op.outputs),
        )
        for index, op in enumerate(program.ops)
    )


def _describe(aval: Any) -> str:
    return f"{aval.dtype}[{','.join(map(str, aval.shape))}]" if hasattr(aval, "shape") else str(aval)


def _outline(tree: Any) -> str:
    """A tree with the shapes in the places of its arrays."""
    shapes = jax.tree.map(lambda leaf: _describe(leaf if hasattr(leaf, "dtype") else jnp.asarray(leaf)), tree)
    return str(shapes).replace("'", "")
