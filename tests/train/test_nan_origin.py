"""A run whose numbers stop being finite pauses before that step, and says which operation of which line did it."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw

from .test_rewind import BATCHES


def loss_fn(params: Any, batch: Any) -> Any:
    size = jnp.abs(batch @ params["w"])
    return jnp.mean(jnp.log(size).sum(-1))


def run_of(batches: Any, tx: Any = None, loss: Any = loss_fn, **options: Any) -> nnw.Session:
    return nnw.Session(nnw.Objective(loss, {"w": jnp.ones((6, 4))}), tx or optax.sgd(1e-2), batches, **options)


def black(rows: list[int], batch: np.ndarray = BATCHES[2]) -> np.ndarray:
    return np.where(np.isin(np.arange(8), rows)[:, None], 0, batch).astype(np.float32)


@pytest.mark.parametrize("budget", [0, 1.0])
def test_the_operation_its_line_and_its_examples(budget: float) -> None:
    run = run_of([*BATCHES[:2], black([3, 5]), *BATCHES[3:]], budget=budget).run(10)
    lines, first = inspect.getsourcelines(loss_fn)
    line = first + next(k for k, text in enumerate(lines) if "jnp.log" in text)
    assert run.step == 2 and run.status.state == "paused"
    (report,) = run.history.nan_reports
    assert report.step == 2 and report.forward is not None
    assert report.forward.what == "log" and report.forward.rows == (3, 5)
    assert report.forward.line is not None and report.forward.line.endswith(f"{Path(__file__).name}:{line}")
    (finding,) = run.findings
    assert finding.rule == "NonFinite" and finding.line == report.forward.line and "logarithm of 0" in finding.remedy
    assert f"test_nan_origin.py:{line}" in repr(run)
    # asked again it says the same; going on does not ask again
    assert run.nan_origin().forward == report.forward
    assert run.run(3).step == 5


def test_before_it_nothing_is_found_and_after_another_way_nothing_is_left() -> None:
    run = run_of([*BATCHES[:2], black([3]), *BATCHES[3:]], budget=0).run(10)
    run.rewind(1)
    assert not run.findings and not run.history.nan_reports
    run.params = jax.tree.map(lambda leaf: leaf + 1, run.params)
    run.run(1)
    assert not run.findings


def test_a_batch_that_holds_a_nan() -> None:
    bad = BATCHES[1].copy()
    bad[4, 2] = np.nan
    run = run_of([BATCHES[0], bad], budget=0).run(5)
    (report,) = run.history.nan_reports
    assert report.forward is not None and report.forward.kind == "input"
    assert report.forward.what == "batch" and report.forward.rows == (4,)


def test_an_update_that_is_not_finite() -> None:
    """The loss and its gradients are finite, and yet the parameters are not after the step."""

    def update(updates: Any, state: Any, params: Any = None) -> Any:
        return jax.tree.map(lambda leaf: leaf / jnp.where(state == 3, 0.0, 100.0), updates), state + 1

    broken = optax.GradientTransformation(lambda params: jnp.zeros((), jnp.int32), update)

    def loss(params: Any, batch: Any) -> Any:
        return jnp.mean((batch @ params["w"]) ** 2)

    run = run_of(BATCHES, broken, loss, budget=0).run(10)
    (report,) = run.history.nan_reports
    # the state before the step that made them
    assert run.step == 3 and report.step == 3
    assert report.origin is not None and report.origin.what == "div"
    assert report.origin.line is not None and "test_nan_origin.py" in report.origin.line
    assert report.notes == ("loss and gradients of step 3 are finite: the optimizer's update is not",)


def test_a_search_that_fails_does_not_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Any, *arguments: Any) -> Any:
        raise RuntimeError("no search today")

    monkeypatch.setattr("nnwidgets.origins.ObjectiveOrigin.__call__", fail)
    run = run_of([*BATCHES[:2], black([3]), *BATCHES[3:]], budget=0).run(10)
    assert run.step == 2 and run.status.state == "paused"
    assert [(each.source, each.message) for each in run.notices] == [("nan_origin", "no search today")]
    # the rule still says what it can
    assert run.findings[0].rule == "NonFinite"


def test_the_coming_step_is_the_one_that_is_looked_at() -> None:
    run = run_of([*BATCHES[:2], black([3]), *BATCHES[3:]], budget=0).run(2)
    report = run.nan_origin()
    assert report.forward is not None and report.forward.rows == (3,) and run.step == 2
    run.rewind(1)
    assert run.nan_origin().finite


def test_a_run_that_went_on_is_taken_back_to_where_it_began() -> None:
    run = run_of([*BATCHES[:2], black([3]), *BATCHES[3:]], pause_on_nan=False, budget=0).run(20)
    assert run.step == 20 and run.nan_origin().forward is not None
    assert run.step == 2
    (finding,) = run.findings
    # asked twice it says the same
    assert run.nan_origin().forward is not None and run.findings == (finding,)
