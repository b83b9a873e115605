"""What a program ran, operation after operation: calls inlined, loops unrolled, of a branch what was taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jax.numpy as jnp
import numpy as np

from nnwidgets.trace import Frame

from ._values import MOVED, Values

SLICE, STACK = "slice of scan", "stack of scan"
MOVES = (
    *MOVED,
    *("rev", "slice", "copy_p", "convert_element_type", "reduce_precision", "concatenate", "split"),
)
"""Operations that only move or cast their operands."""


@dataclass(eq=False)
class Value:
    """One array that the program held.

    Attributes:
        step: index of the operation on the tape that made it; None for inputs and constants.
        label: the name of an input, ``""`` for everything else.
        fixed: whether it is a constant of the program, or one that was only moved about.
    """

    step: int | None = None
    label: str = ""
    fixed: bool = False
    _array: Any = None
    _values: Values | None = None
    _key: Any = None
    _times: tuple[int, ...] = ()
    _moved: tuple[Value, Any] | None = None

    @cached_property
    def array(self) -> np.ndarray | None:
        """Its value; None for what is no array of numbers (a random key)."""
        if self._moved is not None:
            source, eqn = self._moved
            return None if source.array is None else MOVED[eqn.primitive.name](source.array, eqn.params)
        if self._values is None:
            return self._array
        return self._values.at(self._key, self._times) if self._values.holds(self._key) else None

    @cached_property
    def nan(self) -> np.ndarray | None:
        """Where it is NaN; None where it is nowhere."""
        return self._where(np.isnan)

    @cached_property
    def inf(self) -> np.ndarray | None:
        """Where it is infinite; None where it is nowhere."""
        return self._where(np.isinf)

    def _where(self, test: Any) -> np.ndarray | None:
        if self.array is None or not jnp.issubdtype(self.array.dtype, jnp.inexact):
            return None
        found = test(self.array)
        return found if found.any() else None


@dataclass(eq=False)
class Step:
    """One operation that ran.

    Attributes:
        kind: the primitive's name; ``"slice of scan"`` and ``"stack of scan"`` stand at the borders of a scan.
        eqn: JAX's equation.
        inputs: what it read.
        outputs: what it made.
        address: where its equation stands in the program.
        times: in which iteration of each loop round it; for a slice or stack, also its own.
        stack: the Python stack, outermost first.
        scopes: the name scopes round it, outermost first.
        transposed: whether it runs in reverse order, in a backward pass.
    """

    kind: str
    eqn: Any
    inputs: list[Value]
    outputs: list[Value]
    address: tuple[int, ...]
    times: tuple[int, ...]
    stack: tuple[Frame, ...]
    scopes: tuple[str, ...]
    transposed: bool


@dataclass
class Tape:
    """All of it.

    Attributes:
        inputs: of the program.
        outputs: of the program.
        steps: the operations, in the order in which they ran.
        folded: how many loops were too long to be unrolled.
        uneven: how many were not unrolled because their examples end at their own times.
    """

    inputs: list[Value] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    folded: int = 0
    uneven: int = 0
