"""Arithmetic in float16 or bfloat16 that loses what matters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nnwidgets.records import Finding
from nnwidgets.trace import Op, Value, values_at

from ._entries import outer
from ._setup import Setup
from ._stalled_sums import stalled_sums
from ._told import told
from ._trials import trials

_ARITHMETIC = frozenset(
    {
        "mul",
        "add",
        "sub",
        "div",
        "exp",
        "integer_pow",
        "pow",
        "square",
        "dot_general",
        "conv_general_dilated",
        "reduce_sum",
        "convert_element_type",
    }
)


@dataclass(frozen=True)
class LowPrecision:
    """Half precision loses numbers: updates too small to change a parameter, gradients that become 0, squares beyond 65504.

    Measured on the first batch: operations whose inputs are finite and whose float16 result is not; the gradients of
    the loss times 1024, divided by it again, against the plain ones; parameters that stay the same bits under their
    first update; sums along a loop that stop growing, against the same in float32. Micikevicius et al., Mixed Precision
    Training (2018).
    """

    swallowed: float = 0.95
    lost: float = 0.1
    missing: float = 0.1

    def check(self, setup: Setup) -> list[Finding]:
        """One finding for each kind of loss."""
        found = [self._overflow(setup), self._underflow(setup), self._swallowed(setup), self._stalled(setup)]
        return [each for each in found if each is not None]

    def _overflow(self, setup: Setup) -> Finding | None:
        op = next((each for each, infinite in zip(_half_ops(setup), _overflows(setup), strict=True) if infinite), None)
        if op is None:
            return None
        return told(
            self,
            f"An operation in float16 overflows on the first batch: {op.primitive} of finite numbers gives infinity.",
            "Compute squares, sums, exponentials and norms in float32 (.astype(jnp.float32)), or use bfloat16.",
            line=setup.train.line(op),
            operation=op.primitive,
            largest_number_of_float16=65504.0,
        )

    def _underflow(self, setup: Setup) -> Finding | None:
        if not _uses(setup, "float16"):
            return None
        plain = setup.first[1]
        best, factor = _share_lost(plain, _scaled_gradients(setup, 1024.0)), 1024.0
        if best is None:
            best, factor = _share_lost(plain, _scaled_gradients(setup, 32.0)), 32.0
        if best is None or best < self.lost:
            return None
        return told(
            self,
            f"Gradients are lost to float16: {best:.0%} of them are 0 or far off, and come back when the loss is multiplied by "
            f"{factor:g} and they are divided by it.",
            "Scale the loss (multiply it, and divide the gradients before the optimizer), or compute in bfloat16 or float32.",
            severity="problem" if best > 0.5 else "warning",
            share_of_gradients_lost=best,
            scale=factor,
        )

    def _swallowed(self, setup: Setup) -> Finding | None:
        tried = trials(setup)
        if tried is None or not tried.period:
            return None
        after = optax.apply_updates(setup.params, tried.first_updates)
        moved = same = 0
        path = ""
        trees = zip(tried.paths, *map(jax.tree.leaves, (setup.params, after, tried.first_updates)), strict=True)
        for name, before, later, update in trees:
            if before.dtype.name not in ("float16", "bfloat16"):
                continue
            wanted = np.asarray(update, np.float32) != 0
            stays = wanted & (np.asarray(before) == np.asarray(later))
            path = path or (name if stays.any() else "")
            moved, same = moved + int(wanted.sum()), same + int(stays.sum())
        if not moved or same / moved < 0.5:
            return None
        return told(
            self,
            f"{same / moved:.0%} of the parameters keep their bits under the first update: it is smaller than their spacing.",
            "Keep the parameters in float32 and cast them inside the model, or round stochastically.",
            severity="problem" if same / moved >= self.swallowed else "warning",
            where=path,
            confirm="float32 parameters",
            share_swallowed=same / moved,
        )

    def _stalled(self, setup: Setup) -> Finding | None:
        worst = max(stalled_sums(setup), key=lambda each: each.lost, default=None)
        if worst is None or worst.lost < self.missing:
            return None
        return told(
            self,
            f"A sum of {worst.length} terms is carried in {worst.dtype} and stops growing: {worst.lost:.0%} of it is missing "
            "on the first batch, since a term is smaller than the spacing of the sum.",
            "Carry the sum in float32 (start it with jnp.zeros(..., jnp.float32)) and cast the result.",
            line=setup.train.line(worst.op),
            share_of_the_sum_missing=worst.lost,
            terms=worst.length,
        )


def _uses(setup: Setup, dtype: str) -> bool:
    return any(_is(value, dtype) for op in setup.train.program.ops for value in op.outputs)


def _is(value: Value, dtype: str) -> bool:
    return getattr(value.aval, "dtype", None) is not None and value.aval.dtype.name == dtype


def _half_ops(setup: Setup) -> list[Op]:
    """Operations whose float16 result could overflow."""
    ops = setup.train.program.ops
    return [op for op in ops if op.primitive in _ARITHMETIC and _is(op.outputs[0], "float16") and op.outputs[0].data]


def _overflows(setup: Setup) -> list[bool]:
    ops, traced = _half_ops(setup), setup.train
    if not ops:
        return []
    inputs = [setup.params, setup.state, setup.batch, jax.random.fold_in(setup.key, 0)]
    leaves = [jnp.asarray(leaf) for leaf in jax.tree.leaves(inputs)]
    number = {id(value): i for i, value in enumerate(traced.program.inputs)}
    values = [value for op in ops for value in (op.outputs[0], *map(outer, op.inputs)) if value.place]

    @jax.jit
    def look(leaves: list[jax.Array]) -> Any:
        found = values_at(traced.closed, leaves, {value.place for value in values if value.place})

        def finite(value: Value) -> jax.Array:
            array = (
                found.get(value.place) if value.place else leaves[number[id(value)]] if id(value) in number else None
            )
            return jnp.ones((), bool) if array is None else jnp.isfinite(array.astype(jnp.float32)).all()

        return [
            ~finite(op.outputs[0]) & jnp.stack([finite(outer(value)) for value in op.inputs if _is_real(value)]).all()
            for op in ops
        ]

    # a result that is NaN from finite inputs has overflowed on the way, too
    return [bool(each) for each in look(leaves)]


def _is_real(value: Value) -> bool:
    return hasattr(value.aval, "dtype") and value.aval.dtype.kind in "fV"


def _scaled_gradients(setup: Setup, factor: float) -> Any:
    # the batch as an argument: NumPy's own arithmetic in the program would warn where float16 overflows
    def loss(params: Any, state: Any, batch: Any, rng: jax.Array) -> jax.Array:
        return setup.objective(params, state, batch, rng, True)[0] * factor

    grads = jax.jit(jax.grad(loss))(setup.params, setup.state, setup.batch, jax.random.fold_in(setup.key, 0))
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64) / factor, grads)


def _share_lost(plain: Any, scaled: Any) -> float | None:
    """The share of gradients that differ by more than a tenth; None where the scaled ones are not finite."""
    ours = np.concatenate([np.asarray(leaf, np.float64).ravel() for leaf in jax.tree.leaves(plain)])
    theirs = np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(scaled)])
    known = theirs != 0
    if not np.isfinite(theirs).all() or not known.any():
        return None
    return float(np.mean(np.abs(ours[known] - theirs[known]) > 0.1 * np.abs(theirs[known])))
