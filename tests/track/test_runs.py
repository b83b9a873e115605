"""The runs on record as a list, as text and as a table in a notebook."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.records import RunRow
from nnwidgets.track import Store
from nnwidgets.track._runs import table_text

NASTY = "<img src=x onerror=alert(1)>"


def loss_fn(params, batch):
    return jnp.mean((batch @ params["w"] - 1.0) ** 2)


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Trains a few steps on record, in a store of the test's own."""
    monkeypatch.delenv("NNWIDGETS_TRACK", raising=False)
    monkeypatch.setenv("NNWIDGETS_HOME", str(tmp_path))
    batches = [np.eye(3, dtype=np.float32)] * 4

    def make(name, rate=0.1, steps=5):
        objective = nnw.Objective(loss_fn, {"w": jnp.zeros(3)})
        return nnw.Session(objective, optax.sgd(rate), batches, validation=batches, validation_every=2, name=name).run(
            steps
        )

    return make


def test_they_are_a_list_the_newest_first_and_found_by_number_and_name(train):
    for name in ("first", "second", "first"):
        train(name)
    runs = nnw.runs()
    assert (len(runs), [run.id for run in runs]) == (3, [3, 2, 1])
    assert (runs[2].name, runs["first"].id, runs["last"].id) == ("second", 3, 3)
    with pytest.raises(LookupError, match="no run '9'"):
        runs[9]


def test_a_row_says_how_it_went_and_what_was_set(train):
    train("slow", 0.01)
    session = train("fast", 0.5)
    session.rewind(2)
    session.run(2)
    branch, fast, slow = nnw.runs().rows()
    assert (slow.id, slow.name, slow.state, slow.step) == (1, "slow", "finished", 5)
    assert slow.train_loss == pytest.approx(float(Store().run(1).rows("train/loss")[1][-1, 0]))
    assert slow.validation_loss == pytest.approx(float(Store().run(1).rows("validation/loss")[1][-1, 0]))
    assert ("0.01" in slow.differs, "0.5" in fast.differs) == (True, True)
    assert "seed" not in slow.differs, "what is the same in all says nothing"
    assert branch.origin == "branch of 2 at step 2"
    assert nnw.runs().present == ""


def test_tags_and_notes_are_kept_and_replaced(train):
    train("tagged")
    runs = nnw.runs()
    runs.retag(1, ["good", "old"])
    runs.retag(1, ["good", NASTY])
    runs.annotate(1, "a note")
    assert (set(runs[1].tags), runs[1].note) == ({"good", NASTY}, "a note")
    assert "a note" in repr(runs)


def test_two_are_compared(train):
    train("slow", 0.01)
    train("fast", 0.5)
    compared = nnw.runs().compare(1, 2)
    assert "0.01" in compared.why
    assert "<table>" in nnw.runs().difference_html(1, 2)


def test_no_word_of_a_user_is_markup_in_the_difference(train):
    train(NASTY, 0.01)
    train(NASTY, 0.5)
    assert "<img" not in nnw.runs().difference_html(1, 2)


def test_the_text_is_a_table_and_counts_what_it_leaves_out():
    rows = [RunRow(number, str(number), f"run\n{number}", "finished", 1e9, step=number) for number in range(40, 0, -1)]
    lines = table_text(rows).splitlines()
    assert lines[0].split() == ["run", "name", "state", "started", "step"]
    assert lines[1].startswith("40   run 40  finished")
    assert (len(lines), lines[-1]) == (32, "and 10 older")


def test_in_a_notebook_it_is_a_widget_with_the_text_beside_it(train):
    train(NASTY)
    bundle = nnw.runs()._repr_mimebundle_()
    assert NASTY in bundle["text/plain"]
    assert "text/html" not in bundle


def test_without_a_store_it_says_what_makes_one(tmp_path):
    runs = nnw.runs(tmp_path)
    assert (len(runs), list(runs)) == (0, [])
    assert repr(runs) == f"Waits for the first run on record in {tmp_path}: session.run(100) makes one."
    runs._repr_mimebundle_()
    # a run that begins has made the file, and has not written yet
    (tmp_path / "runs.db").touch()
    assert (len(runs), runs.rows()) == (0, [])


def test_a_session_shows_the_runs_beside_it_and_marks_its_own(train):
    train("earlier")
    session = train("mine")
    beside = session.dashboard.runs()
    assert [row.uid == beside.present for row in beside.rows()] == [True, False]


def test_a_session_that_is_not_recorded_shows_none(train, monkeypatch):
    monkeypatch.setenv("NNWIDGETS_TRACK", "off")
    assert train("unseen").dashboard.runs() is None
