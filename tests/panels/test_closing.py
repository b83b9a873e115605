"""A dashboard that nobody can see again closes its widgets, and one that somebody may see does not."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import ipywidgets
import pytest

from nnwidgets.panels import Dashboard, LossCurve, _cells
from nnwidgets.panels._pacing import Pacing
from nnwidgets.records import History

from ._made import alive, record, running


def heard(dashboard, kind, name="a", **content):
    dashboard._echo._handle_custom_msg({"kind": kind, "id": name, **content}, [])


def see(dashboard, name="a"):
    heard(dashboard, "view", name, shown=True, cards=[0, 1, 2])


@pytest.fixture
def cell(monkeypatch):
    """The notebook cell that runs now, and the number of its execution: to be set."""
    now = SimpleNamespace(id="", number=0)
    monkeypatch.setattr(_cells, "_shown", {})
    monkeypatch.setattr(_cells, "execution", lambda: (now.id, now.number) if now.id else ("", 0))
    return now


def test_a_cleared_output_closes_all_widgets_and_displaying_again_builds_new_ones(messages, healthy):
    before = alive()
    dashboard = Dashboard(healthy, print)
    dashboard._repr_mimebundle_()
    first = dashboard.widget
    assert alive() > before + 100
    see(dashboard)
    heard(dashboard, "gone")
    assert dashboard.widget is first, "it may have been moved"
    heard(dashboard, "over")
    assert alive() == before
    opened = {comm for kind, comm, _ in messages if kind == "comm_open"}
    assert opened == {comm for kind, comm, _ in messages if kind == "comm_close"}
    dashboard._repr_mimebundle_()
    assert dashboard.widget is not first
    record(healthy, range(121, 131))
    assert dashboard.refresh(running(130), (), (), force=True)
    assert dashboard._cards[0].panel._smooth.x.max() == 130
    dashboard.close()
    assert alive() == before


def test_a_page_that_is_loaded_again_finds_its_widgets(dashboard):
    widget = dashboard.widget
    see(dashboard)
    heard(dashboard, "gone")
    see(dashboard, "after the reload")
    assert dashboard.widget is widget
    # what the first page did not say must not keep it forever
    heard(dashboard, "gone", "after the reload")
    heard(dashboard, "over", "after the reload")
    assert dashboard._widget is None


@pytest.mark.parametrize("order", [("gone a", "over a"), ("gone a", "view c", "over a", "gone b", "over b")])
def test_one_of_several_views_may_go(dashboard, order):
    see(dashboard, "a")
    see(dashboard, "b")
    for each in order:
        kind, name = each.split()
        heard(dashboard, kind, name, shown=True, cards=[0])
    assert dashboard._widget is not None


def test_a_notebook_that_was_closed_may_be_opened_again_whatever_becomes_of_a_docked_view(dashboard):
    see(dashboard, "cell")
    see(dashboard, "docked")
    heard(dashboard, "gone", "cell")
    heard(dashboard, "gone", "docked")
    heard(dashboard, "over", "docked")
    assert dashboard._widget is not None


def test_a_view_that_stayed_silent_still_counts(dashboard):
    see(dashboard, "slow")
    see(dashboard, "quick")
    dashboard.refresh(running(1), (), (), force=True)
    heard(dashboard, "ack", "quick", frame=dashboard._pacing.frame)
    dashboard.turn(5.0)
    assert dashboard.due(dashboard._clock())
    assert list(dashboard._pacing.views) == ["quick"]
    heard(dashboard, "gone", "quick")
    heard(dashboard, "over", "quick")
    assert dashboard._widget is not None


def test_one_that_is_displayed_again_at_that_moment_stays(dashboard):
    see(dashboard)
    heard(dashboard, "gone")
    dashboard._repr_mimebundle_()
    heard(dashboard, "over")
    assert dashboard._widget is not None
    see(dashboard, "b")
    heard(dashboard, "gone", "b")
    heard(dashboard, "over", "b")
    assert dashboard._widget is None


def test_a_cell_that_is_run_again_before_the_browser_came_leaves_nothing(messages, cell):
    before, made = alive(), []
    cell.id = "cell"
    for cell.number in range(1, 6):
        made.append(Dashboard(record(History(), range(1, 5)), print, panels=(LossCurve,)))
        made[-1]._repr_mimebundle_()
    assert [each._widget is None for each in made] == [True] * 4 + [False]
    made[-1].close()
    assert alive() == before


def test_a_cell_may_show_two_dashboards_and_one_that_is_docked_stays(messages, cell):
    one, two, docked, last = (Dashboard(History(), print, panels=(LossCurve,)) for _ in range(4))
    cell.id, cell.number = "cell", 1
    for each in (one, two, docked):
        each._repr_mimebundle_()
    assert one._widget is not None
    see(docked, "docked")
    cell.number = 2
    last._repr_mimebundle_()
    assert (one._widget, two._widget) == (None, None)
    assert docked._widget is not None
    heard(docked, "gone", "docked")
    heard(docked, "over", "docked")
    assert docked._widget is None
    cell.number = 3
    last._repr_mimebundle_()
    assert last._widget is not None, "the same one again"
    last.close()


def test_the_running_cell_is_told_by_jupyters_own_words(monkeypatch):
    import IPython

    shell = SimpleNamespace(execution_count=4, get_parent=lambda: {"metadata": {"cellId": "abc"}})
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    assert _cells.execution() == ("abc", 4)
    shell.get_parent = dict
    assert _cells.execution() == ("", 0)
    monkeypatch.setattr(IPython, "get_ipython", lambda: None)
    assert _cells.execution() == ("", 0)


def test_a_run_goes_on_while_its_output_is_cleared_in_another_thread(messages, healthy):
    before = alive()
    dashboard = Dashboard(healthy, print, panels=(LossCurve,))
    ended, closed = threading.Event(), 0

    def clear():
        nonlocal closed
        while not ended.is_set():
            if dashboard._widget is not None:
                see(dashboard)
                heard(dashboard, "gone")
                heard(dashboard, "over")
                closed += 1

    browser = threading.Thread(target=clear)
    browser.start()
    sent = 0
    for step in range(121, 2000):
        assert dashboard.widget
        record(healthy, range(step, step + 1))
        sent += dashboard.refresh(running(step), (), (), force=True)
        dashboard.recorded()
        assert "running, step" in repr(dashboard)
        # on a busy machine the other thread is slow to come
        if step >= 135 and closed > 1:
            break
    ended.set()
    browser.join()
    assert closed > 1
    dashboard.close()
    assert alive() == before


def test_a_panel_that_was_given_as_an_object_is_shown_again(messages, healthy):
    class Mine:
        title = "Mine"

        def __init__(self):
            self.widget = ipywidgets.VBox([ipywidgets.Label()])

        def update(self, history, findings):
            self.widget.children[0].value = str(len(history.names()))

    mine = Mine()
    dashboard = Dashboard(healthy, print, panels=(mine,))
    assert dashboard.widget
    dashboard.close()
    assert mine.widget.comm is not None
    assert dashboard.widget
    assert dashboard._cards[0].panel is mine
    assert int(mine.widget.children[0].value) > 0
    dashboard.close()
    mine.widget.children[0].close()
    mine.widget.close()


def test_nobody_asked_means_nobody_left():
    pacing = Pacing()
    assert not pacing.deserted
    pacing.expect()
    pacing.heard({"kind": "over", "id": "of an output that was cleared before it was seen"})
    assert not pacing.deserted
    pacing.replaced()
    assert pacing.deserted
