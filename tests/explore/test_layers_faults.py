"""Faults of dropout, batch norm, clipping and decay from the fault suite, each shown by the experiment that should show it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import pytest

from nnwidgets.explore.clipping._clipping import Clipping
from nnwidgets.explore.layers._batch_norm import BatchNorm
from nnwidgets.explore.layers._dropout import Dropout
from nnwidgets.explore.regularization._regularization import Regularization
from tests.faults import _cases
from tests.faults.prove import quiet

# many programs, each compiled
pytestmark = pytest.mark.long

NORMS, DROPS = BatchNorm(batches=4, settle=100), Dropout(steps=0, batches=3)
CLIPS, PENALTIES = Clipping(steps=50), Regularization(steps=50, keys=1, check=False)


@pytest.fixture(scope="module", autouse=True)
def _quickly_compiled() -> Iterator[None]:
    """Nearly all of the time goes into compiling; these programs are run for a few steps only."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def found_in(name: str, experiment: Any, steps: int, *, fault: bool = True) -> Any:
    """What an experiment says of a case after so many steps."""
    (case,) = _cases.find([name])
    session = quiet(case.load().build(0, fault))
    if steps:
        session.run(steps)
    return experiment.run(session.lab())


def test_p050_averages_lag() -> None:
    found = found_in("p050", NORMS, 60)
    assert found.verdict == "suspicious", found
    assert found["momenta"][0] == pytest.approx(0.99, abs=1e-3)
    assert found["distances"][0] > 1
    # 0.99 to the 60th
    assert "55% of what they started with is left after 60 steps" in found.answer
    assert found["evaluation_loss"] > 5 * found["evaluation_loss_settled"]
    healthy = found_in("p050", NORMS, 60, fault=False)
    assert healthy.verdict == "ok", healthy
    assert healthy["momenta"][0] == pytest.approx(0.8, abs=1e-3)


def test_p051_norm_of_one_row() -> None:
    found = found_in("p051", NORMS, 5)
    assert found.verdict == "wrong", found
    assert "over a single value" in found.answer
    assert found["values_in_each_mean"] == [1]
    healthy = found_in("p051", NORMS, 40, fault=False)
    assert healthy.verdict == "ok", healthy


def test_p036_bias_before_norm() -> None:
    """Harmless, and said to be."""
    found = found_in("p036", NORMS, 40)
    assert found.verdict == "ok", found
    assert "Dense_0/bias, Dense_1/bias: a bias right before a batch norm does nothing" in found.answer
    assert max(found["their_gradients"]) < 1e-5 * min(found["gradient_beside"])
    healthy = found_in("p036", NORMS, 40, fault=False)
    assert healthy.verdict == "ok", healthy
    assert "useless_biases" not in healthy.numbers


def test_p047_merged_streams() -> None:
    found = found_in("p047", DROPS, 0)
    assert found.verdict == "wrong", found
    assert "is the same in 3 consecutive steps" in found.answer
    assert (found["as_the_step_before"], found["train_outputs_apart"]) == ([1.0], 0.0)
    healthy = found_in("p047", DROPS, 0, fault=False)
    assert healthy.verdict == "ok", healthy
    assert healthy["as_the_step_before"][0] < 1


def test_p048_evaluated_in_training_mode() -> None:
    found = found_in("p048", DROPS, 0)
    assert found.verdict == "wrong", found
    assert "acts in evaluation" in found.answer
    assert found["evaluation_outputs_apart"] > 0.1
    healthy = found_in("p048", DROPS, 0, fault=False)
    assert healthy.verdict == "ok", healthy
    assert healthy["evaluation_outputs_apart"] == 0
    assert healthy["measured_rates"] == [pytest.approx(0.5, abs=0.05)] * 2


def test_b81_dropout_everywhere() -> None:
    found = found_in("b81", DROPS, 0)
    assert found.verdict == "wrong", found
    assert "acts on the outputs of the network" in found.answer
    assert "use a rate of 0.5 or less" in found.answer
    assert found["measured_rates"] == [pytest.approx(0.8, abs=0.05)] * 3
    healthy = found_in("b81", DROPS, 0, fault=False)
    assert healthy.verdict == "ok", healthy
    assert healthy["measured_rates"] == [pytest.approx(0.2, abs=0.05)] * 2


def test_p069_clip_after_adam() -> None:
    found = found_in("p069", CLIPS, 0)
    assert found.verdict == "wrong", found
    assert "behind the moments" in found.answer
    assert (found["place"], found["share_clipped"]) == ("updates", 1.0)
    assert found["bound"] == pytest.approx(0.02, rel=1e-3)
    healthy = found_in("p069", CLIPS, 0, fault=False)
    assert healthy.verdict == "ok", healthy
    assert healthy["place"] == "gradients"


def test_p071_clipped_below_epsilon() -> None:
    found = found_in("p071", CLIPS, 0)
    assert found.verdict == "wrong", found
    assert "too low and holds the run back" in found.answer
    assert found["norm_median"] > 1000 * found["bound"]
    assert found["loss_at_the_end"] > 2 * found["loss_without_clipping"]
    healthy = found_in("p071", CLIPS, 0, fault=False)
    assert healthy.verdict == "ok", healthy


def test_p072_decay_inside_adam() -> None:
    found = found_in("p072", PENALTIES, 0)
    assert found.verdict == "wrong", found
    assert "goes through Adam's division" in found.answer
    assert (found["decay"], found["decay_strength"]) == ("inside", pytest.approx(0.1, rel=1e-2))
    assert found["data_loss_l2"] > 1.5 * found["data_loss_decoupled"]
    healthy = found_in("p072", Regularization(steps=0, check=False), 0, fault=False)
    assert healthy.verdict == "ok", healthy
    assert healthy["decay"] == "decoupled"


def test_p110_decay_of_10() -> None:
    found = found_in("p110", PENALTIES, 0)
    assert found.verdict == "wrong", found
    assert "The regularization rules" in found.answer
    assert "5.00% of each weight in one step" in found.answer
    assert found["decay_strength"] == pytest.approx(10, rel=1e-2)
    healthy = found_in("p110", PENALTIES, 0, fault=False)
    assert healthy.verdict == "ok", healthy
    assert healthy["progress_left"] > 0.9


def test_p062_added_loss_ignored() -> None:
    found = found_in("p062_added", PENALTIES, 0)
    assert found.verdict == "wrong", found
    assert "does not come into the loss" in found.answer
    # the line that adds it
    assert "p062_added_loss_ignored.py:30" in found.answer
    healthy = found_in("p062_added", PENALTIES, 0, fault=False)
    assert healthy.verdict == "ok", healthy
    assert healthy["penalty"] > 0


@pytest.mark.parametrize("name", ["p053", "p054"])
def test_what_is_equal_from_the_start_is_no_matter_of_dropout(name: str) -> None:
    """One key for all layers, and one used twice, make equal parameters: `nnwidgets.lint` tells these."""
    assert found_in(name, DROPS, 0).verdict == "unknown"
    assert found_in(name, NORMS, 0).verdict == "unknown"


@pytest.mark.parametrize("name", ["p044", "p045"])
def test_what_raises_is_no_experiment(name: str) -> None:
    """Flax says both itself; statistics that get lost without a word are in ``test_batch_norm.py``."""
    (case,) = _cases.find([name])
    assert _cases.form(case.load()) == "loud"
