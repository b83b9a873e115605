"""What an experiment found: as text, table, JSON and picture."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from nnwidgets.records import Cost, Exploration, Grid, Guide, Line, Plot, exploration_html

RATES = np.geomspace(1e-3, 1.0, 4)
CURVE = Plot(
    "Loss over the rate",
    "learning rate",
    "loss",
    (Line("loss", RATES, [1.0, 0.5, np.nan, np.inf]), Line("other <b>", RATES, RATES, RATES / 2, RATES * 2)),
    (Guide(0.01, "your rate"), Guide(0.7, "ln 2", "y"), Guide(1e9, "far away")),
    log_x=True,
    log_y=True,
)
MAP = Grid("Map", "rate", "seed", "loss", RATES, [0, 1], [[1.0, 2.0, np.nan, 4.0], [1.0, 2.0, 3.0, 4.0]], log_x=True)
FOUND = Exploration(
    "learning rate",
    "Use <0.01>.",
    "suspicious",
    ("rate", "seed", "verdict"),
    ((1e-3, 0, "too low"), (1.0, 1, None)),
    (CURVE, MAP),
    {"best": 0.01, "worst": float("inf")},
    "One seed is no seed.",
    cost=Cost(640, 2, 12.0),
    seconds=3.0,
)


def test_as_text_it_is_answer_table_and_caution() -> None:
    assert repr(FOUND).splitlines() == [
        "learning rate: Use <0.01>.",
        "   rate  seed  verdict",
        "  0.001     0  too low",
        "      1     1         ",
        "Caution: One seed is no seed.",
    ]


def test_what_was_cut_says_so() -> None:
    assert repr(Exploration("x", "half", complete=False)).startswith("x: (stopped early) half")
    assert "stopped early" in exploration_html(Exploration("x", "half", complete=False))


def test_numbers_are_asked_for_by_name() -> None:
    assert FOUND["best"] == 0.01
    with pytest.raises(KeyError, match=r"learning rate measured no 'bset'; it measured best, worst"):
        FOUND["bset"]


def test_json_has_words_for_what_is_not_finite() -> None:
    assert json.loads(FOUND.to_json())["numbers"] == {"best": 0.01, "worst": "inf"}


def test_the_table_is_a_frame() -> None:
    frame = FOUND.to_pandas()
    assert list(frame.columns) == ["rate", "seed", "verdict"]
    assert frame["rate"].tolist() == [1e-3, 1.0]


def test_the_cost_is_told_in_words() -> None:
    assert str(Cost(640, 2, 12.0)) == "640 steps, 2 programs to compile, about 12 s"
    assert str(Cost(3, 1)) == "3 steps, 1 program to compile"


def test_the_page_is_well_formed_and_runs_nothing() -> None:
    page = exploration_html(FOUND)
    # HTML's shorthand apart, it is XML
    root = ElementTree.fromstring(page)
    assert len(root.findall(".//svg")) == 2
    assert "<b>" not in "".join(re.findall(r"<text[^>]*>.*?</text>", page))
    assert "Use &lt;0.01&gt;." in page
    assert "640 steps" in page


def test_points_lie_where_the_axes_say() -> None:
    (svg, _) = ElementTree.fromstring(exploration_html(FOUND)).findall(".//svg")
    dots = [(float(each.get("cx", 0)), float(each.get("cy", 0))) for each in svg.findall("circle")]
    # the gaps are not drawn: two of the first curve, four of the second
    assert len(dots) == 6
    across = [x for x, _ in dots[2:]]
    assert np.allclose(np.diff(across), np.diff(across)[0], atol=0.2), "equal steps on a logarithmic axis"
    assert dots[0][1] < dots[1][1], "a higher loss is further up"
    words = [each.text for each in svg.findall("text")]
    assert "your rate" in words
    assert "far away" not in words, "what lies outside is not drawn"


def test_a_guide_far_away_does_not_squeeze_the_picture() -> None:
    (svg, _) = ElementTree.fromstring(exploration_html(FOUND)).findall(".//svg")
    across = [float(each.get("cx", 0)) for each in svg.findall("circle")]
    assert max(across) - min(across) > 200


def test_names_stand_where_x_is_no_number() -> None:
    line = Line("a", [1, 2], [3.0, 4.0], dots=True)
    plot = Plot("p", "layer", "y", (line,), x_names=("Dense_0", "encoder/layers/3/Dense_1"))
    (svg,) = ElementTree.fromstring(exploration_html(Exploration("x", "", pictures=(plot,)))).findall(".//svg")
    places = {each.text: float(each.get("x", 0)) for each in svg.findall("text")}
    dots = [float(each.get("cx", 0)) for each in svg.findall("circle")]
    assert places["Dense_0"] == pytest.approx(dots[0], abs=0.2)
    assert places["\u2026/3/Dense_1"] == pytest.approx(dots[1], abs=0.2)


def test_a_cell_that_is_not_finite_is_hatched() -> None:
    (_, svg) = ElementTree.fromstring(exploration_html(FOUND)).findall(".//svg")
    styles = [each.get("style", "") for each in svg.findall("rect")]
    assert sum("nnw-hatch" in style for style in styles) == 1
    assert len({style for style in styles[:8] if "rgb" in style}) >= 4


@pytest.mark.parametrize("values", [[], [1.0], [np.nan, np.nan], [0.0, 0.0], [1e-300, 1e300]])
def test_nothing_is_too_odd_to_be_drawn(values: list[float]) -> None:
    places = np.arange(len(values), dtype=float)
    for log in (False, True):
        plot = Plot("odd", "x", "y", (Line("a", places, values),), log_y=log)
        ElementTree.fromstring(exploration_html(Exploration("odd", "", pictures=(plot,))))
    if values:
        grid = Grid("odd", "x", "y", "v", places, [0.0], [values], log=True)
        ElementTree.fromstring(exploration_html(Exploration("odd", "", pictures=(grid,))))


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'a' needs x, y, low and high of one length, got \[2, 3\]"):
        Line("a", [1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match=r"'m' needs values of shape \(1, 2\), got \(2, 1\)"):
        Grid("m", "x", "y", "v", [1, 2], [1], [[1], [2]])
