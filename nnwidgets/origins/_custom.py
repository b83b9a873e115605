"""Which custom derivative rules a loss uses, and where it calls them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jax.extend.core import ClosedJaxpr

from nnwidgets.trace import Frame, call_body, frames

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
            body = call_body(eqn)
            if kind is not None and body is not None:
                found.setdefault(place_of(here), f"{kind} {_name(eqn, body)}")
            inner = [body] if body is not None else list(eqn.params.get("branches", ()))
            inner += [eqn.params[name] for name in ("jaxpr", "body_jaxpr") if body is None and name in eqn.params]
            for each in inner:
                walk(getattr(each, "jaxpr", each), here)

    walk(closed.jaxpr, ())
    return found


def _name(eqn: Any, body: ClosedJaxpr) -> str:
    given = eqn.params.get("name") or getattr(body.jaxpr.debug_info, "func_src_info", None)
    return str(given or "unnamed").partition(" at ")[0]
