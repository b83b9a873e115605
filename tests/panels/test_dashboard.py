"""The dashboard on widget state, without a browser."""

from __future__ import annotations

import ipywidgets
import pytest

from nnwidgets.panels import Dashboard, LossCurve, _comms
from nnwidgets.records import Command, History, Notice, Status

from ._made import FINDING, alive, record, running, texts


def heard(dashboard, kind, **content):
    dashboard._echo._handle_custom_msg({"kind": kind, "id": "a", **content}, [])


def test_without_a_browser_nothing_is_built_and_nothing_is_sent(healthy):
    before = alive()
    dashboard = Dashboard(healthy, print)
    assert dashboard.refresh(running(), (), ()) is False
    assert dashboard.refresh(running(), (), (), force=True) is False
    assert not dashboard.viewed
    assert alive() == before


def test_a_script_that_builds_the_widget_sends_nothing(healthy):
    dashboard = Dashboard(healthy, print)
    assert dashboard.widget is dashboard.widget
    assert dashboard.refresh(running(), (), (), force=True) is False
    dashboard.close()


def test_the_text_says_state_losses_layers_and_findings(healthy):
    dashboard = Dashboard(healthy, print)
    assert repr(dashboard).startswith("nnwidgets: idle, step 0")
    dashboard.refresh(running(7, message="warming up"), (FINDING,), ())
    text = repr(dashboard)
    for part in ("running, step 7 of 1,000, 50 steps/s (warming up)", "train/loss 0.19", "gradient norm: smallest"):
        assert part in text
    assert "problem: NonFinite Dense_0 at step 7" in text


def test_the_text_shows_the_first_notices_each_once_and_counts_the_rest(healthy):
    dashboard = Dashboard(healthy, print)
    notices = [Notice("probe", "failed\nhere"), Notice("probe", "failed\nhere"), Notice("long", "x" * 500)]
    dashboard.refresh(running(7), (), notices)
    lines = repr(dashboard).splitlines()
    assert lines.count("  notice, probe: failed here") == 1
    assert lines[-1] == f"  notice, long: {'x' * 159}…"
    dashboard.refresh(running(7), (), [*notices, *(Notice(f"p{number}", "failed") for number in range(3))])
    lines = repr(dashboard).splitlines()
    assert lines[-2:] == ["  notice, p0: failed", "  and 2 more in .notices"]


def test_the_text_counts_the_rules_that_looked(healthy):
    dashboard = Dashboard(healthy, print, rules=("NonFinite", "Mine"))
    dashboard.refresh(running(7), (), ())
    assert "  no rule found anything wrong. 2 rules looked: NonFinite, Mine." in repr(dashboard)
    dashboard.refresh(running(7), (), (Notice("Mine", "the rule was left out: division by zero"),))
    text = repr(dashboard)
    assert "no rule found anything wrong" not in text
    assert "1 of 2 rules looked: NonFinite." in text
    assert "notice, Mine: the rule was left out: division by zero" in text


def test_the_text_says_the_step_of_an_older_validation(healthy):
    dashboard = Dashboard(healthy, print)
    dashboard.refresh(running(120), (), ())
    assert "at step" not in repr(dashboard)
    healthy.add_scalar("train/loss", 140, 0.1)
    dashboard.refresh(running(140), (), ())
    assert "train/loss 0.1," in repr(dashboard)
    assert "validation/loss 0.3 at step 120" in repr(dashboard)


def test_the_text_does_not_say_twice_that_it_is_paused(healthy):
    dashboard = Dashboard(healthy, print)
    dashboard.refresh(Status("paused", 10, message="paused: step 10 at step 10; session.run() goes on"), (), ())
    assert repr(dashboard).splitlines()[0] == "nnwidgets: paused, step 10 (step 10; session.run() goes on)"
    dashboard.refresh(Status("paused", 10, message="paused"), (), ())
    assert repr(dashboard).splitlines()[0] == "nnwidgets: paused, step 10"


