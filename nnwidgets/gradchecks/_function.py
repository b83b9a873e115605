"""What a gradient check looks at: a function of some tensors, traced with its gradient as the user wrote them."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
from jax.interpreters.partial_eval import dce_jaxpr

from nnwidgets.records import TensorCheck
from nnwidgets.trace import ClosedJaxpr, Replay, bind, inner_programs, is_key

Gradient = Callable[[list[Any], list[Any]], tuple[Any, list[list[Any]]]]


@dataclass(frozen=True, eq=False)
class Function:
    """Parts of a loss, and their gradients, as programs of the flat inputs: the tensors first, then everything else.

    Attributes:
        paths: the tensors' paths.
        tensors: their shapes and dtypes.
        parts: what the parts of the loss are called; ``("loss",)``, or ``("data", "penalty")``.
        forward: inputs -> one array (parts,).
        gradient: inputs -> (parts,), then for each part the gradient of each tensor, by the user's own rules.
    """

    paths: tuple[str, ...]
    tensors: tuple[Any, ...]
    parts: tuple[str, ...]
    forward: ClosedJaxpr
    gradient: ClosedJaxpr
    _rest: tuple[Any, ...] = field(repr=False, default=())
    _x64: bool = False

    def own_precision(self) -> Any:
        """A context in which JAX's 64-bit switch stands as it did when this was traced."""
        return jax.enable_x64(self._x64)

    @cached_property
    def reached(self) -> tuple[bool, ...]:
        """Whether the loss depends on each tensor at all."""
        _, used = dce_jaxpr(self.forward.jaxpr, [True] * len(self.forward.jaxpr.outvars))
        return tuple(used[: len(self.paths)])

    def unchecked(self, t: int) -> TensorCheck | None:
        """The entry of a tensor of which there is nothing to check; None where there is something."""
        path, shape = self.paths[t], self.tensors[t].shape
        if not math.prod(shape):
            return TensorCheck(path, shape, "skipped", words="it is empty")
        return None if self.reached[t] else TensorCheck(path, shape, "unreached")

    @cached_property
    def exact_gradient(self) -> ClosedJaxpr | None:
        """Like `gradient`, of the loss as it is written: custom rules left out, every stop_gradient open.

        None where JAX cannot transpose it (a while loop behind a custom rule).
        """
        return self._trace(gradient_of(self._exact), list(self.tensors), list(self._rest))

    @cached_property
    def exact_tangent(self) -> ClosedJaxpr | None:
        """(inputs, tangents) -> (parts,): the slope of the loss as it is written, in forward mode; None where JAX has none."""

        def tangent(inputs: list[Any], tangents: list[Any]) -> Any:
            count = len(self.tensors)
            _, slopes = jax.jvp(lambda tensors: self._exact(tensors, inputs[count:]), (inputs[:count],), (tangents,))
            return slopes

        return self._trace(tangent, [*self.tensors, *self._rest], list(self.tensors))

    @property
    def stops(self) -> tuple[Any, ...]:
        """The equations of all `stop_gradient` calls that can be opened: behind one before a callback is no derivative."""
        return self._openable[0]

    @property
    def gradient_through_stops(self) -> ClosedJaxpr | None:
        """(inputs, open (stops,)) -> like `gradient`, custom rules left out, each of `stops` open by a factor 0 to 1."""
        return self._openable[1]

    @cached_property
    def _openable(self) -> tuple[tuple[Any, ...], ClosedJaxpr | None]:
        stops = tuple(eqn for eqn in equations(self.forward) if eqn.primitive.name == "stop_gradient")
        program = self._through(stops)
        if program is None:
            stops = tuple(eqn for eqn in stops if self._through((eqn,)) is not None)
            program = self._through(stops)
        return stops, program

    def _through(self, stops: tuple[Any, ...]) -> ClosedJaxpr | None:
        if not stops:
            return None
        position = {id(eqn): k for k, eqn in enumerate(stops)}

        def gradient(inputs: list[Any], opened: jax.Array) -> Any:
            def run(eqn: Any, values: list[Any]) -> list[Any]:
                if id(eqn) not in position:
                    return bind(eqn, values)
                stopped = jax.lax.stop_gradient(values[0])
                return [stopped + opened[position[id(eqn)]].astype(stopped.dtype) * (values[0] - stopped)]

            def forward(tensors: list[Any], rest: list[Any]) -> Any:
                return Replay(run)(self.forward, [*tensors, *rest])[0][0]

            return gradient_of(forward)(inputs[: len(self.tensors)], inputs[len(self.tensors) :])

        opened = jax.ShapeDtypeStruct((len(stops),), jnp.float32)
        return self._trace(gradient, [*self.tensors, *self._rest], opened)

    def gradient_keeping(self, rules: Collection[Any]) -> ClosedJaxpr | None:
        """Like `exact_gradient`, with the custom rules of these equations left in."""
        kept = {id(eqn) for eqn in rules}

        def forward(tensors: list[Any], rest: list[Any]) -> Any:
            replay = Replay(open_stops, opens=lambda eqn, address: id(eqn) not in kept)
            return replay(self.forward, [*tensors, *rest])[0][0]

        return self._trace(gradient_of(forward), list(self.tensors), list(self._rest))

    def _exact(self, tensors: list[Any], rest: list[Any]) -> Any:
        return Replay(open_stops)(self.forward, [*tensors, *rest])[0][0]

    def _trace(self, function: Any, *arguments: Any) -> ClosedJaxpr | None:
        """None where JAX has no derivative of it."""
        try:
            with self.own_precision():
                return jax.make_jaxpr(function)(*arguments)
        except Exception:
            return None


