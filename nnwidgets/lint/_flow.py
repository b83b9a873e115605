"""Which values the gradient of the loss flows through, and the operations at which it ends."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.interpreters.partial_eval import dce_jaxpr

from nnwidgets.trace import Op, Value, as_real, call_body

from ._once import once
from ._parts import before
from ._setup import Setup, Traced

# Floating numbers come out, but no derivative.
_FLAT = frozenset({"round", "floor", "ceil", "sign", "nextafter"})
_STOP = "stop_gradient"


class Flow:
    """The gradient of the loss, as the program alone tells it: an edge carries it or not, whatever the numbers.

    Inside a function with a derivative of its own, every operation is taken to carry it.

    Attributes:
        unused: indices of the parameters that the loss does not depend on.
        cut: indices of those that it depends on through data, although no gradient reaches them on any such path.
    """

    def __init__(self, traced: Traced) -> None:
        self._traced, self._ops = traced, traced.program.ops
        self._custom = _custom_calls(traced.closed)
        self._reached: set[int] = set()
        self._wanted: set[int] = set()
        self._ends: list[Op] = []
        self._mark(traced.program.outputs[0])
        for op in reversed(self._ops):
            self._pass(op)

    @cached_property
    def unused(self) -> frozenset[int]:
        """See the class."""
        jaxpr = self._traced.closed.jaxpr
        _, used = dce_jaxpr(jaxpr, [i == 0 for i in range(len(jaxpr.outvars))])
        return frozenset(i for i in range(len(self._traced.parameters)) if not used[i])

    @cached_property
    def mixed(self) -> dict[int, list[int]]:
        """For each parameter the operations that mix it with data; a penalty on it is none."""
        found: dict[int, list[int]] = {}
        for i, op in enumerate(self._ops):
            if not op.is_loop and any(value.data for value in op.outputs):
                for leaf in frozenset().union(*(self._leaves(value) for value in op.inputs)):
                    found.setdefault(leaf, []).append(i)
        return found

    @cached_property
    def cut(self) -> frozenset[int]:
        """See the class."""
        used = before(self._traced.program, self._traced.program.outputs[:1])
        return frozenset(
            leaf
            for leaf, indices in self.mixed.items()
            if any(i in used for i in indices) and not any(self._carries_to(self._ops[i], leaf) for i in indices)
        )

    def reaches(self, leaf: int) -> bool:
        """Whether a gradient reaches a parameter at all, through a penalty for example."""
        return id(self._traced.parameters[leaf]) in self._reached

    def ends(self, leaf: int) -> list[Op]:
        """The operations at which the gradient that should reach a parameter ends, nearest to the loss first.

        Nothing between the parameter and such an operation has a gradient; a stop further on, in a log-sum-exp say, is
        none of them.
        """
        mixing, dark, touched = set(self.mixed.get(leaf, ())), set[int](), set[int]()
        for i, op in enumerate(self._ops):
            if i in mixing or any(id(each) in dark for value in op.inputs for each in (value, *value.via)):
                touched.add(id(op))
                dark |= {id(value) for value in op.outputs if id(value) not in self._reached}
        return [op for op in self._ends if id(op) in touched]

    def _leaves(self, value: Value) -> frozenset[int]:
        if value.data:
            return frozenset()
        # a scalar that was made of a larger parameter is a penalty
        shapes = self._traced.program.parameters
        return frozenset(leaf for leaf in value.origins if value.aval.shape or not shapes[leaf].shape)

    def _carries_to(self, op: Op, leaf: int) -> bool:
        # a penalty may reach the parameter itself
        passes = any(id(value) in self._reached for value in op.outputs)
        return passes and any(leaf in self._leaves(value) and id(value) in self._reached for value in op.inputs)

    def _pass(self, op: Op) -> None:
        if op.is_loop:
            # its outer inputs are reached through the values that stand for them inside
            made = op.inputs[len(op.eqn.invars) :]
            outer = op.inputs[: len(op.eqn.invars)] if op.primitive == "while" else []
            if any(id(value) in self._reached | self._wanted for value in op.outputs):
                for value in (*made, *outer):
                    self._mark(value)
            return
        free = any(op.address[:k] in self._custom for k in range(1, len(op.address) + 1))
        reached = any(id(value) in self._reached for value in op.outputs)
        wanted = any(id(value) in self._wanted for value in op.outputs)
        if free and (reached or wanted):
            for value in op.inputs:
                self._mark(value, whole=True)
        elif reached and op.primitive != _STOP and op.primitive not in _FLAT:
            for value in op.inputs:
                self._mark(value)
        elif reached or wanted:
            if any(value.trained and _is_float(value) for value in op.inputs):
                self._ends.append(op)
            for value in op.inputs:
                if not _is_float(value):
                    self._mark(value)

    def _mark(self, value: Value, whole: bool = False) -> None:
        if not value.trained:
            return
        (self._reached if whole or _is_float(value) else self._wanted).add(id(value))
        for outer in value.via:
            self._mark(outer, whole)


@once
def flow_of(traced: Traced) -> Flow:
    """The gradient's flow in a program."""
    return Flow(traced)


def is_stop(op: Op) -> bool:
    """Whether the gradient ends there because the user says so."""
    return op.primitive == _STOP


def frozen(setup: Setup) -> frozenset[int]:
    """Indices of the parameters that the optimizer leaves as they are, whatever their gradient; it moves others."""
    ones = jax.tree.map(jnp.ones_like, setup.params)
    updates = jax.tree.leaves(setup.update(ones, setup.opt_state, setup.params)[0])
    still = frozenset(i for i, update in enumerate(updates) if not np.asarray(as_real(update), np.float32).any())
    # an accumulation, or a warm-up from zero, holds all of them for a while
    return still if len(still) < len(updates) else frozenset()


def _is_float(value: Value) -> bool:
    return hasattr(value.aval, "dtype") and jnp.issubdtype(value.aval.dtype, jnp.inexact)


def _custom_calls(closed: Any) -> frozenset[tuple[int, ...]]:
    """Addresses of the calls of functions that have a derivative of their own."""
    found: set[tuple[int, ...]] = set()

    def walk(closed: Any, address: tuple[int, ...]) -> None:
        for i, eqn in enumerate(closed.jaxpr.eqns):
            here = (*address, i)
            body = call_body(eqn)
            if eqn.primitive.name.startswith("custom_"):
                found.add(here)
            elif body is not None:
                walk(body, (*here, 0))
            elif eqn.primitive.name == "scan":
                walk(eqn.params["jaxpr"], (*here, 0))
            elif eqn.primitive.name == "while":
                walk(eqn.params["body_jaxpr"], (*here, 1))
            elif eqn.primitive.name == "cond":
                for k, branch in enumerate(eqn.params["branches"]):
                    walk(branch, (*here, k))

    walk(closed, ())
    return frozenset(found)
