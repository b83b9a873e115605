"""Experiments about the parameters of training: each on copies of a run, with its cost told before it starts."""

from ._explorer import Explorer as Explorer
from ._lab import Lab as Lab
from ._lanes import Lane as Lane
from ._lanes import in_lanes as in_lanes
from ._lanes import stack as stack
from ._lanes import trained as trained
from ._rate import learning_rate_of as learning_rate_of
from ._run import infos as infos
from ._run import run_experiment as run_experiment
from .batches._batch_sizes import BatchSizes as BatchSizes
from .batches._gradient_noise import GradientNoise as GradientNoise
from .clipping._clipping import Clipping as Clipping
from .curvature._edge_of_stability import EdgeOfStability as EdgeOfStability
from .curvature._loss_surface import LossSurface as LossSurface
from .curvature._sharpness import Sharpness as Sharpness
from .layers._batch_norm import BatchNorm as BatchNorm
from .layers._dropout import Dropout as Dropout
from .learning_rate._learning_rate_map import LearningRateMap as LearningRateMap
from .learning_rate._learning_rate_range import LearningRateRange as LearningRateRange
from .optimizers._optimizers import Optimizers as Optimizers
from .optimizers._schedule import Schedule as Schedule
from .regularization._regularization import Regularization as Regularization
from .spikes._loss_spike import LossSpike as LossSpike

DEFAULT_EXPERIMENTS = (
    LearningRateRange(),
    LearningRateMap(),
    EdgeOfStability(),
    Schedule(),
    GradientNoise(),
    BatchSizes(),
    Sharpness(),
    LossSurface(),
    Optimizers(),
    Clipping(),
    BatchNorm(),
    Dropout(),
    Regularization(),
    LossSpike(),
)
