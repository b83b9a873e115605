"""Dropout in the wrong place, too strong, or with the same mask at every step."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import jax
import numpy as np

from nnwidgets.records import Finding
from nnwidgets.trace import Op, Value, is_key

from ._batch_norms import batch_norms_of
from ._dropouts import Dropout, dropouts_of
from ._functions import maker, plain
from ._parts import after, before
from ._setup import Setup, Traced
from ._told import told

_PRODUCTS = ("dot_general", "conv_general_dilated")


@dataclass(frozen=True)
class DropoutBeforeBatchNorm:
    """A batch norm follows dropout, with at most one layer between, which enlarges the variance that it stores.

    In evaluation, where nothing is dropped, the variance is smaller than the stored one, and the outputs are shifted
    (Li et al., Understanding the Disharmony between Dropout and Batch Normalization, CVPR 2019).
    """

    def check(self, setup: Setup) -> Finding | None:
        """A warning at the first such pair."""
        traced = setup.train
        by_output = {each.op.outputs[0].op: each for each in dropouts_of(traced)}
        norms = {norm.op.outputs[0].op for norm in batch_norms_of(traced).found}
        for norm in batch_norms_of(traced).found:
            dropout = self._before(setup, norm.input, by_output, norms)
            if dropout is not None:
                return told(
                    self,
                    f"Dropout of rate {dropout.rate:.3g} comes right before a batch norm: in evaluation, without "
                    "dropout, the values "
                    "spread less than the norm's stored variance says.",
                    "Put the dropout after the last batch norm.",
                    severity="warning",
                    line=traced.line(dropout.op),
                    rate=round(dropout.rate, 6),
                )
        return None

    def _before(
        self, setup: Setup, value: Value, dropouts: dict[int | None, Dropout], norms: set[int | None]
    ) -> Dropout | None:
        waiting, seen = [(value, 0)], set[int]()
        while waiting:
            value, layers = waiting.pop()
            if value.op is None or value.op in seen or value.op in norms or layers > 1:
                continue
            seen.add(value.op)
            if value.op in dropouts:
                return dropouts[value.op]
            op = setup.train.program.ops[value.op]
            waiting += [
                (each, layers + (op.primitive in _PRODUCTS)) for each in op.inputs if each.data and each.trained
            ]
        return None


@dataclass(frozen=True)
class DropoutRate:
    """Dropout acts on the outputs themselves, or takes away most of a layer.

    On the outputs it puts 0 in the place of what the network says, at random, and the loss can never become small. A
    rate of 0.7 and more leaves so little that training falls behind evaluation. The rate is read from the program;
    whole examples that are dropped (stochastic depth) are not meant.
    """

    strong: float = 0.7

    def check(self, setup: Setup) -> list[Finding]:
        """A problem for dropout on the outputs, a warning for a strong one."""
        findings = []
        for dropout in dropouts_of(setup.train):
            if prod(dropout.mask.aval.shape) <= (setup.rows or 1):
                continue
            on_outputs = is_on_outputs(setup, dropout)
            if not on_outputs and dropout.rate < self.strong:
                continue
            findings.append(
                told(
                    self,
                    f"Dropout of rate {dropout.rate:.3g} acts on the outputs of the network, behind its last layer: "
                    "what it says is replaced "
                    "by 0 at random."
                    if on_outputs
                    else f"Dropout takes away {dropout.rate:.0%} of the values of shape "
                    f"{list(dropout.input.aval.shape)}.",
                    "Remove the dropout behind the last layer." if on_outputs else "Use a rate of 0.5 or less.",
                    severity="problem" if on_outputs else "warning",
                    where=setup.train.head.layers[-1] if on_outputs else "",
                    line=setup.train.line(dropout.op),
                    rate=round(dropout.rate, 6),
                )
            )
        return findings


@dataclass(frozen=True)
class DropoutKey:
    """Dropout has the same mask at every step: the same units are always off, and a part is never trained.

    Either the mask depends on no key that changes, as the program shows, or the random state that it is made of comes
    out of a step as it went in. Usual causes: a key made inside the loss (jax.random.key(0)); NNX streams that are not
    carried on.
    """

    def check(self, setup: Setup) -> Finding | None:
        """One finding at the first such dropout."""
        traced = setup.train
        used = before(traced.program, traced.program.outputs[:1])
        for dropout in dropouts_of(traced):
            if dropout.op.outputs[0].op not in used:
                continue
            made_of = traced.depends(dropout.mask)
            states = {
                i - len(traced.parameters) for i in made_of if i - len(traced.parameters) in range(len(traced.states))
            }
            if len(made_of) > len(states) or (states and not self._stands_still(setup, states)):
                continue
            return told(
                self,
                f"The mask of a dropout of rate {dropout.rate:.3g} is the same at every step: "
                + (
                    "the random state that it is made of does not change in a step."
                    if states
                    else "its key is a constant of the program."
                ),
                "Make the key from the step's own: take the keyword rng in the loss, and give each dropout "
                "jax.random.fold_in(rng, number).",
                line=traced.line(dropout.op),
                rate=round(dropout.rate, 6),
            )
        return self._drawn_while_tracing(setup)

    def _drawn_while_tracing(self, setup: Setup) -> Finding | None:
        """A mask that is no operation but a constant: it was drawn when the program was traced, and scales what it keeps."""
        counts = [len(constant_masks(traced)) for traced in (setup.train, setup.evaluation)]
        masks = constant_masks(setup.train)
        if counts[0] <= counts[1]:
            return None
        return told(
            self,
            "A dropout's mask is a constant of the compiled step: it was drawn once, when the step was traced, and is the "
            "same at every step.",
            "Hand the step's key to the dropout (nnx.Rngs(rng) in the loss); what is captured from outside is drawn only once.",
            line=setup.train.line(masks[0]),
            masks=len(masks),
        )

    def _stands_still(self, setup: Setup, states: set[int]) -> bool:
        key = jax.random.fold_in(setup.key, 0)
        (_, (after, _)), _ = setup.gradient(setup.params, setup.state, setup.batch, key)
        pairs = list(zip(jax.tree.leaves(setup.state), jax.tree.leaves(after), strict=True))
        return all(np.array_equal(_plain(pairs[i][0]), _plain(pairs[i][1])) for i in states)


def is_on_outputs(setup: Setup, dropout: Dropout) -> bool:
    """Whether it follows the last layer, and the loss takes it number by number."""
    head, ops = setup.train.head, setup.train.program.ops
    tail = set(map(id, head.tail))
    following = [ops[i] for i in after(setup.train.program, [dropout.output]) if id(ops[i]) in tail]
    return id(dropout.op) in tail and not any(
        op.primitive in _PRODUCTS and all(value.trained for value in op.inputs[:2]) for op in following
    )


def _plain(leaf: object) -> object:
    return np.asarray(jax.random.key_data(leaf) if is_key(leaf) else leaf)  # pyright: ignore[reportArgumentType]


def constant_masks(traced: Traced) -> list[Op]:
    """Choices between 0 and scaled data by booleans that depend on no input of the program."""
    found = []
    for op in traced.program.ops:
        if op.primitive != "select_n" or len(op.inputs) != 3 or not op.outputs[0].data:
            continue
        mask, *branches = op.inputs
        kept = [each for each in branches if each.data]
        zero = any(plain(traced.program, each).const == 0 for each in branches)
        drawn = mask.aval.dtype.kind == "b" and mask.aval.size > 1 and not traced.depends(mask)
        if zero and drawn and len(kept) == 1 and _is_scaled(traced, kept[0]):
            found.append(op)
    return found


def _is_scaled(traced: Traced, value: Value) -> bool:
    """Whether it was divided by a share, as what a dropout keeps is."""
    op = maker(traced.program, value)
    if op is None or op.primitive not in ("div", "mul"):
        return False
    factor = plain(traced.program, op.inputs[1]).const
    return factor is not None and (0 < factor < 1 if op.primitive == "div" else factor > 1)
