"""Outputs that do not depend on the inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.records import Finding
from nnwidgets.trace import Op

from ._parts import after
from ._predictions import outputs_of, predict, shaken
from ._setup import Field, Setup
from ._told import told


@dataclass(frozen=True)
class InputIgnored:
    """The network says the same whatever it is given.

    Either no array of the batch leads to the outputs, as the program shows, or the outputs stay the same to the last
    digit when the inputs are exchanged between the examples. Usual causes: a variable mixed up with another; real
    numbers below 1 used as token numbers, which are all cast to 0; a normalisation over a single feature.
    """

    def check(self, setup: Setup) -> Finding | None:
        """One finding: of all inputs, or of one of them."""
        outputs = outputs_of(setup.evaluation)
        fed = frozenset().union(*(setup.evaluation.fields_of(value) for value in outputs))
        if not outputs:
            return None
        if not fed:
            return self._structural(setup) if len(setup.fields) > 1 else None
        inputs = [field for field in setup.fields if field.index in fed and _exchanged(field) is not None]
        if not inputs:
            return None
        params = shaken(setup)
        usual = predict(setup, params=params)
        if not all(np.isfinite(each).all() for each in usual):
            return None
        if self._same(setup, inputs, params, usual):
            return self._told(setup, inputs, everything=len(inputs) == len(fed))
        alone = [field for field in inputs if len(inputs) > 1 and self._same(setup, [field], params, usual)]
        return self._told(setup, alone, everything=False) if alone else None

    def _same(self, setup: Setup, fields: list[Field], params: Any, usual: list[Any]) -> bool:
        leaves, structure = jax.tree.flatten(setup.batch)
        for field in fields:
            leaves[field.index] = _exchanged(field)
        found = predict(setup, jax.tree.unflatten(structure, leaves), params)
        return all(np.array_equal(one, other) for one, other in zip(usual, found, strict=True))

    def _structural(self, setup: Setup) -> Finding:
        return told(
            self,
            f"None of the {len(setup.fields)} arrays of the batch leads to the outputs: they are the same for every "
            "example.",
            "Give the network the inputs; look for a variable that was mixed up with another.",
        )

    def _told(self, setup: Setup, fields: list[Field], *, everything: bool) -> Finding:
        names = ", ".join(field.name for field in fields)
        cast = next((op for field in fields if (op := self._cast(setup, field)) is not None), None)
        why = f"It is cast to {cast.outputs[0].aval.dtype}, which leaves the same number of each value." if cast else ""
        return told(
            self,
            f"The outputs stay the same to the last digit when {names} is exchanged between examples. {why}".strip(),
            "Real numbers belong into a dense layer, not into an embedding; or scale them before the cast."
            if cast
            else "Follow the input through the network: some step takes out all that distinguishes the examples.",
            severity="problem" if everything and cast else "warning",
            line=setup.evaluation.line(cast),
            smallest=float(min(np.min(field.values) for field in fields)),
            largest=float(max(np.max(field.values) for field in fields)),
        )

    def _cast(self, setup: Setup, field: Field) -> Op | None:
        """The cast of real numbers to whole ones that an input goes through."""
        if not jnp.issubdtype(field.dtype, jnp.floating):
            return None
        program = setup.evaluation.program
        made = after(program, [setup.evaluation.fields[field.index]])
        casts = [program.ops[i] for i in sorted(made) if program.ops[i].primitive == "convert_element_type"]
        return next((op for op in casts if _is_cast(op)), None)


def _is_cast(op: Op) -> bool:
    before, after = (value.aval.dtype for value in (op.inputs[0], op.outputs[0]))
    return jnp.issubdtype(before, jnp.floating) and jnp.issubdtype(after, jnp.integer)


def _exchanged(field: Field) -> Any:
    """The first batch's array with each row in the place of another; None where that is the same array."""
    if not field.shape or field.shape[0] < 2:
        return None
    values = field.values[: field.shape[0]]
    rolled = np.roll(values, 1, axis=0)
    return None if np.array_equal(values, rolled) else rolled
