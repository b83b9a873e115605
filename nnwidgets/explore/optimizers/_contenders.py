"""The optimizers that are compared, and where the search for their learning rates begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, NamedTuple

import optax

from nnwidgets.trace import conjugated

Factory = Callable[[float], optax.GradientTransformation]

MOMENTUM = 0.9


class Contender(NamedTuple):
    """An optimizer with its name.

    Attributes:
        name: as in the table.
        tx: at the learning rate `rate`.
        rate: the middle of the first sweep; None where only multiples of it are known.
    """

    name: str
    tx: optax.GradientTransformation
    rate: float | None


# Usual learning rates; those of momentum are lower, since each gradient counts 1 / (1 - 0.9) times.
_USUAL: Mapping[str, tuple[Factory, float]] = {
    "SGD": (optax.sgd, 0.1),
    "momentum": (partial(optax.sgd, momentum=MOMENTUM), 0.01),
    "Nesterov": (partial(optax.sgd, momentum=MOMENTUM, nesterov=True), 0.01),
    "RMSProp": (optax.rmsprop, 1e-3),
    "Adam": (optax.adam, 1e-3),
    "AdamW": (optax.adamw, 1e-3),
    "Lion": (optax.lion, 1e-4),
}
_RATE = 1e-2


def contenders(given: Mapping[str, Factory] | None) -> list[Contender]:
    """Those to compare: the user's, or the usual ones; the same ones give the same objects, which are compiled once.

    Raises:
        ValueError: one of the user's does not make an optimizer of a learning rate.
    """
    if given is None:
        return [_usual(name) for name in _USUAL]
    found = list[Contender]()
    for name, factory in given.items():
        tx = factory(_RATE) if callable(factory) else None
        if not isinstance(tx, optax.GradientTransformation):
            raise ValueError(
                f"optimizers[{name!r}] must make an optax transformation of a learning rate, got {_kind(factory, tx)}: write"
                f" {{{name!r}: lambda rate: optax.adam(rate)}}."
            )
        found.append(Contender(name, tx, _RATE))
    return found


@lru_cache(maxsize=len(_USUAL))
def _usual(name: str) -> Contender:
    factory, rate = _USUAL[name]
    return Contender(name, conjugated(factory(rate)), rate)


def _kind(factory: Any, made: Any) -> str:
    return f"a function that makes a {type(made).__name__}" if callable(factory) else f"a {type(factory).__name__}"
