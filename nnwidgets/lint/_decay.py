"""Weight decay: where it goes, how it is mixed in, how strong it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.records import Finding

from ._setup import Array, Setup
from ._told import told
from ._trials import Trials, cosine, norm, trials


@dataclass(frozen=True)
class DecayOnNormsAndBiases:
    """Weight decay also pulls biases and the scales of norms towards 0, which is rarely meant.

    Seen by giving zero gradients and parameters that are nowhere 0. Harmless where it is weak; with a mask, decay only
    what is multiplied with data: `optax.adamw(rate, weight_decay=..., mask=...)`. He et al., Bag of Tricks (2019),
    section 3.2.
    """

    def check(self, setup: Setup) -> Finding | None:
        """The tensors with one axis that zero gradients move."""
        tried = trials(setup)
        if tried is None or not tried.period:
            return None
        pulled = _pull(tried, 1.0)
        leaves = list(setup.named(setup.params).values())
        hit = [
            path
            for path, leaf, pull in zip(tried.paths, leaves, pulled, strict=True)
            if leaf.ndim <= 1 and np.any(pull)
        ]
        others = any(leaf.ndim > 1 for leaf in leaves)
        if not hit or not others:
            return None
        return told(
            self,
            f"Weight decay also shrinks biases or the scales of norms: {', '.join(hit[:5])}.",
            "Give the decay a mask that leaves tensors with one axis out.",
            severity="note",
            where=hit[0],
            tensors=len(hit),
        )


@dataclass(frozen=True)
class DecayInsideAdam:
    """The decay is added to the gradient before Adam divides by its size, so that it does not decay weights in proportion.

    Zero gradients show it: the update does not grow with the weights. Shown is the cosine of the first update with the
    one that the gradients alone give: where the decay decides the direction, the data does not. Loshchilov & Hutter,
    Decoupled Weight Decay (2019).
    """

    noticeable: float = 0.9
    ruling: float = 0.5

    def check(self, setup: Setup) -> Finding | None:
        """Whether the pull of zero gradients is the same for weights twice as large."""
        tried = trials(setup)
        if tried is None or not tried.period or not tried.is_normalised:
            return None
        once, twice = norm(_pull(tried, 1.0)), norm(_pull(tried, 2.0))
        if once == 0 or not np.isfinite(once) or twice > 1.2 * once:
            return None
        same = self._agreement(setup, tried)
        severity = "problem" if same < self.ruling else "warning" if same < self.noticeable else "note"
        return told(
            self,
            "Weight decay goes through Adam's division: it pulls at all weights with the same force"
            + (", and decides the first update more than the data does." if same < self.ruling else "."),
            "Take optax.adamw(rate, weight_decay=...), or put optax.add_decayed_weights behind optax.scale_by_adam.",
            severity=severity,
            change=("optimizer", "adamw") if severity != "note" else None,
            pull_of_twice_the_weights_over_once=twice / once,
            cosine_with_the_update_of_the_gradients_alone=same,
        )

    def _agreement(self, setup: Setup, tried: Trials) -> float:
        with_decay = tried.once(tried.real, count=tried.peak)[2]
        without = tried.once(tried.real, count=tried.peak, params=jax.tree.map(jnp.zeros_like, setup.params))[2]
        real = tried.sample(tried.real)
        chosen = [i for i in tried.matrices or range(len(real)) if np.any(real[i])]
        # where there is no gradient, the decay takes nothing away from the data
        kept = (
            [np.where(real[i] != 0, with_decay[i], 0) for i in chosen],
            [np.where(real[i] != 0, without[i], 0) for i in chosen],
        )
        return cosine(*kept) if chosen else 1.0


@dataclass(frozen=True)
class StrongDecay:
    """Weight decay shrinks the weights faster than the gradients can build them up.

    Shown are the share of itself that a weight loses in one step, the steps in which half of it is gone, and the
    decay's part of the first update over the gradients' part: from 1 on not even gradients that always agree can keep
    weights as large as they start.
    """

    ratio: float = 1.0
    share: float = 1e-3

    def check(self, setup: Setup) -> Finding | None:
        """Decay against gradient on the weights, at the peak of the schedule."""
        tried = trials(setup)
        if tried is None or not tried.period:
            return None
        params, real = tried.sample(setup.params), tried.sample(tried.real)
        chosen = [i for i in tried.matrices if np.any(params[i]) and np.any(real[i])]
        pull = [tried.decay[i] for i in chosen]
        weights = [params[i] for i in chosen]
        moved = [a - b for a, b in zip(tried.once(tried.real, count=tried.peak)[2], tried.decay, strict=True)]
        push = norm([moved[i] for i in chosen])
        if not chosen or norm(pull) == 0 or push == 0 or not np.isfinite(push):
            return None
        lost = -float(sum(np.sum(a * b) for a, b in zip(pull, weights, strict=True))) / norm(weights) ** 2
        ratio = norm(pull) / push
        if lost < self.share or ratio < 0.3 * self.ratio:
            return None
        return told(
            self,
            f"Weight decay takes {lost:.2%} of each weight in one step, {ratio:.2g} times what the gradients put there.",
            "Take a weaker weight decay: 1e-4 to 1e-2 is usual with AdamW.",
            severity="problem" if ratio >= self.ratio else "warning",
            share_lost_in_a_step=lost,
            steps_to_half=float(np.log(2) / max(lost, 1e-12)),
            decay_over_gradient=ratio,
        )


def _pull(tried: Trials, scale: float) -> list[Array]:
    """The update to zero gradients of parameters that are nowhere 0, times a number."""
    return tried.once(
        tried.zeros, count=tried.peak, params=jax.tree.map(partial(_nowhere_zero, scale), tried.setup.params)
    )[2]


def _nowhere_zero(scale: float, leaf: Any) -> Any:
    return (jnp.where(leaf == 0, 0.1, leaf) * scale).astype(leaf.dtype)
