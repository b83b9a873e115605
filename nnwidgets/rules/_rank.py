"""Which finding is the cause, and which only follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nnwidgets.records import Finding

_DATA = (
    "NonFiniteInputs", "NonFiniteTargets", "ConstantInputs", "ConstantLabels", "InputScale", "TargetScale", "LabelImbalance",
    "SortedLabels", "Leakage", "ValidationShift", "MisalignedLabels", "RepeatedBatches", "InputIgnored",
)  # fmt: skip
_HEAD = (
    "LabelRange", "LabelWidth", "LabelCoding", "LossForTargets", "OneUnitSoftmax", "SoftmaxTwice", "SigmoidTwice",
    "LogitsAsProbabilities", "SigmoidForExclusiveClasses", "SoftmaxForMultiLabel", "OutputRange", "ReluOnLogits",
    "SilentBroadcast", "UnguardedLog", "ClippedLoss", "SoftmaxAxis", "SumOverBatch", "RowsMixed", "MeanBeforeLoss",
    "ConstantLoss",
)  # fmt: skip
_CONNECTIONS = (
    "LossIgnoresParameters", "NonFloatParameters", "NonDifferentiable", "StoppedGradient", "DisconnectedParameters",
    "WrongGradient", "GradientMismatch", "StaleParameters", "IndexOutOfRange", "AttentionMask",
)  # fmt: skip
_LAYERS = (
    "DropoutBeforeBatchNorm", "DropoutRate", "DropoutKey", "TrainModeInEvaluation", "BatchStatisticsNotStored",
    "BiasBeforeBatchNorm", "BatchNormOneRow",
)  # fmt: skip
_INITIALISATION = ("ConstantInitialization", "IdenticalLayers", "InitializationScale", "FirstLoss")
_OPTIMIZER = (
    "UpdateSign", "ConjugateGradient", "UnmaskedUpdates", "FrozenParameters", "ScheduleHorizon", "LowPrecision",
    "AccumulationScale", "DecayInsideAdam", "StrongDecay", "PenaltyDominates", "TightClipping", "ClippingAfterAdam",
    "AdamEpsilon", "DecayOnNormsAndBiases",
)  # fmt: skip
_RATE = ("BatchTooSmall", "BatchTooLarge", "LearningRateTooHigh", "LearningRateTooLow")
# Later ones are nearer to the loss curve, which everything else shows up in.
_SYMPTOMS = (
    "UpdateRatio", "ExplodingGradient", "SwallowedUpdates", "SaturatedUnits", "VanishingGradient", "DeadUnits",
    "ZeroGradient", "NothingChanges", "Oscillation", "Divergence", "NonFinite", "NegativeLoss", "ZeroLoss",
    "BatchNormLag", "ValidationBetter", "Overfitting", "Plateau", "NothingLearned", "StillImproving", "SlowInput",
    "Recompiles",
)  # fmt: skip

GROUPS = (_DATA, _HEAD, _CONNECTIONS, _LAYERS, _INITIALISATION, _OPTIMIZER, _RATE, _SYMPTOMS)
"""Rules by causal depth: data, head and loss, connections, layers, initialisation, optimizer, learning rate, symptoms."""

_DEPTH = {name: (depth, place) for depth, group in enumerate(GROUPS) for place, name in enumerate(group)}

_SCALE = ("InputScale", "TargetScale", "SumOverBatch", "InitializationScale")
_WIRING = ("UpdateSign", "ConjugateGradient", "UnmaskedUpdates", "AccumulationScale", "GradientMismatch")
_MISREAD = (
    "LabelRange", "LabelWidth", "LabelCoding", "LossForTargets", "OneUnitSoftmax", "SoftmaxTwice", "SigmoidTwice",
    "LogitsAsProbabilities", "SigmoidForExclusiveClasses", "SoftmaxForMultiLabel", "OutputRange", "ReluOnLogits",
    "SilentBroadcast", "ClippedLoss", "SoftmaxAxis", "RowsMixed", "MeanBeforeLoss",
    "ConstantLoss",
)  # fmt: skip
_UNTAUGHT = (
    "ConstantInputs", "MisalignedLabels", "RepeatedBatches", "InputIgnored", "SortedLabels", *_SCALE, *_MISREAD, *_CONNECTIONS,
    "DropoutRate", "BatchNormOneRow", "ConstantInitialization", "IdenticalLayers", *_WIRING, "FrozenParameters",
    "ScheduleHorizon", "LowPrecision", "StrongDecay", "DecayInsideAdam", "PenaltyDominates", "TightClipping",
    "ClippingAfterAdam", "AdamEpsilon", "BatchTooSmall", "LearningRateTooHigh", "LearningRateTooLow", "UpdateRatio",
    "ExplodingGradient", "SwallowedUpdates", "SaturatedUnits", "VanishingGradient", "DeadUnits", "ZeroGradient",
    "NothingChanges", "Oscillation", "Divergence",
)  # fmt: skip
_CUT = (
    "ConstantLoss", "ClippedLoss", "ReluOnLogits", "OutputRange", "OneUnitSoftmax", "LossIgnoresParameters",
    "NonDifferentiable", "StoppedGradient", "DisconnectedParameters", "NonFloatParameters", "WrongGradient", "LowPrecision",
    "DeadUnits", "ConstantInputs", "ConstantInitialization",
)  # fmt: skip

FOLLOWS: dict[str, tuple[str, ...]] = {
    "NonFinite": (
        "NonFiniteInputs", "NonFiniteTargets", *_SCALE, "LabelRange", "LabelCoding", "LossForTargets", "LogitsAsProbabilities",
        "OutputRange", "UnguardedLog", "SoftmaxAxis", "WrongGradient", "AttentionMask", "IndexOutOfRange", *_WIRING,
        "LowPrecision", "AdamEpsilon", "TightClipping", "LearningRateTooHigh", "UpdateRatio", "ExplodingGradient", "Divergence",
    ),
    "Divergence": (
        *_SCALE, "LabelRange", "LossForTargets", "WrongGradient", *_WIRING, "StrongDecay", "LearningRateTooHigh",
        "UpdateRatio", "ExplodingGradient",
    ),
    "ExplodingGradient": (*_SCALE, "LossForTargets", "UnguardedLog", *_WIRING, "LearningRateTooHigh", "UpdateRatio"),
    "Oscillation": (*_SCALE, *_WIRING, "ClippingAfterAdam", "LearningRateTooHigh", "UpdateRatio"),
    "UpdateRatio": (*_SCALE, *_WIRING, "StrongDecay", "ClippingAfterAdam", "LearningRateTooHigh"),
    "LearningRateTooHigh": (*_SCALE, *_WIRING, "LossForTargets", "WrongGradient", "ClippingAfterAdam"),
    "LearningRateTooLow": (
        "MisalignedLabels", *_SCALE, "ClippedLoss", "SaturatedUnits", "VanishingGradient", "ScheduleHorizon",
        "FrozenParameters", "TightClipping",
        "AdamEpsilon", "LowPrecision",
    ),
    "FirstLoss": (*_SCALE, *_MISREAD, "NonFinite"),
    "InitializationScale": ("InputScale",),
    "SaturatedUnits": ("InputScale", "InitializationScale", "LearningRateTooHigh", "UpdateRatio"),
    "DeadUnits": (
        "InputScale", "ConstantInputs", "TargetScale", "ReluOnLogits", "OutputRange", "ConstantInitialization",
        "InitializationScale", *_WIRING, "LearningRateTooHigh", "UpdateRatio", "SumOverBatch",
    ),
    "VanishingGradient": (
        "InputScale", "SoftmaxTwice", "SigmoidTwice", "OutputRange", "ClippedLoss", "InitializationScale", "StoppedGradient",
        "LowPrecision", "SaturatedUnits", "LearningRateTooHigh", "UpdateRatio",
    ),
    "ZeroGradient": _CUT,
    "NothingChanges": (*_CUT, "FrozenParameters", "ScheduleHorizon", "TightClipping", "AdamEpsilon", "ZeroGradient"),
    "SwallowedUpdates": ("LowPrecision", "TightClipping", "LearningRateTooLow"),
    "NegativeLoss": (
        "LabelRange", "LabelCoding", "LabelWidth", "LossForTargets", "LogitsAsProbabilities", "OutputRange", "TargetScale",
        "SigmoidForExclusiveClasses",
    ),
    "ZeroLoss": ("ConstantLabels", "OneUnitSoftmax", "LabelRange", "LabelWidth", "LabelCoding", "ConstantLoss", "ClippedLoss"),
    "Plateau": ("ConstantLabels", *_UNTAUGHT),
    "NothingLearned": (*_UNTAUGHT, "Plateau", "NonFinite"),
    "Overfitting": (
        "MisalignedLabels", "SortedLabels", "Leakage", "ValidationShift", "RepeatedBatches", "RowsMixed",
        "TrainModeInEvaluation", "BatchStatisticsNotStored", "BatchNormOneRow", "BatchNormLag",
    ),
    "ValidationBetter": (
        "Leakage", "ValidationShift", "DropoutRate", "DropoutBeforeBatchNorm", "SumOverBatch", "PenaltyDominates",
    ),
    "BatchNormLag": (
        "ValidationShift", "InputScale", "BatchTooSmall", "RowsMixed", "SoftmaxAxis", "DropoutBeforeBatchNorm",
        "TrainModeInEvaluation", "BatchStatisticsNotStored", "BatchNormOneRow",
    ),
    "StillImproving": ("BatchTooLarge", "LearningRateTooLow", *_SCALE),
}  # fmt: skip
"""Rules that explain a rule's finding, where both are found. No rule explains itself by way of others."""

