"""The table of runs: what it asks for, what it shows, and that a name is never markup."""

from __future__ import annotations

import json

import pytest

from nnwidgets.panels import Dashboard, RunsTable
from nnwidgets.records import History, RunRow

from ._made import alive, texts

NASTY = "<img src=x onerror=alert(1)>"
ROWS = (
    RunRow(2, "b", NASTY, "nan", 1e9, "met a NaN", train_loss=float("nan"), origin="branch of 1 at step 5", note=NASTY),
    RunRow(
        1,
        "a",
        "first",
        "finished",
        1e9,
        seconds=75.0,
        step=1200,
        steps_per_second=16.0,
        train_loss=0.25,
        tags=("x", "y"),
    ),
)


class Kept:
    """Stands for the store."""

    present, waits = "b", "Waits for the first run on record."

    def __init__(self, rows=ROWS):
        self.kept, self.asked = rows, []

    def rows(self):
        self.asked.append("rows")
        return self.kept

    def difference_html(self, left, right):
        if left == right:
            raise LookupError("no run '7' in the store")
        return f"<p>{left} and {right}</p>"

    def retag(self, run, tags):
        self.asked.append((run, tags))

    def annotate(self, run, note):
        self.asked.append((run, note))


@pytest.fixture
def kept():
    return Kept()


@pytest.fixture
def panel(kept):
    return RunsTable(lambda: kept)


def test_nothing_is_read_before_the_browser_asks(panel, kept):
    assert panel.update(History(), ()) is None
    assert not kept.asked
    panel.heard({"kind": "list"})
    assert kept.asked == ["rows"]
    assert [row["id"] for row in panel.grid.data["rows"]] == [2, 1]


def test_a_row_has_what_sorts_and_what_is_read(panel):
    panel.load()
    nan, first = panel.grid.data["rows"]
    assert first["train"] == {"value": 0.25, "text": "0.25"}
    assert first["seconds"] == {"value": 75.0, "text": "1 min 15 s"}
    assert (first["step"]["text"], first["speed"]["text"], first["tags"]) == ("1,200", "16", "x, y")
    assert nan["train"] == {"value": None, "text": "NaN"}
    assert first["validation"] == {"value": None, "text": "\u2013"}
    assert (nan["present"], first["present"]) == (True, False)
    assert (nan["state"], nan["message"], nan["origin"]) == ("nan", "met a NaN", "branch of 1 at step 5")
    json.dumps(panel.grid.data, allow_nan=False)


def test_names_and_notes_travel_as_text(panel):
    panel.load()
    row = panel.grid.data["rows"][0]
    assert row["name"] == row["note"] == NASTY
    source = RunsTable(lambda: None).grid._esm
    assert source.count("innerHTML") == 1, "only the difference, whose texts are escaped above, is markup"


def test_two_runs_are_compared_the_older_first(panel):
    panel.heard({"kind": "compare", "runs": [2, 1]})
    answer = panel.grid.answer
    assert (answer["left"], answer["right"], answer["html"]) == (1, 2, "<p>1 and 2</p>")


def test_tags_and_notes_are_handed_on_and_the_table_is_read_anew(panel, kept):
    panel.heard({"kind": "tags", "run": 1, "tags": " good, , to repeat "})
    panel.heard({"kind": "note", "run": 2, "note": "why?"})
    assert kept.asked == [(1, ["good", "to repeat"]), "rows", (2, "why?"), "rows"]


def test_what_fails_is_shown(panel):
    panel.heard({"kind": "compare", "runs": [7, 7]})
    assert "no run '7' in the store" in panel.grid.answer["error"]
    panel.heard("nonsense")
    panel.heard({"kind": "other"})


def test_without_runs_it_says_what_it_waits_for():
    panel = RunsTable()
    assert panel.update(History(), ()) is None
    assert "an nnw.Session keeps them" in texts(panel.widget)
    panel.heard({"kind": "list"})
    assert panel.grid.data == {}
    panel = RunsTable(lambda: Kept(()))
    panel.load()
    assert panel.grid.data["waits"] == "Waits for the first run on record."


def test_news_costs_one_small_message_and_reads_nothing(messages, kept):
    before = alive()
    dashboard = Dashboard(History(), print, (RunsTable,))
    dashboard.runs = lambda: kept
    dashboard.recorded()
    assert dashboard.widget
    messages.clear()
    dashboard.recorded()
    assert [data["state"] for _, _, data in messages] == [{"news": 1}]
    assert not kept.asked
    dashboard.close()
    assert alive() == before


def test_hundreds_of_runs_are_one_message_of_bounded_size(messages):
    rows = [RunRow(number, str(number), "a name", "finished", 1e9, step=100) for number in range(512)]
    panel = RunsTable(lambda: Kept(rows))
    before = alive()
    messages.clear()
    panel.load()
    assert len(messages) == 1
    assert len(json.dumps(messages[0][2])) < 512 * 600
    assert alive() == before


def test_a_dashboard_that_only_reads_says_so_and_shows_no_controls(messages):
    dashboard = Dashboard(History(), print)
    dashboard.reading = "following run 3 <x> in process 7 on host: read-only"
    assert "nnw-reading" in dashboard.widget._dom_classes
    assert "following run 3 &lt;x&gt; in process 7 on host: read-only" in texts(dashboard.widget)
    dashboard.close()
