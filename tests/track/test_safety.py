"""Killed at any moment, written by two, on a disk that is full or not there: nothing is harmed, and nothing is silent."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import struct
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.track import Store, StoreError
from nnwidgets.track.store import _schema as schema
from nnwidgets.track.store import _writer as writers

FEEDER = Path(__file__).with_name("_feeder.py")
KILLS, RUNS_KILLED = 46, 4


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NNWIDGETS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NNWIDGETS_TRACK", raising=False)
    return tmp_path / "home"


def session(**options: Any) -> nnw.Session:
    def loss_fn(params: Any, batch: Any) -> Any:
        return jnp.mean((batch @ params["w"] - 1.0) ** 2)

    batch = np.ones((4, 3), np.float32)
    return nnw.Session(nnw.Objective(loss_fn, {"w": jnp.zeros(3)}), optax.sgd(0.01), [batch], **options)


def feed(home: Path, steps: int, wait: float = 1e-3) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(FEEDER), str(home), str(steps), str(wait)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.getcwd()})


def test_a_run_killed_at_any_moment_leaves_a_store_that_opens(home: Path) -> None:
    rng, lost = random.Random(0), []
    for turn in range(0, KILLS, 2):
        # two at once, as two notebooks are
        processes = [feed(home, 100_000) for _ in range(2)]
        for process in processes:
            assert process.stdout is not None
            process.stdout.read(16)
        time.sleep(rng.uniform(0.0, 0.4))
        for process in processes:
            process.send_signal(signal.SIGKILL)
        given = [dict(struct.iter_unpack("<qd", _rest(process))) for process in processes]
        runs = Store(home).runs()
        # one that was killed before its first transaction is not there at all
        assert len(runs) <= turn + 2
        for times in given:
            mine = [run for run in runs[:2] if run.pid in {process.pid for process in processes}]
            assert all(run.state == "killed" for run in mine)
            lost.append(_lost(times, [run for run in mine if run.pid == processes[given.index(times)].pid]))
    with sqlite3.connect(home / "runs.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    print(f"seconds lost: median {np.median(lost):.3f}, at most {max(lost):.3f} in {len(lost)} kills")
    # a machine that is busy with other things wakes the writer late
    assert np.quantile(lost, 0.8) <= 0.25 and max(lost) < 2.0


def _rest(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    with process.stdout:
        data = process.stdout.read()
    process.wait(20)
    return data[: len(data) // 16 * 16]


def _lost(times: dict[int, float], mine: list[Any]) -> float:
    if not times:
        return 0.0
    newest = max(times)
    if not mine:
        return times[newest] - times[min(times)]
    steps, values = mine[0].rows("train/loss")
    # no row is missing in between, and NaN is NaN
    assert steps.tolist() == list(range(len(steps)))
    np.testing.assert_array_equal(values[:, 0], [np.nan if step == 7 else step for step in steps])
    return (
        times[newest] - times.get(int(steps[-1]), times[min(times)])
        if len(steps)
        else times[newest] - times[min(times)]
    )


@pytest.mark.parametrize("ending", ["finish", "nan"])
def test_nothing_is_lost_when_killed_right_after_the_end_or_a_nan(ending: str, home: Path) -> None:
    program = f"""
        import os, jax.numpy as jnp, numpy as np, optax, nnwidgets as nnw
        def loss_fn(params, batch):
            bad = jnp.where(params["w"].sum() > 0.5, jnp.nan, 0.0) if {ending == "nan"} else 0.0
            return jnp.mean((batch @ params["w"] - 1.0) ** 2) + bad
        tx = optax.sgd(0.01)
        nnw.Session(nnw.Objective(loss_fn, {{"w": jnp.zeros(3)}}), tx, [np.ones((4, 3), np.float32)]).run(60)
        os.kill(os.getpid(), 9)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], env={**os.environ, "NNWIDGETS_HOME": str(home)}
    )
    assert done.returncode == -signal.SIGKILL
    run = Store(home).run()
    steps, values = run.rows("train/loss")
    assert steps.tolist() == list(range(len(steps)))
    if ending == "finish":
        assert (run.state, run.step, len(steps)) == ("finished", 60, 60)
    else:
        # the flag is read one step late, so that a second step was made on what is not finite
        assert run.state == "nan" and np.isnan(values[-2:, 0]).all() and np.isfinite(values[:-2]).all()
        assert any(finding.rule == "NonFinite" for finding in run.findings), run.findings


