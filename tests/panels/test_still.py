"""The picture that stays in a saved notebook: what it shows, how large it is, and when a notebook is sent a new one."""

from __future__ import annotations

import io
import time

import IPython.display
import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter
from PIL import Image

from nnwidgets.panels import Dashboard, _cells, _still_outputs
from nnwidgets.panels._still import WIDE, still
from nnwidgets.panels._still_canvas import INKS, SHARP, Canvas
from nnwidgets.panels._still_font import fit, readable, width, wrapped
from nnwidgets.panels._summary import summary
from nnwidgets.records import Finding, History, Notice, Status

from ._made import FINDING, record, running

DONE = Status("finished", 120, target=120)
RULES = ("NonFinite", "DeadUnits")


def pixels(*told, **more):
    picture, tall = still(*told, **more)
    image = Image.open(io.BytesIO(picture))
    assert image.size == (SHARP * WIDE, SHARP * tall)
    return np.asarray(image.convert("RGB")).astype(int)


def count(image, colour):
    """How many pixels have this colour, "#rrggbb", exactly."""
    return int((image == [int(colour[k : k + 2], 16) for k in (1, 3, 5)]).all(axis=-1).sum())


def finding(severity="warning", **changes):
    told = {
        "where": "Dense_0",
        "step": 7,
        "explanation": "What it means.",
        "remedy": "What to do.",
        "line": "cell [4]:12",
    }
    return Finding("DeadUnits", severity, **(told | changes))


def test_it_is_small_and_says_who_made_it(healthy):
    picture, tall = still(DONE, healthy, [finding()] * 3, (), RULES)
    assert len(picture) < 100_000 and 300 < tall < 900
    # echo.js looks for it there
    assert b"Software\0nnwidgets" in picture[33:72]


def test_the_loss_is_drawn_where_it_was(healthy):
    falling, level = History(), History()
    for step in range(100):
        falling.add_scalar("train/loss", step, 1 - step / 100)
        level.add_scalar("train/loss", step, 0.5)
    ink = tuple(int(INKS["ink"][k : k + 2], 16) for k in (1, 3, 5))
    # the curve's own rows, right of its labels and left of its end
    tops = []
    for history in (falling, level):
        curve = (pixels(DONE, history)[170:470, 200:1700] == ink).all(axis=-1)
        tops.append(curve.argmax(axis=0))
        assert curve.any(axis=0).all(), "no gap"
    assert tops[0][-1] - tops[0][0] > 150 and (np.diff(tops[0]) >= 0).all(), "it falls from left to right"
    assert len(set(tops[1])) == 1, "it stands still"


def layered(*values):
    history = History()
    for step in range(20):
        history.add("gradient", step, ("first", "second", "third"), {"norm": values})
        history.add_scalar("train/loss", step, 1.0)
    return pixels(Status("finished", 20), history)


def test_layers_are_dark_where_gradients_are_small_and_striped_where_they_are_not_finite():
    image = layered(1e-5, 1.0, 1e-5)
    # a row of the layers has hundreds of pixels of one colour, the bar of the scale a few
    dark, bright = (
        np.flatnonzero((image == colour).all(axis=-1).sum(axis=1) > 400) for colour in ([0, 34, 78], [254, 232, 56])
    )
    between = dark[dark > bright.max()]
    assert dark.min() < bright.min() and len(between) == len(bright) == len(dark) / 2, "in the order of the layers"
    assert count(image, INKS["problem"]) == 0
    assert count(layered(1e-5, float("nan"), 1e-5), INKS["problem"]) > 5000
    assert count(layered(1e-5, float("inf"), float("nan")), INKS["problem"]) > 10000


def test_a_severity_is_a_shape_as_well_as_a_colour():
    areas = []
    for form in ("square", "triangle", "ring", "disc"):
        canvas = Canvas(40, 40)
        canvas.shape(20, 20, 20, form, "ink")
        image = np.asarray(Image.open(io.BytesIO(canvas.png())).convert("L")) < 128
        areas.append((int(image[20:61, 20:61].sum()), bool(image[40, 40]), bool(image[22, 22])))
    (square, *_), (triangle, _, corner), (ring, middle, _), (disc, filled, _) = areas
    assert square > disc > triangle > ring and not corner and not middle and filled


