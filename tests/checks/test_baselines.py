"""The network against a constant, a linear model and one hidden layer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nnwidgets.checks import Baselines
from nnwidgets.checks._features import Features

from ._simple import INPUTS, LABELS, REALS, batches, outputs_of, session, squared, started


@pytest.fixture(scope="module")
def healthy() -> Any:
    return session(steps=100)


def test_a_network_that_learns_is_no_worse_than_linear(subject_of: Any, healthy: Any) -> None:
    found = Baselines().run(subject_of(healthy))
    assert found.verdict == "ok", found
    # four classes in even shares: ln 4
    assert found.numbers["prior"] == pytest.approx(1.3863, abs=0.01)
    assert found.numbers["linear"] < 0.3
    assert found.numbers["steps"] == 100


def test_a_network_that_is_stuck_is_worse_than_linear(subject_of: Any) -> None:
    def deaf(params: Any, batch: Any) -> Any:
        outputs = outputs_of(params, 1e-4 * batch[0])
        return optax.softmax_cross_entropy_with_integer_labels(outputs, batch[1]).mean()

    stuck = session(deaf, tx=optax.sgd(0.1), steps=100)
    assert Baselines().run(subject_of(stuck)).verdict == "unknown", "after 100 steps that may be slow"
    found = Baselines(sure=100).run(subject_of(stuck))
    assert found.verdict == "wrong", found
    assert "worse than linear" in found.words
    assert found.numbers["yours"] == pytest.approx(1.3863, abs=0.02)


@pytest.mark.parametrize(
    ("ours", "linear", "hidden", "words"),
    [
        (0.2, 0.3, 0.25, "better than linear."),
        (0.3, 0.3, 0.3, "about as good as linear."),
        (0.3, 0.3, 0.1, "about as good as linear; one hidden layer is ahead after as many steps."),
        (0.2, 0.3, 0.1, "better than linear; one hidden layer is ahead after as many steps."),
        (0.2, 0.3, np.nan, "better than linear."),
    ],
)
def test_the_words_are_those_of_the_numbers(ours: float, linear: float, hidden: float, words: str) -> None:
    noise = 0.01 * np.random.default_rng(0).normal(size=8)
    losses = {"linear": linear - noise, "one hidden layer": hidden + noise, "prior": np.full(8, 2.3)}
    assert Baselines()._judged(SimpleNamespace(step=1000), ours + noise, losses) == ("ok", words)  # pyright: ignore


def test_early_on_nothing_is_wrong(subject_of: Any) -> None:
    found = Baselines().run(subject_of(session()))
    assert found.verdict == "unknown", found
    assert found.numbers["steps"] == 50


def test_real_targets(subject_of: Any) -> None:
    found = Baselines(sure=100).run(subject_of(session(squared, batches(targets=REALS + 100), started(1), steps=100)))
    # a constant gives var(y), however far from 0 the targets are
    assert found.numbers["prior"] == pytest.approx(float(REALS.var()), rel=0.1)
    # the targets are linear in the inputs
    assert found.numbers["linear"] < 0.1 * found.numbers["prior"]
    # Adam at 1e-2 brings a bias to about 1 of 100 in 100 steps
    assert found.verdict in ("wrong", "suspicious")


def test_codes_have_no_baseline(subject_of: Any) -> None:
    def codes(params: Any, x: Any) -> Any:
        return jnp.mean((outputs_of(params, x) - x) ** 2)

    found = Baselines().run(subject_of(session(codes, [each for each, _ in batches()], started(6, width=2))))
    assert found.verdict == "unknown"
    assert "no array of the batch is an input alone" in found.words


def test_tokens_are_counted_and_placed() -> None:
    tokens = np.array([[0, 2, 2], [1, 0, 2]], np.int32)

    def loss(params: Any, batch: Any) -> Any:
        logits = params["table"][batch[0]].sum(1)
        return optax.softmax_cross_entropy_with_integer_labels(logits, batch[1]).mean()

    made = session(loss, [(tokens, LABELS[:2])], {"table": jnp.ones((3, 4))})
    features = Features(made._setup(), (4,))((tokens, LABELS[:2]))
    # one 0 and two 2; then each place of three with a one among three
    assert features[0].tolist() == [1, 0, 2, 1, 0, 0, 0, 0, 1, 0, 0, 1]


def test_numbers_are_standardised() -> None:
    features = Features(session()._setup(), (4,))
    values = np.concatenate([features(batch) for batch in batches()[:8]])
    assert values.mean(0) == pytest.approx(np.zeros(6), abs=1e-5)
    assert values.std(0) == pytest.approx(np.ones(6), abs=1e-5)
    assert values.shape == (256, INPUTS.shape[1])
