"""What the loss is with zeros in place of the inputs."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.checks import ZeroedInput

from ._simple import INPUTS, batches, cross_entropy, session

WEIGHTS = np.arange(1.0, 7.0, dtype=np.float32) / 10
TARGETS = INPUTS @ WEIGHTS


def squared(params: Any, batch: Any) -> Any:
    return jnp.mean((batch[0] @ params["w"] - batch[1]) ** 2)


def line(start: Any, steps: int, rate: float = 0.0) -> nnw.Session:
    made = nnw.Session(
        nnw.Objective(squared, {"w": jnp.asarray(start)}), optax.sgd(rate), batches(targets=TARGETS), budget=0
    )
    return made.run(steps) if steps else made


def test_a_network_that_knows_the_line(subject_of: Any) -> None:
    found = ZeroedInput().run(subject_of(line(WEIGHTS, 1)))
    assert found.verdict == "ok", found
    # with w = w* the loss is 0; with x = 0 the output is 0, and the loss the mean square of the targets of four batches
    assert found.numbers["given"] == pytest.approx(0.0, abs=1e-6)
    coming = TARGETS[32:160]
    assert found.numbers["zeroed"] == pytest.approx(float((coming**2).mean()), rel=1e-4)


def test_a_network_that_ignores_its_inputs(subject_of: Any) -> None:
    def deaf(params: Any, batch: Any) -> Any:
        return cross_entropy(params, (0 * batch[0], batch[1]))

    assert ZeroedInput().run(subject_of(session(deaf, steps=10))).verdict == "unknown", "too early to tell"
    found = ZeroedInput().run(subject_of(session(deaf, steps=30)))
    assert found.verdict == "wrong", found
    assert found.numbers["given"] == found.numbers["zeroed"]


def test_a_run_that_is_still_above_chance_says_nothing(subject_of: Any) -> None:
    # far too large weights: zeros are better than this, as they are for any start that is too large
    found = ZeroedInput().run(subject_of(line(-20 * WEIGHTS, 30)))
    assert found.numbers["zeroed"] < found.numbers["given"]
    assert found.verdict == "unknown", found
