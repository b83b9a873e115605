"""Pure functions of one step's Snapshot to small float32 arrays."""

from ._histograms import histograms as histograms
from ._plan import Plan as Plan
from ._plan import make_plan as make_plan
from ._snapshot import PerLayer as PerLayer
from ._snapshot import Snapshot as Snapshot
from ._statistics import statistics as statistics
from ._statistics import tensor_norms as tensor_norms
from ._statistics import update_ratio as update_ratio

DEFAULT_PROBES = (statistics, update_ratio, histograms)
