"""How long the gradient of each tensor is."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets

from nnwidgets.records import Finding, History

from ._figure import StepFigure
from ._layer_lines import LayerLines, worst_now, zero_now
from ._panel import Panel
from ._text import escape


class GradientNorms(Panel):
    r"""The Euclidean norm of each tensor's gradient, :math:`\|g\|_2`, over the steps; powers of ten, no unit.

    Tells apart: gradients that shrink from layer to layer towards the input (vanishing: the lines fan out with depth)
    from gradients that grow step by step (exploding: all lines rise together). A gap is a zero gradient, or one that
    was not finite; the tensors where it is so now are named above the picture.
    """

    title = "Gradient norm per tensor"

    def __init__(self) -> None:
        self._figure = StepFigure(240, log=True)
        self._figure.values.label, self._figure.values.label_offset = "norm of the gradient", "44px"
        self._lines = LayerLines(self._figure, "gradient/norm")
        self._alarm = ipywidgets.HTML().add_class("nnw-alarm")
        self._zero = ipywidgets.HTML()
        self.widget = ipywidgets.VBox([self._alarm, self._zero, self._figure.figure])

    def update(self, history: History, findings: Sequence[Finding]) -> str | None:
        """Draw the newest norms."""
        if not self._lines.draw(history):
            return "Waits for gradients of two steps. They are read while a Session or a recorded loop runs."
        self._alarm.value = escape(worst_now(history, "gradient/norm"))
        zero = zero_now(history, "gradient/norm")
        self._zero.value = f'<span class="nnw-note">{escape(zero)}</span>' if zero else ""
        return None
