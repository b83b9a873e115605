"""One notebook in one page: write, open, run, look."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Locator, Page

from ._lab import Lab

PATIENCE = 120.0

_IDLE = """() => {
    const panel = window.jupyterapp && window.jupyterapp.shell.currentWidget;
    const kernel = panel && panel.sessionContext && panel.sessionContext.session && panel.sessionContext.session.kernel;
    return kernel && kernel.connectionStatus === 'connected' && kernel.status === 'idle';
}"""
# Once there and back: what is sent to a kernel that only just says "idle" may be lost (ipykernel 7 and its server).
_ANSWERS = """async patience => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    const late = () => new Promise(resolve => setTimeout(() => resolve(null), 5000));
    for (const end = Date.now() + patience; Date.now() < end; ) {
        if (await Promise.race([kernel.requestKernelInfo(), late()])) return true;
    }
    return false;
}"""
_START = """index => {
    const notebook = window.jupyterapp.shell.currentWidget.content;
    notebook.activeCellIndex = index;
    window.ended = window.ended || {};
    window.ended[index] = false;
    window.jupyterapp.commands.execute('notebook:run-cell').finally(() => { window.ended[index] = true; });
}"""
_SHUT_DOWN = """async () => {
    const panel = window.jupyterapp && window.jupyterapp.shell.currentWidget;
    if (panel && panel.sessionContext) await panel.sessionContext.shutdown();
}"""
_OUTPUTS = "index => window.jupyterapp.shell.currentWidget.content.widgets[index].model.outputs.toJSON()"


class Notebook:
    """A notebook open in JupyterLab. Cells are named by their index; times are in seconds.

    Args:
        page: an empty page.
        lab: the server.
        artifacts: the folder of the screenshots.
    """

    def __init__(self, page: Page, lab: Lab, artifacts: Path) -> None:
        self.page, self.lab, self.artifacts = page, lab, artifacts
        self.console: list[str] = []
        page.on("console", lambda message: self.console.append(f"{message.type}: {message.text[:300]}"))
        page.on("pageerror", lambda error: self.console.append(f"page error: {str(error)[:300]}"))

    def open(self, cells: Sequence[str], *, name: str = "test.ipynb", kernel: str = "python3") -> None:
        """Write these code cells as a notebook, open it, and wait until its kernel is idle."""
        self.open_notebook(new_notebook(cells=[new_code_cell(cell) for cell in cells]), name=name, kernel=kernel)

    def open_notebook(self, notebook: NotebookNode, *, name: str, kernel: str = "python3") -> None:
        """Write a copy of this notebook, open it, and wait until its kernel is idle."""
        notebook.metadata["kernelspec"] = {"name": kernel, "display_name": kernel, "language": "python"}
        nbformat.write(notebook, self.lab.notebooks / name)
        self.page.goto(self.lab.address(name), wait_until="domcontentloaded")
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=PATIENCE * 1000)
        self.page.wait_for_function(_IDLE, timeout=PATIENCE * 1000)
        assert self.page.evaluate(_ANSWERS, PATIENCE * 1000), "the kernel does not answer"

    def busy(self, cell: int) -> bool:
        """Whether the cell is running: its prompt is ``[*]``.

        JupyterLab's own word for the kernel does not tell: it counts every message, so that a widget's, answered in a subshell
        while the cell runs, makes the kernel "idle".
        """
        return self.cell(cell).locator(".jp-InputPrompt").inner_text().strip() == "[*]:"

    def start(self, cell: int) -> None:
        """Run a cell and do not wait for it."""
        self.page.evaluate(_START, cell)

    def wait_for(self, cell: int, timeout: float = PATIENCE) -> None:
        """Wait until a started cell has ended; fail if it ended with an error."""
        self.wait_for_end(cell, timeout)
        errors = [output for output in self.outputs(cell) if output["output_type"] == "error"]
        assert not errors, "\n".join(errors[0]["traceback"])

    def wait_for_end(self, cell: int, timeout: float = PATIENCE) -> None:
        """Wait until a started cell has ended, with an error or without."""
        # a question at every frame of the page would make it draw sixty a second
        self.page.wait_for_function("index => window.ended[index]", arg=cell, timeout=timeout * 1000, polling=200)

    def run(self, cell: int, timeout: float = PATIENCE) -> str:
        """Run a cell to its end and return its text."""
        self.start(cell)
        self.wait_for(cell, timeout)
        return self.text(cell)

    def interrupt(self) -> None:
        """Press the notebook's stop button."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:interrupt-kernel')")

    def close(self) -> None:
        """End the kernel, busy or not, so that it takes no time from the tests that follow."""
        self.page.evaluate(_SHUT_DOWN)

    def outputs(self, cell: int) -> list[dict[str, Any]]:
        """A cell's outputs, as they stand in the notebook file."""
        return self.page.evaluate(_OUTPUTS, cell)

    def text(self, cell: int) -> str:
        """All text of a cell's outputs: printed, returned, and the last line of an error."""
        parts: list[str] = []
        for output in self.outputs(cell):
            if output["output_type"] == "error":
                parts.append(f"{output['ename']}: {output['evalue']}\n")
            else:
                parts.append("".join(output.get("text") or output["data"].get("text/plain", "")))
        return "".join(parts)

    def cell(self, cell: int) -> Locator:
        """A cell in the page, its outputs included."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(cell)

    def theme(self, theme: Literal["light", "dark"]) -> None:
        """Change JupyterLab's theme and wait until it shows."""
        name = f"JupyterLab {theme.capitalize()}"
        self.page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", name)
        self.page.wait_for_function("theme => document.body.dataset.jpThemeName === theme", arg=name)
        self.page.wait_for_timeout(500)  # style sheets are loaded after the name has changed

    def errors(self) -> list[str]:
        """What the browser's console has of errors so far."""
        return [line for line in self.console if line.startswith(("error", "page error"))]

    def screenshot(self, name: str) -> Path:
        """Keep a picture of the page among the test artifacts."""
        path = self.artifacts / f"{name}.png"
        self.page.screenshot(path=path)
        return path
