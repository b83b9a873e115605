"""The terms of a loss, and whether its penalty is one."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnwidgets.checks import LossTerms, Penalty

from ._simple import cross_entropy, outputs_of, session


def size(params: Any) -> Any:
    return sum(jnp.sum(params[name]["w"] ** 2) for name in ("hidden0", "head"))


def one_more(params: Any, batch: Any) -> Any:
    return cross_entropy(params, batch) + 0.01 * size(params)


def one_less(params: Any, batch: Any) -> Any:
    return cross_entropy(params, batch) - 0.01 * size(params)


def declared(params: Any, batch: Any) -> Any:
    penalty = 0.01 * size(params)
    return cross_entropy(params, batch) + penalty, {"penalty": penalty}


def forgotten(params: Any, batch: Any) -> Any:
    return cross_entropy(params, batch), {"penalty": 0.01 * size(params)}


def swamped(params: Any, batch: Any) -> Any:
    labels = cross_entropy(params, batch)
    units = 1000.0 * jnp.mean((outputs_of(params, batch[0]).sum(1) - batch[0].sum(1)) ** 2)
    return labels + units


def undefined(params: Any, batch: Any) -> Any:
    return cross_entropy(params, batch) + 0.1 * jnp.log(-jnp.mean(outputs_of(params, batch[0]) ** 2))


def by_hand(params: Any) -> tuple[float, float]:
    """0.01 Σw², and the norm of its gradient, 0.02 |w|."""
    squares = sum(float((np.asarray(params[name]["w"], np.float64) ** 2).sum()) for name in ("hidden0", "head"))
    return 0.01 * squares, 0.02 * squares**0.5


def test_each_term_with_its_value_and_gradient(subject_of: Any) -> None:
    made = session(one_more)
    found = LossTerms().run(subject_of(made))
    assert found.verdict == "ok", found
    assert len(found.numbers["terms"]) == 2
    terms = dict(
        zip(found.numbers["terms"], zip(found.numbers["values"], found.numbers["gradients"], strict=True), strict=True)
    )
    (alone,) = [name for name in terms if name.endswith("(of the parameters alone)")]
    assert terms.pop(alone) == pytest.approx(by_hand(made.params), rel=1e-4)
    ((value, _),) = terms.values()
    assert value == pytest.approx(float(cross_entropy(made.params, made._setup().batch)), rel=1e-5)
    assert any("optax.softmax" in name for name in terms)
    assert sum(found.numbers["values"]) == pytest.approx(float(one_more(made.params, made._setup().batch)), rel=1e-5)


def test_one_term(subject_of: Any) -> None:
    found = LossTerms().run(subject_of(session()))
    assert (found.verdict, len(found.numbers["terms"]), found.expected) == ("ok", 1, "one term")


def test_a_penalty_that_is_subtracted(subject_of: Any) -> None:
    subject = subject_of(session(one_less))
    found = LossTerms().run(subject)
    assert found.verdict == "wrong"
    assert "subtracted" in found.words
    penalty = Penalty().run(subject)
    assert penalty.verdict == "wrong"
    assert penalty.numbers["doubled"] == pytest.approx(-by_hand(subject.setup.params)[0], rel=1e-4)


def test_a_term_that_swamps_the_other(subject_of: Any) -> None:
    found = LossTerms().run(subject_of(session(swamped)))
    assert found.verdict == "suspicious"
    assert "units = 1000.0" in found.words
    small, large = sorted(found.numbers["gradients"])
    assert large > 99 * small


def test_a_term_that_is_not_finite(subject_of: Any) -> None:
    found = LossTerms().run(subject_of(session(undefined)))
    assert found.verdict == "wrong"
    assert "nan_origin" in found.words


@pytest.mark.parametrize("loss", [one_more, declared])
def test_a_stronger_penalty_makes_the_loss_higher(subject_of: Any, loss: Any) -> None:
    made = session(loss)
    found = Penalty().run(subject_of(made))
    assert found.verdict == "ok", found
    value = by_hand(made.params)[0]
    assert found.numbers["doubled"] == pytest.approx(value, rel=1e-3)
    # 1.1² - 1 = 0.21 of it
    assert found.numbers["larger"] - found.numbers["penalty"] == pytest.approx(0.21 * value, rel=1e-3)


def test_a_penalty_that_is_not_added(subject_of: Any) -> None:
    found = Penalty().run(subject_of(session(forgotten)))
    assert found.verdict == "wrong"
    assert found.numbers["doubled"] == 0
    assert "add it" in found.words


def test_no_penalty(subject_of: Any) -> None:
    found = Penalty().run(subject_of(session()))
    assert (found.verdict, found.measured) == ("unknown", "no penalty in this loss")


def test_the_logarithm_of_a_learned_scale_is_no_penalty(subject_of: Any) -> None:
    def weighed(params: Any, batch: Any) -> Any:
        return jnp.exp(-params["scale"]) * cross_entropy(params, batch) - 0.5 * params["scale"]

    params = {**session().params, "scale": jnp.asarray(0.3)}
    subject = subject_of(session(weighed, params=params))
    assert LossTerms().run(subject).verdict == "ok"
    assert Penalty().run(subject).verdict == "unknown"
    assert jax.tree.map(jnp.shape, subject.setup.params)["scale"] == ()
