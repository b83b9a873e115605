"""Gradients that end before they reach a parameter that the loss depends on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np

from nnwidgets.records import Finding, Severity
from nnwidgets.trace import Op, layer_of

from ._flow import flow_of, frozen, is_stop
from ._setup import Setup
from ._told import told


@dataclass(frozen=True)
class NonDifferentiable:
    """Between some parameters and the loss stands argmax, rounding, a comparison or a cast: their gradient is zero.

    The loss does depend on them, but every path leads through a step whose derivative is zero. A straight-through
    estimator, which adds the difference to a value that has a gradient, is not meant.
    """

    def check(self, setup: Setup) -> Finding | None:
        """One finding that names the operation nearest to the loss."""
        cut = _cut(setup, lambda op: not is_stop(op))
        if cut is None:
            return None
        paths = setup.objective.paths
        lasting = [i for i in cut.leaves if setup.train.program.parameters[i].shape]
        layers = {layer_of(paths[leaf]) for leaf in lasting}
        whole = any(
            all(i in cut.leaves for i in flow_of(setup.train).mixed if layer_of(paths[i]) == each) for each in layers
        )
        return told(
            self,
            f"{_whose(setup, cut)} no gradient from the data: on every path to the loss stands a step without a "
            "derivative, "
            f"{_step(cut.end)}.",
            "Use the outputs themselves in the loss (a softmax cross-entropy instead of argmax, a sigmoid instead of a "
            "comparison), or pass "
            "the gradient straight through: x + jax.lax.stop_gradient(round(x) - x).",
            severity="problem" if whole else "warning",
            where=_where(setup, cut),
            line=setup.train.line(cut.end),
            largest_gradient=cut.gradient,
        )


@dataclass(frozen=True)
class StoppedGradient:
    """A stop_gradient cuts every path from some parameters to the loss, so that they are not trained.

    It is a problem where it cuts all of them, as when it stands round the prediction instead of round the target. Where
    others still learn (a frozen backbone, a target network), it may be meant so; parameters that the optimizer holds
    still are left out.
    """

    def check(self, setup: Setup) -> Finding | None:
        """One finding that names the stop nearest to the loss."""
        cut = _cut(setup, is_stop)
        if cut is None:
            return None
        severity: Severity = "problem" if cut.is_all else "warning"
        return told(
            self,
            f"{_whose(setup, cut)} no gradient from the data: a stop_gradient stands on every path to the loss.",
            "Move the stop_gradient to what should not be trained (the target, not the prediction); where these "
            "parameters are to stay "
            "as they are, say so to the optimizer, by optax.set_to_zero.",
            severity=severity,
            where=_where(setup, cut),
            line=setup.train.line(cut.end),
            largest_gradient=cut.gradient,
        )


@dataclass(frozen=True, eq=False)
class _Cut:
    leaves: tuple[int, ...]
    end: Op
    is_all: bool
    gradient: float


def _cut(setup: Setup, is_meant: Callable[[Op], bool]) -> _Cut | None:
    """The parameters that no gradient reaches because of such an operation, which the optimizer would train."""
    flow = flow_of(setup.train)
    nearest = {leaf: ends[0] for leaf in sorted(flow.cut) if (ends := flow.ends(leaf)) and is_meant(ends[0])}
    if not nearest:
        return None
    still = frozen(setup)
    grads = [np.asarray(grad) for grad in jax.tree.leaves(setup.first[1])]
    largest = {leaf: float(np.abs(grads[leaf]).max(initial=0.0)) for leaf in nearest}
    # what a penalty still pulls at is no contradiction; anything else is
    leaves = tuple(leaf for leaf in nearest if leaf not in still and (flow.reaches(leaf) or largest[leaf] == 0.0))
    if not leaves:
        return None
    is_all = set(leaves) >= set(flow.mixed) - still - flow.unused
    return _Cut(leaves, nearest[leaves[0]], is_all, max(largest[leaf] for leaf in leaves))


def _whose(setup: Setup, cut: _Cut) -> str:
    paths = setup.objective.paths
    if cut.is_all:
        return "The parameters get"
    layers = list(dict.fromkeys(layer_of(paths[leaf]) for leaf in cut.leaves))
    return f"{', '.join(layers[:4])}{f' and {len(layers) - 4} more layers' if len(layers) > 4 else ''} get"


def _where(setup: Setup, cut: _Cut) -> str:
    layers = {layer_of(setup.objective.paths[leaf]) for leaf in cut.leaves}
    return layers.pop() if len(layers) == 1 and not cut.is_all else ""


def _step(op: Op) -> str:
    names = {
        "gt": "a comparison",
        "lt": "a comparison",
        "ge": "a comparison",
        "le": "a comparison",
        "eq": "a comparison",
    }
    if op.primitive == "convert_element_type":
        return f"a cast to {op.outputs[0].aval.dtype}"
    return names.get(op.primitive, op.primitive)
