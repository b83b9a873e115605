"""Judgements on a History. NumPy only."""

from ._batch_norm_lag import BatchNormLag as BatchNormLag
from ._batch_too_large import BatchTooLarge as BatchTooLarge
from ._batch_too_small import BatchTooSmall as BatchTooSmall
from ._dead_units import DeadUnits as DeadUnits
from ._divergence import Divergence as Divergence
from ._exploding_gradient import ExplodingGradient as ExplodingGradient
from ._gradient_mismatch import GradientMismatch as GradientMismatch
from ._gradient_mismatch import StaleParameters as StaleParameters
from ._learning_rate_too_high import LearningRateTooHigh as LearningRateTooHigh
from ._learning_rate_too_low import LearningRateTooLow as LearningRateTooLow
from ._misaligned_labels import MisalignedLabels as MisalignedLabels
from ._negative_loss import NegativeLoss as NegativeLoss
from ._non_finite import NonFinite as NonFinite
from ._nothing_changes import NothingChanges as NothingChanges
from ._nothing_learned import NothingLearned as NothingLearned
from ._oscillation import Oscillation as Oscillation
from ._overfitting import Overfitting as Overfitting
from ._penalty_dominates import PenaltyDominates as PenaltyDominates
from ._plateau import Plateau as Plateau
from ._rank import FOLLOWS as FOLLOWS
from ._rank import rank as rank
from ._ratios import short_of_usual as short_of_usual
from ._recompiles import Recompiles as Recompiles
from ._saturated_units import SaturatedUnits as SaturatedUnits
from ._slow_input import SlowInput as SlowInput
from ._still_improving import StillImproving as StillImproving
from ._swallowed_updates import SwallowedUpdates as SwallowedUpdates
from ._update_ratio import UpdateRatio as UpdateRatio
from ._validation_better import ValidationBetter as ValidationBetter
from ._vanishing_gradient import VanishingGradient as VanishingGradient
from ._wrong_gradient import WrongGradient as WrongGradient
from ._zero_gradient import ZeroGradient as ZeroGradient
from ._zero_loss import ZeroLoss as ZeroLoss

DEFAULT_RULES = (
    NonFinite(),
    WrongGradient(),
    ZeroGradient(),
    NothingChanges(),
    GradientMismatch(),
    StaleParameters(),
    SwallowedUpdates(),
    VanishingGradient(),
    ExplodingGradient(),
    DeadUnits(),
    SaturatedUnits(),
    UpdateRatio(),
    NegativeLoss(),
    ZeroLoss(),
    PenaltyDominates(),
    Divergence(),
    Oscillation(),
    LearningRateTooHigh(),
    LearningRateTooLow(),
    BatchTooSmall(),
    Plateau(),
    NothingLearned(),
    Overfitting(),
    ValidationBetter(),
    BatchNormLag(),
    Recompiles(),
    SlowInput(),
)
# What can only be said when a run is over: while it goes on, these would speak of every healthy one.
FINAL_RULES = (MisalignedLabels(), LearningRateTooLow(creeping=True), BatchTooLarge(), StillImproving())
