"""Judgements on the traced program and the first batches, before step one."""

from ._accumulation_scale import AccumulationScale as AccumulationScale
from ._adam_epsilon import AdamEpsilon as AdamEpsilon
from ._attention_mask import AttentionMask as AttentionMask
from ._batch_norm_layers import BatchNormOneRow as BatchNormOneRow
from ._batch_norm_layers import BiasBeforeBatchNorm as BiasBeforeBatchNorm
from ._clipping_after_adam import ClippingAfterAdam as ClippingAfterAdam
from ._conjugate_gradient import ConjugateGradient as ConjugateGradient
from ._constant_initialization import ConstantInitialization as ConstantInitialization
from ._constant_inputs import ConstantInputs as ConstantInputs
from ._constant_labels import ConstantLabels as ConstantLabels
from ._constant_loss import ConstantLoss as ConstantLoss
from ._cut_gradient import NonDifferentiable as NonDifferentiable
from ._cut_gradient import StoppedGradient as StoppedGradient
from ._decay import DecayInsideAdam as DecayInsideAdam
from ._decay import DecayOnNormsAndBiases as DecayOnNormsAndBiases
from ._decay import StrongDecay as StrongDecay
from ._disconnected_parameters import DisconnectedParameters as DisconnectedParameters
from ._dropout import DropoutBeforeBatchNorm as DropoutBeforeBatchNorm
from ._dropout import DropoutKey as DropoutKey
from ._dropout import DropoutRate as DropoutRate
from ._exclusive import SigmoidForExclusiveClasses as SigmoidForExclusiveClasses
from ._exclusive import SoftmaxForMultiLabel as SoftmaxForMultiLabel
from ._facts import facts_of as facts_of
from ._first_loss import FirstLoss as FirstLoss
from ._frozen_parameters import FrozenParameters as FrozenParameters
from ._identical_layers import IdenticalLayers as IdenticalLayers
from ._index_out_of_range import IndexOutOfRange as IndexOutOfRange
from ._initialization_scale import InitializationScale as InitializationScale
from ._input_ignored import InputIgnored as InputIgnored
from ._input_scale import InputScale as InputScale
from ._label_imbalance import LabelImbalance as LabelImbalance
from ._label_range import LabelRange as LabelRange
from ._leakage import Leakage as Leakage
from ._lint import lint as lint
from ._logarithms import ClippedLoss as ClippedLoss
from ._logarithms import LogitsAsProbabilities as LogitsAsProbabilities
from ._logarithms import UnguardedLog as UnguardedLog
from ._loss_for_targets import LabelCoding as LabelCoding
from ._loss_for_targets import LossForTargets as LossForTargets
from ._loss_ignores_parameters import LossIgnoresParameters as LossIgnoresParameters
from ._low_precision import LowPrecision as LowPrecision
from ._mean_before_loss import MeanBeforeLoss as MeanBeforeLoss
from ._modes import BatchStatisticsNotStored as BatchStatisticsNotStored
from ._modes import TrainModeInEvaluation as TrainModeInEvaluation
from ._non_finite_data import NonFiniteInputs as NonFiniteInputs
from ._non_finite_data import NonFiniteTargets as NonFiniteTargets
from ._one_unit_softmax import OneUnitSoftmax as OneUnitSoftmax
from ._opt_states import accumulates as accumulates
from ._opt_states import at_count as at_count
from ._opt_states import at_counts as at_counts
from ._opt_states import find_nodes as find_nodes
from ._opt_states import has_fields as has_fields
from ._opt_states import is_adam as is_adam
from ._opt_states import is_schedule as is_schedule
from ._output_range import OutputRange as OutputRange
from ._predictions import outputs_of as outputs_of
from ._relu_on_logits import ReluOnLogits as ReluOnLogits
from ._repeated_batches import RepeatedBatches as RepeatedBatches
from ._rows_mixed import RowsMixed as RowsMixed
from ._schedule_horizon import ScheduleHorizon as ScheduleHorizon
from ._setup import Field as Field
from ._setup import Setup as Setup
from ._setup import Traced as Traced
from ._silent_broadcast import LabelWidth as LabelWidth
from ._silent_broadcast import SilentBroadcast as SilentBroadcast
from ._softmax_axis import SoftmaxAxis as SoftmaxAxis
from ._sorted_labels import SortedLabels as SortedLabels
from ._sum_over_batch import SumOverBatch as SumOverBatch
from ._target_scale import TargetScale as TargetScale
from ._tight_clipping import TightClipping as TightClipping
from ._twice import SigmoidTwice as SigmoidTwice
from ._twice import SoftmaxTwice as SoftmaxTwice
from ._unmasked_updates import UnmaskedUpdates as UnmaskedUpdates
from ._update_sign import UpdateSign as UpdateSign
from ._validation_shift import ValidationShift as ValidationShift

HEAD_AND_LOSS = (
    OneUnitSoftmax(),
    SoftmaxTwice(),
    SigmoidTwice(),
    SilentBroadcast(),
    LabelWidth(),
    LabelRange(),
    LabelCoding(),
    LossForTargets(),
    LogitsAsProbabilities(),
    SigmoidForExclusiveClasses(),
    SoftmaxForMultiLabel(),
    OutputRange(),
    ReluOnLogits(),
    SoftmaxAxis(),
    UnguardedLog(),
    ClippedLoss(),
    MeanBeforeLoss(),
    ConstantLoss(),
)

DATA_AND_OPTIMIZER = (
    IdenticalLayers(),
    ConstantInitialization(),
    InitializationScale(),
    FirstLoss(),
    NonFiniteInputs(),
    NonFiniteTargets(),
    InputScale(),
    ConstantInputs(),
    TargetScale(),
    LabelImbalance(),
    SortedLabels(),
    ConstantLabels(),
    Leakage(),
    ValidationShift(),
    RepeatedBatches(),
    UpdateSign(),
    ConjugateGradient(),
    ClippingAfterAdam(),
    UnmaskedUpdates(),
    FrozenParameters(),
    ScheduleHorizon(),
    DecayOnNormsAndBiases(),
    DecayInsideAdam(),
    StrongDecay(),
    AccumulationScale(),
    TightClipping(),
    AdamEpsilon(),
    LowPrecision(),
)

CONNECTIONS_AND_LAYERS = (
    LossIgnoresParameters(),
    DisconnectedParameters(),
    NonDifferentiable(),
    StoppedGradient(),
    InputIgnored(),
    RowsMixed(),
    SumOverBatch(),
    DropoutBeforeBatchNorm(),
    DropoutRate(),
    DropoutKey(),
    TrainModeInEvaluation(),
    BatchStatisticsNotStored(),
    BiasBeforeBatchNorm(),
    BatchNormOneRow(),
    IndexOutOfRange(),
    AttentionMask(),
)

DEFAULT_LINTS = (*HEAD_AND_LOSS, *CONNECTIONS_AND_LAYERS, *DATA_AND_OPTIMIZER)
