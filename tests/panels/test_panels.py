"""What every panel owes."""

from __future__ import annotations

import numpy as np
import pytest

from nnwidgets.panels import (
    DEFAULT_PANELS,
    Findings,
    GradientNorms,
    Histograms,
    LayerHeatmap,
    LossCurve,
    RunsTable,
    UnitHealth,
    UpdateRatio,
)
from nnwidgets.panels._comms import all_widgets
from nnwidgets.panels._layer_heatmap import packed
from nnwidgets.records import Finding, History, Notice

from ._made import FINDING, LAYERS, alive, record, texts

# codes of heatmap.js
NOT_FINITE, BLANK = 65534, 65535

every_panel = pytest.mark.parametrize("make", DEFAULT_PANELS, ids=lambda make: make.__name__)


@every_panel
def test_a_docstring_says_what_the_picture_tells_apart(make):
    assert "Tells apart: " in make.__doc__
    assert make.title


@every_panel
def test_an_empty_history_says_what_is_waited_for(make):
    panel = make()
    words = panel.update(History(), ()) or texts(panel.widget)
    assert "Waits for" in words or "Nothing to judge yet" in words


@every_panel
@pytest.mark.parametrize("scale", [1.0, np.nan, np.inf, 0.0, -1.0, 1e-38, 1e38])
def test_any_numbers_are_drawn(make, scale):
    panel = make()
    assert panel.update(record(History(), range(1, 40), scale=scale), ()) is None or np.isnan(scale)


@every_panel
def test_one_step_is_enough_not_to_fail(make):
    make().update(record(History(), range(1, 2)), ())


@every_panel
def test_no_new_widget_after_the_first_draw(make, healthy):
    panel = make()
    panel.update(healthy, ())
    before = alive()
    for stop in (130, 5000):
        record(healthy, range(int(healthy.latest("train/loss")[0]) + 1, stop))
        panel.update(healthy, (FINDING,))
    panel.update(record(healthy, range(5000, 5010), scale=np.nan), ())
    assert alive() == before


@every_panel
def test_a_widget_is_sent_at_most_once_an_update(make, messages, healthy):
    panel = make()
    panel.update(healthy, ())
    record(healthy, range(121, 140))
    messages.clear()
    panel.update(healthy, (FINDING,))
    comms = [comm for kind, comm, data in messages]
    # the table of runs changes when what is on record does
    assert comms or make is RunsTable
    assert len(comms) == len(set(comms))


@every_panel
def test_what_is_sent_does_not_grow_with_the_run(make, messages):
    panel, history = make(), History()
    sizes = []
    for start, stop in ((1, 3000), (3000, 3100), (3100, 9000), (9000, 9100)):
        panel.update(record(history, range(start, stop)), ())
        sizes.append(max(part.size for mark in all_widgets(panel.widget) for part in _arrays(mark)))
    assert max(sizes) <= 500 * len(LAYERS)


def test_a_zero_gradient_is_named_since_powers_of_ten_cannot_show_it(healthy):
    panel = GradientNorms()
    panel.update(record(healthy, range(121, 123), scale=0.0), ())
    assert "exactly zero, so not drawn, at step 122: Conv_0/bias, Conv_0/kernel" in texts(panel.widget)


def test_the_raw_loss_stays_whatever_the_smoothing(healthy):
    panel = LossCurve()
    for window in (0, 3000):
        panel._window.value = window
        panel.update(healthy, ())
        drawn = healthy["train/loss"].values[:, 0]
        assert panel._raw.y.max() == pytest.approx(drawn.max())
        assert panel._raw.opacities == [0.4]


def test_steps_whose_loss_is_not_finite_are_marked_in_red(healthy):
    panel = LossCurve()
    panel.update(record(healthy, range(121, 124), scale=np.nan), ())
    assert panel._bad.x.tolist() == [121, 122, 123]


def test_a_line_that_ends_in_a_gap_gets_a_point_behind_it(healthy):
    panel = LossCurve()
    panel.update(record(healthy, range(121, 123), scale=np.nan), ())
    assert np.isnan(panel._smooth.y[-2])
    assert np.isfinite(panel._smooth.y[-1])
    assert panel._smooth.x.max() == 122


