"""Pictures of records, and the dashboard that shows them while a run goes on. No JAX here."""

from __future__ import annotations

from ._checklist import Checklist as Checklist
from ._dashboard import Dashboard as Dashboard
from ._defaults import DEFAULT_PANELS as DEFAULT_PANELS
from ._experiments import Experiments as Experiments
from ._findings import Findings as Findings
from ._gradient_check import GradientCheck as GradientCheck
from ._gradient_norms import GradientNorms as GradientNorms
from ._histograms import Histograms as Histograms
from ._inside import LookInside as LookInside
from ._layer_heatmap import LayerHeatmap as LayerHeatmap
from ._loss_curve import LossCurve as LossCurve
from ._network import Network as Network
from ._panel import Panel as Panel
from ._runs import RunsTable as RunsTable
from ._unit_health import UnitHealth as UnitHealth
from ._update_ratio import UpdateRatio as UpdateRatio
