"""Pairs of recorded runs that differ in one hidden thing: each is told from its record, and named first."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.records import Command
from nnwidgets.track import Store
from nnwidgets.track._worker import worker
from nnwidgets.track.differences._difference import difference

SUBJECT = '''
import jax
import jax.numpy as jnp


def loss_fn(params, batch, *, rng):
    """The squared error of a small network whose inputs are noisy."""
    inputs, targets = batch
    values = inputs + 0.01 * jax.random.normal(rng, inputs.shape, inputs.dtype)
    for layer in params:
        values = jnp.tanh(values @ layer)
    return jnp.mean((values - targets) ** 2)
'''
STEPS = 6


@dataclass(frozen=True)
class Trial:
    """What a run is made of."""

    sizes: tuple[int, ...] = (3, 4, 1)
    rate: float = 0.1
    optimizer: Callable[[float], optax.GradientTransformation] = optax.adam
    seed: int = 0
    start: int = 0
    batch_size: int = 4
    order: tuple[int, ...] = tuple(range(16))
    changed: tuple[int, int] | None = None
    slider: float | None = None
    source: str = SUBJECT

    def batches(self):
        random = np.random.default_rng(0)
        inputs = random.normal(size=(16, 3)).astype(np.float32)
        targets = random.normal(size=(16, 1)).astype(np.float32)
        if self.changed:
            inputs[self.changed] += 0.5
        inputs, targets = inputs[list(self.order)], targets[list(self.order)]
        return [
            (inputs[i : i + self.batch_size], targets[i : i + self.batch_size]) for i in range(0, 16, self.batch_size)
        ]

    def params(self):
        random = np.random.default_rng(self.start)
        shapes = zip(self.sizes, self.sizes[1:], strict=False)
        return [jnp.asarray(random.normal(size=shape), jnp.float32) for shape in shapes]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ten")


@pytest.fixture
def record(folder, monkeypatch):
    """Makes a run as a script would that imports its loss from a module beside it, and gives what is on record."""
    monkeypatch.setenv("NNWIDGETS_TRACK", "")
    monkeypatch.setenv("NNWIDGETS_HOME", str(folder / "home"))
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    # bytecode would be read in place of a source of the same size and second
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield lambda trial=Trial(): made(folder, trial)
    sys.modules.pop("track_subject", None)


def made(folder, trial):
    (folder / "track_subject.py").write_text(trial.source)
    sys.modules.pop("track_subject", None)
    importlib.invalidate_caches()
    objective = nnw.Objective(importlib.import_module("track_subject").loss_fn, trial.params())
    session = nnw.Session(objective, trial.optimizer(trial.rate), trial.batches(), seed=trial.seed, budget=0.0)
    session.run(STEPS // 2)
    if trial.slider is not None:
        session._desk.receive(Command("multiplier", trial.slider))
    session.run(STEPS - STEPS // 2)
    # the environment is described in its own time, and must be as it is now
    assert worker.drain(20) and not session.notices
    return Store().run(session.record.id)


@pytest.fixture
def plain(folder, record):
    """The run that all others are compared with, made once."""
    return Store().runs()[-1] if (folder / "home" / "runs.db").exists() else record()


TRIALS = {
    "learning rate": (Trial(rate=0.2), "Learning rate: 0.1 against 0.2. The losses part at step 1.", "hyperparameters"),
    "optimizer": (Trial(optimizer=optax.sgd), "Optimizer: scale_by_adam(", "hyperparameters"),
    "seed": (Trial(seed=1), "Seed: 0 against 1. The losses part at step 0.", "hyperparameters"),
    "batch size": (Trial(batch_size=8), "Batch size: 4 against 8; data: the same examples in the same order", "data"),
    "a row": (
        Trial(changed=(9, 1)),
        "Data: 1 of 4 batches differ, first the batch of step 2 (row 1 of field 0). The losses part at step 2.",
        "data",
    ),
    "order": (
        Trial(order=tuple(np.random.default_rng(3).permutation(16).tolist())),
        "Data: the same examples in another order from step 0 on. The losses part at step 0.",
        "data",
    ),
    "start": (Trial(start=1), "The initial parameters have other values", "start"),
    "layer": (
        Trial(sizes=(3, 4, 4, 1)),
        "The model: 2 tensors differ, the first 1: float32[4,1] against float32[4,4]. The losses part at step 0.",
        "model",
    ),
    "slider": (
        Trial(slider=0.1),
        "At step 3 of one run only: learning rate \u00d7 0.1. The losses part at step 4.",
        "interventions",
    ),
    "a line of code": (
        Trial(source=SUBJECT.replace("jnp.tanh(values @ layer)", "jnp.sin(values @ layer)")),
        "Code of module track_subject.py: values = jnp.tanh(values @ layer) against values = jnp.sin(values @ layer). ",
        "code",
    ),
}  # fmt: skip


@pytest.mark.parametrize("thing", TRIALS)
def test_the_one_thing_that_differs_is_named_first(thing, plain, record):
    trial, words, group = TRIALS[thing]
    told = difference(plain, record(trial))
    assert told.why.startswith(words)
    assert group in dict(told.groups)
    allowed = {"batch size": {"hyperparameters", "data"}}.get(thing, {group})
    assert {name for name, _ in told.groups} <= allowed | {"outcome"}


def test_two_runs_of_the_same_program_do_not_differ(plain, record):
    told = difference(plain, record())
    assert told.groups == () and told.why == "The losses of all 6 common steps are the same, bit for bit."


def test_a_comment_in_the_code_is_harmless(plain, record):
    told = difference(
        record(), record(Trial(source=SUBJECT.replace("values = inputs", "# noisy\n    values = inputs")))
    )
    assert told.why.startswith("The losses of all 6 common steps are the same, bit for bit. What differs can't change")


@pytest.mark.parametrize("name, used", [("numpy", True), ("pytest", True), ("jupyterlab", False)])
def test_another_version_of_a_package_is_named(name, used, plain, record, monkeypatch):
    others = plain.facts("environment")["packages"] | {name: "0.0.1"}
    monkeypatch.setattr("nnwidgets.track.facts._environment.installed", lambda: others)
    told = difference(plain, record())
    assert [group for group, _ in told.groups] == ["packages"]
    if used:
        assert told.why.startswith(f"Package {name} ")
    assert told.why.endswith("against jupyterlab 0.0.1, which was not imported.") != used


@pytest.mark.parametrize("setting, value", [("jax_default_matmul_precision", "highest"), ("jax_enable_x64", True)])
def test_another_setting_of_jax_is_named(setting, value, plain, record):
    before = getattr(jax.config, setting)
    jax.config.update(setting, value)
    try:
        told = difference(plain, record())
    finally:
        jax.config.update(setting, before)
    assert told.why.startswith(
        f"JAX setting {setting.removeprefix('jax_')}: {'none' if before is None else before} against {value}"
    )


def test_another_flag_of_xla_is_named(plain, record, monkeypatch):
    before = os.environ.get("XLA_FLAGS", "none")
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
    assert difference(plain, record()).why.startswith(
        f"Variable XLA_FLAGS: {before} against --xla_cpu_enable_fast_math=true."
    )


def test_two_hidden_things_are_both_told(plain, record):
    told = difference(plain, record(replace(Trial(), rate=0.2, changed=(9, 1))))
    assert told.why.startswith("Learning rate: 0.1 against 0.2; data: 1 of 4 batches differ, first the batch of step 2")
