from __future__ import annotations

import jax
import optax
import pytest

from nnwidgets.lint import DecayInsideAdam, DecayOnNormsAndBiases, StrongDecay

from ._data_and_optimizer import classifier, network, only, silent


def weights_only(params: object) -> object:
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)


def inside(decay: float) -> optax.GradientTransformation:
    return optax.chain(optax.add_decayed_weights(decay), optax.adam(1e-3))


def test_decay_of_biases_is_a_note() -> None:
    finding = only(DecayOnNormsAndBiases().check(classifier(optax.adamw(1e-3))))
    assert finding.severity == "note" and finding.evidence["tensors"] == 2
    assert silent(DecayOnNormsAndBiases().check(classifier(optax.adamw(1e-3, mask=weights_only))))
    assert silent(DecayOnNormsAndBiases().check(classifier(optax.adam(1e-3))))


def test_strong_decay_inside_adam_is_red_and_a_weak_one_is_not() -> None:
    finding = only(DecayInsideAdam().check(classifier(inside(3.0))))
    assert finding.severity == "problem"
    assert finding.evidence["pull of twice the weights over once"] == pytest.approx(1.0, abs=0.01)
    assert only(DecayInsideAdam().check(classifier(inside(1e-5)))).severity == "note"


def test_decoupled_and_plain_decay_are_silent() -> None:
    plain = optax.chain(optax.add_decayed_weights(0.1), optax.sgd(0.1))
    for tx in (optax.adamw(1e-3, weight_decay=3.0), plain, optax.adam(1e-3), optax.lamb(1e-3, weight_decay=0.1)):
        assert silent(DecayInsideAdam().check(classifier(tx)))


def test_decay_that_outweighs_the_gradients_is_red() -> None:
    params = network()
    finding = only(StrongDecay().check(classifier(optax.adamw(1e-2, weight_decay=10.0), params=params)))
    assert finding.severity == "problem"
    assert finding.evidence["share lost in a step"] == pytest.approx(0.1, rel=1e-3)
    late = optax.warmup_cosine_decay_schedule(0.0, 1e-2, 100, 1000)
    assert only(StrongDecay().check(classifier(optax.adamw(late, weight_decay=10.0)))).severity == "problem"


def test_usual_decay_is_silent() -> None:
    sgd = optax.chain(optax.add_decayed_weights(5e-4), optax.sgd(0.1, momentum=0.9))
    for tx in (optax.adamw(1e-3, weight_decay=0.1), sgd, optax.adam(1e-3)):
        assert silent(StrongDecay().check(classifier(tx)))
