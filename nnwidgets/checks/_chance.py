"""The loss of a network that says nothing: its logits at zero."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.lint import Traced, facts_of
from nnwidgets.lint._rewritten import Rewritten

from ._subject import Subject


def loss_of_zeros(traced: Traced, params: Any, state: Any, batches: Sequence[Any], key: jax.Array) -> list[float]:
    """The loss of each batch with zeros for all logits, its declared penalty left out; empty where there are no logits.

    For any loss that is what its first value should be near: ln C for C classes, the mean square of the targets, and so
    on. Where they can't be replaced: no number, either.
    """
    logits = traced.head.all_logits
    if not logits:
        return []
    try:
        run = jax.jit(Rewritten(traced, [(value, lambda _, old: jnp.zeros_like(old)) for value in logits]))
    except ValueError:
        return []
    return [float(run(params, state, batch, jax.random.fold_in(key, i)).loss) for i, batch in enumerate(batches)]


def mean_of_zeros(traced: Traced, params: Any, state: Any, batches: Sequence[Any], key: jax.Array) -> float | None:
    """The mean of the same; None where it can't be had."""
    found = loss_of_zeros(traced, params, state, batches, key)
    return float(np.mean(found)) if found and np.isfinite(found).all() else None


def is_at_chance(subject: Subject, loss: float, batches: int) -> bool:
    """Whether a loss is no lower than what zeros for logits, or the labels alone, give; True where that is not known."""
    setup = subject.setup
    zeros = mean_of_zeros(setup.evaluation, setup.params, setup.state, setup.batches[:batches], subject.key)
    levels = [level for name, level in facts_of(setup).levels if "twice" not in name]
    known = [level for level in (zeros, *levels) if level is not None]
    return not known or loss > 0.95 * min(known)
