"""What a session's events become in the store."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.track import Store


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NNWIDGETS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NNWIDGETS_TRACK", raising=False)
    return tmp_path / "home"


def loss_fn(params: Any, batch: Any) -> Any:
    return jnp.mean((batch @ params["w"] - 1.0) ** 2)


def session(**options: Any) -> nnw.Session:
    batches = [np.full((4, 3), value, np.float32) for value in (1.0, 2.0)]
    options = {"name": "small"} | options
    return nnw.Session(nnw.Objective(loss_fn, {"w": jnp.zeros(3)}), optax.sgd(0.01), batches, **options)


def test_a_run_is_kept_as_it_went() -> None:
    held = [np.ones((4, 3), np.float32)]
    trained = session(validation=held, validation_every=10).run(30)
    trained.log(temperature=0.7)
    run = trained.record
    assert (run.name, run.state, run.step, run.parent) == ("small", "finished", 30, None)
    steps, losses = run.rows("train/loss")
    assert steps.tolist() == list(range(30))
    np.testing.assert_array_equal(losses[:, 0], trained.history["train/loss"].values[:, 0])
    assert run.rows("validation/loss")[0].tolist() == [10, 20, 30]
    assert run.rows("log/temperature")[1][0, 0] == np.float32(0.7)
    assert run.facts("hyperparameters")["batch_size"] == 4 and run.facts("hyperparameters")["seed"] == 0
    hashes = run.rows("data/hash")[1][:, 0]
    assert hashes.dtype == np.int64 and set(hashes[::2]) == {hashes[0]} and hashes[0] != hashes[1]
    kept = run.history()
    assert kept.names() == trained.history.names()
    np.testing.assert_array_equal(kept["gradient/norm"].values, trained.history["gradient/norm"].values)


def test_stopping_and_going_on_is_one_run() -> None:
    trained = session().run(10)
    trained.run(5)
    assert len(Store().runs()) == 1 and trained.record.step == 15 and trained.record.state == "finished"


def test_each_branch_is_a_run() -> None:
    trained = session().run(20)
    before = trained.record
    trained.rewind(8)
    trained._desk.controls.multiplier = 3.0
    trained.run(4)
    branch = trained.record
    assert (branch.parent, branch.branched_at, branch.step) == (before.uid, 8, 12)
    old = before.fresh()
    assert (old.state, old.step) == ("finished", 20)
    (_, there), (_, here) = old.rows("train/loss"), branch.rows("train/loss")
    np.testing.assert_array_equal(here[:9], there[:9])
    assert here[9:].tolist() != there[9:12].tolist() and len(here) == 12
    assert branch.facts("model") == old.facts("model")
    assert branch.history()["train/loss"].steps.tolist() == list(range(12))
    assert old.history()["train/loss"].steps.tolist() == list(range(20))


def test_parameters_put_in_by_hand_are_an_intervention_and_a_run_that_stands_still_is_no_live_one() -> None:
    trained = session().run(10)
    trained.params = jax.tree.map(lambda leaf: leaf + 1, trained.params)
    trained.rewind(5)
    run = trained.record
    assert run.state == "stopped" and not run.alive
    assert run.facts("code")["interventions"] == [{"step": 10, "what": "other values were put into the session"}]


def test_how_it_ended() -> None:
    def broken() -> Any:
        yield from [np.ones((4, 3), np.float32)] * 5
        raise OSError("the disk with the data is gone")

    failing = nnw.Session(nnw.Objective(loss_fn, {"w": jnp.zeros(3)}), optax.sgd(0.01), broken())
    with pytest.raises(OSError, match="is gone"):
        failing.run(10)
    assert failing.record.state == "failed" and "OSError: the disk with the data is gone" in failing.record.error
    stopped = session()
    stopped.pause_when(3)
    assert stopped.run(10).record.state == "stopped"
    diverged = session(pause_on_nan=False)
    diverged.params = {"w": jnp.full(3, jnp.nan)}
    run = diverged.run(5).record
    assert run.state == "nan" and math.isnan(run.rows("train/loss")[1][0, 0])


def test_states_come_back() -> None:
    trained = session(validation=[np.ones((4, 3), np.float32)], validation_every=5).run(20)
    run = trained.record
    from nnwidgets.track._worker import worker

    assert worker.drain(20)
    again = run.restore(session(track=False))
    np.testing.assert_array_equal(again.params["w"], trained.params["w"])
    assert (run.folder / "best.npz").is_file()
    with pytest.raises(ValueError, match="no state 'first' is kept"):
        run.restore(session(track=False), "first")
    other = nnw.Session(
        nnw.Objective(loss_fn, {"w": jnp.zeros((3, 2))}), optax.sgd(0.01), [np.ones((4, 3), np.float32)]
    )
    with pytest.raises(ValueError, match=r"float32\[3\] there, params\['w'\] float32\[3, 2\] here"):
        run.restore(other)


@pytest.mark.parametrize("how", [{"track": False}, {}])
def test_nothing_is_kept_where_it_is_switched_off(how: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not how:
        monkeypatch.setenv("NNWIDGETS_TRACK", "off")
    trained = session(**how).run(5)
    assert trained.record is None and not home.exists()


def test_recording_changes_no_bit() -> None:
    one, other = session(seed=3).run(40), session(seed=3, track=False).run(40)
    np.testing.assert_array_equal(one.params["w"], other.params["w"])


def test_what_fails_in_it_is_a_notice_and_the_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from nnwidgets.track import _recorder

    monkeypatch.setattr(_recorder.Fingerprint, "note", lambda *_: 1 / 0)
    trained = session().run(10)
    assert trained.step == 10
    assert [each.message for each in trained.notices if each.source == "track"] == [
        "the run is not recorded any more: division by zero"
    ]
    assert (trained.record.state, trained.record.message) == ("stopped", trained.notices[-1].message)


def test_code_that_could_not_be_taken_down_is_a_notice_and_the_rest_is_on_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nnwidgets.track.sources._code.local_modules", lambda _: 1 / 0)
    trained = session().run(2)
    words = "local modules could not be recorded: ZeroDivisionError: division by zero"
    assert [each.message for each in trained.notices if each.source == "track"] == [words]
    assert trained.record.facts("code")["failures"] == [words] and trained.record.state == "finished"


def test_a_run_that_is_asked_for_has_what_was_being_taken_down(monkeypatch: pytest.MonkeyPatch) -> None:
    from nnwidgets.track.facts import _optimizer

    describe, gate = _optimizer.describe, threading.Event()

    def late(tx: Any) -> Any:
        assert gate.wait(30)
        return describe(tx)

    monkeypatch.setattr(_optimizer, "describe", late)
    trained = session().run(3)
    threading.Timer(0.3, gate.set).start()
    assert trained.record.facts("hyperparameters")["optimizer"]
