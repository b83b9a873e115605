"""In what a learning rate is told: itself where it is known, else as a multiple of the present one."""

from __future__ import annotations

from typing import Any, NamedTuple

from nnwidgets.lint import find_nodes, is_schedule

from .._lab import Lab


class RateUnit(NamedTuple):
    """How factors on the present learning rate are told.

    Attributes:
        present: the present learning rate in this unit.
        axis: what is told, for axes and columns.
        after: what follows a number.

    Example:
        >>> RateUnit(0.01, "learning rate", "").words(3), RateUnit(1.0, "...", " times the present learning rate").words(3)
        ('0.03', '3 times the present learning rate')
    """

    present: float
    axis: str
    after: str

    def words(self, factor: float) -> str:
        """A learning rate, given as a multiple of the present one."""
        return f"{self.present * factor:.3g}{self.after}"


RELATIVE = RateUnit(1.0, "learning rate, times the present one", " times the present learning rate")


def unit_of(lab: Lab) -> RateUnit:
    """The learning rate itself; a multiple of it where it is not known, is 0 now, or changes by a schedule."""
    if not lab.learning_rate or find_nodes(lab.opt_state, _is_scheduled):
        return RELATIVE
    return RateUnit(lab.learning_rate, "learning rate", "")


def _is_scheduled(node: Any) -> bool:
    # what `optax.inject_hyperparams` holds changes by itself only where it has states of its own
    return is_schedule(node) and (not hasattr(node, "hyperparams") or bool(node.hyperparams_states))