_SEVERITY = {"problem": 0, "warning": 1, "note": 2}


def rank(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Causes first, what follows from them after all causes; the red ones first among each, then by causal depth.

    A warning becomes a problem where it explains a red finding that no other red finding explains: what only may hurt, did.
    A note explains nothing.

    Args:
        findings: of the lint rules and of the rules on the run, in any order.

    Returns:
        The same, with `Finding.severity` and `Finding.confirmed` of those that were promoted, and `Finding.follows` of
        the consequences: the cause at the end of the chain.
    """
    promoted = _promote(list(findings))
    told = [replace(each, follows=_root(each, promoted)) for each in promoted]
    return tuple(sorted(told, key=lambda each: (each.follows != "", _SEVERITY[each.severity], depth(each.rule))))


def depth(rule: str) -> tuple[int, int]:
    """Group and place in `GROUPS`; a rule of the user's comes after all others."""
    return _DEPTH.get(rule, (len(GROUPS), 0))


def _promote(findings: list[Finding]) -> list[Finding]:
    red = {each.rule for each in findings if each.severity == "problem"}
    seen_in: dict[str, str] = {}
    for symptom in sorted(red, key=depth):
        causes = FOLLOWS.get(symptom, ())
        if not red.intersection(causes):
            seen_in |= {rule: symptom for rule in causes if rule not in seen_in}
    return [
        replace(each, severity="problem", confirmed=each.confirmed or f"seen in the run: {seen_in[each.rule]}")
        if each.severity == "warning" and each.rule in seen_in
        else each
        for each in findings
    ]


def _root(finding: Finding, findings: list[Finding]) -> str:
    """The end of the chain of causes that are as grave as it, the deepest where there are several; "" for a cause itself."""
    present = {each.rule for each in findings if _SEVERITY[each.severity] <= min(_SEVERITY[finding.severity], 1)}
    root = finding.rule
    while causes := [rule for rule in FOLLOWS.get(root, ()) if rule in present]:
        root = min(causes, key=depth)
    return root if root != finding.rule else ""
