"""Clipping that comes behind Adam's division."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from nnwidgets.records import Finding

from ._opt_states import replace_nodes
from ._setup import Array, Setup
from ._told import told
from ._trials import Trials, norm, trials


@dataclass(frozen=True)
class ClippingAfterAdam:
    """The updates are clipped, not the gradients: a wild gradient still fills Adam's moments, and the learning rate is cut off.

    Adam's first moment in the state is made a million times larger: updates that are pinned to one bound all the same
    are clipped behind it. Red where the bound already cuts the first update, or where the first batches' gradients
    differ so much that they needed clipping; else a warning. Usual cause: `optax.chain(optax.adam(rate),
    optax.clip_by_global_norm(1.0))`, the wrong way round.
    """

    cut: float = 0.9
    outlier: float = 10.0

    def check(self, setup: Setup) -> Finding | None:
        """Whether updates are pinned, and to what."""
        tried = trials(setup)
        if tried is None or not tried.period or not tried.is_normalised or _is_bounded_by_itself(setup):
            return None
        bound = _bound(tried)
        if bound is None:
            return None
        kind, limit = bound
        _, _, samples, whole = tried.once(tried.real, count=tried.peak)
        usual = whole if kind == "norm" else _largest(samples)
        gradients = self._gradients(setup) if usual < limit else [1.0]
        wild = max(gradients) / max(float(np.median(gradients)), 1e-30)
        cuts = usual >= self.cut * limit
        why = (
            "It cuts every step, so that the learning rate has no say."
            if cuts
            else "Gradients pass unclipped into the moments."
        )
        return told(
            self,
            f"The updates are clipped behind Adam, to {'a global norm' if kind == 'norm' else 'entries'} of {limit:.3g}. {why}",
            "Clip the gradients: optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate)).",
            severity="problem" if cuts or wild > self.outlier else "warning",
            change=("clip", 1.0),
            bound=limit,
            first_update=usual,
            largest_gradient_over_the_median_one=wild,
        )

    def _gradients(self, setup: Setup) -> list[float]:
        """The gradients' norms of the first batches."""
        sizes = []
        for step, batch in enumerate(setup.batches):
            grads = setup.gradient(setup.params, setup.state, batch, jax.random.fold_in(setup.key, step))[1]
            sizes.append(norm([np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(grads)]))
        return [size for size in sizes if np.isfinite(size)] or [1.0]


def _is_bounded_by_itself(setup: Setup) -> bool:
    """Whether an optimizer's own arithmetic keeps its updates within a bound, however large its moments are made."""
    names: list[str] = []
    replace_nodes(setup.opt_state, lambda node: names.append(type(node).__name__) is not None, lambda node: node)
    return any("ScheduleFree" in name or "SM3" in name.upper() for name in names)


def _bound(tried: Trials) -> tuple[str, float] | None:
    """("norm" or "entry", the bound) of what updates are clipped to after the moments; None where nothing clips them."""
    _, opt_state, _, _ = tried.once(tried.made, count=tried.peak)
    large, larger, one = (
        [a - b for a, b in zip(_after(tried, opt_state, factors), tried.decay, strict=True)] for factors in _FACTORS
    )
    if not all(np.isfinite(leaf).all() for leaf in (*large, *larger, *one)):
        return None
    entry, other = _largest(large), _largest(larger)
    pinned = [float(np.mean(np.isclose(np.abs(leaf), entry, rtol=1e-3))) for leaf in large if leaf.size > 1]
    if entry > 0 and abs(other / entry - 1) < 1e-3 and pinned and min(pinned) > 0.8:
        return "entry", entry
    # one tensor a million times larger leaves the others only where the whole is scaled down
    rest, before = norm(one[1:]), norm(large[1:])
    whole, again = _exact(tried, opt_state, 1e6), _exact(tried, opt_state, 1e8)
    shrunk = len(one) > 1 and rest < 1e-3 * before
    if whole > 0 and abs(again / whole - 1) < 1e-3 and (shrunk or len(one) == 1):
        return "norm", whole
    return None


# How much larger the first tensor's moment is made, and the others'.
_FACTORS = ((1e6, 1e6), (1e8, 1e8), (1e6, 1.0))


def _after(tried: Trials, opt_state: Any, factors: tuple[float, float]) -> list[Array]:
    return tried.once(tried.zeros, count=tried.peak, opt_state=_enlarged(opt_state, *factors))[2]


def _exact(tried: Trials, opt_state: Any, factor: float) -> float:
    return tried.once(tried.zeros, count=tried.peak, opt_state=_enlarged(opt_state, factor, factor))[3]


def _enlarged(opt_state: Any, first: float, rest: float) -> Any:
    """The state with larger first moments; where there are none, with smaller second ones."""

    def change(node: Any) -> Any:
        name, power = ("mu", 1) if "mu" in node._fields else ("nu", -2)
        leaves, form = jax.tree.flatten(getattr(node, name))
        rng = np.random.default_rng(0)
        # of unequal entries, so that a bound on entries can be told from one on the whole
        unequal = [rng.uniform(0.5, 1.5, leaf.shape) * (first if i == 0 else rest) for i, leaf in enumerate(leaves)]
        with np.errstate(over="ignore"):
            larger = [
                (np.asarray(leaf) * factor**power).astype(leaf.dtype)
                for leaf, factor in zip(leaves, unequal, strict=True)
            ]
        return node._replace(**{name: jax.tree.unflatten(form, larger)})

    return replace_nodes(opt_state, lambda node: "nu" in getattr(node, "_fields", ()), change)


def _largest(leaves: list[Array]) -> float:
    return max(float(np.abs(leaf).max()) for leaf in leaves if leaf.size)
