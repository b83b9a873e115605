"""A loss taken apart into what is of the data and what is a penalty on the parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.lint import Setup
from nnwidgets.lint._parts import before
from nnwidgets.lint._penalties import is_penalty, sizes
from nnwidgets.lint._terms import Term, find_terms, value_function
from nnwidgets.objective import Objective
from nnwidgets.probes import leaf_norms
from nnwidgets.trace import as_real

from .._values import once_a_program


@dataclass(frozen=True, eq=False)
class Penalty:
    """The penalty of a loss.

    Attributes:
        declared: whether the loss tells it in ``aux["penalty"]``; else it was found in the traced program.
        terms: those that were found.
        subtracted: whether it is taken away from the loss.
        lost: where one is computed that does not come into the loss, as ``file:line``, or "the loss"; None where there is none.
    """

    declared: bool
    terms: tuple[Term, ...]
    subtracted: bool
    lost: str | None

    @property
    def is_any(self) -> bool:
        """Whether there is one in the loss."""
        return self.declared or bool(self.terms)


@once_a_program
def penalty_of(setup: Setup) -> Penalty:
    """The penalty of the training loss."""
    traced = setup.train
    declared = next((value for path, value in traced.aux if path == ("penalty",)), None)
    used = declared is not None and declared.op in before(traced.program, traced.program.outputs[:1])
    alone = [term for term in find_terms(setup) if term.of_parameters]
    # one that is computed twice over, for the loss and for aux, is in the loss
    terms = () if used else tuple(term for term in alone if is_penalty(setup, term))
    taken = any(term.subtracted for term in alone if is_penalty(setup, term))
    forgotten = declared is not None and declared.trained and not used and not terms
    lost = traced.line(traced.maker(declared)) or "the loss" if forgotten and declared is not None else _unused(setup)
    return Penalty(used, terms, taken, lost)


def _unused(setup: Setup) -> str | None:
    """Where a number that is a penalty is computed and then not used by anything."""
    traced = setup.train
    outputs = set(map(id, traced.program.outputs))
    for op in traced.program.ops:
        value = op.outputs[0] if op.outputs else None
        if value is None or value.uses or id(value) in outputs or value.aval.shape or value.data or not value.trained:
            continue
        now, larger, turned = sizes(setup, Term(((value, 1.0),), "", None, True))
        if larger > now > 0 and np.isclose(turned, now, rtol=1e-3):
            return traced.line(op) or "the loss"
    return None


@once_a_program
def parts(setup: Setup) -> Callable[[Any, Any, Any, Any], tuple[jax.Array, jax.Array]]:
    """(params, state, batch, rng) -> loss of the data, penalty, in training; pure, of the shapes that were traced."""
    penalty, objective = penalty_of(setup), setup.objective
    found = value_function(setup, list(penalty.terms)) if penalty.terms else None

    def run(params: Any, state: Any, batch: Any, rng: Any) -> tuple[jax.Array, jax.Array]:
        whole, (_, aux) = objective(params, state, batch, rng, True)
        if penalty.declared:
            part = jnp.asarray(aux["penalty"], whole.dtype)
        elif found is not None:
            part = jnp.sum(found(params, state, batch, rng)).astype(whole.dtype)
        else:
            part = jnp.zeros((), whole.dtype)
        return whole - part, part

    return run


class OfData:
    """The loss without its penalty, in the form of an objective; always as in training.

    Args:
        setup: of the run.
    """

    def __init__(self, setup: Setup) -> None:
        self._parts, self._objective = parts(setup), setup.objective

    def __call__(self, params: Any, state: Any, batch: Any, rng: Any, train: bool) -> Any:
        """(loss of the data, (state, aux)), of the shapes that were traced."""
        _, (after, _) = self._objective(params, state, batch, rng, True)
        return self._parts(params, state, batch, rng)[0], (after, {})


@once_a_program
def of_data(setup: Setup) -> OfData:
    """One for all experiments on a loss, so that what is compiled of it is compiled once."""
    return OfData(setup)


def data_objective(setup: Setup) -> Objective:
    """The same as an `Objective`, whose gradient can be checked."""
    loss = of_data(setup)

    def loss_fn(params: Any, batch: Any, *, rng: Any = None, state: Any = None, train: bool = True) -> Any:
        value, (after, _) = loss(params, state, batch, rng, True)
        return value, {"state": after}

    return Objective(loss_fn, setup.params, setup.state)


class Sizes(NamedTuple):
    """Of both parts at one place.

    Attributes:
        data: loss of the data.
        penalty: penalty.
        data_norms: norm of its gradient for each parameter.
        penalty_norms: likewise.
        dots: for each parameter, the penalty's gradient times the parameter.
        squares: sum of the parameter's squares.
    """

    data: Any
    penalty: Any
    data_norms: Any
    penalty_norms: Any
    dots: Any
    squares: Any


@once_a_program
def look(setup: Setup) -> Callable[[Any, Any, Any, Any], Sizes]:
    """(params, state, batch, rng) -> `Sizes`; compiled."""
    run = parts(setup)

    @jax.jit
    def measure(params: Any, state: Any, batch: Any, rng: Any) -> Sizes:
        (data, penalty), back = jax.vjp(lambda params: run(params, state, batch, rng), params)
        one, none = jnp.ones((), data.dtype), jnp.zeros((), data.dtype)
        (of_data,), (of_penalty,) = back((one, none)), back((none, one))
        both = zip(jax.tree.leaves(of_penalty), jax.tree.leaves(params), strict=True)
        products = [jnp.vdot(as_real(g).astype(jnp.float32), as_real(w).astype(jnp.float32)) for g, w in both]
        return Sizes(
            data, penalty, leaf_norms(of_data), leaf_norms(of_penalty), jnp.stack(products), leaf_norms(params) ** 2
        )

    return measure


def strengths(sizes: Sizes) -> np.ndarray | None:
    r"""The :math:`\lambda` of :math:`\frac{\lambda}{2} \|w\|^2` for each parameter, 0 where there is none.

    None where the penalty is no sum of squares.
    """
    norms, dots, squares = (np.asarray(each, np.float64) for each in (sizes.penalty_norms, sizes.dots, sizes.squares))
    active = norms > 0
    factors = np.where(active, dots / np.maximum(squares, 1e-30), 0.0)
    # a gradient along the parameter itself
    straight = np.isclose(np.abs(dots), norms * np.sqrt(squares), rtol=1e-3)
    return factors if active.any() and straight[active].all() and (factors[active] > 0).all() else None
