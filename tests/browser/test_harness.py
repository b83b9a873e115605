"""The harness itself, with plain ipywidgets: if this fails, no other browser test says anything."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from ._notebook import Notebook

VERSION = "import ipykernel; print(ipykernel.__version__)"
COUNTER = "import time, ipywidgets; label = ipywidgets.Label('0'); label.add_class('counter'); label"
COUNT = "for number in range(1, 201):\n    label.value = str(number)\n    time.sleep(0.05)"


@pytest.mark.parametrize(
    ("name", "version"), [("python3", r"\d"), ("ipykernel-7.3", r"7\.3\."), ("ipykernel-6.31", r"6\.31\.")]
)
def test_kernels_are_the_versions_that_they_claim(
    notebook: Notebook, kernel: Callable[[str], str], name: str, version: str
) -> None:
    notebook.open([VERSION], kernel=kernel(name))
    assert re.match(version, notebook.run(0))


def test_a_label_moves_while_its_cell_runs(notebook: Notebook) -> None:
    notebook.open([COUNTER, COUNT])
    notebook.run(0)
    counter = notebook.page.locator(".counter")
    notebook.start(1)
    notebook.page.wait_for_function("() => Number(document.querySelector('.counter').innerText) > 0")
    first = int(counter.inner_text())
    notebook.page.wait_for_timeout(500)
    second = int(counter.inner_text())
    assert notebook.busy(1)
    assert 0 < first < second


def test_interrupt_ends_the_cell(notebook: Notebook) -> None:
    notebook.open(["import time\nprint('started')\nfor _ in range(600):\n    time.sleep(0.1)"])
    notebook.start(0)
    notebook.cell(0).get_by_text("started", exact=True).wait_for()
    notebook.interrupt()
    notebook.wait_for_end(0, timeout=30)
    assert "KeyboardInterrupt" in notebook.text(0)


def test_themes(notebook: Notebook) -> None:
    notebook.open([COUNTER])
    background = "() => getComputedStyle(document.querySelector('.jp-NotebookPanel')).backgroundColor"
    notebook.theme("dark")
    dark = notebook.page.evaluate(background)
    notebook.theme("light")
    assert dark != notebook.page.evaluate(background)