@pytest.mark.parametrize("severity", ["problem", "warning", "note"])
def test_a_finding_is_in_the_picture_and_in_the_text(healthy, severity):
    without, with_ = pixels(DONE, healthy, (), (), RULES), pixels(DONE, healthy, [finding(severity)], (), RULES)
    assert count(with_, INKS[severity]) > count(without, INKS[severity]) + 200
    text = summary(DONE, healthy, [finding(severity)])
    assert f"  {severity}: DeadUnits Dense_0 at step 7, cell [4]:12\n    What it means.\n    try: What to do." in text


def test_of_many_findings_the_first_are_told_and_the_others_counted(healthy):
    many = [finding(where=f"layer_{k}", explanation=f"explanation {k}") for k in range(12)]
    caused = finding("problem", where="last", follows="DeadUnits")
    text = summary(DONE, healthy, [*many, caused])
    assert "explanation 5" in text and "explanation 6" not in text and "DeadUnits layer_9 " in text
    assert "layer_10" not in text and "and 3 more in .findings" in text
    assert still(DONE, healthy, many[:6])[1] < still(DONE, healthy, many)[1] == still(DONE, healthy, many * 9)[1]
    follower = summary(DONE, healthy, [finding(), caused]).splitlines()
    assert "  problem: DeadUnits last at step 7, cell [4]:12, follows from DeadUnits" in follower


@pytest.mark.parametrize("scale", [1.0, 0.0, float("nan"), float("inf"), 1e30])
@pytest.mark.parametrize("steps", [1, 2, 30])
def test_whatever_was_read_can_be_drawn(scale, steps):
    history = record(History(), range(1, 1 + steps), scale=scale)
    picture, tall = still(
        Status("stopped", steps, message="interrupted"), history, [FINDING], [Notice("probe", "failed")] * 5
    )
    assert 150 < tall < 900 and len(picture) < 100_000


def test_nothing_to_see_yet_is_a_small_card():
    assert still(Status(), History())[1] < 200