def test_a_real_run_is_killed(home: Path) -> None:
    program = """
        import jax.numpy as jnp, numpy as np, optax, nnwidgets as nnw
        def loss_fn(params, batch):
            return jnp.mean((batch @ params["w"] - 1.0) ** 2)
        session = nnw.Session(nnw.Objective(loss_fn, {"w": jnp.zeros(3)}), optax.sgd(0.01), [np.ones((4, 3), np.float32)])
        session.run(5)
        print("runs", flush=True)
        session.run(10_000_000)
    """
    for turn in range(RUNS_KILLED):
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program)],
            stdout=subprocess.PIPE,
            env={**os.environ, "NNWIDGETS_HOME": str(home)},
        )
        assert child.stdout is not None
        with child.stdout:
            child.stdout.readline()
            time.sleep(0.3 + 0.2 * turn)
            child.send_signal(signal.SIGKILL)
        child.wait(20)
        run = Store(home).run()
        steps, _ = run.rows("train/loss")
        assert run.state == "killed" and len(Store(home).runs()) == turn + 1
        assert steps.tolist() == list(range(len(steps))) and len(steps) > 5
        assert run.history().latest("train/loss") is not None and run.facts("code")["kind"]


def test_two_processes_begin_one_store_together(home: Path) -> None:
    processes = [feed(home, 300) for _ in range(3)]
    for process in processes:
        _rest(process)
        assert process.returncode == 0
    runs = Store(home).runs()
    assert [run.state for run in runs] == ["finished"] * 3
    assert [len(run.rows("train/loss")[0]) for run in runs] == [300] * 3


