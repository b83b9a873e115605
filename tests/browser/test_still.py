"""A picture that lasts: what a saved notebook shows without a kernel, and that nobody sees it beside the live dashboard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.slow_session import slow_session

from ._lab import Lab
from ._notebook import Notebook
from .conftest import one_page

SESSION = slow_session("<img src=x onerror=alert(1)>")
CELLS = [SESSION, "session.run(40)", "session.run(30); import time; time.sleep(1)", "session.freeze()", "session"]
# The outputs of a cell: what they hold, and whether they can be seen.
OUTPUTS = """place => {
    const cell = document.querySelectorAll('.jp-Notebook .jp-Cell')[place];
    return [...cell.querySelectorAll('.jp-OutputArea-child')].map(each => ({
        live: each.querySelectorAll('.nnw').length, image: each.querySelector('img')?.src.slice(0, 22) || '',
        wide: each.querySelector('img')?.clientWidth || 0, text: each.textContent.trim(), seen: each.offsetHeight > 0 }));
}"""
PNG = "data:image/png;base64,"


@pytest.fixture(scope="module")
def notebook(chromium: Browser, lab: Lab) -> Iterator[Notebook]:
    with one_page(chromium, lab) as notebook:
        notebook.open(CELLS, name="still.ipynb")
        yield notebook


def outputs(notebook: Notebook, cell: int = 0) -> list[dict[str, Any]]:
    return notebook.page.evaluate(OUTPUTS, cell)


def saved(notebook: Notebook) -> list[dict[str, Any]]:
    """The outputs of the last cell in the file."""
    notebook.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    text = (notebook.lab.notebooks / "still.ipynb").read_text(encoding="utf-8")
    assert len(text) < 500_000
    return json.loads(text)["cells"][-1]["outputs"]


def test_beside_the_live_dashboard_the_picture_is_kept_and_not_seen(notebook: Notebook) -> None:
    notebook.run(0)
    notebook.page.wait_for_selector(".nnw .nnw-card")
    notebook.page.wait_for_timeout(500)
    live, still = outputs(notebook)
    assert (live["live"], live["seen"]) == (1, True)
    assert still["text"].startswith("nnwidgets: idle, step 0") and not still["seen"]
    notebook.run(1)
    notebook.page.wait_for_timeout(500)
    live, still = outputs(notebook)
    assert (live["seen"], still["image"], still["seen"]) == (True, PNG, False)
    notebook.run(2)
    live, still = outputs(notebook)
    assert (live["seen"], still["image"], still["seen"]) == (True, PNG, False)
    notebook.run(3)
    notebook.page.wait_for_timeout(500)
    frozen, still = outputs(notebook)
    assert (frozen["live"], still["image"], still["seen"]) == (0, PNG, True)
    assert frozen["text"].startswith("nnwidgets: frozen") and frozen["seen"]
    notebook.run(4)
    notebook.page.wait_for_selector(".nnw .nnw-card")
    notebook.page.wait_for_timeout(500)
    live, still = outputs(notebook, 4)
    assert (live["live"], still["image"], still["seen"]) == (1, PNG, False)
    notebook.screenshot("still-frozen-and-live")


def test_the_saved_notebook_shows_it_without_a_kernel(notebook: Notebook) -> None:
    file = saved(notebook)
    kinds = [each["metadata"].get("nnwidgets") for each in file]
    assert kinds[-1] == "still"
    text = "".join(file[-1]["data"]["text/plain"])
    for part in ("finished, step 70", "problem: Slow in at step 5, cell [1]:4", "It <b>creeps</b>.", "try: Hurry."):
        assert part in text
    page = notebook.page
    page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.restartKernel(); }")
    page.wait_for_function(f"() => ({OUTPUTS})(4).at(-1).seen")
    # as it comes by mail: nobody has trusted it, and no kernel is started for it
    raw = json.loads((notebook.lab.notebooks / "still.ipynb").read_text(encoding="utf-8"))
    raw["metadata"]["kernelspec"] = {"name": "elsewhere", "display_name": "elsewhere", "language": "elsewhere"}
    raw["metadata"].pop("language_info", None)
    (notebook.lab.notebooks / "received.ipynb").write_text(json.dumps(raw), encoding="utf-8")
    page.goto(
        f"{notebook.lab.url}/lab/tree/received.ipynb?reset&token={notebook.lab.token}", wait_until="domcontentloaded"
    )
    page.wait_for_selector(".jp-Notebook img", timeout=60_000)
    page.locator(".jp-Dialog").get_by_role("button", name="No Kernel", exact=True).click(timeout=60_000)
    page.wait_for_timeout(1000)
    for theme in ("dark", "light"):
        notebook.theme(theme)
        notebook.screenshot(f"still-{theme}")
    shown = outputs(notebook, 4)
    assert (shown[-1]["image"], shown[-1]["seen"]) == (PNG, True)
    assert shown[-1]["wide"] == pytest.approx(900, abs=1)
    assert not any("not found" in each["text"] or each["live"] for each in shown)
    assert not page.evaluate("() => window.jupyterapp.shell.currentWidget.content.widgets[0].model.trusted")
