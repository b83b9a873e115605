"""The panel that looks inside: what each control asks for, and what is sent of the images."""

from __future__ import annotations

import numpy as np
import pytest

from nnwidgets.panels import LookInside
from nnwidgets.panels._image_pack import MINUS, NAN, PLUS, STEPS, pack, quantise
from nnwidgets.records import Command, Example, History, Notice, Picture

from ._made import alive, look, texts


@pytest.fixture
def history():
    made = History()
    made.add_look(look())
    return made


def drawn(history):
    panel, sent = LookInside(), []
    panel.send = sent.append
    panel.update(history, ())
    return panel, sent


WANTED = {"view": "activations", "order": "wrong first", "position": 2, "layer": "", "unit": None}


def test_before_the_first_look_there_is_a_button():
    panel, sent = drawn(History())
    assert "Waits for a look" in texts(panel.widget)
    assert panel._next.layout.display == panel._chosen.layout.display == "none"
    panel._start.click()
    assert sent == [Command("look", {})]
    assert "looking" in panel._headline.value


def test_the_headline_tells_the_answer_and_says_that_it_is_wrong_in_words(history):
    panel, sent = drawn(history)
    shown = texts(panel.widget)
    for part in ('<b class="nnw-alarm">✗ wrong</b>', "example <b>17</b>", "target <b>7</b>", "predicted <b>1</b> with 93 %",
                 "loss <b>2.5</b>", "step 7, 0.2 s", "3 of 256"):  # fmt: skip
        assert part in shown
    assert sent == [], "what is shown is not asked for"


def test_what_is_not_known_is_left_out(history):
    history.add_look(look(example=Example(3, float("nan"), "<i>", "", None, None)))
    shown = texts(drawn(history)[0].widget)
    assert "&lt;i&gt;" in shown
    assert "not known for one example" in shown
    assert "wrong</b>" not in shown
    assert "✓" not in shown


@pytest.mark.parametrize(
    ("act", "change"),
    [
        (lambda panel: panel._start.click(), {}),
        (lambda panel: panel._next.click(), {"position": 3}),
        (lambda panel: panel._previous.click(), {"position": 1}),
        (
            lambda panel: setattr(panel._order, "value", "largest loss first"),
            {"order": "largest loss first", "position": 0},
        ),
        (lambda panel: setattr(panel._view, "value", "Grad-CAM"), {"view": "Grad-CAM"}),
        (lambda panel: setattr(panel._layer, "value", "Dense_0"), {"layer": "Dense_0"}),
        (lambda panel: setattr(panel._unit, "value", "4"), {"unit": 4}),
        (lambda panel: panel._canvas._handle_custom_msg({"kind": "go", "by": 1}, []), {"position": 3}),
        (lambda panel: panel._canvas._handle_custom_msg({"kind": "go", "by": -1}, []), {"position": 1}),
    ],
)
def test_each_control_asks_for_all_that_is_chosen(history, act, change):
    panel, sent = drawn(history)
    act(panel)
    assert sent == [Command("look", {**WANTED, **change})]
    assert "looking" in panel._headline.value
    panel.update(history, ())
    assert "looking" in panel._headline.value, "until the answer is there"
    history.add_look(look(**{**WANTED, **change}))
    panel.update(history, ())
    assert "looking" not in panel._headline.value
    assert len(sent) == 1, "the answer sets the controls, and asks for nothing"


def test_words_are_not_said_twice(history):
    for words, shown in (("nothing to see", True), ("4 channels", False)):
        history.add_look(look(words=words))
        panel, _ = drawn(history)
        assert (words in panel._words.value) is shown


def test_another_look_sets_the_controls_and_asks_for_nothing(history):
    panel, sent = drawn(history)
    other = {"view": "maximised unit", "order": "in order", "position": 255, "layer": "Dense_0", "unit": 1}
    history.add_look(look(**other, units=2))
    panel.update(history, ())
    assert (panel._view.value, panel._order.value, panel._layer.value) == ("maximised unit", "in order", "Dense_0")
    assert (panel._unit.value, panel._unit.description, panel._unit.layout.display) == ("1", "unit 0 to 1", "")
    assert panel._next.disabled
    assert not panel._previous.disabled
    history.add_look(look(**{**other, "view": "odd", "layer": "gone", "order": "own"}, views=(), layers=()))
    panel.update(history, ())
    assert (panel._view.value, panel._order.value, panel._layer.value) == ("odd", "own", "")
    assert panel._layer.layout.display == "none"
    assert sent == []


def test_quick_clicks_are_not_undone_by_the_answers_that_come_late(history):
    panel, sent = drawn(history)
    for _ in range(3):
        panel._next.click()
    assert [command.value["position"] for command in sent] == [3, 4, 5]
    history.add_look(look(position=3))
    panel.update(history, ())
    assert "6 of 256" in panel._position.value
    assert "looking" in panel._headline.value
    # those in between were never seen
    history.add_look(look(position=5))
    panel.update(history, ())
    assert "looking" not in panel._headline.value
    panel._next.click()
    assert sent[-1].value["position"] == 6


def test_there_is_no_example_before_the_first(history):
    history.add_look(look(position=0))
    panel, sent = drawn(history)
    assert panel._previous.disabled
    panel._canvas._handle_custom_msg({"kind": "go", "by": -1}, [])
    for content in (None, {}, {"kind": "go", "by": 2}):
        panel._canvas._handle_custom_msg(content, [])
    assert sent == []


