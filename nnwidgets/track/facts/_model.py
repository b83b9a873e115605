"""What was trained: its tensors, its configuration, and the very values that it started from."""

from __future__ import annotations

import hashlib
from typing import Any

from ._keras_names import renumbered_paths
from ._leaves import as_bytes, as_numpy
from ._model_text import text_of


def describe(objective: Any) -> dict[str, Any]:
    """The section "model" of a run's facts.

    Args:
        objective: a `nnw.Objective`; its own parameters and state are the initial ones.

    Returns:
        dict: ``framework``; ``parameters``, how many numbers are trained; ``tensors``, path to ``dtype[shape]``;
        ``config``, the text of the user's model without its numbers, or ""; ``initial``, the SHA-256 over the paths, dtypes,
        shapes and bytes of parameters and state, or "" where one of them is gone, as after a donation.

    Example:
        >>> import jax.numpy as jnp, nnwidgets as nnw
        >>> objective = nnw.Objective(lambda params, batch: jnp.mean(batch @ params["w"]), {"w": jnp.ones((2, 3))})
        >>> about = describe(objective)
        >>> about["parameters"], about["tensors"], len(about["initial"])
        (6, {'w': 'float32[2,3]'}, 64)
    """
    params = _named(objective, objective.params)
    return {
        "framework": objective.framework,
        "parameters": sum(int(leaf.size) for _, leaf in params),
        "tensors": {path: _type(leaf) for path, leaf in params},
        "config": text_of(objective),
        "initial": _initial(objective),
    }


def _type(leaf: Any) -> str:
    return f"{leaf.dtype}[{','.join(map(str, leaf.shape))}]"


def _named(objective: Any, tree: Any) -> list[tuple[str, Any]]:
    """Leaves by path, in the order of paths that a model built anew has, too."""
    import jax

    from nnwidgets.objective import leaf_paths

    paths: Any = leaf_paths(tree)
    if objective.framework == "keras":
        paths = renumbered_paths(paths)
    return sorted(zip(paths, jax.tree.leaves(tree), strict=True), key=lambda pair: pair[0])


def _initial(objective: Any) -> str:
    digest = hashlib.sha256()
    try:
        for part in (objective.params, objective.state):
            for path, leaf in _named(objective, part):
                digest.update(f"{path} {_type(leaf)}\0".encode())
                digest.update(as_bytes(as_numpy(leaf)))
            digest.update(b"\0state\0")
    except Exception:
        return ""
    return digest.hexdigest()
