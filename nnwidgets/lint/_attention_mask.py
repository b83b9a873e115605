"""Attention masks that leave nothing, or let the future through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.records import Finding
from nnwidgets.trace import Op, Value

from ._parts import before, constant, numbers
from ._predictions import changed, outputs_of, predict, shaken
from ._setup import Array, Setup
from ._told import told

_INFINITE = -float("inf")


@dataclass(frozen=True)
class AttentionMask:
    """A softmax over positions that are all masked with -inf, or a network for the next token that sees the next token.

    A row of nothing but -inf gives NaN (a text of padding alone). And where the targets are the inputs shifted by one
    position, an output that changes with the input one position further on has seen its own target: the causal mask is
    missing.
    """

    positions: int = 3

    def check(self, setup: Setup) -> Finding | None:
        """One finding: of rows without a valid position, else of a target that is seen."""
        return self._empty_row(setup) or self._future(setup)

    def _empty_row(self, setup: Setup) -> Finding | None:
        traced = setup.train
        for masked, op, maximum in self._masks(setup):
            axes = maximum.eqn.params["axes"]
            shape = maximum.inputs[0].aval.shape
            for batch, hidden in zip(setup.batches, masked, strict=True):
                rows = np.broadcast_to(hidden, shape).all(axes)
                if rows.any() and self._breaks(setup, batch):
                    return told(
                        self,
                        f"{int(rows.sum())} of {rows.size} rows of a softmax are masked with -inf at every position: "
                        "the softmax of such a "
                        "row is NaN.",
                        "Mask with a large negative number instead (-1e9, or jnp.finfo(dtype).min), and leave empty "
                        "rows out of the loss.",
                        line=traced.line(op),
                        empty_rows=int(rows.sum()),
                        rows=int(rows.size),
                    )
        return None

    def _masks(self, setup: Setup) -> Iterator[tuple[list[Array], Op, Op]]:
        """Where the input of each softmax is -inf, in each batch; with the masking, and the softmax's maximum."""
        program = setup.train.program
        for op in program.ops:
            maximum = self._maximum(setup, op.outputs[0]) if op.outputs and not op.loops else None
            if maximum is None:
                continue
            if op.primitive == "select_n" and len(op.inputs) == 3 and not op.inputs[0].trained:
                test, otherwise, chosen = op.inputs
                sides = [constant(program, side) == _INFINITE for side in (otherwise, chosen)]
                if any(sides):
                    yield (
                        [np.asarray(each, bool) == sides[1] for each in numbers(setup.train, test, setup.batches)],
                        op,
                        maximum,
                    )
            elif op.primitive == "add":
                for value in op.inputs:
                    if not value.trained and value.op is not None and self._has_infinity(setup, value):
                        yield [each == _INFINITE for each in numbers(setup.train, value, setup.batches)], op, maximum

    def _maximum(self, setup: Setup, value: Value) -> Op | None:
        """The maximum that a softmax takes of a value of trained data."""
        if not value.trained:
            return None
        uses = [setup.train.program.ops[i] for i in value.uses]
        return next((op for op in uses if op.primitive == "reduce_max"), None)

    def _has_infinity(self, setup: Setup, value: Value) -> bool:
        ops = (setup.train.program.ops[i] for i in before(setup.train.program, [value]))
        return any(each.const == _INFINITE for op in ops for each in op.inputs)

    def _breaks(self, setup: Setup, batch: Any) -> bool:
        """Whether the loss or a gradient is NaN on this batch: an empty row may be taken care of."""
        key = jax.random.fold_in(setup.key, 0)
        (loss, _), grads = setup.gradient(setup.params, setup.state, batch, key)
        return not all(np.isfinite(np.asarray(leaf, np.float32)).all() for leaf in (loss, *jax.tree.leaves(grads)))

    def _future(self, setup: Setup) -> Finding | None:
        shifted = self._shifted(setup)
        if shifted is None:
            return None
        index, length = shifted
        places = [
            k for k, v in enumerate(outputs_of(setup.evaluation)) if len(v.aval.shape) > 2 and v.aval.shape[1] == length
        ]
        if not places:
            return None
        leaves, structure = jax.tree.flatten(setup.batch)
        params = shaken(setup)
        usual, seen = predict(setup, params=params), 0
        chosen = np.unique(np.linspace(0, length - 2, self.positions).astype(int))
        for position in chosen:
            other = np.array(leaves[index])
            other[:, position + 1] = np.roll(other[:, position + 1], 1, axis=0)
            moved = other[:, position + 1] != leaves[index][:, position + 1]
            found = predict(
                setup, jax.tree.unflatten(structure, [*leaves[:index], other, *leaves[index + 1 :]]), params
            )
            seen += any(
                changed(usual[k], found[k])[moved.reshape(len(moved), -1).any(1), position].any() for k in places
            )
        if seen < len(chosen):
            return None
        return told(
            self,
            "The targets are the inputs shifted by one position, and every output that was tried changes with the "
            "input one position "
            "further on: the network sees the very token that it is to predict.",
            "Add the causal mask (nn.make_causal_mask, jnp.tril): position t may look at positions up to t only.",
            positions_tried=len(chosen),
            positions_that_see_their_target=seen,
        )

    def _shifted(self, setup: Setup) -> tuple[int, int] | None:
        """The inputs whose next position is the target, and how many positions the outputs have."""
        values = [field.values[: field.shape[0]] if field.shape else None for field in setup.fields]
        fed = frozenset().union(*(setup.evaluation.fields_of(value) for value in outputs_of(setup.evaluation)))
        for i, given in enumerate(values):
            if i not in fed or given is None or given.ndim < 2 or given.shape[1] < 4 or len(given) < 2:
                continue
            if len(values) == 1 and jnp.issubdtype(given.dtype, jnp.integer):
                return i, given.shape[1] - 1
            for k, target in enumerate(values):
                if k not in fed and target is not None and target.shape == given.shape and _is_next(given, target):
                    return i, given.shape[1]
        return None


def _is_next(given: Array, target: Array) -> bool:
    varied = bool((given[:, 1:] != given[:, :-1]).mean() > 0.2)
    return varied and bool((target[:, :-1] == given[:, 1:]).mean() > 0.98)