@pytest.mark.parametrize("text", ["x", "-1", "2", "1.5"])
def test_a_unit_that_there_is_not_is_told(history, text):
    history.add_look(look(view="maximised unit", layer="Dense_0", unit=0, units=2))
    panel, sent = drawn(history)
    panel._unit.value = text
    assert sent == []
    assert "a whole number from 0 to 1, or nothing; got" in panel._headline.value
    panel._unit.value = ""
    assert sent[-1].value["unit"] is None


def test_the_number_is_that_of_a_class_where_an_output_is_explained(history):
    history.add_look(look(view="Grad-CAM", layer="Conv_0", units=10))
    panel, _ = drawn(history)
    assert (panel._unit.description, panel._unit.placeholder) == ("class 0 to 9", "predicted")
    history.add_look(look())
    panel.update(history, ())
    assert panel._unit.layout.display == "none"


def test_a_look_that_failed_is_told(history):
    panel, _ = drawn(history)
    panel.notices = (Notice("look", "an old one"),)
    panel._next.click()
    panel.update(history, ())
    assert "looking" in panel._headline.value
    panel.notices = (*panel.notices, Notice("look", "no <layer>"))
    panel.update(history, ())
    assert "no &lt;layer&gt;" in panel._headline.value
    assert "3 of 256" in panel._position.value


def test_nothing_is_sent_when_nothing_is_new(messages, history):
    panel, _ = drawn(history)
    before = alive()
    messages.clear()
    for step in range(3):
        history.add_scalar("train/loss", step, 0.5)
        panel.update(history, ())
    assert messages == []
    history.add_look(look(step=8))
    panel.update(history, ())
    comms = [comm for _, comm, _ in messages]
    assert len(comms) == len(set(comms)) == 2
    assert alive() == before


def test_an_image_is_sent_as_bytes_between_its_own_ends():
    images = np.array([[[0.0, 0.5], [1.0, np.nan]], [[-4.0, -2.0], [np.inf, -np.inf]], [[np.nan] * 2] * 2], np.float32)
    codes, lows, highs = quantise(images)
    assert codes.reshape(3, 4).tolist() == [[0, STEPS // 2, STEPS, NAN], [0, STEPS, PLUS, MINUS], [NAN] * 4]
    assert lows == [0.0, -4.0, 0.0]
    assert highs == [1.0, -2.0, 0.0]


def test_numbers_come_back_within_a_step():
    values = np.random.default_rng(0).normal(size=(3, 5, 7)).astype(np.float32)
    codes, lows, highs = quantise(values)
    low, high = (np.array(ends)[:, None] for ends in (lows, highs))
    back = low + codes.reshape(3, -1) / STEPS * (high - low)
    assert np.abs(back - values.reshape(3, -1)).max() <= (high - low).max() / STEPS / 2 + 1e-6


def test_colours_stay_as_they_are():
    colours = np.array([[[[0.0, 0.5, 1.0], [2.0, -1.0, np.nan]]]], np.float32)
    codes, lows, highs = quantise(colours)
    assert codes.tolist() == [0, 126, 252, 252, 0, NAN]
    assert (lows, highs) == ([0.0], [1.0])


def test_a_row_says_what_it_is_and_what_is_not_a_number():
    maps = np.array([[[1.0, np.nan], [-3.0, np.inf]]], np.float32)
    picture = Picture(
        "activations", "activation", "Conv_0", maps, ("channel 5",), (2, 2, 64), signed=True, words="1 of 64"
    )
    (row,) = pack([picture], ["#123456"])["rows"]
    assert row["label"] == "activations · Conv_0 · (2, 2, 64)"
    assert row["bad"] == "NaN: 1 of 4 numbers, infinite: 1 of 4 numbers"
    assert (row["words"], row["signed"], row["ends"], row["titles"]) == ("1 of 64", True, ["-3", "1"], ["channel 5"])
    assert (row["low"], row["high"], row["strip"], row["over"]) == (-3.0, 1.0, "#123456", None)
    (row,) = pack([Picture("weights", "structure", "", np.zeros((2, 1, 5), np.float32))], [""])["rows"]
    assert row["range"] == "all 0"
    (row,) = pack([Picture("weights", "structure", "", np.full((1, 1, 5), np.nan, np.float32))], [""])["rows"]
    assert (row["ends"], row["low"]) == ([], 0.0)


def test_bytes_lie_one_after_the_other():
    data = pack(look().pictures, ["", "", ""])
    places = [row["offset"] for row in data["rows"]] + [data["rows"][2]["over"]["offset"]]
    assert places == [0, 36, 36 + 144, 36 + 144 + 9]
    assert len(data["pixels"]) == 36 + 144 + 9 + 36
    assert pack([], [])["pixels"] == b""


@pytest.mark.parametrize(
    "shape", [(512, 96, 96), (1, 4000, 4000), (20_000, 8, 8), (3, 1, 2_000_000), (2, 1024, 1024, 3)]
)
def test_what_is_sent_is_bounded_and_says_what_is_left_out(shape):
    data = pack([Picture("activations", "activation", "a", np.ones(shape, np.float32))] * 2, ["", ""])
    assert 1000 < len(data["pixels"]) <= 900_000
    for row in data["rows"]:
        assert "shown: " in row["words"]
        assert len(row["lows"]) == row["count"]


def test_no_json_number_is_nan(history):
    import json

    for scale in (np.nan, np.inf, 0.0, 1e38):
        rows = pack(look(scale).pictures, ["", "", ""])["rows"]
        json.dumps(rows, allow_nan=False)
