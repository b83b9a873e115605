"""Learning a few points by heart, and why it fails."""

from __future__ import annotations

from typing import Any

import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.checks import FewPoints
from nnwidgets.lint._rewritten import Rewritten
from nnwidgets.lint._undropped import undropped

from ._simple import INPUTS, LABELS, REALS, batches, cross_entropy, outputs_of, session, squared, started

SHORT = FewPoints(steps=200)


class Network(linen.Module):
    @linen.compact
    def __call__(self, x: Any, train: bool = False) -> Any:
        x = linen.BatchNorm(use_running_average=not train, momentum=0.9)(linen.Dense(32)(x))
        return linen.Dense(4)(linen.Dropout(0.5, deterministic=not train)(linen.relu(x)))


def test_one_two_and_twenty_points(subject_of: Any) -> None:
    made = session()
    found = FewPoints().run(subject_of(made))
    assert found.verdict == "ok", found
    assert found.numbers["points"] == [1, 2, 20]
    assert found.numbers["accuracies"] == [1.0, 1.0, 1.0]
    # tried aside: the run has made no step
    assert made.step == 0


def test_dropout_is_off_and_batch_norm_stays(subject_of: Any) -> None:
    model = Network()
    objective = nnw.from_linen(
        model, model.init(jax.random.key(0), INPUTS[:2]),
        lambda outputs, labels: optax.softmax_cross_entropy_with_integer_labels(outputs, labels).mean(),
    )  # fmt: skip
    subject = subject_of(nnw.Session(objective, optax.adam(1e-2), batches(), budget=0))
    found = SHORT.run(subject)
    assert found.verdict == "ok", found
    assert "dropout" not in found.words
    setup = subject.setup
    traced, key = setup.train, jax.random.key(3)
    run = jax.jit(Rewritten(traced, undropped(traced), [traced.head.logits]))
    (logits,) = run(setup.params, setup.state, setup.batch, key).noted
    # the same network with no dropout at all, on the batch's own statistics
    params = setup.params
    x = setup.batch[0] @ params["Dense_0"]["kernel"] + params["Dense_0"]["bias"]
    x = jax.nn.relu((x - x.mean(0)) / jnp.sqrt(x.var(0) + 1e-5))
    np.testing.assert_allclose(logits, x @ params["Dense_1"]["kernel"] + params["Dense_1"]["bias"], atol=1e-4)


def test_real_targets_come_near_zero(subject_of: Any) -> None:
    found = FewPoints().run(subject_of(session(squared, batches(targets=REALS), started(1))))
    assert found.verdict == "ok", found
    for first, last in zip(found.numbers["first_losses"], found.numbers["losses"], strict=True):
        assert last <= 0.01 * max(first, float((REALS[:20] ** 2).mean()))


@pytest.mark.parametrize(
    ("tx", "verdict"), [(optax.sgd(1e-6), "suspicious"), (optax.sgd(-0.1), "wrong")], ids=["tiny", "uphill"]
)
def test_a_learning_rate_that_is_far_off(subject_of: Any, tx: Any, verdict: str) -> None:
    found = SHORT.run(subject_of(session(tx=tx)))
    assert (found.numbers["cause"], found.verdict) == ("learning rate", verdict), found


def test_a_gradient_that_is_wrong(subject_of: Any) -> None:
    @jax.custom_vjp
    def uphill(x: Any) -> Any:
        return x

    uphill.defvjp(lambda x: (x, None), lambda _, grad: (-grad,))
    found = SHORT.run(subject_of(session(lambda params, batch: uphill(cross_entropy(params, batch)))))
    assert (found.numbers["cause"], found.verdict) == ("gradient", "wrong"), found


def test_equal_inputs_with_different_labels(subject_of: Any) -> None:
    found = SHORT.run(subject_of(session(data=batches(np.repeat(INPUTS[:160], 2, 0)))))
    # points 1 and 2 are one, with labels 0 and 1
    assert (found.numbers["cause"], found.verdict) == ("labels", "suspicious"), found
    assert found.words.startswith("2 of the points")
    assert found.numbers["accuracies"] == [1.0, 0.5]


def test_an_output_that_cannot_reach_its_targets(subject_of: Any) -> None:
    def bounded(params: Any, batch: Any) -> Any:
        return jnp.mean((jnp.tanh(outputs_of(params, batch[0])[:, 0]) - batch[1]) ** 2)

    # (3 - 1)² = 4 is the least
    found = SHORT.run(
        subject_of(session(bounded, batches(targets=np.full(320, 3, np.float32) + 0.01 * LABELS), started(1)))
    )
    assert found.verdict in ("wrong", "suspicious"), found
    assert found.numbers["losses"][0] == pytest.approx(4.0, abs=0.3)


def test_codes_of_the_inputs_need_only_fall(subject_of: Any) -> None:
    def codes(params: Any, x: Any) -> Any:
        return jnp.mean((outputs_of(params, x) - x) ** 2)

    found = SHORT.run(subject_of(session(codes, [each for each, _ in batches()], started(6, width=2))))
    assert (found.verdict, found.expected) == ("ok", "a loss that falls"), found
