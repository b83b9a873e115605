"""The user's loss and model inside an objective."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

from ._local_modules import is_local
from ._written import bare

# Classes of models, by the module that must be loaded for one to exist.
_MODELS = {"flax.linen": "Module", "flax.nnx": "Module", "equinox": "Module", "keras": "Model"}


def loss_of(objective: Any) -> Any:
    """The loss that the user wrote: what an adapter closes over, or the function itself."""
    loss_fn = objective._loss_fn
    if objective.framework != "jax" and _is_adapters(loss_fn):
        return _closed_over(loss_fn).get("loss", loss_fn)
    return loss_fn


def model_of(objective: Any) -> Any:
    """The user's model: an object of a framework, its class (NNX), or the function that a plain loss calls; None if unknown."""
    loss_fn = objective._loss_fn
    held = _closed_over(loss_fn)
    if objective.framework == "nnx" and _is_adapters(loss_fn):
        return _nnx_class(held.get("merge"))
    if objective.framework in ("linen", "keras", "equinox") and _is_adapters(loss_fn):
        return held.get("model", held.get("static"))
    return _used_by(bare(loss_fn))


def _closed_over(function: Any) -> dict[str, Any]:
    """The variables of the functions around it."""
    target = bare(function)
    cells = getattr(target, "__closure__", None) or ()
    pairs = zip(target.__code__.co_freevars, cells, strict=True) if cells else ()
    found = {}
    for name, cell in pairs:
        # a variable that has no value yet
        with contextlib.suppress(ValueError):
            found[name] = cell.cell_contents
    return found


def _is_adapters(function: Any) -> bool:
    return getattr(function, "__module__", "").startswith("nnwidgets.adapters.")


def _nnx_class(merge: Any) -> Any:
    graph = _closed_over(merge).get("graphdef")
    nodes = getattr(graph, "nodes", None) or [graph]
    return getattr(nodes[0], "type", None)


def _used_by(function: Any) -> Any:
    """The first model that a plain loss reads, else the user's own function that looks most like one."""
    code = getattr(function, "__code__", None)
    if code is None:
        return None
    known = getattr(function, "__globals__", {})
    read = [*_closed_over(function).values(), *(known[name] for name in code.co_names if name in known)]
    kinds = tuple(
        getattr(sys.modules[module], name) for module, name in _MODELS.items() if hasattr(sys.modules.get(module), name)
    )
    models = [each for each in read if isinstance(each, kinds)]
    functions = [each for each in read if is_local(getattr(bare(each), "__code__", None))]
    # the parameters come first in what computes with them
    takes_params = [each for each in functions if bare(each).__code__.co_varnames[:1] in (("params",), ("variables",))]
    return next(iter([*models, *takes_params]), None)
