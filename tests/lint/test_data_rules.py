from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.lint import (
    ConstantInputs,
    ConstantLabels,
    FirstLoss,
    InputScale,
    LabelImbalance,
    Leakage,
    NonFiniteInputs,
    NonFiniteTargets,
    RepeatedBatches,
    Setup,
    SortedLabels,
    TargetScale,
    ValidationShift,
    _non_finite_data,
)

from ._data_and_optimizer import (
    INPUTS,
    LABELS,
    REAL,
    ROWS,
    apply,
    batches,
    calm,
    classifier,
    classify,
    network,
    only,
    regress,
    regressor,
    silent,
)


def test_missing_inputs_are_red_unless_the_program_handles_them() -> None:
    holes = INPUTS.copy()
    holes[20, 2] = np.nan
    finding = only(NonFiniteInputs().check(classifier(data=batches(holes))))
    assert finding.severity == "problem" and finding.evidence["batches"] == [1] and finding.evidence["rows"] == [4]

    def filled(params: Any, batch: Any) -> Any:
        return classify(params, (jnp.nan_to_num(batch[0]), batch[1]))

    assert only(NonFiniteInputs().check(classifier(data=batches(holes), loss=filled))).severity == "note"
    assert silent(NonFiniteInputs().check(classifier()))


def test_a_list_is_looked_through_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies ready costs a look; whatever makes its batches is asked for the first few only."""
    data = [(INPUTS[:8].copy(), LABELS[:8]) for _ in range(40)]
    data[31][0][2, 1] = np.nan
    data.append((INPUTS[:3] * np.nan, LABELS[:3]))  # of another shape: the run refuses it anyway
    params = network()

    def found(source: Any) -> list[Any]:
        session = nnw.Session(nnw.Objective(classify, params), optax.adam(1e-3), source, track=False)
        return [each for each in session.lint() if each.rule == "NonFiniteInputs"]

    (finding,) = found(data)
    assert finding.severity == "problem" and finding.evidence["batches"] == [31] and finding.evidence["rows"] == [2]
    assert not found(lambda step: data[step % 40])
    monkeypatch.setattr(_non_finite_data, "SECONDS", 0.0)
    assert not found(data)


def test_infinite_targets_are_red() -> None:
    targets = REAL.copy()
    targets[0] = np.inf
    setup = regressor(targets)
    assert only(NonFiniteTargets().check(setup)).severity == "problem"
    assert silent(NonFiniteInputs().check(setup))
    assert silent(NonFiniteTargets().check(regressor()))


def test_inputs_far_from_zero_are_red() -> None:
    finding = only(InputScale().check(classifier(data=batches(INPUTS * 1000 + 10_000))))
    assert finding.severity == "problem" and finding.change == ("standardize", "inputs")
    assert finding.evidence["root mean square"] == pytest.approx(10_050, rel=0.01)


def test_one_feature_in_other_units_is_red() -> None:
    finding = only(InputScale().check(classifier(data=batches(INPUTS * np.array([1, 1, 1, 1, 1, 1e4], np.float32)))))
    assert finding.severity == "problem" and finding.evidence["largest spread over the median one"] > 5000


def test_pixels_scaled_twice_are_red() -> None:
    assert only(InputScale().check(classifier(data=batches(np.abs(INPUTS) / 255 / 255)))).severity == "problem"


def test_bytes_that_the_program_scales_are_silent() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, INPUTS.shape).astype(np.uint8)

    def scaled(params: Any, batch: Any) -> Any:
        return classify(params, (batch[0].astype(jnp.float32) / 255, batch[1]))

    assert silent(InputScale().check(classifier(data=batches(pixels), loss=scaled)))
    assert only(InputScale().check(classifier(data=batches(pixels.astype(np.float32))))).rule == "InputScale"


@pytest.mark.parametrize(
    "inputs",
    [INPUTS, INPUTS * 3, np.eye(6, dtype=np.float32)[LABELS * 2], np.random.default_rng(0).poisson(2.0, INPUTS.shape)],
)
def test_usual_inputs_are_silent(inputs: Any) -> None:
    assert silent(InputScale().check(classifier(data=batches(np.asarray(inputs, np.float32)))))
    assert silent(ConstantInputs().check(classifier(data=batches(np.asarray(inputs, np.float32)))))


def embedded(params: Any, batch: Any) -> Any:
    tokens, labels = batch
    hidden = params["table"][tokens.astype(jnp.int32)].mean(1)
    return optax.softmax_cross_entropy_with_integer_labels(hidden @ params["w"], labels).mean()


def test_reals_as_tokens_are_red_and_tokens_are_not() -> None:
    params = {"table": jax.random.normal(jax.random.key(0), (50, 8)), "w": jax.random.normal(jax.random.key(1), (8, 3))}
    reals = np.random.default_rng(0).uniform(size=(64, 5)).astype(np.float32)
    finding = only(ConstantInputs().check(classifier(data=batches(reals), params=params, loss=embedded)))
    assert finding.severity == "problem" and "although batch[0] varies" in finding.explanation
    tokens = np.random.default_rng(0).integers(0, 50, (64, 5)).astype(np.int32)
    setup = classifier(data=batches(tokens), params=params, loss=embedded)
    assert silent(ConstantInputs().check(setup)) and silent(InputScale().check(setup))


def test_targets_far_off() -> None:
    finding = only(TargetScale().check(regressor(REAL + 1000, optax.adam(1e-3))))
    assert finding.severity == "problem" and finding.evidence["mean"] == pytest.approx(1000, rel=0.01)
    assert only(TargetScale().check(regressor(REAL * 1000, optax.sgd(0.1)))).severity == "problem"
    assert only(FirstLoss().check(regressor(REAL + 1000, optax.adam(1e-3)))).severity == "problem"
    for targets in (REAL, REAL * 3 + 2):
        assert silent(TargetScale().check(regressor(targets))) and silent(FirstLoss().check(regressor(targets)))
    # a bias that is set
    params = network(1)
    params["last"]["b"] = jnp.full(1, 1000.0)
    assert silent(FirstLoss().check(regressor(REAL + 1000, params=params)))
    assert silent(TargetScale().check(regressor(REAL + 1000, params=params)))


def test_first_loss_of_classes() -> None:
    params = network()
    params["last"]["w"] *= 100
    finding = only(FirstLoss().check(classifier(params=params)))
    assert finding.evidence["loss of a constant output"] == pytest.approx(np.log(3), rel=1e-4)
    assert silent(FirstLoss().check(classifier()))


def test_one_class_is_nearly_all() -> None:
    labels = np.zeros(64, np.int32)
    labels[:4] = 1
    finding = only(LabelImbalance().check(classifier(data=batches(targets=labels))))
    assert finding.severity == "warning" and finding.evidence["share"] == pytest.approx(60 / 64)
    assert silent(LabelImbalance().check(classifier()))


def test_sorted_classes_are_red_and_sorted_rows_in_a_batch_are_not() -> None:
    finding = only(SortedLabels().check(classifier(data=batches(targets=np.sort(LABELS)))))
    assert finding.severity == "problem" and finding.evidence["share of the largest class in a batch"] > 0.85
    within = [(inputs[np.argsort(labels)], np.sort(labels)) for inputs, labels in batches()]
    assert silent(SortedLabels().check(classifier(data=within)))
    assert silent(SortedLabels().check(classifier()))


def test_the_first_class_only_while_validation_has_all() -> None:
    zeros = np.zeros(64, np.int32)
    setup = classifier(data=batches(targets=zeros), validation=batches())
    assert only(SortedLabels().check(setup)).severity == "problem"
    assert only(ConstantLabels().check(setup)).severity == "problem"
    alone = classifier(data=batches(targets=zeros))
    assert silent(SortedLabels().check(alone))
    assert only(ConstantLabels().check(alone)).severity == "problem"


def test_classes_that_only_validation_has_are_red() -> None:
    setup = classifier(data=batches(targets=LABELS % 2), validation=batches(targets=np.full(64, 2, np.int32)))
    assert only(SortedLabels().check(setup)).evidence["share of unseen classes in validation"] == pytest.approx(1.0)
    assert silent(SortedLabels().check(classifier(validation=batches(targets=LABELS[::-1].copy()))))


def test_labels_that_a_cast_makes_equal_are_red() -> None:
    def cast(params: Any, batch: Any) -> Any:
        return classify(params, (batch[0], batch[1].astype(jnp.int32)))

    finding = only(
        ConstantLabels().check(classifier(data=batches(targets=(LABELS / 255).astype(np.float32)), loss=cast))
    )
    assert finding.severity == "problem"
    assert silent(ConstantLabels().check(classifier(data=batches(targets=LABELS.astype(np.float32)), loss=cast)))
    assert silent(ConstantLabels().check(regressor()))


def test_constant_targets_are_red() -> None:
    assert only(ConstantLabels().check(regressor(np.ones_like(REAL)))).severity == "problem"


def fresh(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=INPUTS.shape).astype(np.float32)


def test_validation_on_training_rows_is_red() -> None:
    half = np.concatenate([INPUTS[:32], fresh(1)[:32]])
    finding = only(Leakage().check(classifier(validation=batches(half))))
    assert finding.severity == "problem" and finding.evidence["validation rows in training"] == pytest.approx(0.5)
    assert silent(Leakage().check(classifier(validation=batches(fresh(1)))))


def test_rows_that_are_few_by_nature_are_silent() -> None:
    few = np.random.default_rng(0).integers(0, 2, INPUTS.shape).astype(np.float32)
    others = np.random.default_rng(1).integers(0, 2, INPUTS.shape).astype(np.float32)
    few[:, 3:], others[:, 3:] = 0, 0
    assert silent(Leakage().check(classifier(data=batches(few), validation=batches(others))))


def test_validation_of_another_scale_is_red() -> None:
    finding = only(ValidationShift().check(classifier(validation=batches(fresh(1) * 255))))
    assert finding.severity == "problem"
    larger = batches(fresh(1) + 5, rows=32)
    assert only(ValidationShift().check(classifier(validation=larger))).severity == "problem"
    for other in (fresh(1), fresh(1) * 1.2, fresh(1) + 0.3):
        assert silent(ValidationShift().check(classifier(validation=batches(other))))


def test_noise_that_only_training_adds_is_seen() -> None:
    def noisy(params: Any, batch: Any, *, rng: Any, train: bool) -> Any:
        inputs = batch[0] + (10 * jax.random.normal(rng, batch[0].shape) if train else 0)
        return classify(params, (inputs, batch[1]))

    finding = only(ValidationShift().check(classifier(loss=noisy, validation=batches(fresh(1)))))
    assert finding.severity == "problem" and finding.evidence["spread in training"] > 8


def test_batches_that_come_again() -> None:
    first, second, third, fourth = batches()
    assert only(RepeatedBatches().check(classifier(data=[first, second, first, third, third]))).severity == "warning"
    assert only(RepeatedBatches().check(classifier(data=[first, second, third, first, second]))).severity == "note"
    assert only(RepeatedBatches().check(classifier(data=[first] * 4))).severity == "note"
    assert silent(RepeatedBatches().check(classifier(data=[first, second, third, fourth])))


def test_a_mask_of_ones_is_no_constant_input() -> None:
    def masked(params: Any, batch: Any) -> Any:
        inputs, mask, labels = batch
        losses = optax.softmax_cross_entropy_with_integer_labels(apply(params, inputs * mask[:, None]), labels)
        return jnp.sum(losses * mask) / jnp.sum(mask)

    data = [(inputs, np.ones(ROWS, np.float32), labels) for inputs, labels in batches()]
    setup = Setup(nnw.Objective(masked, network()), optax.adam(1e-3), data)
    for rule in (ConstantInputs(), ConstantLabels(), InputScale(), Leakage()):
        assert calm(rule.check(setup))


def test_targets_of_an_autoencoder_are_inputs_too() -> None:
    def rebuild(params: Any, batch: Any) -> Any:
        return regress(params, (batch, batch))

    setup = Setup(nnw.Objective(rebuild, network(6)), optax.adam(1e-3), [part[0] for part in batches()])
    for rule in (TargetScale(), ConstantLabels(), SortedLabels(), NonFiniteTargets()):
        assert silent(rule.check(setup))