def test_a_closed_dashboard_names_its_layers_again(dashboard):
    dashboard.close()
    assert "Conv_0" in texts(dashboard.widget)


def test_a_log_axis_shows_powers_of_ten(healthy):
    panel = LossCurve()
    panel._log.value = True
    panel.update(healthy, ())
    assert panel._raw.y.max() == pytest.approx(np.log10(0.1 + np.exp(-1 / 50)), rel=1e-5)


def test_every_metric_and_logged_number_has_a_curve(healthy):
    panel = LossCurve()
    for step in range(2):
        healthy.add_scalar("log/temperature", step, 1.0)
        healthy.add_scalar("validation/accuracy", step, 0.4)
    panel.update(healthy, ())
    assert {curve["title"]: len(curve["lines"]) for curve in panel._curves.data["curves"]} == {
        "accuracy": 2,
        "log/temperature": 1,
    }


def test_tensors_that_are_not_finite_are_named(healthy):
    panel = GradientNorms()
    panel.update(record(healthy, range(121, 123), scale=np.inf), ())
    assert "NaN or infinite at step 122: Conv_0/bias" in texts(panel.widget)


def test_the_heatmap_offers_what_was_read_and_marks_what_is_not_finite(healthy):
    panel = LayerHeatmap()
    panel.update(healthy, ())
    assert set(panel._reading.options) >= {"gradient/norm", "update/ratio", "activation/dead"}
    assert panel._reading.value == "gradient/norm"
    assert not (codes(panel) == NOT_FINITE).any()
    panel.update(record(healthy, range(121, 122), scale=np.nan), ())
    bad = codes(panel).reshape(4, -1) == NOT_FINITE
    assert bad[:, -1].all()
    assert not bad[:, :-1].any()


def test_the_heatmap_keeps_its_numbers_in_two_bytes():
    values = np.array([[-7.25, np.nan, 3.5], [0.0, np.inf, np.nan]], "<f4")
    bad = np.array([[0, 0, 0], [0, 0, 1]], "u1")
    drawn = packed({"values": values.tobytes(), "bad": bad.tobytes(), "low": -1.0})
    found = np.frombuffer(drawn["codes"], "<u2").reshape(2, 3)
    assert found[1, 2] == NOT_FINITE and found[0, 1] == BLANK and found[1, 1] == found[0, 2] == NOT_FINITE - 1
    read = drawn["least"] + found[[0, 0, 1], [0, 2, 0]] * ((drawn["most"] - drawn["least"]) / 65533)
    np.testing.assert_allclose(read, [-7.25, 3.5, 0.0], atol=1e-4)
    flat = packed({"values": np.full(3, 2.0, "<f4").tobytes(), "bad": bytes(3)})
    assert np.frombuffer(flat["codes"], "<u2").tolist() == [0, 0, 0] and flat["least"] == 2.0


def codes(panel):
    return np.frombuffer(panel._canvas.data["codes"], "<u2")


def test_a_kind_without_histograms_says_so(healthy):
    panel = Histograms()
    panel._kind.value = "update"
    panel.update(healthy, ())
    assert "waits for the first updates" in texts(panel.widget)


def test_shares_of_units_are_handed_on_as_they_are(healthy):
    panel = UnitHealth()
    panel.update(healthy, ())
    (bar,) = panel._canvas.data["bars"]
    assert (bar["name"], bar["dead"]) == ("Conv_0/relu", pytest.approx(0.25))


def test_a_healthy_run_says_so_and_what_was_looked_for(healthy):
    panel = Findings()
    panel.rules = ("NonFinite", "DeadUnits")
    panel.update(healthy, ())
    assert "No rule found anything wrong.</b> 2 rules looked: NonFinite, DeadUnits." in texts(panel.widget)


