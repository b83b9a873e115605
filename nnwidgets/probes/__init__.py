"""Pure functions of one step's Snapshot to small float32 arrays."""

from ._activations import activation_histograms as activation_histograms
from ._activations import activation_statistics as activation_statistics
from ._activations import dead_units as dead_units
from ._activations import saturated_units as saturated_units
from ._histograms import histograms as histograms
from ._plan import Plan as Plan
from ._plan import Probe as Probe
from ._plan import make_plan as make_plan
from ._snapshot import PerLayer as PerLayer
from ._snapshot import Snapshot as Snapshot
from ._statistics import leaf_norms as leaf_norms
from ._statistics import norms as norms
from ._statistics import statistics as statistics
from ._statistics import tensor_norms as tensor_norms
from ._statistics import update_ratio as update_ratio
from ._swallowed import swallowed_updates as swallowed_updates

DEFAULT_PROBES = (
    norms,
    statistics,
    update_ratio,
    swallowed_updates,
    histograms,
    activation_statistics,
    dead_units,
    saturated_units,
    activation_histograms,
)
