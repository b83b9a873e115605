"""The batch norms of a traced loss: in training and in evaluation, with their neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.lint import Setup, Traced
from nnwidgets.lint._batch_norms import BatchNorm, batch_norms_of
from nnwidgets.lint._functions import plain
from nnwidgets.lint._parts import before
from nnwidgets.lint._rows import rows_of
from nnwidgets.lint._stored_norms import StoredNorm, stored_norms_of, without_epsilon
from nnwidgets.trace import Op, innermost

from .._values import once_a_program, reader
from ._neighbours import Neighbours


@dataclass(frozen=True, eq=False)
class NormLayer:
    """One batch norm.

    Attributes:
        name: of the layer.
        norm: as training computes it.
        channels: the axis of its input that has its own mean each, as a number.
        stored: as evaluation computes it; None where evaluation uses the batch, or it was not found.
        order: what comes before and behind it, "Dense_0, norm, relu".
        line: where it is called, or None.
    """

    name: str
    norm: BatchNorm
    channels: int
    stored: StoredNorm | None
    order: str
    line: str | None


@once_a_program
def norm_layers(setup: Setup) -> list[NormLayer]:
    """Those of the loss, in order; one whose channels lie along no single axis is left out."""
    traced, found = setup.train, []
    norms, stored = batch_norms_of(traced).found, stored_norms_of(setup.evaluation)
    # both programs run the same layers in the same order
    partners = stored if len(stored) == len(norms) else [None] * len(norms)
    neighbours = Neighbours(traced)
    for number, (norm, partner) in enumerate(zip(norms, partners, strict=True), 1):
        call = innermost(traced.calls, norm.output.op or 0)
        name = call.layer if call is not None else f"norm {number}"
        again = sum(each.name.partition(" (")[0] == name for each in found)
        name = f"{name} ({again + 1})" if again else name
        channels = _channels(setup, norm)
        if channels is not None:
            order = f"{neighbours.behind_which(norm.input)}, norm, {neighbours.before_which(norm.output)}"
            found.append(NormLayer(name, norm, channels, partner, order, traced.line(norm.op)))
    return found


def is_before(traced: Traced, op: Op, norm: BatchNorm) -> bool:
    """Whether a norm's input is made of what an operation gives, directly or not."""
    return op.outputs[0].op in before(traced.program, [norm.input])


def product_behind(traced: Traced, norm: BatchNorm) -> tuple[Op, int] | None:
    """The product of the first layer behind a norm, and which of its inputs the data is; None where there is no layer."""
    made = {norm.output.op}
    for op in traced.program.ops[(norm.output.op or 0) + 1 :]:
        inputs = [plain(traced.program, each) for each in op.inputs]
        if any(each.op in made for each in inputs) and op.outputs:
            if op.primitive in ("dot_general", "conv_general_dilated") and all(each.trained for each in inputs[:2]):
                return op, next(i for i, each in enumerate(inputs) if each.op in made)
            made.add(op.outputs[0].op)
    return None


def _channels(setup: Setup, norm: BatchNorm) -> int | None:
    shape, size = norm.input.aval.shape, int(np.prod(norm.root.inputs[0].aval.shape))
    axis = rows_of(setup.train).of(norm.input)
    fitting = [i for i, length in enumerate(shape) if length == size and (axis is None or i != axis.axis)]
    return fitting[0] if len(fitting) == 1 else _by_numbers(setup, norm, fitting)


def _by_numbers(setup: Setup, norm: BatchNorm, fitting: list[int]) -> int | None:
    """Which of the axes of equal length has the variances that the norm computes."""
    if not fitting:
        return None
    read = reader(setup.train, [norm.input, without_epsilon(setup.train, norm.root.inputs[0])])
    x, variance = jax.jit(read)(setup.params, setup.state, setup.batch, jax.random.fold_in(setup.key, 0))
    gaps = {i: float(jnp.abs(moments(x, i)[1] - variance.reshape(-1)).max()) for i in fitting}
    return min(gaps, key=lambda i: gaps[i])


def moments(x: jax.Array, channels: int) -> tuple[jax.Array, jax.Array]:
    """Mean and variance over all axes but one, float32 (channels,), in two passes.

    Example:
        >>> [each.tolist() for each in moments(jnp.array([[1.0, 0.0], [3.0, 0.0]]), 1)]
        [[2.0, 0.0], [1.0, 0.0]]
    """
    rest = tuple(i for i in range(x.ndim) if i != channels)
    x = x.astype(jnp.float32)
    mean = x.mean(rest, keepdims=True)
    return mean.reshape(-1), jnp.square(x - mean).mean(rest)
