"""A run that trains in another process is followed: its losses while they come, its end, its branch, its death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

import nnwidgets as nnw
from nnwidgets.track import Follower, Store, StoreError

TRAINS = """
import sys, time
import jax.numpy as jnp, numpy as np, optax
import nnwidgets as nnw

random = np.random.default_rng(0)
weights = random.normal(size=3).astype("float32")
inputs = random.normal(size=(10, 8, 3)).astype("float32")
data = [(each, each @ weights) for each in inputs]


def batches(step):
    time.sleep(0.01)
    return data[step % 10]


def loss_fn(params, batch):
    return jnp.mean((batch[0] @ params["w"] - batch[1]) ** 2)


objective = nnw.Objective(loss_fn, {"w": jnp.zeros(3)})
session = nnw.Session(objective, optax.adam(1e-2), batches, validation=data[:2], validation_every=20, name="elsewhere")
"""
SECONDS = 90.0


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Starts a process that trains, into a store of the test's own."""
    monkeypatch.setenv("NNWIDGETS_HOME", str(tmp_path / "home"))
    started = []

    def start(rest: str) -> subprocess.Popen:
        file = tmp_path / "trains.py"
        file.write_text(TRAINS + rest, encoding="utf-8")
        # `nnwidgets` is looked for from the folder that the test was started in
        paths = os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "NNWIDGETS_TRACK": "", "PYTHONPATH": paths}
        process = subprocess.Popen([sys.executable, str(file)], env=environment, stdin=subprocess.DEVNULL, cwd=tmp_path)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def wait(condition, what):
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come within {SECONDS:.0f} s")


def followed() -> Follower:
    def first():
        try:
            follower = nnw.follow()
        except (StoreError, LookupError):
            return None
        return follower if "train/loss" in follower.history else None

    return wait(first, "the first loss")


def losses(follower) -> int:
    return len(follower.update().history["train/loss"])


def test_losses_arrive_while_it_trains_and_so_does_its_end(train, tmp_path):
    process = train("session.run(400)\nsession.history.save('its.npz')")
    follower = followed()
    assert follower.run.alive
    wait(lambda: follower.update().status.state == "running", "the first sign of life after compiling")
    assert f"following run 1 (elsewhere) in process {process.pid} on " in repr(follower)
    seen = [losses(follower)]
    for _ in range(3):
        wait(lambda: losses(follower) > seen[-1], "the next loss")
        assert process.poll() is None, "it was still training"
        seen.append(losses(follower))
    assert process.wait(SECONDS) == 0
    follower.update()
    assert (follower.status.state, follower.status.step) == ("finished", 400)
    assert "has finished; it trained in process" in repr(follower)
    assert_equal(follower.history, Store().run(1).history())
    assert_equal(follower.history, nnw.History.load(tmp_path / "its.npz"))
    steps, values = Store().run(1).rows("train/loss")
    assert follower.history["train/loss"].steps.tolist() == steps.tolist() == list(range(400))
    np.testing.assert_array_equal(follower.history["train/loss"].values, values)
    assert follower.history.histogram("gradient/histogram") is not None
    # nothing can be tried from here
    assert follower.findings == tuple(replace(each, change=None) for each in Store().run(1).findings)


def test_a_killed_run_is_said_to_be_killed_and_keeps_what_came(train):
    process = train("session.run(100_000)")
    follower = followed()
    wait(lambda: losses(follower) > 20, "20 losses")
    os.kill(process.pid, signal.SIGKILL)
    # nobody has waited for it yet: it is a zombie
    wait(lambda: follower.update().run.state == "killed", "its death")
    assert (follower.status.state, follower.run.alive) == ("stopped", False)
    assert f"killed: its process {process.pid} on" in follower.status.message
    # a step counts when it has been sent off, its loss comes once the device has it: the last second of them may be lost
    ahead = follower.status.step - (follower.history.latest("train/loss")[0] + 1)
    assert 0 <= ahead <= 100
    assert "run 1 (elsewhere) was killed; it trained in process" in repr(follower)
    assert losses(follower) >= 20
    assert_equal(follower.history, Store().run(1).history(), saved=False)


def test_a_run_that_branches_is_followed_into_the_branch(train, tmp_path):
    process = train("session.run(60)\nimport pathlib\nwhile not pathlib.Path('go').exists(): time.sleep(0.02)\n"
                    "session.rewind(30)\nsession.run(40)")  # fmt: skip
    follower = followed()
    wait(lambda: follower.update().status.state == "finished", "the end of the first way")
    left = follower.history["train/loss"]
    assert not follower.history.branches
    (tmp_path / "go").touch()
    wait(lambda: follower.update().run.id == 2, "the branch")
    assert "It branched off run 1 at step 30." in follower.words
    assert process.wait(SECONDS) == 0
    follower.update()
    assert follower.status.step == 70
    assert follower.history["train/loss"].steps.tolist() == list(range(70))
    # the way that was left stays in the picture
    (branch,) = follower.history.branches
    assert (branch.step, branch.loss.steps.tolist()) == (30, list(range(30, 60)))
    np.testing.assert_array_equal(branch.loss.values, left.values[30:])
    assert nnw.follow(1).run.id == 1, "who asks for the first way gets it"


def test_only_what_is_new_is_read(train, monkeypatch):
    assert train("session.run(300)").wait(SECONDS) == 0
    follower = nnw.follow()
    read = []
    monkeypatch.setattr(type(follower.run), "saved_history", lambda run: read.append("saved"))
    monkeypatch.setattr(nnw.History, "table", _table_that_counts(read))
    follower.update()
    assert not read


def _table_that_counts(read):
    table = nnw.History.table

    class Counting:
        def __init__(self, name):
            self.name = name

        def add(self, step, values):
            read.append((self.name, step))

    def counting(history, what, readings, layers):
        table(history, what, readings, layers)
        return Counting(what)

    return counting


def test_what_cannot_be_followed_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("NNWIDGETS_HOME", str(tmp_path))
    with pytest.raises(StoreError, match="there is no store of runs at"):
        nnw.follow()


def test_a_store_that_goes_becomes_a_notice(train, tmp_path):
    assert train("session.run(20)").wait(SECONDS) == 0
    follower = nnw.follow()
    (tmp_path / "home" / "runs.db").rename(tmp_path / "gone.db")
    follower._show()
    assert "what is new cannot be read: there is no store" in follower.notices[0].message
    (tmp_path / "gone.db").rename(tmp_path / "home" / "runs.db")
    follower._show()
    follower._show()
    assert not follower.notices


def assert_equal(left: nnw.History, right: nnw.History, saved: bool = True) -> None:
    """The same readings; rows that went from the store into the saved history are in both only if that was read last."""
    assert left.names() == right.names()
    for name in left.names():
        if saved or left[name].layers == ("",):
            assert left[name].steps.tolist() == right[name].steps.tolist(), name
            np.testing.assert_array_equal(left[name].values, right[name].values, name)
