"""A model as its framework writes it, without numbers and without memory addresses."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from ._keras_names import renumbered_text
from ._plain_value import held_by

_LONGEST = 20_000
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
# Where the modules of each framework come from, and their class there.
_MODULES = {
    "flax.linen": ("Module",),
    "flax.nnx": ("Module", "GraphDef"),
    "equinox": ("Module",),
    "keras": ("Model", "Layer"),
}


def text_of(objective: Any) -> str:
    """The text of the user's model, at most 20 kB; "" where there is none, or it can't be read."""
    try:
        text = _text(objective)
    except Exception:
        # a model's own repr may raise, and what a run is called is not worth its end
        return ""
    text = without_addresses(text)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "\n... cut off at 20,000 characters"


def without_addresses(text: str) -> str:
    """A repr that is the same in every process."""
    return _ADDRESS.sub("", text)


def _text(objective: Any) -> str:
    if objective.framework in ("nnx", "equinox"):
        return repr(_without_numbers(objective))
    return "\n".join(_written(each) for each in _found(objective._loss_fn))


def _without_numbers(objective: Any) -> Any:
    """The model with shapes in the place of arrays."""
    import jax

    shapes = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), (objective.params, objective.state)
    )
    restored = objective.restore(*shapes)
    return restored[0] if isinstance(restored, tuple) else restored


def _written(model: Any) -> str:
    if hasattr(model, "get_config"):
        config = {"class": type(model).__name__, "config": model.get_config()}
        return renumbered_text(json.dumps(config, indent=1, default=str))
    return repr(model)


def _found(loss_fn: Any) -> list[Any]:
    """The models that a loss uses: closed over, bound, or read from the names around it."""
    code = getattr(loss_fn, "__code__", None)
    known = getattr(loss_fn, "__globals__", {})
    read = [known[name] for name in code.co_names if name in known] if code else []
    kinds = _kinds()
    found: list[Any] = []
    for each in [*held_by(loss_fn).values(), *read]:
        if isinstance(each, kinds) and not any(each is other for other in found):
            found.append(each)
    return found


def _kinds() -> tuple[type, ...]:
    """The classes of models of the frameworks that are loaded: another one has made no model."""
    loaded = [(sys.modules[module], names) for module, names in _MODULES.items() if module in sys.modules]
    return tuple(getattr(module, name) for module, names in loaded for name in names if hasattr(module, name))
