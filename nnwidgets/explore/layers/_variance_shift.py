"""Dropout before batch norm: the variance shift, and the loss with the dropout elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from nnwidgets.lint import Setup
from nnwidgets.lint._rewritten import Change, Rewritten
from nnwidgets.lint._undropped import passing
from nnwidgets.trace import Op, Value, bind

from .._values import once_a_program
from ._drops import Drop, drops_of
from ._norm_layers import NormLayer, is_before, moments, norm_layers, product_behind

# Makes the moved dropout's key another one than any that the model draws from the step's.
_MOVED = 0x5EED


def before_norms(setup: Setup) -> list[Drop]:
    """The dropouts with a batch norm somewhere behind them."""
    norms = [layer.norm for layer in norm_layers(setup)]
    return [
        drop
        for drop in drops_of(setup)
        if drop.found is not None and any(is_before(setup.train, drop.found.op, norm) for norm in norms)
    ]


def switched_off(setup: Setup, drops: Sequence[Drop]) -> list[tuple[Value, Change]]:
    """What `Rewritten` must change, so that these let everything pass."""
    return [(drop.output, passing(setup.train, drop.found)) for drop in drops if drop.found is not None]


@once_a_program
def variances(setup: Setup) -> Callable[[Any, Any, Any, Any], tuple[list[jax.Array], list[jax.Array]]]:
    """(params, state, batch, rng) -> variances (channels,) at the input of each batch norm, with dropout and without; compiled.

    Raises:
        ValueError: a dropout is in a function that is called twice.
    """
    traced, layers = setup.train, norm_layers(setup)
    inputs = [layer.norm.input for layer in layers]
    with_it = Rewritten(traced, noted=inputs)
    without = Rewritten(traced, switched_off(setup, drops_of(setup)), inputs)

    def of(noted: Sequence[jax.Array]) -> list[jax.Array]:
        return [moments(x, layer.channels)[1] for x, layer in zip(noted, layers, strict=True)]

    return jax.jit(lambda *given: (of(with_it(*given).noted), of(without(*given).noted)))


class Moved:
    """The training loss with its dropouts elsewhere, in the form of an objective.

    Args:
        setup: of the run.
        off: these are switched off.
        onto: a product, and which of its inputs is dropped instead, or None.
        rate: its rate.

    Raises:
        ValueError: one of them is in a function that is called twice.
    """

    def __init__(
        self, setup: Setup, off: Sequence[Drop], onto: tuple[Op, int] | None = None, rate: float = 0.0
    ) -> None:
        self._traced, self._off, self._onto, self._rate = setup.train, switched_off(setup, off), onto, rate
        self._program(jax.random.key(0))

    def _program(self, rng: Any) -> Rewritten:
        if self._onto is None:
            return Rewritten(self._traced, self._off)
        (product, given), key = self._onto, jax.random.fold_in(rng, _MOVED)

        def again(operands: Sequence[Any], _: Any) -> Any:
            thinned = [dropped(x, self._rate, key) if i == given else x for i, x in enumerate(operands)]
            return bind(product.eqn, thinned)[0]

        return Rewritten(self._traced, [*self._off, (product.outputs[0], again)])

    def __call__(self, params: Any, state: Any, batch: Any, rng: Any, train: bool) -> Any:
        """(loss, (state, aux)) of the shapes that were traced; always as in training."""
        found = self._program(rng)(params, state, batch, rng)
        return found.whole, (found.state, {})


def dropped(value: jax.Array, rate: float, key: jax.Array) -> jax.Array:
    """A value after dropout: scaled by 1 / (1 - rate), or 0."""
    keep = jax.random.bernoulli(key, 1 - rate, value.shape)
    return jnp.where(keep, value / (1 - rate), 0).astype(value.dtype)


@once_a_program
def orders(setup: Setup) -> dict[str, Any]:
    """The training loss in other orders, by name: with the dropouts before a norm moved behind the last one, and without them.

    Raises:
        ValueError: one of them is in a function that is called twice.
    """
    off = before_norms(setup)
    behind = _behind_all(setup, norm_layers(setup))
    kept = [drop for drop in drops_of(setup) if drop not in off]
    found: dict[str, Any] = {}
    if behind is not None or kept:
        # where there is one behind the last norm already, that one stays alone
        found["behind the last norm"] = (
            Moved(setup, off) if kept else Moved(setup, off, behind, max(drop.rate or 0.0 for drop in off))
        )
    return found | {"no dropout": Moved(setup, drops_of(setup))}


def _behind_all(setup: Setup, layers: Sequence[NormLayer]) -> tuple[Op, int] | None:
    """The first layer behind the last norm, see `product_behind`."""
    return (
        product_behind(setup.train, max(layers, key=lambda layer: layer.norm.output.op or 0).norm) if layers else None
    )
