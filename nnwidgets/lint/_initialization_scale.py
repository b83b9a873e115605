"""Weights that start far too large or too small."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np

from nnwidgets.records import Finding
from nnwidgets.trace import as_real

from ._first_step import first_step
from ._setup import Setup
from ._told import told
from ._weights import Weights, find_weights


@dataclass(frozen=True)
class InitializationScale:
    """The weights do not keep the size of the signal: their root mean square times the root of their inputs is far from 1.

    LeCun's initialiser gives 1, Glorot's about 1, He's 1.4. Red only where the first batch shows the harm: activations
    that are flat, a first loss far above chance, a signal that grows or dies out on its way. Usual causes: a normal
    distribution of spread 1 or 0.01 for every layer. Glorot & Bengio (2010); He et al. (2015).
    """

    largest: float = 4.0
    smallest: float = 0.15
    saturated: float = 0.7
    above_chance: float = 10.0
    growth: float = 1e3

    def check(self, setup: Setup) -> Finding | None:
        """The layer that is furthest off, with what the first batch shows."""
        moved = _with_gradient(setup)
        known = [w for w in find_weights(setup) if np.isfinite(w.gain) and w.gain > 0 and w.leaves & moved]
        large = [w for w in known if w.gain > self.largest]
        small = [w for w in known if w.gain < self.smallest and not w.is_head]
        if large:
            return self._large(setup, known, max(large, key=lambda w: w.gain))
        if small:
            return self._small(setup, known, min(small, key=lambda w: w.gain))
        return None

    def _large(self, setup: Setup, known: list[Weights], worst: Weights) -> Finding:
        start = first_step(setup)
        flat = max((w.saturated for w in known if w.saturated is not None and w.gain > self.largest), default=0.0)
        grown = max(w.size for w in known) / max(known[0].before, 1e-12)
        signs = []
        signs += [f"{flat:.0%} of a tanh or sigmoid are flat"] if flat > self.saturated else []
        signs += (
            [f"the first loss is {start.loss:.3g} where a constant output gives {start.chance:.3g}"]
            if (start.excess > self.above_chance)
            else []
        )
        signs += [f"the signal grows {grown:.2g} times"] if grown > self.growth else []
        return told(
            self,
            f"The weights of {worst.layer or 'a layer'} start {worst.gain:.3g} times as large as keeps the signal's size"
            + (f": {'; '.join(signs)}." if signs else "; no harm seen yet."),
            "Take jax.nn.initializers.lecun_normal(), or he_normal() before ReLU.",
            severity="problem" if signs else "warning",
            where=worst.layer,
            line=setup.train.line(worst.op),
            change=("initialization", "lecun_normal"),
            scale_over_LeCun=worst.gain,
            inputs_of_a_unit=worst.fan_in,
            flat_units=flat,
            first_loss=start.loss,
            loss_of_a_constant_output=start.chance,
        )

    def _small(self, setup: Setup, known: list[Weights], worst: Weights) -> Finding:
        spreads = [w.before for w in known[1:] if np.isfinite(w.before)]
        last = spreads[-1] if spreads else known[-1].after
        shrunk = known[0].before / max(last, 1e-30)
        dies = shrunk > self.growth and len(known) > 1
        return told(
            self,
            f"The weights of {worst.layer or 'a layer'} start at {worst.gain:.2g} of what keeps the signal's size"
            + (
                f": what tells the examples apart is {shrunk:.2g} times smaller before the last layer." if dies else "."
            ),
            "Take jax.nn.initializers.lecun_normal(), or he_normal() before ReLU.",
            severity="problem" if dies else "warning",
            where=worst.layer,
            line=setup.train.line(worst.op),
            change=("initialization", "lecun_normal"),
            scale_over_LeCun=worst.gain,
            inputs_of_a_unit=worst.fan_in,
            spread_of_the_inputs=known[0].before,
            spread_before_the_last_layer=last,
        )


def _with_gradient(setup: Setup) -> frozenset[int]:
    """Indices of the parameters that the first gradient moves: a frozen teacher was not initialised for training."""
    return frozenset(
        i for i, leaf in enumerate(jax.tree.leaves(setup.first[1])) if np.any(np.asarray(as_real(leaf), np.float32))
    )
