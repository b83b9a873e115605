"""Rules on loops of the user's own: a gradient, parameters or programs that are not what they should be; and wrong labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from nnwidgets.records import Facts, History, UnknownReading
from nnwidgets.rules import (
    GradientMismatch,
    MisalignedLabels,
    NothingChanges,
    Recompiles,
    StaleParameters,
    StillImproving,
)

STEPS = range(0, 200, 10)
LAYERS = ("body/w", "head/w")
NOISE = np.random.default_rng(0)


def history(**readings: Sequence[float]) -> History:
    """Readings of two tensors (or of the whole, for losses) at every tenth step; names have __ for the slash."""
    made = History()
    for name, values in readings.items():
        what, reading = name.split("__")
        for step, value in zip(STEPS, values, strict=True):
            if reading in ("loss", "compiles"):
                made.add_scalar(f"{what}/{reading}", step, value)
            else:
                made.add(what, step, LAYERS, {reading: np.array([value, 2 * value])})
    return made


def noisy(values: Sequence[float]) -> list[float]:
    return [value * factor for value, factor in zip(values, 1 + 0.2 * NOISE.uniform(-1, 1, len(values)), strict=True)]


OWN = list(np.linspace(2.0, 0.5, len(STEPS)))


def test_a_gradient_that_is_a_sum_is_told_with_its_factor() -> None:
    found = GradientMismatch().check(history(gradient__norm=[4 * each for each in OWN], objective__gradient=OWN))
    assert found is not None
    assert found.severity == "problem"
    assert found.evidence["ratio of the norms"] == pytest.approx(4.0)


def test_gradients_that_are_kept_are_told_to_grow() -> None:
    kept = [each * (1 + k) for k, each in enumerate(OWN)]
    found = GradientMismatch().check(history(gradient__norm=kept, objective__gradient=OWN))
    assert found is not None
    assert "gradients of earlier steps are added" in found.explanation


@pytest.mark.parametrize("factor", [1.0, 0.3], ids=["the same", "clipped or averaged"])
def test_a_gradient_of_the_loss_is_left_alone(factor: float) -> None:
    given = noisy([factor * each for each in OWN])
    assert GradientMismatch().check(history(gradient__norm=given, objective__gradient=noisy(OWN))) is None


def test_stale_parameters_are_told_and_noise_is_not() -> None:
    apart = [each + 0.2 * k for k, each in enumerate(OWN)]
    found = StaleParameters().check(history(train__loss=OWN, objective__loss=apart))
    assert found is not None
    assert found.evidence["loss at its parameters"] == pytest.approx(apart[-1])
    # dropout with another key: apart from the start, and to both sides
    assert StaleParameters().check(history(train__loss=noisy(OWN), objective__loss=noisy(OWN))) is None
    with pytest.raises(UnknownReading):
        StaleParameters().check(history(train__loss=OWN))


def test_updates_that_are_not_applied_are_told() -> None:
    still = history(applied__norm=[0.0] * len(STEPS), objective__gradient=OWN)
    found = NothingChanges().check(still)
    assert found is not None
    assert "not applied" in found.explanation
    with pytest.raises(UnknownReading):
        NothingChanges().check(history(applied__norm=OWN, objective__gradient=OWN))


def compiled(at: Sequence[int], steps: int = 30) -> History:
    made = History()
    for step in range(steps):
        made.add_scalar("train/loss", step, 1.0)
    for step in at:
        made.add_scalar("run/compiles", step, 1.0)
    return made


def test_a_step_that_is_always_compiled_anew_is_told() -> None:
    found = Recompiles().check(compiled(range(30)))
    assert found is not None
    assert found.evidence["share of steps that compiled"] == 1.0
    assert Recompiles().check(compiled([0, 1, 2, 14])) is None
    with pytest.raises(UnknownReading):
        Recompiles().check(compiled(range(6), steps=6))


def validated(validation: Sequence[float]) -> History:
    made = History()
    made.facts = Facts(levels=(("ln C: every class equally likely", float(np.log(4))),))
    for step, value in enumerate(np.linspace(1.4, 0.4, 200)):
        made.add_scalar("train/loss", step, float(value))
    for step, value in zip((50, 100, 150, 199), validation, strict=True):
        made.add_scalar("validation/loss", step, value)
    return made


def test_labels_that_only_training_fits_are_suspected() -> None:
    found = MisalignedLabels().check(validated((1.4, 1.5, 1.6, 1.9)))
    assert found is not None
    assert (found.severity, found.confirm) == ("warning", "shuffled labels")
    # it did learn something, and forgot it: over-fitting
    assert MisalignedLabels().check(validated((1.1, 0.9, 1.2, 1.6))) is None


@pytest.mark.parametrize(
    ("end", "data_ended", "severity"), [(1.7, True, "problem"), (2.45, True, None), (1.7, False, None)]
)
def test_data_that_end_in_full_fall_are_told(end: float, data_ended: bool, severity: str | None) -> None:
    made = History()
    made.facts = Facts(data_ended=data_ended)
    for step, value in enumerate(np.linspace(2.5, end, 15) + 0.01 * NOISE.normal(size=15)):
        made.add_scalar("train/loss", step, float(value))
    try:
        found = StillImproving().check(made)
    except UnknownReading:
        found = None
    assert (found.severity if found else None) == severity
