"""The panel of the network: its health, its folds, its details, and what it asks for."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from nnwidgets.panels import LookInside, Network
from nnwidgets.panels._comms import all_widgets
from nnwidgets.panels._network_details import count
from nnwidgets.records import Command, Finding, History, NetworkGraph, Node

from ._made import FINDING, GRAPH, alive, look, record, texts


def drawn(history, findings=()):
    """A panel as a dashboard has it, and what it sent."""
    panel, sent = Network(), []
    panel.send = sent.append
    panel.redraw = lambda: panel.update(history, findings)
    panel.redraw()
    return panel, sent


def say(panel, kind, key):
    panel._canvas._handle_custom_msg({"kind": kind, "key": key}, [])


def boxes(panel):
    return {box["path"]: box for box in panel._canvas.data["boxes"]}


def states(panel):
    return {name: box["state"] for name, box in boxes(panel).items()}


def finding(where, severity="problem"):
    return Finding("DeadUnits", severity, where, 7, "<b>dead</b>", "Lower it.")


def test_before_the_first_step_it_says_what_it_waits_for():
    panel, _ = drawn(History())
    assert "Waits for the first step" in texts(panel.widget)
    assert panel._body.layout.display == "none"
    history = History()
    history.graph = NetworkGraph(())
    assert "Waits for" in texts(drawn(history)[0].widget)


def test_a_box_says_name_shape_parameters_and_nonlinearity(healthy):
    panel, _ = drawn(healthy)
    conv = boxes(panel)["Conv_0"]
    assert conv["words"] == ["(32, 6, 6, 4)", "40 params", "relu", "convolution"]
    assert panel._canvas.data["edges"] == [[0, 1, -1], [1, 2, -1], [2, 3, -1]]
    assert "2 layers, 52 parameters" in texts(panel.widget)


def test_a_layer_has_the_colour_that_it_has_everywhere(healthy):
    from nnwidgets.panels._theme import layer_colours

    panel, _ = drawn(healthy)
    assert boxes(panel)["Dense_0"]["strip"] == [layer_colours(healthy)["Dense_0"]]


def test_green_only_where_something_was_read(healthy):
    history = History()
    history.graph = GRAPH
    assert set(states(drawn(history)[0]).values()) == {""}
    assert states(drawn(healthy)[0]) == {"input": "", "Conv_0": "well", "Dense_0": "well", "loss": ""}


@pytest.mark.parametrize(
    ("where", "layer"),
    [
        ("Dense_0", "Dense_0"),
        ("Dense_0/kernel", "Dense_0"),
        ("Conv_0/relu", "Conv_0"),
        ("Conv_0 (2)", None),
        ("", None),
    ],
)
@pytest.mark.parametrize(("severity", "state"), [("problem", "problem"), ("warning", "warning"), ("note", "well")])
def test_findings_colour_their_layer_and_no_other(healthy, where, layer, severity, state):
    shown = states(drawn(healthy, (finding(where, severity),))[0])
    assert {name for name, each in shown.items() if each in ("problem", "warning")} == (
        {layer} if layer and severity != "note" else set()
    )
    if layer:
        assert shown[layer] == state


def test_the_gravest_counts_and_its_words_are_at_the_top(healthy):
    panel, _ = drawn(healthy, (finding("Conv_0", "warning"), finding("Conv_0"), finding("")))
    assert boxes(panel)["Conv_0"]["mark"] == "✗"
    assert "with a problem: Conv_0" in texts(panel.widget)
    assert "of no one layer: 1, see Findings" in texts(panel.widget)


@pytest.mark.parametrize(("scale", "mark"), [(np.nan, "NaN"), (np.inf, "∞")])
def test_readings_that_are_not_finite_are_shown_as_such(healthy, scale, mark):
    panel, _ = drawn(record(healthy, range(121, 122), scale=scale))
    assert (states(panel)["Conv_0"], boxes(panel)["Conv_0"]["mark"]) == ("nan", mark)
    assert "not finite: Conv_0, Dense_0" in texts(panel.widget)
    panel, _ = drawn(healthy, (finding("Conv_0"),))
    assert boxes(panel)["Conv_0"]["mark"] == f"✗ {mark}"
    say(panel, "choose", "Conv_0")
    assert f'<b class="nnw-alarm">{mark}</b>' in texts(panel.widget)


def test_a_chosen_layer_tells_its_details(healthy):
    panel, sent = drawn(healthy, (finding("Conv_0"),))
    assert panel._button.layout.display == "none"
    say(panel, "choose", "Conv_0")
    shown = re.sub(r"<[^>]+>", " ", texts(panel.widget))
    for part in (
        "convolution · gives (32, 6, 6, 4) · 40 parameters · then relu",
        "called at  model.py:3 ",
        " kernel ",
        "gradient norm",
        "update ratio",
        "outputs: std 1",
        "25 % of the units dead",
        "problem: dead units",
        "&lt;b&gt;dead&lt;/b&gt;",
        "read at step 120",
    ):
        assert part in shown
    assert panel._canvas.data["chosen"] == "Conv_0"
    assert sent == []


def test_the_button_asks_for_a_look_into_the_chosen_layer(healthy):
    panel, sent = drawn(healthy)
    say(panel, "choose", "loss")
    assert panel._button.layout.display == "none"
    say(panel, "choose", "Dense_0")
    assert panel._button.layout.display == ""
    panel._button.click()
    assert sent == [Command("look", {"view": "activations", "layer": "Dense_0"})]
    assert "asked for" in panel._said.value
    healthy.add_look(look(step=121))
    panel.redraw()
    assert panel._said.value == ""


def test_a_fold_opens_and_closes_and_shows_the_worst_of_what_is_in_it():
    names = ["input", *(f"layer_{i}" for i in range(300)), "loss"]
    nodes = tuple(Node(name, "dense" if "_" in name else name, (8, 4), 20, (f"{name}/w",)) for name in names)
    history = History()
    history.graph = NetworkGraph(nodes, tuple((i, i + 1) for i in range(301)))
    tensors = tuple(f"{name}/w" for name in names[1:-1])
    history.add("gradient", 1, tensors, {"norm": np.ones(300)})
    panel, sent = drawn(history, (finding("layer_37"),))
    run = boxes(panel)["layer_0 … layer_299 (300)"]
    assert (run["state"], run["fold"], len(run["strip"]) <= 8) == ("problem", True, True)
    assert run["words"] == ["300 layers", "6 k params", "(8, 4)"]
    say(panel, "open", run["key"])
    assert 10 < len(boxes(panel)) <= 40
    assert [name for name, state in states(panel).items() if state == "problem"] == ["layer_20 … layer_39 (20)"]
    say(panel, "open", "layer_20 … layer_39")
    assert states(panel)["layer_37"] == "problem"
    assert states(panel)["layer_38"] == "well"
    say(panel, "close", run["key"])
    assert len(boxes(panel)) == 3
    assert panel._show.description == "Show layer_37"
    panel._show.click()
    assert panel._canvas.data["chosen"] == "layer_37"
    assert states(panel)["layer_37"] == "problem"
    assert panel._show.layout.display == "none"
    assert sent == []


def test_in_a_frame_a_name_is_short_and_the_frame_shows_the_worst():
    names = ("input", "net/block_0/up", "net/block_0/down", "net/block_1/up", "net/block_1/down", "loss")
    history = History()
    history.graph = NetworkGraph(tuple(Node(name, "dense") for name in names), tuple((i, i + 1) for i in range(5)))
    panel, _ = drawn(history, (finding("net/block_1/up"),))
    assert [box["name"] for box in panel._canvas.data["boxes"]] == ["input", "up", "down", "up", "down", "loss"]
    frames = {frame["key"]: (frame["label"], frame["mark"]) for frame in panel._canvas.data["frames"]}
    assert frames == {"net": ("net", "✗"), "net/block_0": ("block_0", ""), "net/block_1": ("block_1", "✗")}


def test_what_the_browser_says_is_not_trusted(healthy):
    panel, sent = drawn(healthy)
    before = panel._canvas.data
    for content in (None, {}, {"kind": "open"}, {"kind": "open", "key": 3}, {"kind": "what", "key": "Conv_0"}):
        panel._canvas._handle_custom_msg(content, [])
    say(panel, "open", "nothing")
    say(panel, "choose", "nothing")
    assert panel._canvas.data == {**before, "chosen": "nothing"}
    assert sent == []


def test_nothing_is_sent_when_nothing_is_new(messages, healthy):
    panel, _ = drawn(healthy, (FINDING,))
    say(panel, "choose", "Conv_0")
    messages.clear()
    before = alive()
    panel.update(healthy, (FINDING,))
    healthy.add_scalar("train/loss", 121, 0.5)
    healthy.graph = replace(GRAPH)
    panel.update(healthy, (FINDING,))
    assert messages == []
    assert alive() == before
    assert panel._chosen == "Conv_0"


def test_another_network_starts_anew(healthy):
    panel, _ = drawn(healthy)
    say(panel, "choose", "Conv_0")
    healthy.graph = NetworkGraph((Node("x", "input"), Node("y", "dense"), Node("loss", "loss")), ((0, 1), (1, 2)))
    panel.redraw()
    assert set(boxes(panel)) == {"x", "y", "loss"}
    assert panel._canvas.data["chosen"] == ""


def test_counts_for_people():
    assert [count(n) for n in (0, 999, 1_000, 1_234, 12_345, 999_500, 7e9)] == [
        "0", "999", "1 k", "1.2 k", "12 k", "1 M", "7 G",
    ]  # fmt: skip


@pytest.mark.parametrize("make", [Network, LookInside])
def test_a_closed_panel_leaves_no_widget(make):
    before = alive()
    for widget in all_widgets(make().widget):
        widget.close()
    assert alive() == before
