"""The values that a loss has where nothing is learned."""

from __future__ import annotations

from nnwidgets.records import Facts

from ._course import CERTAIN, Course


def chance(facts: Facts) -> tuple[str, float] | None:
    """The lowest of the named levels, with its name: what is below it was learned; None where none is known."""
    return min(facts.levels, key=lambda level: level[1], default=None)


def is_below_chance(loss: Course, facts: Facts) -> bool:
    """Whether the mean loss of the last half is below the lowest level, beyond what noise does."""
    level = chance(facts)
    return level is not None and float(loss.part(2, 4).mean()) + CERTAIN * loss.standard_error(2, 4) < level[1]
