"""JupyterLab's extension: docking, the palette's commands and their shortcuts, the status bar, the way to a line, cards.

It leaves in ``.artifacts``: ``docked-light.png``, ``docked-dark.png``, ``line.png``, ``launcher.png``, ``restarted.png``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, expect

from ._lab import Lab
from ._notebook import Notebook
from .conftest import one_page

FILE = """import jax.numpy as jnp


def loss_fn(params, batch):
    hidden = jnp.tanh(batch[0] @ params["first"]["w"])
    output = hidden @ params["second"]["w"] + 0.0 * params["second"]["unused"].sum()
    return jnp.mean((output[:, 0] - batch[1]) ** 2)
"""
MAKES = """import jax, jax.numpy as jnp, numpy as np, optax
import nnwidgets as nnw
import theirs
random = np.random.default_rng(0)
inputs = random.normal(size=(64, 8, 3)).astype("float32")
data = [(each, each.sum(1)) for each in inputs]
params = {"first": {"w": random.normal(size=(3, 5)).astype("float32")},
          "second": {"w": random.normal(size=(5, 1)).astype("float32"), "unused": jnp.ones(2)}}"""
NAN = """def loss_fn(params, batch):
    root = jnp.sqrt(batch[0] @ params["w"])
    return jnp.mean((root - batch[1]) ** 2)

