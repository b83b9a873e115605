"""The checks of the third, fourth and fifth step of the checklist: a healthy case and a failing one each."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.checks._connections import jacobian_of
from nnwidgets.records import Check, heading_of

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 4, 320).astype(np.int32)
INPUTS = (2 * RNG.normal(size=(4, 6))[LABELS] + 0.6 * RNG.normal(size=(320, 6))).astype(np.float32)
BATCHES = [(INPUTS[i : i + 32], LABELS[i : i + 32]) for i in range(0, 320, 32)]


def logits_of(params: Any, inputs: Any) -> Any:
    hidden = jnp.tanh(inputs @ params["hidden"]["w"] + params["hidden"]["b"])
    return hidden @ params["head"]["w"] + params["head"]["b"]


def cross_entropy(logits: Any, labels: Any) -> Any:
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def right(params: Any, batch: Any) -> Any:
    return cross_entropy(logits_of(params, batch[0]), batch[1])


def params_of() -> Any:
    first, second = jax.random.split(jax.random.key(0))
    return {
        "hidden": {"w": jax.random.normal(first, (6, 16)) / 6**0.5, "b": jnp.zeros(16)},
        "head": {"w": jax.random.normal(second, (16, 4)) / 4, "b": jnp.zeros(4)},
    }


def session(loss: Any = right, tx: Any = None, params: Any = None, batches: Any = BATCHES, **more: Any) -> nnw.Session:
    objective = nnw.Objective(loss, params_of() if params is None else params, **more)
    return nnw.Session(objective, tx or optax.adam(1e-2), batches)


def checked(name: str, *arguments: Any, steps: int = 0, **more: Any) -> Check:
    run = session(*arguments, **more)
    if steps:
        run.run(steps)
    found = run.checklist(name)[name]
    assert not run.notices
    return found


@pytest.mark.parametrize(
    "name",
    ["set-up", "gradients", "activations", "connections", "one step", "training against evaluation", "repeatable"],
)
def test_a_healthy_run_is_green(name: str) -> None:
    found = checked(name, steps=30)
    assert found.verdict == "ok", found
    assert (found.step, found.seconds > 0, found.at > 1e9) == (30, True, True)


@jax.custom_vjp
def halved(x: Any) -> Any:
    return 1 * x


halved.defvjp(lambda x: (1 * x, None), lambda _, ct: (0.5 * ct,))


def test_a_wrong_rule_is_a_wrong_gradient() -> None:
    def loss(params: Any, batch: Any) -> Any:
        hidden = halved(jnp.tanh(batch[0] @ params["hidden"]["w"] + params["hidden"]["b"]))
        return cross_entropy(hidden @ params["head"]["w"] + params["head"]["b"], batch[1])

    found = checked("gradients", loss)
    assert found.verdict == "wrong"
    # everything before the rule is half of what it should be, everything behind it is right
    assert sorted(found.numbers["wrong"]) == ["hidden/b", "hidden/w"]


def test_a_layer_that_says_the_same_of_every_example() -> None:
    params = params_of()
    params["hidden"]["b"] = jnp.full(16, -100.0)
    params["hidden"]["w"] = params["hidden"]["w"] * 0.01

    def loss(params: Any, batch: Any) -> Any:
        hidden = jax.nn.relu(batch[0] @ params["hidden"]["w"] + params["hidden"]["b"])
        return cross_entropy(hidden @ params["head"]["w"] + params["head"]["b"], batch[1])

    found = checked("activations", loss, params=params)
    assert found.verdict == "wrong"
    # tanh(-100 +- 0.1) hidden: it varies, by little; behind the ReLU nothing is left of it
    assert found.numbers["layers"] == ["hidden", "head"]
    assert 0 < found.numbers["spreads"][0] < 0.01 and found.numbers["spreads"][1] == 0
    assert "the nonlinearity behind hidden" in found.words


def test_activations_that_are_not_finite() -> None:
    def loss(params: Any, batch: Any) -> Any:
        hidden = jnp.log(batch[0] @ params["hidden"]["w"] + params["hidden"]["b"])
        return cross_entropy(hidden @ params["head"]["w"] + params["head"]["b"], batch[1])

    found = checked("activations", loss)
    assert found.verdict == "wrong"
    assert "nan_origin" in found.words


def test_the_sparsity_of_the_jacobian() -> None:
    params = {"w": jnp.ones((2, 4)), "unused": jnp.ones(3)}

    def loss(params: Any, batch: Any) -> Any:
        # the first two of six inputs are used
        return cross_entropy(batch[0][:, :2] @ params["w"] + 0 * params["unused"].sum(), batch[1])

    run = session(loss, params=params)
    found = jacobian_of(run._setup())
    assert found is not None
    assert found.inputs == {"batch[0]": pytest.approx(2 / 6)}
    assert found.parameters == {"unused": False, "w": True}
    assert found.rows == 0
    run.run(5)
    check = run.checklist("connections")["connections"]
    assert (check.verdict, check.measured) == ("wrong", "1 of 1 inputs, 1 of 2 parameters")


def test_rows_that_depend_on_one_another() -> None:
    def loss(params: Any, batch: Any) -> Any:
        # a softmax over the examples
        logits = jax.nn.softmax(logits_of(params, batch[0]), axis=0)
        return cross_entropy(logits @ jnp.eye(4) @ params["last"], batch[1])

    found = checked("connections", loss, params=params_of() | {"last": jnp.eye(4)})
    assert found.verdict == "suspicious"
    assert found.numbers["rows"] == 31, "of 32 examples, all others"


def test_an_input_that_is_cut_off() -> None:
    def loss(params: Any, batch: Any) -> Any:
        return cross_entropy(logits_of(params, jnp.zeros_like(batch[0]) * batch[0]), batch[1])

    found = checked("connections", loss, steps=5)
    assert found.verdict == "wrong"
    assert "cut off" in found.words


def test_a_step_by_hand() -> None:
    def loss(params: Any, batch: Any) -> Any:
        return ((params["w"] - 1.0) ** 2).mean() + 0 * batch[0].sum()

    found = checked("one step", loss, optax.sgd(0.25), params={"w": jnp.asarray([3.0, 3.0])})
    # the mean of (3 - 1)^2 is 4; d/dw = 2 (w - 1) / 2 = 2; w = 3 - 0.25 * 2 = 2.5; the loss then is 1.5^2 = 2.25
    assert found.verdict == "ok"
    assert (found.numbers["before"], found.numbers["after"]) == (4.0, 2.25)
    assert found.numbers["moved"] == {"w": pytest.approx(0.5 / 3.0)}
    assert found.numbers["gradient norms"] == [pytest.approx(8**0.5)]


@pytest.mark.parametrize(
    ("tx", "verdict", "words"),
    [
        (optax.sgd(0.0), "wrong", "updates are: look at the schedule"),
        (optax.masked(optax.set_to_zero(), {"hidden": True, "head": False}), "suspicious", "leaves out"),
    ],
)
def test_steps_that_move_nothing(tx: Any, verdict: str, words: str) -> None:
    found = checked("one step", right, tx)
    assert found.verdict == verdict
    assert words in found.words


def test_a_learning_rate_that_is_too_high_and_one_that_is_right() -> None:
    def parabola(params: Any, batch: Any) -> Any:
        return ((batch[0] @ params["w"] - batch[1]) ** 2).mean()

    # the curvature is twice the largest eigenvalue; beyond 2 over it the loss grows without bound
    steepest = 2 * float(np.linalg.eigvalsh(INPUTS.T @ INPUTS / len(INPUTS)).max())
    diverging = checked("learning rate", parabola, optax.sgd(4 / steepest), params={"w": jnp.zeros(6)})
    assert diverging.verdict == "wrong"
    assert "too high" in diverging.words
    assert checked("learning rate", right, optax.adam(3e-2)).verdict == "ok"
    # nothing is wrong with a run that could go faster at first
    assert checked("learning rate", right, optax.sgd(1e-4)).verdict == "suspicious"


def test_another_model_in_evaluation() -> None:
    def loss(params: Any, batch: Any, *, train: bool) -> Any:
        return cross_entropy(logits_of(params, batch[0]) * (1.0 if train else -1.0), batch[1])

    assert checked("training against evaluation", loss, steps=10).verdict == "suspicious"
    assert checked("training against evaluation", loss, steps=120).verdict == "wrong"


def test_a_loss_with_randomness_of_its_own() -> None:
    def noise() -> Any:
        return np.asarray(np.random.default_rng().normal(), np.float32)

    def loss(params: Any, batch: Any) -> Any:
        noisy = jax.pure_callback(noise, jax.ShapeDtypeStruct((), jnp.float32))
        return right(params, batch) * (1.0 + 0.1 * noisy)

    found = checked("repeatable", loss)
    assert found.verdict == "wrong"
    assert "step 0 made twice" in found.words


class Shuffled:
    """Goes through its batches in another order each time."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)

    def __iter__(self) -> Any:
        return iter([BATCHES[i] for i in self.random.permutation(len(BATCHES))])


