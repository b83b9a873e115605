"""How far each step moves each tensor."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets

from nnwidgets.records import Finding, History

from ._figure import StepFigure
from ._layer_lines import LayerLines
from ._panel import Panel


class UpdateRatio(Panel):
    r"""The size of each update relative to what it updates, :math:`\|\Delta\theta\|_2 / \|\theta\|_2`, per tensor.

    Tells apart: a learning rate that is too high (lines above the band: the parameters are overwritten within a few
    hundred steps) from one that is too low (below: nothing moves), and a layer that is frozen from one that learns. The
    grey band, 1e-4 to 1e-2, is what healthy runs usually show; the dashed guide at 1e-3 is the rule of thumb of
    CS231n, "Neural Networks Part 3", ratio of weights:updates (https://cs231n.github.io/neural-networks-3/#ratio),
    which A. Karpathy also uses in "makemore, part 3". Biases start at zero and therefore lie above the band at first.
    """

    title = "Update size relative to parameters"

    def __init__(self) -> None:
        self._figure = StepFigure(240, log=True)
        self._figure.values.label, self._figure.values.label_offset = "norm of update / parameter", "44px"
        self._lines = LayerLines(self._figure, "update/ratio", include=(-4.3, -1.7))
        self._figure.guide(-3.0)
        self._figure.band(-4.0, -2.0)
        note = ipywidgets.HTML(
            '<span class="nnw-note">grey band: usual, 0.0001 to 0.01; dashed: 0.001; biases usually lie above</span>'
        )
        self.widget = ipywidgets.VBox([note, self._figure.figure])

    def update(self, history: History, findings: Sequence[Finding]) -> str | None:
        """Draw the newest ratios."""
        if not self._lines.draw(history):
            return "Waits for updates of two steps. They are read while a Session or a recorded loop runs."
        return None
