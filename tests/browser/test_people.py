"""The dashboard for people who use a keyboard, a screen reader, large letters, a small window, or eyes that see fewer colours.

It leaves in ``.artifacts``: ``people-<theme>.png``; ``people-deuteranopia.png``, ``people-protanopia.png``,
``people-tritanopia.png`` and ``people-achromatopsia.png``, the page as such eyes see it; ``people-narrow.png`` (600 pixels),
``people-zoomed.png`` (200 %), ``people-large.png`` (JupyterLab's letters at 18 pixels) and ``people-keys.png``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import axe_playwright_python
import pytest
from playwright.sync_api import Browser

from ._lab import Lab
from ._notebook import Notebook
from .conftest import one_page

AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
MODEL = """
import jax
import jax.numpy as jnp
import numpy as np
import optax
import nnwidgets as nnw

random = np.random.default_rng(0)
labels = random.integers(0, 4, 128)
inputs = (random.normal(size=(4, 6))[labels] + 0.4 * random.normal(size=(128, 6))).astype("float32")
batches = [(inputs[i : i + 32], labels[i : i + 32]) for i in range(0, 128, 32)]
sizes = {"stem": (6, 16), "middle": (16, 16), "last": (16, 16), "head": (16, 4)}
params = {
    name: {"w": (random.normal(size=size) / size[0] ** 0.5).astype("float32"), "b": np.zeros(size[1], "float32")}
    for name, size in sizes.items()
}
params["last"]["b"] -= 9  # its units are dead


def loss(params, batch):
    hidden = batch[0]
    for name in ("stem", "middle", "last"):
        hidden = jax.nn.relu(hidden @ params[name]["w"] + params[name]["b"])
    logits = hidden @ params["head"]["w"] + params["head"]["b"]
    value = optax.softmax_cross_entropy_with_integer_labels(logits, batch[1]).mean()
    return value, {"outputs": logits, "targets": batch[1], "metrics": {"confidence": jax.nn.softmax(logits).max(-1).mean()}}