def test_data_that_comes_in_another_order() -> None:
    objective = nnw.Objective(right, params_of())
    run = nnw.Session(objective, optax.adam(1e-2), Shuffled(), timeline_memory=0)
    run.run(35)
    found = run.checklist("repeatable")["repeatable"]
    assert (found.verdict, found.measured) == ("wrong", "the data differs")


def test_labels_outside_the_classes_are_seen_in_the_set_up() -> None:
    found = checked("set-up", batches=[(inputs, labels + 2) for inputs, labels in BATCHES])
    assert found.verdict == "wrong"
    assert "LabelRange" in found.numbers["rules"]
    assert heading_of("LabelRange") == found.heading == 2


def test_a_generator_that_has_ended_can_still_be_checked() -> None:
    run = session(batches=iter(BATCHES[:6]))
    run.run(20)
    assert run.step == 6
    assert run.checklist("activations")["activations"].verdict == "ok"
    assert run.look("weights").pictures


def test_the_set_up_is_judged_at_the_first_state() -> None:
    params = params_of()
    params["hidden"]["w"], params["head"]["w"] = jnp.full((6, 16), 0.1), jnp.full((16, 4), 0.1)
    run = session(params=params)
    run.run(30)
    assert "ConstantInitialization" in run.checklist("set-up")["set-up"].numbers["rules"]
    assert {each.step for each in run.lint()} == {0}