broken = nnw.Session(nnw.Objective(loss_fn, {"w": jnp.ones(3)}), optax.sgd(1e-2), data, name="broken")
broken"""
CELLS = [
    MAKES,
    'session = nnw.Session(nnw.Objective(theirs.loss_fn, params), optax.adam(1e-3), data, name="docked")\nsession',
    "session.run(1_000_000)",
    NAN,
    "broken.run(5)",
    "print(session.step, [check.name for check in session.history.checks], session.gradcheck is not None)",
]


@pytest.fixture(scope="module")
def notebook(chromium: Browser, lab: Lab) -> Iterator[Notebook]:
    (lab.notebooks / "theirs.py").write_text(FILE, encoding="utf-8")
    with one_page(chromium, lab) as notebook:
        notebook.page.set_viewport_size({"width": 1700, "height": 1000})
        notebook.open(CELLS, name="extension.ipynb")
        notebook.run(0)
        notebook.run(1)
        yield notebook


# The first link in the page, led to another line.
LEAD = """([line]) => {
    const link = document.querySelector('.nnw .nnw-line');
    link.dataset.line = line;
    delete link.dataset.code;
    link.click();
}"""
LATER = (
    """step => Number(document.querySelector('.nnw-dock-panel .nnw-status b').textContent.replaceAll(',', '')) > step"""
)
LATER_IN_BAR = """step => {
    const shown = document.querySelector('.nnw-status-item').innerText.match(/step ([\\d,]+)/);
    return Number(shown[1].replaceAll(',', '')) > step;
}"""


def command(notebook: Notebook, name: str) -> None:
    """By the palette, as a user does: open it, type, press Enter."""
    notebook.page.keyboard.press("Control+Shift+C")
    palette = notebook.page.locator(".lm-CommandPalette-input").last
    palette.fill(name)
    expect(notebook.page.locator(".lm-CommandPalette-item.lm-mod-active").last).to_contain_text(name)
    palette.press("Enter")


def chord(notebook: Notebook, letter: str) -> None:
    notebook.page.keyboard.press("Control+k")
    notebook.page.keyboard.press(letter)


def status(notebook: Notebook) -> Locator:
    return notebook.page.locator(".nnw-status-item span").first


def step(notebook: Notebook) -> int:
    return int(status(notebook).inner_text().split("step ")[1].split(" ")[0].replace(",", ""))


def test_it_is_enabled() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "jupyter", "labextension", "list"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    line = next(line for line in (listed.stdout + listed.stderr).splitlines() if " nnwidgets v" in line)
    assert "enabled" in line, line
    assert "OK" in line, line


def test_a_dashboard_is_docked_and_a_busy_run_steered_from_anywhere(notebook: Notebook) -> None:
    page = notebook.page
    command(notebook, "Dock the Dashboard")
    dock = page.locator(".nnw-dock-panel")
    expect(dock.locator(".nnw-state")).to_be_visible()
    beside = page.locator(".jp-NotebookPanel").bounding_box()
    place = dock.bounding_box()
    assert beside is not None and place is not None
    assert place["x"] >= beside["x"] + beside["width"] - 5, "it stands beside the notebook"
    notebook.start(2)
    expect(dock.locator(".nnw-state")).to_have_text("running", timeout=60_000)
    # the cells are edited meanwhile, and the dashboard stays in sight
    editor = notebook.cell(5).locator(".cm-content")
    editor.click()
    written, first = editor.inner_text(), step(notebook)
    page.wait_for_function(LATER, arg=first + 20)
    assert notebook.busy(2)
    chord(notebook, "p")
    expect(status(notebook)).to_contain_text("paused")
    expect(dock.locator(".nnw-state")).to_have_text("paused")
    assert editor.inner_text() == written, "the chord was not typed into the cell"
    paused = step(notebook)
    chord(notebook, "s")
    expect(status(notebook)).to_contain_text(f"step {paused + 1:,}")
    chord(notebook, "b")
    expect(status(notebook)).to_contain_text(f"step {paused:,}")
    card = dock.locator(".nnw-card").filter(has=page.locator(".nnw-title", has_text="Gradient check"))
    card.scroll_into_view_if_needed()
    chord(notebook, "g")
    expect(card.locator("table")).to_be_visible(timeout=60_000)
    for theme in ("dark", "light"):
        notebook.theme(theme)
        page.wait_for_timeout(500)
        notebook.screenshot(f"docked-{theme}")
    chord(notebook, "p")
    expect(status(notebook)).to_contain_text("running")
    dock.locator(".nnw-controls button", has_text="Stop").click()
    editor.click()  # the notebook is in front again, where the cell's end is asked for
    notebook.wait_for(2)
    expect(status(notebook)).to_contain_text("stopped")


def test_each_dashboard_is_docked_where_the_settings_say_so(chromium: Browser, lab: Lab) -> None:
    settings = lab.home / "settings" / "nnwidgets" / "plugin.jupyterlab-settings"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text('{"dockNew": true}', encoding="utf-8")
    (lab.notebooks / "theirs.py").write_text(FILE, encoding="utf-8")
    try:
        with one_page(chromium, lab) as notebook:
            notebook.open([MAKES, CELLS[1]], name="docked.ipynb")
            notebook.run(0)
            roots = []
            for _ in range(3):
                notebook.run(1)
                shown = notebook.cell(1).locator(".nnw")
                shown.wait_for()
                roots.append(shown.get_attribute("data-nnw-root"))
                # run again, the new one takes the place of the old
                docked = notebook.page.locator(f'.nnw-dock-panel .nnw[data-nnw-root="{roots[-1]}"]')
                expect(docked).to_have_count(1)
                expect(notebook.page.locator(".nnw-dock-panel")).to_have_count(1)
            assert len(set(roots)) == 3
    finally:
        settings.unlink()


def test_the_status_bar_goes_on_when_the_dashboard_is_out_of_sight(notebook: Notebook) -> None:
    page = notebook.page
    page.locator(".lm-TabBar-tab.lm-mod-closable", has_text="extension.ipynb").last.locator(
        ".lm-TabBar-tabCloseIcon"
    ).click()
    expect(page.locator(".nnw-dock-panel")).to_have_count(0)
    notebook.start(2)
    page.evaluate("() => document.querySelector('.jp-WindowedPanel-outer').scrollTo(0, 1e6)")
    expect(status(notebook)).to_contain_text("running", timeout=60_000)
    expect(page.locator(".nnw .nnw-state").first).not_to_be_in_viewport()
    first = step(notebook)
    page.wait_for_function(LATER_IN_BAR, arg=first + 50)
    # a click leads back to it
    page.locator(".nnw-status-item").click()
    expect(page.locator(".nnw .nnw-state").first).to_be_in_viewport()
    page.locator(".nnw .nnw-controls button", has_text="Stop").first.click()
    notebook.wait_for(2)


def test_a_finding_leads_to_its_line(notebook: Notebook) -> None:
    page = notebook.page
    notebook.run(3)
    notebook.start(4)
    broken = notebook.cell(3).locator(".nnw")
    broken.scroll_into_view_if_needed()
    # a run that gives NaN holds its cell
    expect(broken.locator(".nnw-state")).to_have_text("paused", timeout=60_000)
    link = broken.locator(".nnw-line").first
    link.scroll_into_view_if_needed()
    expect(link).to_contain_text("cell [")
    expect(status(notebook)).to_contain_text("problem")
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("() => window.jupyterapp.shell.currentWidget.content.activeCellIndex === 3")
    selected = "() => window.getSelection().toString()"
    assert "jnp.sqrt" in page.evaluate(selected)
    notebook.screenshot("line")
    # an edit above it moves the line, and it is found all the same
    page.keyboard.press("Control+Home")
    page.keyboard.type("# one more line\n")
    link.click()
    page.wait_for_function("() => window.getSelection().toString().includes('jnp.sqrt')")
    # a line of a file
    page.evaluate(LEAD, [f"{notebook.lab.notebooks}/theirs.py:6"])
    page.wait_for_function("() => window.jupyterapp.shell.currentWidget.context.path === 'theirs.py'")
    page.wait_for_function("() => window.getSelection().toString().includes('unused')")
    # one outside of what JupyterLab shows is not opened
    page.evaluate(LEAD, ["/etc/passwd:1"])
    expect(page.locator(".Toastify__toast", has_text="lies outside of")).to_be_visible()
    page.evaluate("() => { window.jupyterapp.commands.execute('application:close'); }")


def test_a_restart_is_said(notebook: Notebook) -> None:
    page = notebook.page
    page.evaluate(
        "async () => { await window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart(); }"
    )
    lost = notebook.cell(1).locator(".nnw-lost")
    expect(lost).to_contain_text("The kernel was restarted", timeout=30_000)
    lost.scroll_into_view_if_needed()
    notebook.screenshot("restarted")
    assert page.evaluate("() => window.jupyterapp.commands.isEnabled('nnwidgets:pause')") is False


def test_a_kernel_that_was_shut_down_is_said(notebook: Notebook) -> None:
    notebook.run(0)
    notebook.run(1)
    expect(notebook.cell(1).locator(".nnw-state")).to_be_visible()
    expect(notebook.cell(1).locator(".nnw-lost")).to_have_count(0)
    notebook.close()
    expect(notebook.cell(1).locator(".nnw-lost")).to_contain_text("has ended", timeout=30_000)


def test_a_card_opens_a_copy_of_the_tour(notebook: Notebook) -> None:
    page, folder = notebook.page, notebook.lab.notebooks
    (folder / "tour.ipynb").unlink(missing_ok=True)
    (folder / "tour.ipynb").write_text(json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    page.evaluate("() => { window.jupyterapp.commands.execute('launcher:create'); }")
    card = page.locator(".jp-LauncherCard", has_text="tour").first
    card.scroll_into_view_if_needed()
    notebook.screenshot("launcher")
    card.click()
    # what is there is not overwritten
    page.wait_for_function("() => window.jupyterapp.shell.currentWidget.context?.path === 'tour-2.ipynb'")
    assert (folder / "tour-2.ipynb").exists()
    assert json.loads((folder / "tour.ipynb").read_text())["cells"] == []
