"""Whether a loss holds derivatives that somebody wrote by hand."""

from __future__ import annotations

from nnwidgets.trace import ClosedJaxpr, call_body, is_library

from ._function import equations

CUSTOM = ("custom_vjp_call", "custom_vjp_call_jaxpr", "custom_jvp_call")
"""Primitives that call a function with a derivative of its own."""


def has_own_rules(closed: ClosedJaxpr) -> bool:
    """Whether it calls a `custom_vjp` or `custom_jvp` that is defined in the user's files, not in a library."""
    for eqn in equations(closed):
        if eqn.primitive.name in CUSTOM:
            about = getattr(getattr(call_body(eqn), "jaxpr", None), "debug_info", None)
            defined = str(getattr(about, "func_src_info", None) or "").partition(" at ")[2]
            if defined and not is_library(defined.rpartition(":")[0]):
                return True
    return False
