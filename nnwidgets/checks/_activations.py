"""Whether each layer says something about each example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nnwidgets.lint import Setup
from nnwidgets.records import Check

from ._subject import Subject
from ._told import told


@dataclass(frozen=True)
class Activations:
    """The output of each layer, on one batch in evaluation, must be finite and must differ from example to example.

    A layer that gives the same for every example passes nothing on; behind it nothing can be learned from the inputs. The
    panel "Look inside" shows them one example at a time.

    Attributes:
        least: the spread over the examples, relative to the layer's size, below which all are the same.
    """

    least: float = 1e-6

    name: ClassVar[str] = "activations"
    heading: ClassVar[int] = 3

    def seconds(self, subject: Subject) -> float:
        """About how long it takes."""
        return 2.0

    def run(self, subject: Subject) -> Check:
        """Spread and size of each layer's output."""
        layers, spreads = spreads_of(subject.setup)
        rows = subject.setup.rows
        expected = "finite, and different from example to example"
        if not layers:
            words = "no operation mixes parameters with data: there is no layer to look at."
            return told(self, "no layer was found", expected, "unknown", words)
        numbers = {"layers": layers, "spreads": spreads}
        broken = [layer for layer, spread in zip(layers, spreads, strict=True) if not np.isfinite(spread)]
        if broken:
            words = f"the output of {broken[0]} is NaN or infinite: session.nan_origin() names the operation."
            return told(self, f"{len(broken)} of {len(layers)} layers not finite", expected, "wrong", words, **numbers)
        if rows is None or rows < 2:
            return told(
                self, f"{len(layers)} layers finite", expected, "ok", "with one example no more is seen.", **numbers
            )
        same = [layer for layer, spread in zip(layers, spreads, strict=True) if spread <= self.least]
        if same:
            position = layers.index(same[0])
            before = f", or the nonlinearity behind {layers[position - 1]} (all units dead?)" if position else ""
            words = (
                f"{same[0]} gives the same output for every example. What does it is its own weights{before}, or an input "
                "that is constant: look at activations in Look inside."
            )
            return told(self, f"{len(same)} of {len(layers)} layers constant", expected, "wrong", words, **numbers)
        low = min(range(len(layers)), key=lambda i: spreads[i])
        measured = f"{len(layers)} layers, least spread {spreads[low]:.2g} ({layers[low]})"
        return told(self, measured, expected, "ok", "every layer tells examples apart.", **numbers)


def spreads_of(setup: Setup) -> tuple[list[str], list[float]]:
    """Each layer, and the standard deviation of its output over the examples over its root mean square; NaN if not finite."""
    traced = setup.evaluation
    calls = [call for call in traced.calls if call.output.place is not None and len(call.output.aval.shape) > 1]
    # inside a loop the examples may lie along another axis
    calls = [call for call in calls if call.output.op is not None and not traced.program.ops[call.output.op].loops]
    spreads = []
    for value in traced.values([call.output for call in calls]):
        values = np.asarray(value, np.promote_types(value.dtype, np.float64))
        size = np.sqrt(np.mean(np.abs(values) ** 2)) or 1.0
        axis = _row_axis(values.shape, setup.rows)
        spreads.append(float(values.std(axis).max() / size) if np.isfinite(values).all() else float("nan"))
    return [call.layer for call in calls], spreads


def _row_axis(shape: tuple[int, ...], rows: int | None) -> int:
    # under vmap the examples may come out along another axis than the first
    return shape.index(rows) if rows in shape else 0