watch = {"validation": batches[:1], "validation_every": 10, "budget": float("inf")}  # each step is read
session = nnw.Session(nnw.Objective(loss, params), optax.adam(1e-2), batches, **watch)
session
"""
# What canvases write, and how large it is on the screen.
RECORD = """
window.drawn = new Map();
const write = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
  if (this.canvas.closest('.nnw'))
    window.drawn.set(String(text), parseFloat(this.font.match(/([\\d.]+)px/)[1]) * this.getTransform().d / devicePixelRatio);
  return write.call(this, text, ...rest);
};
"""
SIZES = """() => {
    const small = [...window.drawn].map(([text, size]) => [text, size]);
    const walker = document.createTreeWalker(document.querySelector('.nnw'), NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const box = walker.currentNode.parentElement;
        const text = walker.currentNode.textContent.trim();
        if (text && box.checkVisibility() && !box.closest('script, style, .fa'))
            small.push([text, parseFloat(getComputedStyle(box).fontSize)]);
    }
    return small;
}"""
CONTRASTS = """() => {
    const probe = document.querySelector('.nnw').appendChild(document.createElement('div'));
    const canvas = document.createElement('canvas');
    const ctx = canvas.getContext('2d', { willReadFrequently: true });
    const lightOf = (...names) => {
        for (const name of names) {
            probe.style.color = `var(--nnw-${name})`;
            ctx.fillStyle = getComputedStyle(probe).color;
            ctx.fillRect(0, 0, 1, 1);
        }
        const parts = [...ctx.getImageData(0, 0, 1, 1).data].slice(0, 3).map(each => each / 255);
        const [r, g, b] = parts.map(each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const found = {};
    for (const ground of [['ground'], ['ground', 'soft']])
        for (const name of ['ink', 'muted', 'wrong', 'warn', 'good']) {
            const [low, high] = [lightOf(...ground), lightOf(...ground, name)].sort((a, b) => a - b);
            found[`${name} on ${ground.at(-1)}`] = (high + 0.05) / (low + 0.05);
        }
    probe.remove();
    return found;
}"""
# All that a mouse can use, and what scrolls.
USABLE = """() => {
    const wanted = 'button, input, select, summary, canvas[tabindex], [role=slider], [contenteditable=true]';
    const all = [...document.querySelector('.nnw').querySelectorAll(wanted)];
    const shown = all.filter(each => !each.disabled && !each.closest('.noUi-target[disabled]') &&
        each.checkVisibility({ checkVisibilityCSS: true }) && each.getBoundingClientRect().height > 0);
    shown.forEach((each, i) => { each.dataset.place = i; });
    return shown.map(each => each.outerHTML.slice(0, 160));
}"""
FOCUSED = """() => {
    const each = document.activeElement;
    const style = getComputedStyle(each);
    const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
    const what = each.outerHTML.slice(0, 160);
    return { inside: Boolean(each.closest('.nnw')), place: each.dataset.place ?? null, ring, what };
}"""
SPILLS = """() => {
    const root = document.querySelector('.nnw');
    const edge = root.getBoundingClientRect().right + 1;
    const cut = element => {
        for (let box = element.parentElement; box && box !== root; box = box.parentElement)
            if (['auto', 'scroll'].includes(getComputedStyle(box).overflowX)) return true;
        return false;
    };
    const over = each => each.getBoundingClientRect().right > edge && !cut(each);
    return [...root.querySelectorAll('button, input, select, canvas, svg.svg-figure, .nnw-card, .widget-html-content > *')]
        .filter(each => each.checkVisibility({ checkVisibilityCSS: true }) && over(each))
        .map(each => each.outerHTML.slice(0, 160));
}"""


@pytest.fixture(scope="module")
def shown(chromium: Browser, lab: Lab) -> Iterator[Notebook]:
    """A dashboard with findings, dead units, a look inside and a gradient check."""
    with one_page(chromium, lab) as notebook:
        notebook.page.add_init_script(RECORD)
        notebook.open(
            [
                MODEL,
                "session.run(60)",
                "session.look('activations')\nsession.gradcheck()\nsession.checklist('first loss');",
            ]
        )
        for cell in range(3):
            notebook.run(cell)
        notebook.page.wait_for_function(
            "() => document.querySelectorAll('.nnw [role=img][aria-label*=\" over \"]').length >= 3"
        )
        yield notebook


def top(notebook: Notebook) -> None:
    notebook.page.evaluate("() => document.querySelector('.nnw').scrollIntoView({ block: 'start' })")
    notebook.page.wait_for_timeout(700)


def test_names_contrasts_and_sizes_in_both_themes(shown: Notebook) -> None:
    page = shown.page
    page.evaluate(f"{AXE.read_text('utf-8')};0")
    for theme in ("dark", "light"):
        shown.theme(theme)
        top(shown)
        shown.screenshot(f"people-{theme}")
        page.wait_for_timeout(2200)  # names are given anew every two seconds
        broken = page.evaluate("async () => (await axe.run('.nnw', { resultTypes: ['violations'] })).violations")
        told = [(each["impact"], each["id"], [node["html"][:160] for node in each["nodes"][:5]]) for each in broken]
        assert [each for each in told if each[0] in ("serious", "critical")] == []
        # what axe does not see: canvases, and colours on either ground
        contrasts = page.evaluate(CONTRASTS)
        assert {name: value for name, value in contrasts.items() if value < 4.5} == {}
        sizes = page.evaluate(SIZES)
        assert len(sizes) > 100
        assert [each for each in sizes if each[1] < 12.99] == []
    canvases = page.locator(".nnw canvas[role]").evaluate_all(
        "all => all.filter(each => each.checkVisibility()).map(each => [each.getAttribute('aria-label') || '', each.tabIndex])"
    )
    assert len(canvases) >= 5
    assert all(len(label) > 20 and place == 0 for label, place in canvases), canvases
    assert "finished at step 60" in page.locator(".nnw .nnw-said[role=status]").first.inner_text()
    assert shown.errors() == []


def test_everything_is_reached_by_tab_and_seen_to_be(shown: Notebook) -> None:
    page = shown.page
    wanted = page.evaluate(USABLE)
    assert len(wanted) > 60
    page.evaluate("() => document.querySelector('[data-place=\"0\"]').focus()")
    reached, without, trail = set(), [], []
    for _ in range(2 * len(wanted)):
        now = page.evaluate(FOCUSED)
        if not now["inside"]:
            break
        reached.add(now["place"])
        trail.append(f"{now['place']} {now['what'][:60]}")
        if not now["ring"]:
            without.append(now["what"])
        page.keyboard.press("Tab")
    # of radio buttons Tab reaches one
    missed = [html for place, html in enumerate(wanted) if str(place) not in reached and 'type="radio"' not in html]
    assert missed == [], "\n".join(trail[:40])
    # the first one got its focus from here and not by a key
    assert without[1:] == []


def test_keys_read_a_canvas_and_chords_still_reach_jupyterlab(shown: Notebook) -> None:
    page = shown.page
    card = page.locator(".nnw-card").filter(has=page.locator(".nnw-title", has_text="Layers over steps"))
    canvas = card.locator("canvas")
    canvas.scroll_into_view_if_needed()
    canvas.focus()
    active = "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex"
    cells = "() => window.jupyterapp.shell.currentWidget.content.widgets.length"
    before = page.evaluate(active), page.evaluate(cells)
    canvas.press("ArrowLeft")
    said = card.locator(".nnw-said")
    page.wait_for_function("said => said.textContent.includes('step')", arg=said.element_handle())
    first = said.text_content() or ""
    canvas.press("ArrowDown")
    page.wait_for_function("([said, first]) => said.textContent !== first", arg=[said.element_handle(), first])
    assert re.search(r" · step \d+ · gradient/norm \S+", first), first
    shown.screenshot("people-keys")
    assert (page.evaluate(active), page.evaluate(cells)) == before

    network = page.locator(".nnw-network canvas")
    network.focus()
    for key in ("Home", "ArrowDown", "Enter"):
        network.press(key)
    page.locator(".nnw-network-name", has_text="stem").wait_for()
    assert (page.evaluate(active), page.evaluate(cells)) == before
    # a chord is JupyterLab's: it opens and closes its side bar
    bar = "() => document.querySelector('#jp-left-stack').checkVisibility()"
    was = page.evaluate(bar)
    network.press("Control+b")
    page.wait_for_function(f"was => ({bar})() !== was", arg=was)
    network.press("Control+b")
    page.wait_for_function(f"was => ({bar})() === was", arg=was)
    # a card folds by keys, and says so
    title = page.locator(".nnw-title").first
    title.focus()
    title.press("Enter")
    page.wait_for_function("() => document.querySelector('.nnw-title').getAttribute('aria-expanded') === 'false'")
    title.press("Enter")
    page.wait_for_function("() => document.querySelector('.nnw-title').getAttribute('aria-expanded') === 'true'")


def test_letters_grow_with_the_theme_and_little_room_is_enough(shown: Notebook) -> None:
    page = shown.page
    grow = "size => document.documentElement.style.setProperty('--jp-ui-font-size1', size)"
    page.evaluate("() => window.drawn.clear()")
    page.evaluate(grow, "18px")
    page.wait_for_function("() => window.drawn.size > 20")
    top(shown)
    shown.screenshot("people-large")
    assert [each for each in page.evaluate(SIZES) if each[1] < 17.99] == []
    page.evaluate("() => document.documentElement.style.removeProperty('--jp-ui-font-size1')")
    for name, width, height in (("narrow", 600, 900), ("zoomed", 750, 550)):
        # 200 % of 1,500 x 1,100 pixels leaves 750 x 550
        page.set_viewport_size({"width": width, "height": height})
        top(shown)
        shown.screenshot(f"people-{name}")
        # bqplot lays a figure out anew when it is seen
        for figure in page.locator(".nnw .bqplot.figure").all():
            if figure.is_visible():
                figure.scroll_into_view_if_needed()
                page.wait_for_timeout(600)
        assert page.evaluate(SPILLS) == []
    page.set_viewport_size({"width": 1500, "height": 1100})


def test_nothing_moves_for_who_wants_no_motion_and_colours_are_kept_apart(shown: Notebook) -> None:
    page = shown.page
    page.emulate_media(reduced_motion="reduce")
    moving = page.locator(".nnw *").evaluate_all(
        "all => all.map(getComputedStyle).filter(each => each.animationName !== 'none' ||"
        " each.transitionDuration.split(',').some(part => parseFloat(part) > 0)).length"
    )
    assert moving == 0
    page.emulate_media(reduced_motion="no-preference")
    client = page.context.new_cdp_session(page)
    top(shown)
    for eye in ("deuteranopia", "protanopia", "tritanopia", "achromatopsia"):
        client.send("Emulation.setEmulatedVisionDeficiency", {"type": eye})
        shown.screenshot(f"people-{eye}")
    client.send("Emulation.setEmulatedVisionDeficiency", {"type": "none"})
    assert shown.errors() == []
