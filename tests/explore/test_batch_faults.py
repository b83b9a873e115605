"""The faults of batch size, each shown by the experiment that should show it."""

from __future__ import annotations

import importlib

import pytest

import nnwidgets as nnw
from nnwidgets.explore import BatchSizes, run_experiment

# many programs, each compiled
pytestmark = pytest.mark.long


def lab_of(name: str, fault: bool) -> nnw.Lab:
    return importlib.import_module(f"tests.faults.cases.{name}").build(0, fault=fault).lab()


def test_fifteen_updates_with_batches_of_2000_are_too_few() -> None:
    experiment = BatchSizes(factors=(0.05, 1.0), steps=15, seeds=2)
    found = run_experiment(experiment, lab_of("b65_fifteen_updates", True))
    assert found.verdict == "suspicious", found
    assert found["best_size"] == 100


def test_single_rows_are_too_few() -> None:
    experiment = BatchSizes(factors=(1.0, 32.0), steps=4 * 960, seeds=2)
    found = run_experiment(experiment, lab_of("b66_single_rows", True))
    assert found.verdict == "suspicious", found
    assert found["best_size"] == 32


def test_the_repair_of_a_batch_of_100_is_found_and_the_repaired_one_is_left_alone() -> None:
    """The commit halved the batches. After as many examples that is better; in the end, the suite says, it is the same."""
    found = run_experiment(BatchSizes(factors=(1.0, 0.5), steps=40, seeds=2), lab_of("b68_cats_and_dogs", True))
    assert found.verdict == "suspicious", found
    assert found["best_size"] == 50
    twin = run_experiment(BatchSizes(factors=(1.0, 2.0), steps=40, seeds=2), lab_of("b68_cats_and_dogs", False))
    assert twin.verdict == "ok", twin
