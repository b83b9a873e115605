"""Experiments about the parameters of training: each on copies of a run, with its cost told before it starts."""

from ._batch_norm import BatchNorm as BatchNorm
from ._batch_sizes import BatchSizes as BatchSizes
from ._clipping import Clipping as Clipping
from ._dropout import Dropout as Dropout
from ._edge_of_stability import EdgeOfStability as EdgeOfStability
from ._explorer import Explorer as Explorer
from ._gradient_noise import GradientNoise as GradientNoise
from ._lab import Lab as Lab
from ._lanes import Lane as Lane
from ._lanes import in_lanes as in_lanes
from ._lanes import stack as stack
from ._lanes import trained as trained
from ._learning_rate_map import LearningRateMap as LearningRateMap
from ._learning_rate_range import LearningRateRange as LearningRateRange
from ._loss_surface import LossSurface as LossSurface
from ._optimizers import Optimizers as Optimizers
from ._rate import learning_rate_of as learning_rate_of
from ._regularization import Regularization as Regularization
from ._run import infos as infos
from ._run import run_experiment as run_experiment
from ._schedule import Schedule as Schedule
from ._sharpness import Sharpness as Sharpness

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
)