def test_deep_networks_and_long_runs_are_drawn_quickly_and_small():
    layers = tuple(f"net/layers_{k}/query/{tensor}" for k in range(300) for tensor in ("kernel", "bias"))
    history, random = History(), np.random.default_rng(0)
    norms, ratios = (history.table(what, (name,), layers) for what, name in (("gradient", "norm"), ("update", "ratio")))
    values = np.exp(random.normal(size=(64, 1, 600))).astype(np.float32)
    for step in range(0, 100_000, 16):
        norms.add(step, values[step // 16 % 64])
        ratios.add(step, 1e-3 * values[step // 16 % 64])
        history.add_scalar("train/loss", step, float(values[step // 16 % 64, 0, 0]))
    started = time.process_time()
    picture, tall = still(Status("running", 100_000), history, [finding()] * 3, (), RULES)
    # 0.15 s where nothing else runs
    assert time.process_time() - started < 3.0
    assert len(picture) < 120_000 and tall < 900


def test_names_and_words_are_shown_letter_by_letter_whatever_they_hold():
    names = ("<img src=x onerror=alert(1)>", "слой/卷积", "a\nb\x1b[31m", "x" * 5000, "\u202eabc", "")
    history = History()
    for step in range(3):
        history.add("gradient", step, names, {"norm": [1, 2, 3, 4, 5, 0]})
        history.add_scalar("train/loss", step, 1.0)
    odd = finding(where=names[2], explanation="\x1b[2J<b>" + "потери 🎉 " * 500, remedy="\u00d7" * 4000, line=names[4])
    picture, tall = still(Status("finished", 3, message=names[3]), history, [odd], [Notice("n", names[2])])
    assert tall < 900 and len(picture) < 100_000
    text = summary(Status("finished", 3), history, [odd])
    assert "\x1b" not in text and "\u202e" not in text
    assert "DeadUnits a b\\x1b[31m at step 7, \\u202eabc" in text and "\\x1b[2J<b>" in text


def test_lines_are_no_wider_than_asked_and_end_in_three_dots_where_more_was_said():
    assert readable("a\n  b \u00d7 c\x00") == "a b x c\\x00"
    shown = fit("net/encoder/layer_12/attention/kernel", 240, 24)
    assert width(shown, 24) <= 240 and shown.startswith("net") and shown.endswith("kernel") and "…" in shown
    lines = wrapped("word " * 200 + "x" * 300, 400, 24, 3)
    assert len(lines) == 3 and lines[-1].endswith("…")
    assert all(width(line, 24) <= 400 + width(" …", 24) for line in lines)
    assert wrapped("short", 400, 24, 3) == ["short"]


@pytest.fixture
def notebook(monkeypatch):
    """Stands for a notebook: what was published as (data, metadata, display id, whether it was an update)."""
    published = []

    def display(data, *, raw, metadata, display_id, update):
        assert raw
        published.append((data, metadata, display_id, update))

    monkeypatch.setattr(IPython.display, "display", display)
    monkeypatch.setattr(_still_outputs.StillOutputs, "possible", staticmethod(lambda: True))
    monkeypatch.setattr(_cells, "execution", lambda: ("a", 1))
    return published


def test_it_is_displayed_as_two_outputs_and_the_second_is_renewed_when_it_changes(dashboard, notebook, monkeypatch):
    dashboard.refresh(running(120), (), ())
    dashboard._ipython_display_()
    (live, live_about, live_id, _), (kept, kept_about, kept_id, _) = notebook
    assert "application/vnd.jupyter.widget-view+json" in live and live_about == {"nnwidgets": "live"}
    assert "image/png" not in live
    assert set(kept) == {"image/png", "text/plain"} and kept_about["nnwidgets"] == "still"
    assert kept_about["image/png"]["width"] == WIDE and 200 < kept_about["image/png"]["height"] < 700
    assert kept["text/plain"] == repr(dashboard)
    notebook.clear()
    assert not dashboard.keep(running(120), (), ())
    assert dashboard.keep(running(120), [FINDING], ())
    [(data, about, where, update)] = notebook
    assert (where, update) == (kept_id, True) and "NonFinite" in data["text/plain"] and about["nnwidgets"] == "still"
    # a second one in another cell; and the first cell is run again
    monkeypatch.setattr(_cells, "execution", lambda: ("b", 2))
    dashboard._ipython_display_()
    monkeypatch.setattr(_cells, "execution", lambda: ("a", 3))
    dashboard._ipython_display_()
    notebook.clear()
    dashboard.keep(DONE, (), ())
    assert len({where for _, _, where, _ in notebook}) == len(notebook) == 2
    assert kept_id not in {where for _, _, where, _ in notebook}
    notebook.clear()
    dashboard.freeze()
    assert [(about, update) for _, about, _, update in notebook[-2:]] == [({"nnwidgets": "frozen"}, True)] * 2
    assert all(set(data) == {"text/plain"} and live_id != where for data, _, where, _ in notebook[-2:])
    notebook.clear()
    assert not dashboard.keep(running(130), (), ()) and not notebook
    with pytest.raises(RuntimeError, match="display the session in a cell"):
        dashboard.freeze()


def test_before_anything_was_read_it_is_text(messages, notebook):
    dashboard = Dashboard(History(), print)
    dashboard._ipython_display_()
    assert set(notebook[1][0]) == {"text/plain"}
    dashboard.close()


def test_a_run_that_goes_on_is_pictured_seldom(dashboard, notebook, monkeypatch):
    assert not dashboard.stills.due(False), "displayed nowhere"
    now = [100.0]
    monkeypatch.setattr(_still_outputs.time, "monotonic", lambda: now[0])
    dashboard._ipython_display_()
    assert dashboard.stills.due(False) and not dashboard.stills.due(True)
    now[0] += 29.0
    assert not dashboard.stills.due(True)
    now[0] += 2.0
    assert dashboard.stills.due(True)
    # one that takes long comes more seldom
    dashboard.stills._seconds = 1.0
    assert not dashboard.stills.due(True)


def test_one_that_fails_is_shown_and_ends_nothing(dashboard, notebook, monkeypatch):
    dashboard._ipython_display_()
    monkeypatch.setattr(_still_outputs, "still", lambda *told: 1 / 0)
    assert not dashboard.keep(DONE, (), ())
    assert "The picture that stays in the notebook failed" in dashboard._controls._error.value
    assert not dashboard.stills.due(False)


def test_one_that_fails_at_once_leaves_one_live_output(dashboard, notebook, monkeypatch):
    monkeypatch.setattr(_still_outputs, "still", lambda *told: 1 / 0)
    dashboard._ipython_display_()
    assert len(notebook) == 1
    assert "The picture that stays in the notebook failed" in dashboard._controls._error.value


def test_elsewhere_it_is_one_output(dashboard):
    data, _ = DisplayFormatter().format(dashboard)
    assert data["text/plain"] == repr(dashboard) and "image/png" not in data
    assert dashboard._repr_mimebundle_()["text/plain"] == repr(dashboard)
