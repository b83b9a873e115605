"""The faults of step size and optimizer, each shown by the experiment that should show it, and their twins that are healthy."""

from __future__ import annotations

import importlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.explore import run_experiment
from nnwidgets.explore.curvature._edge_of_stability import EdgeOfStability
from nnwidgets.explore.learning_rate._learning_rate_map import LearningRateMap
from nnwidgets.explore.learning_rate._learning_rate_range import LearningRateRange
from nnwidgets.explore.optimizers._optimizers import Optimizers
from tests.faults import data

# many programs, each compiled
pytestmark = pytest.mark.long

HIGH, LOW = ("diverged", "too high"), ("too low",)
RANGE = LearningRateRange(steps=60, repeats=2)
MAP = LearningRateMap(rates=7, seeds=2, steps=50)
# convolutions take long
FEW = LearningRateRange(steps=20, repeats=1, lowest=1e-3, highest=1e3)

RATES = {
    "b56_linear_layers_at_three": (RANGE, HIGH),
    "b57_parabola": (RANGE, HIGH),
    "b59_steep_line": (RANGE, HIGH),
    "b60_nesterov": (FEW, HIGH),
    "b62_slow_slope": (RANGE, LOW),
    "b63_tiny_rate": (RANGE, LOW),
    "b69_exclusive_or": (RANGE, LOW),
    "b71_sum_over_batch": (RANGE, HIGH),
    "p107_adam_with_rate_3": (RANGE, HIGH),
    "p107_sgd_with_rate_30": (RANGE, HIGH),
}
MAPS = {"b57_parabola": HIGH, "b62_slow_slope": LOW}
EDGES = ("b59_steep_line", "p107_sgd_with_rate_30")


def lab_of(name: str, fault: bool) -> nnw.Lab:
    return importlib.import_module(f"tests.faults.cases.{name}").build(0, fault=fault).lab()


@pytest.mark.parametrize("name", RATES)
def test_a_range_test_shows_it(name: str) -> None:
    experiment, faults = RATES[name]
    found = run_experiment(experiment, lab_of(name, True))
    assert found.verdict in ("suspicious", "wrong"), found
    assert found["fault"] in faults
    assert ("diverges" if found["fault"] == "diverged" else found["fault"]) in found.answer
    # what it suggests instead was tried
    assert found["loss_suggested"] < 0.7 * found["loss_without_learning"], found
    twin = run_experiment(experiment, lab_of(name, False))
    assert (twin.verdict, twin["fault"]) == ("ok", ""), twin


@pytest.mark.parametrize("name", MAPS)
def test_a_map_shows_it(name: str) -> None:
    found = run_experiment(MAP, lab_of(name, True))
    assert found.verdict in ("suspicious", "wrong"), found
    assert found["fault"] in MAPS[name]
    assert found["mark"] in (("too low",) if MAPS[name] is LOW else ("diverged", "edge"))
    twin = run_experiment(MAP, lab_of(name, False))
    assert (twin.verdict, twin["fault"]) == ("ok", ""), twin


@pytest.mark.parametrize("name", EDGES)
def test_the_edge_of_stability_shows_it(name: str) -> None:
    experiment = EdgeOfStability(batches=2)
    found = run_experiment(experiment, lab_of(name, True))
    assert (found.verdict, found["share"] > 2) == ("wrong", True), found
    assert "the loss diverges in the next 40 steps" in found.answer
    twin = run_experiment(experiment, lab_of(name, False))
    assert (twin.verdict, twin["share"] < 1) == ("ok", True), twin


def test_a_straight_lines_edge_is_that_of_its_data() -> None:
    lab = lab_of("b59_steep_line", True)
    found = run_experiment(EdgeOfStability(batches=16), lab)
    x = np.concatenate([batch[0] for batch in lab.fresh(16)]).astype(np.float64)
    design = np.stack([x, np.ones_like(x)])
    top = np.linalg.eigvalsh(2 * design @ design.T / len(x))[-1]
    assert found["sharpness"] == pytest.approx(top, rel=1e-3)
    assert found["highest_learning_rate"] == pytest.approx(2 / top, rel=1e-3)


def keeps_gradients(rate: float, fault: bool) -> optax.GradientTransformation:
    """As a loop that adds each gradient to those before, and never sets them back to zero."""

    def update(grads: Any, before: Any, params: Any = None) -> Any:
        kept = jax.tree.map(jnp.add, before, grads) if fault else grads
        return jax.tree.map(lambda leaf: -rate * leaf, kept), kept

    return optax.GradientTransformation(lambda params: jax.tree.map(jnp.zeros_like, params), update)


@pytest.mark.parametrize(("fault", "verdict"), [(True, "wrong"), (False, "ok")])
def test_kept_gradients_are_shown_by_the_optimizers_answer_to_one(fault: bool, verdict: str) -> None:
    # b74: the loop is the user's own there, and what it does to the gradients a part of the optimizer here
    train, _ = data.blobs(74, classes=6, features=12)
    first, second = jax.random.split(jax.random.key(0))
    params = {
        "hidden": jax.random.normal(first, (12, 32)) / 12**0.5,
        "out": jax.random.normal(second, (32, 6)) / 32**0.5,
    }

    def loss(params: Any, batch: Any) -> jax.Array:
        logits = jax.nn.relu(batch[0] @ params["hidden"]) @ params["out"]
        return optax.softmax_cross_entropy_with_integer_labels(logits, batch[1]).mean()

    session = nnw.Session(nnw.Objective(loss, params), keeps_gradients(0.1, fault), data.batches(train, 50), budget=0)
    found = run_experiment(EdgeOfStability(batches=2), session.lab())
    assert found.verdict == verdict, found
    assert ("never forgets" in found.answer) is fault


@pytest.mark.parametrize(("fault", "verdict"), [(True, "suspicious"), (False, "ok")])
def test_an_optimizer_that_holds_the_head_alone(fault: bool, verdict: str) -> None:
    experiment = Optimizers(steps=10, rates=3, seeds=2, optimizers={"Adam": optax.adam})
    found = run_experiment(experiment, lab_of("b75_only_the_head", fault))
    assert found.verdict == verdict, found
    if fault:
        assert found["fault"] == "optimizer"
        assert found["unmoved"] and all(path.startswith("body") for path in found["unmoved"])
        assert "Yours never moves" in found.answer
    else:
        assert found["unmoved"] == []


def test_exclusive_or_takes_another_optimizer_too() -> None:
    # with the absolute error no rate of SGD comes far: it is not the learning rate alone
    experiment = Optimizers(steps=100, seeds=2, optimizers={"Adam": optax.adam})
    found = run_experiment(experiment, lab_of("b69_exclusive_or", True))
    assert (found.verdict, found["best"]) == ("suspicious", "Adam"), found
