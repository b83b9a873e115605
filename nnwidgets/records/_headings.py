"""Under which step of the checklist a finding belongs."""

from __future__ import annotations

HEADINGS = (
    "Start simple",
    "Confirm your loss",
    "Check intermediate outputs and connections",
    "Diagnose parameters",
    "Track your work",
)
_RULES = {
    # the data that one starts with, and whether anything is learned of it
    1: """ConstantInputs ConstantLabels InputScale LabelImbalance Leakage MisalignedLabels NonFiniteInputs NonFiniteTargets
        NothingLearned RepeatedBatches SortedLabels ValidationShift""",
    2: """ClippedLoss ConstantLoss FirstLoss LabelCoding LabelRange LabelWidth LogitsAsProbabilities LossForTargets
        LossIgnoresParameters MeanBeforeLoss NegativeLoss OneUnitSoftmax OutputRange PenaltyDominates Plateau ReluOnLogits
        SigmoidForExclusiveClasses SigmoidTwice SilentBroadcast SoftmaxAxis SoftmaxForMultiLabel SoftmaxTwice SumOverBatch
        TargetScale UnguardedLog ZeroLoss""",
    3: """AttentionMask ConstantInitialization DeadUnits DisconnectedParameters ExplodingGradient GradientMismatch
        IdenticalLayers IndexOutOfRange InitializationScale InputIgnored LowPrecision NonDifferentiable NonFinite
        NothingChanges Recompiles RowsMixed SaturatedUnits StaleParameters StoppedGradient SwallowedUpdates
        VanishingGradient WrongGradient ZeroGradient""",
    4: """AccumulationScale AdamEpsilon BatchNormLag BatchNormOneRow BatchStatisticsNotStored BatchTooLarge
        BatchTooSmall BiasBeforeBatchNorm ClippingAfterAdam ConjugateGradient DecayInsideAdam DecayOnNormsAndBiases
        Divergence DropoutBeforeBatchNorm DropoutKey DropoutRate FrozenParameters LearningRateTooHigh
        LearningRateTooLow Oscillation Overfitting ScheduleHorizon SlowInput StillImproving StrongDecay
        TightClipping TrainModeInEvaluation UnmaskedUpdates UpdateRatio UpdateSign ValidationBetter""",
}
HEADING_OF = {rule: heading for heading, rules in _RULES.items() for rule in rules.split()}


def heading_of(rule: str) -> int:
    """The number of the heading in `HEADINGS`, from 1; a rule of the user's own comes under the third.

    Example:
        >>> heading_of("SoftmaxTwice"), heading_of("UpdateRatio"), heading_of("MyOwnRule")
        (2, 4, 3)
    """
    return HEADING_OF.get(rule, 3)