@pytest.mark.parametrize(
    ("rules", "left_out", "said"),
    [
        (("NonFinite",), (), "Nothing non-finite so far: the one rule that looks, NonFinite, checks only that."),
        (("Mine",), (), "Nothing found so far: one rule looks, Mine."),
        (("NonFinite", "Mine"), ("Mine",), "Nothing found so far, but only 1 of 2 rules looked: NonFinite."),
        (("Mine", "Mine", "Other"), ("Mine",), "but only 2 of 3 rules looked: Mine, Other."),
        (("Mine",), ("Mine",), "No rule looked. 0 of 1 rules could be used."),
        ((), (), "No rule looks."),
    ],
)
def test_what_few_rules_saw_is_said_in_grey(healthy, rules, left_out, said):
    panel = Findings()
    panel.rules = rules
    panel.notices = [Notice(rule, "the rule was left out: no") for rule in left_out]
    panel.update(healthy, ())
    assert said in texts(panel.widget)
    assert "✓" not in texts(panel.widget)
    assert "nnw-healthy" not in texts(panel.widget)


def test_a_notice_of_something_else_leaves_the_rules_in(healthy):
    panel = Findings()
    panel.rules, panel.notices = ("NonFinite", "Mine"), [Notice("probe", "the probe was left out: no")]
    panel.update(healthy, ())
    assert "✓ No rule found anything wrong." in texts(panel.widget)


def test_train_is_solid_and_validation_dashed_in_the_colour_of_the_text(healthy):
    panel = LossCurve()
    healthy.add_scalar("validation/accuracy", 119, 0.3)
    healthy.add_scalar("validation/accuracy", 120, 0.4)
    panel.update(healthy, ())
    marks = (panel._raw, panel._smooth, panel._validation)
    assert [mark.colors for mark in marks] == [["var(--nnw-ink)"]] * 3
    assert [mark.line_style for mark in marks] == ["solid", "solid", "dashed"]
    shown = texts(panel.widget)
    assert shown.index("nnw-stroke nnw-solid") < shown.index(" train ") < shown.index("nnw-stroke nnw-dashed")
    (curve,) = panel._curves.data["curves"]
    assert {line["dashed"] for line in curve["lines"]} == {False, True}
    assert all("color" not in line for line in curve["lines"])


def test_a_number_that_is_older_than_the_run_tells_its_step(healthy):
    loss, heatmap = LossCurve(), LayerHeatmap()
    for panel in (loss, heatmap):
        panel.update(healthy, ())
        assert "at step" not in texts(panel.widget), "all are of step 120"
    healthy.add_scalar("train/loss", 1234, 0.1)
    for panel in (loss, heatmap):
        panel.update(healthy, ())
    assert "validation <b>0.3</b> at step 120" in texts(loss.widget)
    assert "train <b>0.1</b>" in texts(loss.widget)
    assert "train <b>0.1</b> at step" not in texts(loss.widget)
    assert "newest at step 120" in texts(heatmap.widget)


def test_notes_say_what_the_pictures_show(healthy):
    heatmap, histograms, ratio = LayerHeatmap(), Histograms(), UpdateRatio()
    for panel in (heatmap, histograms, ratio):
        panel.update(healthy, ())
    assert "colour: gradient/norm, log scale" in texts(heatmap.widget)
    heatmap._reading.value = "activation/dead"
    heatmap.update(healthy, ())
    assert "colour: activation/dead, linear scale" in texts(heatmap.widget)
    assert "filled: at step 120; outline: at step 120; each scaled to its own peak" in texts(histograms.widget)
    assert "biases usually lie above" in texts(ratio.widget)


def test_findings_come_gravest_first_with_evidence_and_remedy_and_escaped(healthy):
    panel = Findings()
    panel.notices = (Notice("my_probe", "failed", "Traceback <x>"),)
    panel.update(healthy, (Finding("Slow", "note", "", 3, "slow", ""), FINDING))
    shown = texts(panel.widget)
    assert shown.index("problem: non finite") < shown.index("note: slow")
    for part in (
        "&lt;b&gt;bad&lt;/b&gt;",
        "<td>loss</td><td>NaN</td>",
        "<b>Try:</b> Lower it.",
        "my_probe",
        "Traceback &lt;x&gt;",
    ):
        assert part in shown


def _arrays(widget) -> list[np.ndarray]:
    found = [getattr(widget, key) for key in widget.keys]
    return [np.empty(0), *(value for value in found if isinstance(value, np.ndarray))]
