"""The panels that a dashboard shows, in this order."""

from __future__ import annotations

from typing import Any

from ._checklist import Checklist
from ._experiments import Experiments
from ._findings import Findings
from ._gradient_check import GradientCheck
from ._gradient_norms import GradientNorms
from ._histograms import Histograms
from ._inside import LookInside
from ._layer_heatmap import LayerHeatmap
from ._loss_curve import LossCurve
from ._network import Network
from ._runs import RunsTable
from ._unit_health import UnitHealth
from ._update_ratio import UpdateRatio

DEFAULT_PANELS: tuple[type[Any], ...] = (
    LossCurve,
    Findings,
    GradientNorms,
    UpdateRatio,
    LayerHeatmap,
    UnitHealth,
    Histograms,
    GradientCheck,
    Experiments,
    Network,
    LookInside,
    RunsTable,
    Checklist,
)
