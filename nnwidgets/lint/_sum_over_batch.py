"""A loss that is summed over the batch."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import jax
import numpy as np

from nnwidgets.records import Finding
from nnwidgets.trace import Op, Program

from ._functions import SHAPE_ONLY
from ._parts import before, constant
from ._rows import rows_of
from ._setup import Setup
from ._told import told


@dataclass(frozen=True)
class SumOverBatch:
    """The loss is the sum over the examples instead of their mean: the step grows with the size of the batch.

    Measured in evaluation: the same batch twice over gives twice the loss (a mean gives the same). A learning rate that
    suits the sum is no fault; one taken from elsewhere is too high by as much as the batch has rows.
    """

    tolerance: float = 0.02

    def check(self, setup: Setup) -> Finding | None:
        """A warning with both losses."""
        if setup.rows is None or self._is_mean(setup):
            return None
        twice = jax.tree.map(lambda leaf: np.concatenate([leaf, leaf]), setup.batch)
        try:
            once, doubled = (self._data_loss(setup, batch) for batch in (setup.batch, twice))
        except (TypeError, ValueError):
            # a model made for one size of batch
            return None
        if not (isfinite(once) and isfinite(doubled)) or once == 0 or abs(doubled / once - 2) > self.tolerance:
            return None
        return told(
            self,
            f"The same batch twice over gives {doubled / once:.3f} times the loss: it is summed over the {setup.rows} "
            "examples, so that "
            f"gradients are {setup.rows} times those of the mean.",
            f"Take the mean over the batch; or divide the learning rate by {setup.rows}.",
            severity="warning",
            line=setup.train.line(self._sum(setup)),
            change=("multiplier", 1 / setup.rows),
            loss=once,
            loss_of_the_doubled_batch=doubled,
        )

    def _data_loss(self, setup: Setup, batch: object) -> float:
        loss, (_, aux) = setup.loss(setup.params, setup.state, batch, jax.random.fold_in(setup.key, 0), False)
        return float(loss) - float(aux.get("penalty", 0.0))

    def _is_mean(self, setup: Setup) -> bool:
        """Whether the program shows it: every sum over the examples is divided by a multiple of their number."""
        traced, sums = setup.train, self._sums(setup)
        return bool(sums) and all(_is_divided(traced.program, op, rows_of(traced).count) for op in sums)

    def _sums(self, setup: Setup) -> list[Op]:
        """Where the loss no longer tells the examples apart; inside a batch norm, too."""
        program = setup.train.program
        used, lost = before(program, program.outputs[:1]), rows_of(setup.train).lost
        return [program.ops[i] for i in sorted(used) if i in lost]

    def _sum(self, setup: Setup) -> Op | None:
        sums = [op for op in self._sums(setup) if op.primitive in ("reduce_sum", "dot_general")]
        return sums[-1] if sums else None


def _is_divided(program: Program, op: Op, rows: int) -> bool:
    """Whether the sum is divided by a number that the examples come into."""
    value = op.outputs[0]
    while op.primitive == "reduce_sum" and len(value.uses) == 1:
        user = program.ops[value.uses[0]]
        number = constant(program, user.inputs[1]) if user.primitive in ("div", "mul") else None
        if number:
            divisor = number if user.primitive == "div" else 1 / number
            return round(divisor) % rows == 0
        if user.primitive not in SHAPE_ONLY and user.primitive not in ("convert_element_type", "reduce_sum", "neg"):
            return False
        value = user.outputs[0]
    return False
