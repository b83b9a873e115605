"""Which custom derivative rules a loss uses, and where it calls them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnwidgets.trace import ClosedJaxpr, Frame, custom_rule_name, frames, inner_programs

Place = tuple[tuple[int, int], ...]
_KINDS = ("custom_vjp", "custom_jvp")


def place_of(stack: Sequence[Frame]) -> Place:
    """Where an operation stands in the user's code and in JAX's functions of arrays; the passes of JAX itself left out."""
    return tuple(
        (frame.code, frame.position)
        for frame in stack
        if not frame.in_nnwidgets and (not frame.in_jax or "/numpy/" in frame.file or "/nn/" in frame.file)
    )


def custom_rules(closed: ClosedJaxpr) -> dict[Place, str]:
    """The name of each function with a custom rule, by the place where it is called.

    Args:
        closed: the forward pass alone, as it is traced.
    """
    found: dict[Place, str] = {}

    def walk(jaxpr: Any, stack: tuple[Frame, ...]) -> None:
        for eqn in jaxpr.eqns:
            here = stack + frames(eqn)
            kind = next((kind for kind in _KINDS if eqn.primitive.name.startswith(kind)), None)
            if kind is not None:
                found.setdefault(place_of(here), f"{kind} {custom_rule_name(eqn)}")
            for inner in inner_programs(eqn):
                walk(inner, here)

    walk(closed.jaxpr, ())
    return found
