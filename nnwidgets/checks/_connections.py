"""What the outputs depend on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.lint import Setup, outputs_of
from nnwidgets.records import Check
from nnwidgets.trace import is_key, values_at

from ._subject import Subject
from ._told import told

_PROBES = 4


@dataclass(frozen=True)
class Connections:
    """Each input and each parameter must reach the outputs, and each example only its own: by the sparsity of the Jacobian.

    Measured in evaluation, at the present parameters: random combinations of the outputs are differentiated with respect to
    the inputs and the parameters, and those of one example with respect to all other examples. A zero that stays zero for
    four random combinations is no connection.

    Attributes:
        steps: before which a zero derivative may be that of an initialisation with zeros, and is only suspicious.
    """

    steps: int = 3

    name: ClassVar[str] = "connections"
    heading: ClassVar[int] = 3

    def seconds(self, subject: Subject) -> float:
        """About how long it takes."""
        return 4.0

    def run(self, subject: Subject) -> Check:
        """Derivatives of the outputs."""
        found = jacobian_of(subject.setup)
        expected = "all inputs and parameters reach the outputs, each example its own"
        if found is None:
            return told(self, "the outputs were not found", expected, "unknown", "no layer's output reaches the loss.")
        numbers: dict[str, Any] = {"inputs": found.inputs, "parameters": found.parameters, "rows": found.rows}
        unused = [name for name, share in found.inputs.items() if share == 0]
        cut = [path for path, connected in found.parameters.items() if not connected]
        measured = (
            f"{len(found.inputs) - len(unused)} of {len(found.inputs)} inputs, "
            f"{len(found.parameters) - len(cut)} of {len(found.parameters)} parameters"
        )
        if found.inputs and len(unused) == len(found.inputs):
            words = f"the outputs do not change with {', '.join(unused)}: the input is cut off before the last layer."
            return told(self, measured, expected, "wrong", words, **numbers)
        if found.rows:
            measured += f"; {found.rows} other examples"
            words = (
                f"the output of one example changes with {found.rows} others: an operation mixes the rows of the batch "
                "(a reshape, a sum or a softmax along the wrong axis), unless that is meant (a graph, a set)."
            )
            return told(self, measured, expected, "suspicious", words, **numbers)
        if cut:
            early = subject.step < self.steps
            words = (
                f"the outputs do not depend on {', '.join(cut[:3])}"
                + (", ..." if len(cut) > 3 else "")
                + (": perhaps only because something is still zero; run a few steps and check again." if early else ".")
            )
            return told(self, measured, expected, "suspicious" if early else "wrong", words, **numbers)
        if unused:
            words = f"the outputs do not change with {', '.join(unused)}."
            return told(self, measured, expected, "suspicious", words, **numbers)
        return told(self, measured, expected, "ok", "everything is connected.", **numbers)


@dataclass(frozen=True)
class Jacobian:
    """Where the derivatives of the outputs are not zero.

    Attributes:
        inputs: for each array of floating-point inputs, the share of its numbers (of one example) that reach the outputs.
        parameters: for each parameter, whether any of its numbers reaches them.
        rows: how many other examples the first example's outputs depend on.
    """

    inputs: dict[str, float]
    parameters: dict[str, bool]
    rows: int


def jacobian_of(setup: Setup) -> Jacobian | None:
    """The sparsity of the outputs' Jacobian; None where no outputs were found."""
    traced = setup.evaluation
    values = [value for value in outputs_of(traced) if value.place is not None]
    if not values:
        return None
    places = [value.place for value in values]
    fields = [field for field in setup.fields if field.is_input and jnp.issubdtype(field.dtype, jnp.floating)]
    leaves = jax.tree.leaves([setup.params, setup.state, setup.batch, jax.random.fold_in(setup.key, 0)])
    leaves = [leaf if is_key(leaf) else jnp.asarray(leaf) for leaf in leaves]
    first = len(traced.parameters) + len(traced.states)
    free = [*range(len(traced.parameters)), *(first + field.index for field in fields)]
    rows = setup.rows
    by_row = [rows is not None and bool(value.aval.shape) and value.aval.shape[0] == rows for value in values]

    def outputs(given: list[Any], rest: list[Any]) -> list[Any]:
        complete = list(rest)
        for place, leaf in zip(free, given, strict=True):
            complete[place] = leaf
        found = values_at(traced.closed, complete, set(places))
        return [found[place] for place in places]

    @jax.jit
    def derivatives(leaves: list[Any], key: jax.Array) -> tuple[Any, Any]:
        made, pull = jax.vjp(lambda given: outputs(given, leaves), [leaves[i] for i in free])

        def probe(key: jax.Array, only_first: bool) -> Any:
            keys = jax.random.split(key, len(made))
            random = [jax.random.normal(k, each.shape, each.dtype) for k, each in zip(keys, made, strict=True)]
            if only_first:
                # an output that is not by row says nothing about rows
                random = [r.at[1:].set(0) if own else 0 * r for r, own in zip(random, by_row, strict=True)]
            return [jnp.where(jnp.isnan(each), 1.0, jnp.abs(each)) for each in pull(random)[0]]

        keys = jax.random.split(key, _PROBES)
        whole = [sum(parts) for parts in zip(*(probe(k, False) for k in keys), strict=True)]
        return whole, [sum(parts) for parts in zip(*(probe(k, True) for k in keys), strict=True)]

    whole, own = jax.device_get(derivatives(leaves, jax.random.key(0)))
    count = len(traced.parameters)
    inputs = {
        field.name: float(np.mean(np.any(each != 0, axis=0)) if each.ndim and rows is not None else np.mean(each != 0))
        for field, each in zip(fields, whole[count:], strict=True)
    }
    others = [
        np.any(each[1:].reshape(len(each) - 1, -1) != 0, axis=1) for each in own[count:] if rows and len(each) > 1
    ]
    return Jacobian(
        inputs,
        {path: bool(np.any(each != 0)) for path, each in zip(setup.objective.paths, whole[:count], strict=True)},
        int(np.any(others, axis=0).sum()) if others else 0,
    )