@pytest.mark.parametrize(
    ("trouble", "words"),
    [("max_page_count = 30", "disk is full"), ("query_only = ON", "attempt to write a readonly database")],
)
def test_a_disk_that_is_full_or_read_only_is_told_and_what_waits_is_written_later(
    trouble: str, words: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy, connect = False, schema.connect

    def limited(path: Path, *, create: bool = False) -> sqlite3.Connection:
        connection = connect(path, create=create)
        if not healthy:
            connection.execute(f"PRAGMA {trouble}")
        return connection

    monkeypatch.setattr(writers, "connect", limited)
    trained = session()
    trained.run(3_000)
    assert trained.step == 3_000
    told = [notice.message for notice in trained.notices if notice.source == "track"]
    assert any(words in message and "tried again" in message for message in told), trained.notices
    assert words in repr(trained)
    healthy = True
    deadline = time.monotonic() + 60
    while not (trained.record and len(trained.record.rows("train/loss")[0]) == 3_000):
        assert time.monotonic() < deadline, (trained.record, trained.notices)
        time.sleep(0.1)
    assert trained.record.state == "finished"


def test_a_folder_on_the_network_is_written_without_shared_memory(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mount = SimpleNamespace(mountpoint=str(home.parent), fstype="nfs4")
    monkeypatch.setattr(
        schema.psutil, "disk_partitions", lambda all: [SimpleNamespace(mountpoint="/", fstype="ext4"), mount]
    )
    trained = session().run(50)
    assert trained.record
    child = feed(home, 200)
    trained.run(50)
    _rest(child)
    assert {run.state for run in Store().runs()} == {"finished"} and len(trained.record.rows("train/loss")[0]) == 100
    with Store().connect() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_a_place_where_nothing_can_be_written_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("NNWIDGETS_HOME", str(tmp_path / "file" / "home"))
    monkeypatch.delenv("NNWIDGETS_TRACK", raising=False)
    trained = session().run(50)
    assert trained.step == 50 and trained.record is None
    assert any("not being recorded" in notice.message for notice in trained.notices), trained.notices


def test_a_store_that_is_taken_away_is_told(home: Path) -> None:
    trained = session().run(50)
    # with its journal: SQLite would take that for the next store's
    home.rename(home.with_name("elsewhere"))
    trained.run(50)
    assert trained.step == 100
    assert any("taken away" in notice.message for notice in trained.notices), trained.notices
    assert trained.record is None
    # who begins now begins a new store
    assert session(name="after").run(5).record.name == "after"


def test_another_store_in_its_place_gets_nothing_of_an_older_run(home: Path) -> None:
    trained = session(name="older").run(50)
    # with its journal: SQLite would take that for the next store's
    home.rename(home.with_name("elsewhere"))
    _rest(feed(home, 20))
    trained.run(50)
    assert any("taken away" in notice.message for notice in trained.notices) and trained.record is None
    assert [run.name for run in Store(home).runs()] == ["fed"]


def _ended_by(error: Exception) -> Any:
    """The record of a run whose data raises this after one batch."""

    def batches() -> Any:
        yield np.ones((4, 3), np.float32)
        raise error

    failing = nnw.Session(
        nnw.Objective(lambda params, batch: params["w"].sum(), {"w": jnp.zeros(3)}), optax.sgd(0.1), batches()
    )
    with pytest.raises(type(error)) as raised:
        failing.run(5)
    assert raised.value is error
    return failing.record


def test_what_no_store_can_hold_does_not_keep_back_the_rest(home: Path) -> None:
    run = _ended_by(OSError("photo\udcff.png"))
    assert run.state == "failed" and "photo?.png" in run.error
    store = writers.writer(home / "runs.db")
    store.change(lambda connection: connection.execute("INSERT INTO tags VALUES (?, ?)", (1, object())))
    trained = session().run(20)
    assert trained.record.state == "finished"
    assert any("not recorded:" in notice.message for notice in trained.notices), trained.notices


def test_a_secret_in_a_traceback_is_masked(home: Path) -> None:
    run = _ended_by(ConnectionError("no answer from postgres://me:hunter2secret@host/db"))
    assert "hunter2secret" not in f"{run.error}{run.message}{run.notices}" and "no answer from" in run.error


def test_a_sign_of_life_that_comes_late_does_not_wake_a_run(home: Path) -> None:
    trained = session().run(5)
    uid = trained.record.uid
    store = writers.writer(home / "runs.db")
    store._pulses[uid] = lambda: {"state": "running"}
    store._beat()
    store.rest(uid)
    assert trained.record.state == "finished"


def test_nobody_waits_for_a_disk_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("NNWIDGETS_HOME", str(tmp_path / "file" / "home"))
    monkeypatch.delenv("NNWIDGETS_TRACK", raising=False)
    trained = session().run(1)
    waited = []
    monkeypatch.setattr(threading.Condition, "wait_for", _noting(waited, threading.Condition.wait_for))
    for _ in range(3):
        trained.run(1)
    assert sum(waited) < 1.0, waited
    told = [notice.message for notice in trained.notices if notice.source == "track"]
    assert len(told) == len(set(told))


def _noting(waited: list[float], wait_for: Any) -> Any:
    def noted(*about: Any, **more: Any) -> Any:
        started, mine = time.perf_counter(), threading.current_thread() is threading.main_thread()
        try:
            return wait_for(*about, **more)
        finally:
            waited.append(time.perf_counter() - started if mine else 0.0)

    return noted


def test_a_store_of_another_version_or_of_something_else_is_refused_unharmed(home: Path) -> None:
    assert session().run(5).record
    path = home / "runs.db"
    for change, words in (("user_version = 99", "upgrade nnwidgets"), ("application_id = 1", "of something else")):
        with sqlite3.connect(path) as connection:
            connection.execute(f"PRAGMA {change}")
        connection.close()
        writers.writer(path).close(5)
        before = path.read_bytes()
        with pytest.raises(StoreError, match=words):
            Store(home).runs()
        trained = session().run(5)
        assert any(words in notice.message for notice in trained.notices), trained.notices
        assert path.read_bytes() == before


def test_track_is_refused_where_it_is_no_place() -> None:
    with pytest.raises(ValueError, match=r"track must be True, False .* or where to send runs"):
        session(track=3)
