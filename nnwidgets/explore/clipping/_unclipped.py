"""An optimizer without its clipping."""

from __future__ import annotations

from typing import Any

import optax


def without_clipping(tx: Any) -> Any:
    """The same optimizer with each clipping of an ``optax.chain`` taken out; None where there is none to be taken out.

    Its state is of the same form. Optimizers are functions that hold others: these are looked through, and nothing else, so
    that what was taken out is looked at again by what it does (`find_clip`).
    """
    name, held = getattr(tx.update, "__qualname__", ""), _held(tx.update)
    if name.startswith(("clip", "adaptive_grad_clip")):
        return optax.with_extra_args_support(optax.identity())
    if "init_fns" not in _held(tx.init) or "update_fns" not in held:
        inner = held.get("tx")
        return without_clipping(inner) if name.startswith("with_extra_args_support") and inner is not None else None
    pairs = zip(_held(tx.init)["init_fns"], held["update_fns"], strict=True)
    parts = [optax.GradientTransformationExtraArgs(init, update) for init, update in pairs]
    freed = [without_clipping(part) for part in parts]
    if all(each is None for each in freed):
        return None
    return optax.chain(*(part if each is None else each for part, each in zip(parts, freed, strict=True)))


def _held(function: Any) -> dict[str, Any]:
    """What a function holds of the one that it was made in."""
    cells = getattr(function, "__closure__", None) or ()
    names = function.__code__.co_freevars if cells else ()
    return dict(zip(names, (cell.cell_contents for cell in cells), strict=True))
