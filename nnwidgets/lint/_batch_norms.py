"""Batch norms, recognised by what they compute: a value times one over its spread over the batch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from nnwidgets.trace import Op, Value

from ._functions import SHAPE_ONLY, plain
from ._once import once
from ._parts import before, constant
from ._rows import rows_of
from ._setup import Traced

# What a mean, a variance and a running average are made with.
_PARTS = frozenset({"sub", "mul", "div", "square", "integer_pow", "abs", "convert_element_type"})
_CHEAP = SHAPE_ONLY | _PARTS | {"add", "max", "select_n", "neg", "pow"}
_POWERS = SHAPE_ONLY | _PARTS | {"reduce_sum"}
# a psum over the axis of a vmap, where JAX leaves it so
_SUMS = ("reduce_sum", "psum")
_ROOTS = ("rsqrt", "sqrt")


@dataclass(frozen=True, eq=False)
class BatchNorm:
    """One normalisation over the batch.

    Attributes:
        input: what is normalised.
        output: the first value after it.
        count: over how many values each mean is taken.
        states: indices of the state's arrays that come into its statistics.
        op: the operation that makes the output.
        root: the operation that takes the square root of the variance.
    """

    input: Value
    output: Value
    count: int
    states: frozenset[int]
    op: Op
    root: Op


class BatchNorms:
    """Those of one program that the loss depends on.

    Attributes:
        found: those that use the statistics of the batch, in order.
        stored: indices of the state's arrays from which a spread is taken without looking at the batch.
        roots: the operations that take it, in order.
    """

    def __init__(self, traced: Traced) -> None:
        self._traced, self._ops = traced, traced.program.ops
        self._rows = rows_of(traced)
        self._used = before(traced.program, traced.program.outputs[:1])
        self.found: list[BatchNorm] = []
        self.roots: list[Op] = []
        stored: set[int] = set()
        for index in sorted(self._used):
            op = self._ops[index]
            if op.primitive in _ROOTS or (op.primitive == "pow" and self._is_power(op)):
                reductions, states = self._statistics(op.inputs[0])
                norm = self._norm(op, reductions, states) if reductions else None
                self.found += [norm] if norm is not None else []
                if states and not reductions:
                    self.roots.append(op)
                    stored |= states
        self.stored = frozenset(stored)

    def _is_power(self, op: Op) -> bool:
        return constant(self._traced.program, op.inputs[1]) in (0.5, -0.5)

    def _statistics(self, value: Value) -> tuple[list[Op], frozenset[int]]:
        """The sums over the batch that a value is made of, and the state's arrays, where nothing else is in between."""
        states = {id(state): i for i, state in enumerate(self._traced.states)}
        waiting, seen, found, read = [value], set[int](), list[Op](), set[int]()
        while waiting:
            value = waiting.pop()
            if id(value) in seen:
                continue
            seen.add(id(value))
            if id(value) in states:
                read.add(states[id(value)])
            if value.op is None or self._rows.of(value) is not None:
                continue
            op = self._ops[value.op]
            if op.primitive in _SUMS and self._rows.lost.get(value.op) == "reduced":
                found.append(op)
            elif op.primitive in _CHEAP or op.primitive in _SUMS:
                waiting += op.inputs
        return found, frozenset(read)

    def _norm(self, root: Op, reductions: list[Op], states: frozenset[int]) -> BatchNorm | None:
        chains = [self._powers(op) for op in reductions]
        shared = [value for value in chains[0] if all(any(value is each for each in chain) for chain in chains)]
        output = self.applied(root.outputs[0])
        if not shared or output is None or output.op not in self._used:
            return None
        wide = [id(value) for value in self._wide(output)]
        # what was summed up by the network itself, before the norm, looks like a part of the mean
        starts = [self._centred(chains, shared[0]), *(plain(self._traced.program, value) for value in shared)]
        given = next((value for value in starts if id(value) in wide), None)
        if given is None:
            return None
        totals = [op for op in reductions if op.inputs[0].aval.shape]
        count = max(int(np.prod([op.inputs[0].aval.shape[a] for a in op.eqn.params["axes"]])) for op in totals)
        count *= self._reduced_before(totals[0], given)
        return BatchNorm(given, output, count, states, self._ops[output.op or 0], root)

    def _reduced_before(self, total: Op, given: Value) -> int:
        """How many values were summed up already, example by example, before the sum over the batch."""
        last = total.inputs[0].aval
        whole, part = int(np.prod(given.aval.shape)), int(np.prod(last.shape))
        return max(whole // max(part, 1), 1)

    def _powers(self, reduction: Op) -> list[Value]:
        """What is summed up, then the same before it was squared, centred, cast or summed over other axes."""
        value, chain = reduction.inputs[0], list[Value]()
        while True:
            chain.append(value)
            op = self._traced.maker(value)
            if op is None or op.primitive not in _POWERS:
                return chain
            wide = [each for each in op.inputs if self._is_wide(each)]
            if not wide or not all(self._same(wide[0], each) for each in wide[1:]):
                return chain
            value = wide[0]

    def _same(self, one: Value, other: Value, depth: int = 2) -> bool:
        """Whether two values are computed alike: Equinox writes the difference from the mean out twice."""
        one, other = (plain(self._traced.program, each) for each in (one, other))
        ops = self._traced.maker(one), self._traced.maker(other)
        left, right = ops
        if one is other or left is None or right is None or not depth:
            return one is other
        alike = left.primitive == right.primitive and left.primitive in _PARTS and left.eqn.params == right.eqn.params
        return alike and all(self._same(a, b, depth - 1) for a, b in zip(left.inputs, right.inputs, strict=True))

    def _is_wide(self, value: Value) -> bool:
        """Whether it differs from example to example."""
        return self._rows.of(plain(self._traced.program, value)) is not None

    def _centred(self, chains: list[list[Value]], shared: Value) -> Value:
        """The value whose mean is taken away: further back than the shared one where that is a difference or square."""
        chain = next(chain for chain in chains if any(value is shared for value in chain))
        start = next(i for i, value in enumerate(chain) if value is shared)
        value = shared
        for further in chain[start + 1 :]:
            op = self._traced.maker(value)
            mean = op is not None and op.primitive == "sub" and bool(self._statistics(op.inputs[1])[0])
            if op is None or not (mean or self._is_power_of(op)):
                break
            value = further
            if mean:
                break
        return plain(self._traced.program, value)

    def _is_power_of(self, op: Op) -> bool:
        """Whether it makes a square, a share or another form of one value."""
        if op.primitive == "div":
            return constant(self._traced.program, op.inputs[1]) is not None
        if op.primitive == "mul":
            return self._same(op.inputs[0], op.inputs[1])
        return op.primitive in _POWERS and op.primitive != "sub"

    def applied(self, value: Value) -> Value | None:
        """The first value that has the examples' axis again and is made of this one and something else that has it."""
        waiting, seen = [value], set[int]()
        while waiting:
            value = waiting.pop(0)
            for use in value.uses:
                op = self._ops[use]
                if use in seen or op.is_loop or not op.outputs:
                    continue
                seen.add(use)
                if any(self._is_wide(each) for each in op.inputs):
                    if op.primitive in ("mul", "div"):
                        return op.outputs[0]
                elif op.primitive in _CHEAP:
                    waiting.append(op.outputs[0])
        return None

    def _wide(self, output: Value) -> Iterable[Value]:
        """What is scaled, and the same before its mean was taken away."""
        op = self._traced.maker(output)
        for value in op.inputs if op is not None else ():
            value = plain(self._traced.program, value)
            yield value
            made = self._traced.maker(value)
            if made is not None and made.primitive in ("sub", "add"):
                yield from (plain(self._traced.program, each) for each in made.inputs)


@once
def batch_norms_of(traced: Traced) -> BatchNorms:
    """The batch norms of a program."""
    return BatchNorms(traced)