def test_the_bundle_holds_the_view_and_the_text(dashboard):
    bundle = dashboard._repr_mimebundle_()
    assert bundle["text/plain"] == repr(dashboard)
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == dashboard.widget.model_id


def test_the_cell_that_ran_it_shows_the_text_where_the_dashboard_is_up_already(dashboard, monkeypatch):
    monkeypatch.setattr(_comms, "running_cell", lambda: 4)
    dashboard.refresh(running(9), (), (), force=True)
    dashboard.refresh(Status("finished", 10), (), (), force=True)
    assert len(dashboard._repr_mimebundle_()) > 1, "nobody sees it yet"
    heard(dashboard, "view", shown=True, cards=[0])
    assert dashboard._repr_mimebundle_() == {"text/plain": repr(dashboard)}
    monkeypatch.setattr(_comms, "running_cell", lambda: 5)
    assert len(dashboard._repr_mimebundle_()) > 1, "asked for in a later cell"


def test_a_refresh_waits_for_the_echo(dashboard):
    dashboard.turn(1.0)
    heard(dashboard, "view", shown=True, cards=[0, 1, 2, 3, 4, 5, 6])
    assert dashboard.refresh(running(1), (), ())
    dashboard.turn(0.5)
    assert not dashboard.refresh(running(2), (), ())
    assert dashboard.refresh(running(2), (), (), force=True)
    heard(dashboard, "ack", frame=dashboard._pacing.frame)
    dashboard.turn(0.11)
    assert dashboard.due(dashboard._clock())
    assert dashboard.live
    dashboard.min_interval = 5.0
    assert not dashboard.due(dashboard._clock())


def test_unchanged_panels_are_not_sent_again(dashboard, messages):
    dashboard.refresh(running(1), (), (), force=True)
    messages.clear()
    dashboard.refresh(running(2), (), (), force=True)
    # the status line and the question to the echo
    assert len(messages) == 2


def test_a_card_out_of_sight_is_drawn_when_it_comes_back(dashboard, healthy):
    loss = dashboard._cards[0].panel
    heard(dashboard, "view", shown=True, cards=[1])
    record(healthy, range(121, 131))
    dashboard.refresh(running(130), (), (), force=True)
    assert loss._smooth.x.max() == 120
    heard(dashboard, "view", shown=True, cards=[0, 1])
    dashboard.refresh(running(130), (), (), force=True)
    assert loss._smooth.x.max() == 130


def test_after_the_run_what_comes_into_sight_draws_itself(dashboard, healthy):
    heard(dashboard, "view", shown=True, cards=[1])
    record(healthy, range(121, 131))
    dashboard.refresh(Status("finished", 130), (), (), force=True)
    heard(dashboard, "view", shown=True, cards=[0, 1])
    assert dashboard._cards[0].panel._smooth.x.max() == 130


def test_all_cards_are_drawn_at_first_though_the_status_bar_spoke_before_they_could(healthy, monkeypatch):
    dashboard = Dashboard(healthy, print)
    bar = {"shown": True, "cards": [], "aside": True}
    monkeypatch.setattr(_comms, "reach_busy_kernel", lambda _: heard(dashboard, "view", **bar))
    assert dashboard.widget is not None
    assert dashboard._cards[0].panel._smooth.x.max() == 120
    # from then on only those in sight are
    record(healthy, range(121, 131))
    dashboard._redraw()
    assert dashboard._cards[0].panel._smooth.x.max() == 120
    dashboard.close()


def test_a_closed_card_is_not_drawn_until_it_is_opened(dashboard, healthy):
    card = dashboard._cards[0]
    card._title.click()
    record(healthy, range(121, 131))
    dashboard.refresh(running(130), (), (), force=True)
    assert card.panel._smooth.x.max() == 120
    card._title.click()
    assert card.panel._smooth.x.max() == 130


def test_the_switches_of_a_panel_work_when_no_loop_runs(dashboard):
    loss = dashboard._cards[0].panel
    before = loss._raw.y.max()
    loss._log.value = True
    assert loss._raw.y.max() < before


