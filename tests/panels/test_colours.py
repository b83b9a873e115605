"""Colours that eyes of every kind can tell apart, and a sign or a word wherever a colour means something."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

from nnwidgets.panels._canvas import script
from nnwidgets.panels._findings import finding_html
from nnwidgets.panels._network_health import Readings, health
from nnwidgets.panels._theme import STATIC, WRONG, palette
from nnwidgets.records import Finding, History

from ._made import FINDING, GRAPH

# Machado, Oliveira & Fernandes 2009, https://doi.org/10.1109/TVCG.2009.113, severity 1.0: linear RGB as it is seen.
EYES = {
    "all cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "achromatopsia": [[0.2126, 0.7152, 0.0722]] * 3,
}
COLOURED = [eye for eye in EYES if eye != "achromatopsia"]
# Linear RGB to OKLab (https://bottosson.github.io/posts/oklab): black to white is 1; about 0.02 is just seen.
TO_CONES = [
    [0.41222147, 0.53633254, 0.05144599],
    [0.21190350, 0.68069955, 0.10739696],
    [0.08830246, 0.28171884, 0.62997870],
]
TO_LAB = [
    [0.21045426, 0.79361779, -0.00407205],
    [1.97799850, -2.42859221, 0.45059371],
    [0.02590404, 0.78277177, -0.80867577],
]
DARK = "#111111"  # JupyterLab's dark ground
CSS = (STATIC / "dashboard.css").read_text("utf-8")


def linear(colour):
    shares = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)


def seen(colour, eye):
    light = np.clip(np.array(EYES[eye]) @ linear(colour), 0.0, 1.0)
    return np.array(TO_LAB) @ np.cbrt(np.array(TO_CONES) @ light)


def apart(one, other, eye):
    return float(np.linalg.norm(seen(one, eye) - seen(other, eye)))


def contrast(one, other):
    dark, light = sorted(float(np.dot([0.2126, 0.7152, 0.0722], linear(each))) for each in (one, other))
    return (light + 0.05) / (dark + 0.05)


def hexes(rows):
    return ["#" + "".join(f"{part:02x}" for part in row) for row in rows]


def array_of(file, name):
    """The colours of a JavaScript array of [red, green, blue]."""
    text = re.search(rf"{name} = (\[\[.*?\]\]);", script(file)).group(1)
    return hexes([[int(part) for part in re.findall(r"\d+", row)] for row in re.findall(r"\[(\d[^\]]*)\]", text)])


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("count", [2, 3, 4, 5, 6, 8, 13, 30, 60])
def test_neighbouring_layers_can_be_told_apart_by_every_eye(eye, count):
    for one, other in itertools.pairwise(palette(count)):
        assert apart(one, other, eye) > 0.07


@pytest.mark.parametrize("eye", COLOURED)
@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_any_two_of_few_layers_can_be_told_apart_by_every_eye_that_sees_colours(eye, count):
    for one, other in itertools.combinations(palette(count), 2):
        assert apart(one, other, eye) > 0.07


@pytest.mark.parametrize("count", [1, 2, 5, 12, 60])
def test_a_layer_stands_out_from_either_ground(count):
    for colour in palette(count):
        assert min(contrast(colour, "#ffffff"), contrast(colour, DARK)) >= 3.0


@pytest.mark.parametrize("eye", EYES)
def test_the_heatmap_grows_lighter_from_end_to_end_for_every_eye(eye):
    lightness = [seen(colour, eye)[0] for colour in array_of("heatmap.js", "RAMP")]
    assert all(later - earlier > 0.08 for earlier, later in itertools.pairwise(lightness))


def test_what_is_not_finite_is_striped_in_the_heatmap_and_no_plain_colour():
    text = script("heatmap.js")
    assert "const alarm = stripes(ctx, theme.wrong, theme.ground);" in text
    assert "ctx.fillStyle = bad[at] ? alarm :" in text


@pytest.mark.parametrize("eye", COLOURED)
def test_below_and_above_zero_can_be_told_apart_in_images(eye):
    blue, middle, orange = array_of("images.js", r"\[BLUE, MIDDLE, ORANGE\]")
    assert min(apart(*pair, eye) for pair in itertools.combinations((blue, middle, orange), 2)) > 0.2


def test_white_words_can_be_read_on_every_solid_ground():
    grounds = dict(re.findall(r"--nnw-solid-(\w+): (#[0-9a-f]{6});", CSS))
    assert set(grounds) == {"wrong", "warn", "good", "blue"}
    for colour in grounds.values():
        assert contrast(colour, "#ffffff") >= 4.5
    # nothing else is a ground for white
    for rule in re.findall(r"\{[^}]*color: #fff\b[^}]*\}", CSS):
        assert "var(--nnw-solid-" in rule or "background" not in rule


def test_each_light_has_a_sign_and_a_word_of_its_own():
    text = (STATIC / "checklist.js").read_text("utf-8")
    signs, words = (re.search(rf"{name} = \{{(.*?)\}};", text, re.DOTALL).group(1) for name in ("SIGNS", "WORDS"))
    for listed in (signs, words):
        values = re.findall(r'(?:\w+|""): "([^"]*)"', listed)
        assert len(values) == len(set(values)) == 6
    assert 'setAttribute("aria-label", WORDS[light])' in text


def test_each_state_of_a_layer_has_its_sign():
    readings = Readings({"gradient/norm": 3}, {"gradient/norm": {"Conv_0/bias": 1.0, "Dense_0/bias": float("nan")}})
    marks = [each.mark for each in health(GRAPH, readings, [])] + [
        each.mark for each in health(GRAPH, readings, [FINDING])
    ]
    assert {"✓", "NaN", "✗ NaN", ""} <= set(marks)


@pytest.mark.parametrize("severity", ["problem", "warning", "note"])
def test_a_finding_says_its_severity_in_a_word(severity):
    assert f"<b>{severity}: rule" in finding_html(Finding("Rule", severity, "", 1, "why", "do"), History())


def test_no_text_has_a_size_of_its_own():
    """All text is as large as the theme's, and canvases are laid out for one size and zoomed."""
    assert set(re.findall(r"font-size: ([^;]+);", CSS)) == {"inherit", "var(--nnw-size)", "var(--nnw-size) !important"}
    for file in sorted(STATIC.glob("*.js")):
        text = file.read_text("utf-8")
        assert set(re.findall(r"ctx\.font = ([^;]+);|ruler\.font = ([^;]+);", text)) <= {
            ("FONT", ""),
            ("BOLD", ""),
            ("", "FONT"),
        }
        assert not re.findall(r"\b\d+px (?:system|sans)", text)


def test_red_is_no_colour_of_a_layer_for_any_eye():
    """WRONG lies beside layers in the loss and the images; there it has a shape of its own (triangles, hatching)."""
    for colour in palette(8):
        assert apart(colour, WRONG, "all cones") > 0.1
