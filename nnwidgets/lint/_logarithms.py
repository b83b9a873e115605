"""Logarithms in the loss: of what is no probability, of what can be zero, and behind a clip that stops the gradient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding

from ._functions import Function
from ._head import PROBABILITIES
from ._setup import Setup
from ._told import told


@dataclass(frozen=True)
class LogitsAsProbabilities:
    """The loss takes the logarithm of the network's raw outputs, which are no probabilities.

    Negative ones give NaN, or are clipped away. Seen from the program, and confirmed by the outputs of the first batch:
    they lie outside 0 to 1. Source: Stack Overflow 64395424.

    Attributes:
        share: of the outputs that lie outside, from which on it speaks.
    """

    share: float = 0.05

    def check(self, setup: Setup) -> Finding | None:
        """The first logarithm of the raw outputs."""
        traced, head = setup.train, setup.train.head
        for log in head.kinds("log"):
            raw = head.is_logits(log.input) or _normalized_logits(setup, log)
            squashed = next((f for f in head.kinds("tanh") if head.path(f.output, log.input)), None)
            if not (raw or squashed is not None) or not head.targets:
                continue
            (given,) = traced.values([head.logits if raw else squashed.output])  # pyright: ignore[reportOptionalMemberAccess]
            given = np.asarray(given, np.float64)
            outside = float(((given < 0) | (given > 1)).mean())
            if outside < self.share:
                continue
            return told(
                self,
                "The loss takes the logarithm of the last layer's raw outputs. They are no probabilities: "
                f"{100 * outside:.0f} % of them lie "
                "outside 0 to 1, where the loss is NaN, or clipped and without a gradient.",
                "Take a loss of logits (optax.sigmoid_binary_cross_entropy, optax.softmax_cross_entropy), or end "
                "the network with a sigmoid or softmax.",
                where=head.layers[-1],
                line=traced.line(log.op),
                smallest_output=float(given.min()),
                largest_output=float(given.max()),
                share_outside=outside,
            )
        return None


def _normalized_logits(setup: Setup, log: Function) -> bool:
    head = setup.train.head
    return any(
        head.is_logits(f.input) and f.size > 1 and head.path(f.output, log.input) for f in head.kinds("normalize")
    )


@dataclass(frozen=True)
class UnguardedLog:
    """The loss takes the logarithm of a softmax or sigmoid as it is.

    It rounds to exactly 0 as soon as the network is sure, and the loss is infinite. In float32 a sigmoid is 0 below -104 and
    1 above 17, a softmax 0 where a logit lies 104 below the largest. Seen from the program; it turns red when a number
    that is not finite follows. Sources: keras-core#196, Flux.jl#914.
    """

    def check(self, setup: Setup) -> Finding | None:
        """The first such logarithm that nothing keeps from zero."""
        traced, head = setup.train, setup.train.head
        for log in head.kinds("log"):
            before = head.feeding(log.input, PROBABILITIES)
            if before is None or before.name == "normalize" or self._guarded(setup, log, before):
                continue
            (given,) = traced.values([log.input])
            return told(
                self,
                f"The loss takes the logarithm of a {before.name} as it is: once the network is sure, the "
                f"{before.name} rounds to 0 "
                f"and the loss is infinite. The smallest value on the first batch is {float(np.min(given)):.3g}.",
                "Compute both at once from the logits: jax.nn.log_softmax, jax.nn.log_sigmoid, or optax's cross-entropies.",
                severity="warning",
                where=head.layers[-1] if head.layers else "",
                line=traced.line(log.op),
                smallest_value=float(np.min(given)),
            )
        return None

    def _guarded(self, setup: Setup, log: Function, before: Function) -> bool:
        """Whether a bound or a small number stands between."""
        head, value = setup.train.head, log.input
        for _ in range(12):
            op = setup.train.maker(value)
            if op is None or op is before.op:
                return False
            constants = [c for v in op.inputs if (c := v.const if v.const is not None else None) is not None]
            if op.primitive in ("clamp", "max") or (op.primitive == "add" and any(c > 0 for c in constants)):
                return True
            if op.primitive == "sub" and head.trained(op.inputs[1]):
                value = op.inputs[1]
            else:
                value = next((v for v in op.inputs if v.data and head.trained(v)), op.inputs[0])
        return False


@dataclass(frozen=True)
class ClippedLoss:
    """The loss clips probabilities before the logarithm, and many lie outside the clip: they get no gradient at all.

    Those are the examples that the network is most wrong about. Seen from the program, and measured: the share of
    outputs at a bound of the clip on the first batch. Source: keras-core#196.

    Attributes:
        share: of the clipped numbers at a bound, from which on it speaks.
    """

    share: float = 0.05

    def check(self, setup: Setup) -> Finding | None:
        """The first clip before a logarithm with many numbers at its bounds."""
        traced, head = setup.train, setup.train.head
        for clip in head.kinds("clip"):
            if not any(head.path(clip.output, log.input) for log in head.kinds("log")):
                continue
            given, clipped = (np.asarray(each, np.float64) for each in traced.values([clip.input, clip.output]))
            if given.shape != clipped.shape:
                continue
            share = float((given != clipped).mean())
            if share >= self.share:
                return told(
                    self,
                    f"{100 * share:.0f} % of the outputs lie outside the bounds of the clip before the logarithm: "
                    "their gradient is exactly 0, "
                    "so that the examples that are most wrong teach nothing.",
                    "Take a loss of logits (optax.sigmoid_binary_cross_entropy, optax.softmax_cross_entropy), "
                    "which needs no clip.",
                    where=head.layers[-1] if head.layers else "",
                    line=traced.line(clip.op),
                    share_clipped=share,
                )
        return None
