"""The parts of an Optax state: found, exchanged, set to another count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def find_nodes(node: Any, wanted: Callable[[Any], bool]) -> list[Any]:
    """The parts of an optimizer's state that are as wanted, outermost first."""
    found = [node] if wanted(node) else []
    children = list(node.values()) if isinstance(node, dict) else list(node) if isinstance(node, (tuple, list)) else []
    return found + [each for child in children for each in find_nodes(child, wanted)]


def replace_nodes(node: Any, wanted: Callable[[Any], bool], change: Callable[[Any], Any]) -> Any:
    """The same state with the parts that are as wanted changed."""
    if wanted(node):
        node = change(node)
    if isinstance(node, dict):
        return type(node)((name, replace_nodes(child, wanted, change)) for name, child in node.items())
    if isinstance(node, tuple) and hasattr(node, "_fields"):
        return type(node)(*(replace_nodes(child, wanted, change) for child in node))
    if isinstance(node, (tuple, list)):
        return type(node)(replace_nodes(child, wanted, change) for child in node)
    return node


def at_count(opt_state: Any, count: Any) -> Any:
    """The state with every schedule's count set, which may be traced; the counts of moments stay."""
    return replace_nodes(
        opt_state, is_schedule, lambda node: node._replace(count=jnp.asarray(count, jnp.result_type(node.count)))
    )


def at_counts(opt_state: Any, other: Any) -> Any:
    """The state with every schedule's count as it is in another state of the same optimizer."""
    counts = [node.count for node in find_nodes(other, is_schedule)]
    if len(find_nodes(opt_state, is_schedule)) != len(counts):
        return opt_state
    return replace_nodes(opt_state, is_schedule, lambda node: node._replace(count=counts.pop(0)))


def has_fields(*names: str) -> Callable[[Any], bool]:
    """Whether a part of a state has fields of these names."""
    return lambda node: set(names) <= set(getattr(node, "_fields", ()))


def is_adam(node: Any) -> bool:
    """Whether it holds first and second moments."""
    return has_fields("mu", "nu")(node)


def is_schedule(node: Any) -> bool:
    """Whether it counts steps and holds nothing of the parameters' shapes."""
    fields = set(getattr(node, "_fields", ()))
    if "count" not in fields or fields & {"mu", "nu", "trace"}:
        return False
    if np.shape(node.count) or getattr(node.count, "dtype", np.dtype(bool)).kind not in "iu":
        return False
    others = [getattr(node, name) for name in fields - {"count", "inner_state"}]
    return not any(np.shape(leaf) for other in others for leaf in jax.tree.leaves(other))


def accumulates(node: Any) -> bool:
    """Whether it is the state of `optax.MultiSteps`."""
    return has_fields("acc_grads", "mini_step")(node)