def test_no_new_widgets_after_the_first_draw(dashboard, healthy):
    before = alive()
    for step in range(121, 141):
        record(healthy, range(step, step + 1))
        dashboard.refresh(running(step), (FINDING,), (Notice("probe", "failed"),), force=True)
    assert alive() == before


class Broken:
    title = "Broken"

    def __init__(self):
        self.widget, self.calls = ipywidgets.Label(), 0

    def update(self, history, findings):
        self.calls += 1
        raise RuntimeError("no <picture>")


def test_a_panel_that_fails_shows_it_once_and_the_others_go_on(messages, healthy):
    broken = Broken()
    dashboard = Dashboard(healthy, print, panels=(broken, LossCurve))
    assert dashboard.widget
    for step in (1, 2, 3):
        record(healthy, range(120 + step, 121 + step))
        assert dashboard.refresh(running(step), (), (), force=True)
    shown = texts(dashboard.widget)
    assert shown.count("RuntimeError: no &lt;picture&gt;") == 1
    assert "close and open it" in shown
    assert broken.calls == 1
    assert dashboard._cards[1].panel._smooth.x.max() == 123
    for _ in range(2):
        dashboard._cards[0]._title.click()
    assert broken.calls == 2
    dashboard.close()


def test_a_panel_that_cannot_be_built_shows_it_too(messages, healthy):
    class Unbuilt:
        title = "Unbuilt"

        def __init__(self):
            raise ImportError("needs more")

    dashboard = Dashboard(healthy, print, panels=(Unbuilt, LossCurve))
    assert "needs more" in texts(dashboard.widget)
    dashboard.close()


def test_a_panel_of_ones_own_needs_no_base_class(messages, healthy):
    class Last:
        title = "The loss now"

        def __init__(self):
            self.widget = ipywidgets.Label()

        def update(self, history, findings):
            self.widget.value = f"{history.latest('train/loss')[1][0]:.3f}"

    dashboard = Dashboard(healthy, print, panels=(Last,))
    assert dashboard.widget
    assert dashboard._cards[0].panel.widget.value == "0.191"
    dashboard.close()


def test_our_comms_take_the_shell_that_was_asked_for(messages, healthy, monkeypatch):
    from ._made import RecordingComm

    monkeypatch.setattr(RecordingComm, "_reply_subshell_for", lambda self, data, default: None, raising=False)
    dashboard = Dashboard(healthy, print)
    widgets = _comms.all_widgets(dashboard.widget)
    assert {type(widget).__name__ for widget in widgets} >= {"Button", "FloatLogSlider", "Figure", "Echo", "Dropdown"}
    assert all(widget.comm._reply_subshell_for({}, "subshell") == "subshell" for widget in widgets)
    dashboard.close()


def test_polling_costs_nothing_where_it_is_not_needed(dashboard):
    dashboard.poll()
    assert dashboard.live is None


def test_polling_without_the_extra_tells_what_to_do(dashboard, monkeypatch):
    monkeypatch.setattr(_comms, "_ipykernel", lambda: 6)
    monkeypatch.setitem(__import__("sys").modules, "jupyter_ui_poll", None)
    dashboard.poll()
    dashboard.refresh(running(1), (), (), force=True)
    assert "nnwidgets[poll]" in texts(dashboard.widget)


def test_a_refresh_never_raises(dashboard, monkeypatch):
    monkeypatch.setattr(History, "names", lambda self: 1 / 0)
    monkeypatch.setattr(dashboard, "_show_legend", lambda: 1 / 0)
    assert dashboard.refresh(running(1), (), (), force=True)
    assert "ZeroDivisionError" in texts(dashboard.widget)


def test_seconds_spent_are_counted(dashboard):
    ticks = iter(range(100))
    dashboard._clock = lambda: float(next(ticks))
    dashboard.refresh(running(1), (), (), force=True)
    assert dashboard.seconds_spent == pytest.approx(1.0)


def test_commands_are_sent_and_nothing_else(dashboard):
    dashboard._controls._step.click()
    assert dashboard.commands == [Command("step")]
