"""Looks at chosen steps: when they are made, fetched and paid for."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from nnwidgets.probes import PerLayer, Snapshot
from nnwidgets.records import History
from nnwidgets.train._desk import Desk
from nnwidgets.train._governor import Governor
from nnwidgets.train._watcher import Watcher


def loss(snapshot: Snapshot) -> Mapping[str, Any]:
    return {"mine/loss": snapshot.loss}


def made(value: float = 1.0) -> Snapshot:
    one = {"w": jnp.ones(())}
    return Snapshot(jnp.float32(value), one, one, one, ("w",))


def watcher(budget: float = math.inf, *probes: Any) -> Watcher:
    watcher = Watcher(probes or (loss,), History(), Governor(budget))
    watcher.prepare(made())
    return watcher


def test_readings_are_written_when_they_are_collected() -> None:
    watching = watcher()
    for step in range(3):
        watching.look(step, (), lambda step=step: made(10.0 + step))
        watching.collect(before=step)
    history = watching._history
    assert history["mine/loss"].steps.tolist() == [0, 1]
    watching.collect()
    assert history["mine/loss"].values.tolist() == [[10.0], [11.0], [12.0]]


def test_no_snapshot_is_made_for_a_step_that_nobody_looks_at() -> None:
    watching, asked = watcher(1e-9), []
    # the first look tells what one costs; a cost of an hour is never saved up
    watching._governor.charge("statistics", 3600.0)

    def snapshot() -> Snapshot:
        asked.append(1)
        return made()

    for step in range(50):
        watching.look(step, (), snapshot)
        watching._governor.end_step(1e-3)
    assert asked == []
    watching.look(50, (), snapshot, force=True)
    watching.collect()
    assert (len(asked), watching._history["mine/loss"].steps.tolist()) == (1, [50])


def test_off_is_off() -> None:
    watching = watcher(0.0)
    watching.look(0, (), made, force=True)
    watching.collect()
    assert (watching.prepared, watching.due(), watching._history.names()) == (True, [], ())


def test_every_second_of_it_is_booked() -> None:
    watching = watcher()
    governor = watching._governor
    governor.end_step(1.0)
    spent = governor.spent_seconds
    watching.look(1, (), made)
    watching.look(2, (), made)
    looked = governor.spent_seconds
    watching.collect()
    assert 0.0 < governor.cost("statistics") <= looked - spent
    assert governor.spent_seconds > looked


def test_a_probe_that_fails_is_left_out() -> None:
    def no_number(snapshot: Snapshot) -> Any:
        return {"mine/bad": jnp.ones(3)}

    watching = watcher(math.inf, no_number, loss)
    assert [notice.source for notice in watching.notices] == ["no_number"]
    assert watching.due() == ["statistics"]


def test_histograms_are_not_read_more_often_than_a_screen_shows_them() -> None:
    def histogram(snapshot: Snapshot) -> Mapping[str, Any]:
        return {"mine/histogram": PerLayer(("w",), jnp.ones((1, 5)))}

    watching = watcher(math.inf, histogram)
    assert watching.due() == ["histograms"]
    watching.look(0, (), made)
    assert watching.due() == []
    watching.look(7, (), made, force=True)
    watching.look(12, (), made, force=True)
    assert watching.every("histograms") == 6


def test_who_waits_for_the_step_pays_for_the_time_that_is_lost() -> None:
    """A redraw that saves up for its next frame is not made to wait for what the statistics cost."""
    watching = watcher(0.05)
    governor = watching._governor
    governor.join("redraw")
    for _ in range(3):
        governor.end_step(0.1)
    saved = dict(governor._bank)
    watching._waited, watching._waiters = 0.5, ["statistics"]
    watching._left = time.perf_counter() - 0.02
    governor.charge("statistics", 3600.0)  # too dear to look again
    watching.look(3, (), made)
    assert governor._overhead < 0.01, "20 ms are not everybody's"
    assert governor._bank["redraw"] == saved["redraw"]
    assert governor._bank["statistics"] < saved["statistics"] - 0.02
    assert watching._waiters == []


def test_an_answer_to_the_user_is_not_paid_by_later_frames() -> None:
    desk = Desk(0.05, (), (), ())
    desk.dashboard.refresh = lambda *_, **__: bool(time.sleep(0.02)) or True  # pyright: ignore[reportAttributeAccessIssue]
    desk.governor.join("redraw")
    for _ in range(3):
        desk.governor.end_step(0.1)
    spent = desk.governor.spent_seconds
    desk.show("running", force=True)
    assert desk.governor.spent_seconds == spent
