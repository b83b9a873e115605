"""The page of a run, opened from disk with the network cut."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from nnwidgets.panels.page import page as html_of
from nnwidgets.records import Check, Finding, Histogram, History, NetworkGraph, Node, Notice, Status

from .conftest import ARTIFACTS

EVIL = "<img src=x onerror=\"document.title='ran'\"></script><script>document.title='ran'</script>"
LAYERS = ("encoder/dense_0/kernel", "encoder/dense_1/kernel", "head/kernel")
# The classes of all elements whose text is smaller than 12 pixels.
SMALL = """() => [...document.querySelectorAll('body *:not(script, style, noscript)')]
  .filter((each) => [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
  .filter((each) => parseFloat(getComputedStyle(each).fontSize) < 12).map((each) => `${each.tagName} ${each.className}`)"""
# What a canvas shows, as a number.
PIXELS = """canvas => { const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let sum = 0; for (let i = 0; i < data.length; i++) sum = (sum * 31 + data[i]) % 1000000007; return sum; }"""


def history() -> History:
    made, random = History(), np.random.default_rng(0)
    for step in range(400):
        made.add_scalar(
            "train/loss", step, float("nan") if step == 250 else 0.2 + 2 * np.exp(-step / 80) + 0.1 * random.random()
        )
        made.add_scalar("train/accuracy", step, 1 - np.exp(-step / 100))
        norms = np.exp(0.2 * random.normal(size=3)) * [1e-3, 1e-1, 1.0]
        made.add("gradient", step, LAYERS, {"norm": norms, "mean": random.normal(size=3)})
        made.add("update", step, LAYERS, {"ratio": 1e-3 * norms})
        made.add("activation", step, ("encoder/dense_0/relu",), {"dead": [0.6]})
        if step % 50 == 0:
            made.add_scalar("validation/loss", step, 0.3 + 2 * np.exp(-step / 80))
    ends = np.ones(3, np.float32)
    for kind in ("gradient", "parameter"):
        made.add_histogram(Histogram(f"{kind}/histogram", 399, LAYERS, -ends, ends, np.ones((3, 20), np.float32)))
    names = ("encoder/dense_0", "encoder/dense_1", "head", EVIL)
    nodes = [Node(name, "dense", (8, 4), 32, (f"{name}/kernel",), ("relu",), "model.py:3") for name in names]
    made.graph = NetworkGraph(tuple(nodes), ((0, 1), (1, 2), (2, 3)))
    made.add_check(Check("first loss", "2.303", "2.31", "ok", 2, EVIL))
    return made


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    evidence = {"share": 0.6, EVIL: EVIL}
    finding = Finding(
        "DeadUnits", "problem", "encoder/dense_0/relu", 399, EVIL, "Lower the rate.", "model.py:3", evidence
    )
    status = Status("stopped", 400, steps_per_second=120.0, message=f"stopped: {EVIL}")
    facts = {"Hyperparameters": {"learning rate": 0.001, EVIL: EVIL}}
    told = (status, history(), (finding,), (Notice(EVIL, EVIL, EVIL),), ("DeadUnits",))
    path = tmp_path_factory.mktemp("page") / "a report.html"
    path.write_text(html_of(*told, title=f"digits {EVIL}", facts=facts), encoding="utf-8")
    return path


@pytest.fixture
def opened(chromium: Browser, file: Path) -> Iterator[Callable[..., Page]]:
    """Opens the page without a network; fails if it asks for anything, or if the console has an error."""
    trouble: list[str] = []
    contexts = []

    def asked(request: Request) -> None:
        if request.url != file.as_uri():
            trouble.append(f"asked for {request.url}")

    def said(message: ConsoleMessage) -> None:
        if message.type == "error":
            trouble.append(message.text)

    def open_it(**options) -> Page:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        context.set_offline(True)
        page = context.new_page()
        page.on("request", asked)
        page.on("console", said)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.goto(file.as_uri())
        page.wait_for_function("document.querySelector('#network canvas')?.width > 0")
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert not trouble


def test_it_is_read_with_the_pointer_and_zoomed_with_all_charts(opened) -> None:
    # so tall that both charts are in sight: what nobody sees does not follow the pointer
    page = opened(viewport={"width": 1280, "height": 1900})
    loss, gradients = page.locator("#loss .nnw-chart").first, page.locator("#gradients .nnw-chart")
    canvas = loss.locator("canvas").first
    assert loss.get_attribute("data-bad") == "1", "the step that was NaN is marked"
    box = canvas.bounding_box()
    assert box
    page.mouse.move(box["x"] + 400, box["y"] + 100)
    tip = loss.locator(".nnw-told")
    expect(tip).to_contain_text(re.compile(r"step \d+.*train.*\d.*validation", re.S))
    step = int(tip.inner_text().split("\n")[0].removeprefix("step "))
    assert 90 < step < 140
    # the other charts tell their values of the same step
    expected = float(history()["gradient/norm"].values[step, 2])
    shown = gradients.locator(".nnw-key", has_text="head/kernel").locator(".nnw-value")
    expect(shown).not_to_have_text("1.271")
    assert float(shown.inner_text()) == pytest.approx(expected, rel=2e-3)
    page.screenshot(path=ARTIFACTS / "page-hover.png")

    before, other = canvas.evaluate(PIXELS), gradients.locator("canvas").first.evaluate(PIXELS)
    page.mouse.move(box["x"] + 300, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 600, box["y"] + 120, steps=4)
    page.mouse.up()
    for chart in (loss, gradients):
        expect(chart).not_to_have_attribute("data-from", "0")
    assert canvas.evaluate(PIXELS) != before and gradients.locator("canvas").first.evaluate(PIXELS) != other
    assert 60 < float(loss.get_attribute("data-from") or 0) < float(loss.get_attribute("data-to") or 0) < 210
    page.mouse.dblclick(box["x"] + 500, box["y"] + 100)
    expect(loss).to_have_attribute("data-from", "0")
    # with Ctrl the wheel zooms, without it the page scrolls
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    expect(loss.locator(".nnw-whole")).to_be_visible()
    loss.locator(".nnw-whole").click()
    expect(loss).to_have_attribute("data-from", "0")


def test_a_name_shows_its_line_alone_and_the_axis_turns(opened) -> None:
    page = opened()
    chart = page.locator("#gradients .nnw-chart")
    canvas = chart.locator("canvas").first
    before = canvas.evaluate(PIXELS)
    chart.locator(".nnw-key", has_text="dense_0").click()
    expect(chart).to_have_attribute("data-shown", "1")
    page.wait_for_timeout(80)
    alone = canvas.evaluate(PIXELS)
    assert alone != before
    chart.locator(".nnw-key", has_text="head").click()
    expect(chart).to_have_attribute("data-shown", "2")
    chart.get_by_role("button", name="show all").click()
    expect(chart).to_have_attribute("data-shown", "3")
    page.wait_for_timeout(80)
    assert canvas.evaluate(PIXELS) == before
    chart.get_by_label("log scale").uncheck()
    expect(chart).to_have_attribute("data-log", "false")
    assert canvas.evaluate(PIXELS) != before
    smooth = page.locator("#loss .nnw-chart").first.locator("canvas").first
    rough = smooth.evaluate(PIXELS)
    page.get_by_label("Smoothing of Loss").select_option("300")
    page.wait_for_timeout(80)
    assert smooth.evaluate(PIXELS) != rough


def test_the_keys_read_zoom_and_leave(opened) -> None:
    page = opened()
    chart = page.locator("#loss .nnw-chart").first
    chart.locator("canvas").first.focus()
    page.keyboard.press("ArrowRight")
    tip = chart.locator(".nnw-told")
    expect(tip).to_contain_text("step 399")
    page.keyboard.press("ArrowLeft")
    expect(tip).to_contain_text("step 398")
    page.keyboard.press("+")
    expect(chart).not_to_have_attribute("data-from", "0")
    page.keyboard.press("Escape")
    expect(chart).to_have_attribute("data-from", "0")
    assert "train" in (chart.locator("canvas").first.get_attribute("aria-label") or "")


def test_readings_kinds_folds_and_layers_are_chosen(opened) -> None:
    page = opened()
    heat = page.locator("#heatmaps canvas")
    before = heat.evaluate(PIXELS)
    page.locator("#heatmaps select").select_option("gradient/mean")
    page.wait_for_timeout(80)
    assert heat.evaluate(PIXELS) != before
    page.locator("#heatmaps").get_by_text("gradient/mean, linear scale").wait_for()
    page.locator("#histograms").get_by_role("button", name="parameter").click()
    expect(page.locator("#histograms .nnw-part")).to_have_attribute("data-kind", "parameter")
    network = page.locator("#network canvas")
    network.focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    side = page.locator("#network .nnw-network-side")
    expect(side).to_contain_text("called at model.py:3")
    expect(side).to_contain_text("<img src=x")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(page.locator("#network .nnw-part")).to_have_attribute("data-state", "-encoder")


def test_no_name_in_it_runs(opened) -> None:
    page = opened()
    page.locator("details summary").first.click()
    page.get_by_text("share").first.wait_for()
    page.wait_for_timeout(200)
    assert page.title() != "ran" and page.title().startswith("digits <img")
    assert page.locator("img").count() == 0
    assert page.evaluate("document.scripts.length") == 2


@pytest.mark.parametrize(
    "options",
    [{}, {"color_scheme": "dark"}, {"viewport": {"width": 390, "height": 800}}],
    ids=["light", "dark", "phone"],
)
def test_it_fits_its_theme_and_width(opened, options) -> None:
    page = opened(**options)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    ground = "getComputedStyle(document.querySelector('section')).backgroundColor"
    is_dark = page.evaluate(ground) == "rgb(27, 30, 35)"
    assert is_dark == (options.get("color_scheme") == "dark")
    assert page.evaluate(SMALL) == [], "text under 12 pixels"
    ARTIFACTS.mkdir(exist_ok=True)
    name = "phone" if "viewport" in options else options.get("color_scheme", "light")
    page.screenshot(path=ARTIFACTS / f"page-{name}.png", full_page=True)
    canvas = page.locator("#gradients canvas").first
    before = canvas.evaluate(PIXELS)
    page.get_by_role("button", name="Light" if is_dark else "Dark", exact=True).click()
    page.wait_for_timeout(150)
    assert (page.evaluate(ground) == "rgb(27, 30, 35)") != is_dark
    assert canvas.evaluate(PIXELS) != before


def test_without_javascript_findings_checks_and_facts_are_read(chromium: Browser, file: Path) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    expect(page.locator("noscript .nnw-hint")).to_be_visible()
    for words in ("dead units", "Lower the rate.", "first loss", "learning rate"):
        expect(page.get_by_text(words).first).to_be_visible()
    context.close()


def test_on_paper_it_is_light_and_nothing_is_folded(opened) -> None:
    page = opened(color_scheme="dark")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert page.evaluate("document.documentElement.className") == "page-light"
    pixel = page.locator("#gradients canvas").first.evaluate(
        "canvas => { const d = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data; let light = 0;"
        " for (let i = 0; i < d.length; i += 4) light += d[i + 3] > 250 && d[i] > 225 && d[i + 1] > 225; return light; }"
    )
    assert pixel == 0, "the curves are drawn dark, at once"
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 0 and page.evaluate("document.documentElement.className") == ""