def make_function(
    parts: Callable[[list[Any], list[Any]], Any],
    tensors: Sequence[Any],
    rest: Sequence[Any],
    *,
    paths: Sequence[str],
    names: Sequence[str],
    gradient: Gradient | None = None,
) -> Function:
    """Trace it.

    Args:
        parts: (tensors, rest) -> array (parts,), of a floating dtype.
        tensors: arrays, or their shapes.
        rest: everything else that it takes.
        paths: the tensors' paths.
        names: the parts' names.
        gradient: (tensors, rest) -> (parts, for each part a list of gradients); by reverse mode if None.
    """
    shapes = [jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf)) for leaf in tensors]
    others = [leaf if is_key(leaf) else jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf)) for leaf in rest]
    forward = jax.make_jaxpr(parts)(shapes, others)
    traced = jax.make_jaxpr(gradient or gradient_of(parts))(shapes, others)
    x64 = bool(jax.config.jax_enable_x64)
    return Function(tuple(paths), tuple(shapes), tuple(names), forward, traced, tuple(others), x64)


def gradient_of(parts: Callable[[list[Any], list[Any]], Any]) -> Gradient:
    """The parts with their gradients in reverse mode, one pass a part."""

    def gradient(tensors: list[Any], rest: list[Any]) -> tuple[Any, list[list[Any]]]:
        values, pull_back = jax.vjp(lambda leaves: parts(leaves, rest), tensors)
        return values, [pull_back(row)[0] for row in jnp.eye(len(values), dtype=values.dtype)]

    return gradient


def equations(closed: ClosedJaxpr) -> list[Any]:
    """All equations of a program, those inside calls, loops and branches included; each once."""
    found: dict[int, Any] = {}

    def walk(jaxpr: Any) -> None:
        for eqn in jaxpr.eqns:
            if id(eqn) not in found:
                found[id(eqn)] = eqn
                for inner in inner_programs(eqn):
                    walk(inner)

    walk(closed.jaxpr)
    return list(found.values())


def open_stops(eqn: Any, values: list[Any]) -> list[Any]:
    """For `Replay.run`: the loss as it is written, where a stop_gradient is the identity."""
    return values if eqn.primitive.name == "stop_gradient" else bind(eqn, values)
