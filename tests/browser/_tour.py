"""The tour in a page, with further cells at its end: what its dashboard shows, and how long a click takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell
from playwright.sync_api import Locator, TimeoutError

from ._notebook import Notebook

TOUR = Path(__file__).resolve().parents[2] / "notebooks" / "tour.ipynb"
LIMIT_SECONDS = 10.0

# The first dashboard in the page is that of the tour's `session`.
_SEEN = """
const dashboard = document.querySelector('.nnw');
const state = () => dashboard.querySelector('.nnw-state').textContent;
const step = () => Number(dashboard.querySelector('.nnw-status b').textContent.replaceAll(',', ''));
const line = () => Array.from(dashboard.querySelectorAll('.nnw-card-0 svg path.line'), path => path.getAttribute('d')).join();
const numbers = () => Array.from(dashboard.querySelectorAll('.nnw-status b'), number => number.textContent);
const ended = cell => window.ended[cell];
"""
# Once a frame, while the cell's prompt is [*]: the step, and how many points the longest line of the loss has.
_RECORD = """cell => {
    const prompt = document.querySelectorAll('.jp-Notebook .jp-Cell')[cell].querySelector('.jp-InputPrompt');
    const dashboard = document.querySelector('.nnw');
    window.seen = [];
    const look = () => {
        const lines = Array.from(dashboard.querySelectorAll('.nnw-card-0 svg path.line'));
        const points = Math.max(0, ...lines.map(line => (line.getAttribute('d') || '').split('L').length));
        const step = Number(dashboard.querySelector('.nnw-status b').textContent.replaceAll(',', ''));
        if (prompt.textContent.includes('*')) window.seen.push([step, points]);
        if (!(window.ended || {})[cell]) requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
}"""
# From the user's click (or change of a field) to the first frame on which the effect can be seen.
_TIME = """([event, effect]) => {
    window.seconds = null;
    const begin = () => {
        const start = performance.now();
        const look = () => {
            if (new Function(effect)()) window.seconds = (performance.now() - start) / 1000;
            else requestAnimationFrame(look);
        };
        requestAnimationFrame(look);
    };
    document.addEventListener(event, begin, { once: true, capture: true });
}"""


class Tour:
    """A copy of the tour, its dashboard shown and no step made yet.

    Args:
        notebook: the page.
        more: code cells to add at the end.
    """

    def __init__(self, notebook: Notebook, more: Sequence[str]) -> None:
        self.notebook, self.page = notebook, notebook.page
        copy = nbformat.read(TOUR, as_version=4)
        copy.cells += [new_code_cell(cell) for cell in more]
        self.cells = [cell.source for cell in copy.cells]
        self.code = [place for place, cell in enumerate(copy.cells) if cell.cell_type == "code"][: -len(more)]
        notebook.open_notebook(copy, name="tour.ipynb")
        for place in self.code[:3]:
            notebook.run(place)
        self.dashboard = self.page.locator(".nnw").first
        self.dashboard.locator(".nnw-state").wait_for()

    def place(self, source: str) -> int:
        """The index of the cell that has exactly this text."""
        return self.cells.index(source)

    def ask(self, expression: str) -> Any:
        """What a JavaScript expression gives, in terms of `_SEEN`."""
        return self.page.evaluate(f"() => {{ {_SEEN} return {expression}; }}")

    def wait(self, condition: str, seconds: float = 60.0) -> None:
        """Wait until a JavaScript condition holds.

        Raises:
            AssertionError: it did not; with what the dashboard shows instead, and a picture in ``waited.png``.
        """
        try:
            self.page.wait_for_function(f"() => {{ {_SEEN} return {condition}; }}", timeout=1000 * seconds)
        except TimeoutError as error:
            shown = self.dashboard.locator(".nnw-status").first.inner_text()
            seen = self.page.evaluate("() => document.querySelector('.nnw').getBoundingClientRect().toJSON()")
            self.notebook.screenshot("waited")
            raise AssertionError(f"{condition}: not in {seconds:.0f} s; shown is {shown!r}, at {seen}") from error

    def button(self, text: str) -> Locator:
        """A button of the dashboard; its accessible name also has the icon's letter."""
        return self.dashboard.locator(".nnw-controls button").filter(has_text=text)

    def record(self, cell: int) -> None:
        """From now until the cell has ended, keep what `recorded` gives."""
        self.page.evaluate(_RECORD, cell)

    def recorded(self) -> list[tuple[int, int]]:
        """The step, and the points of the loss line, at each frame that was drawn while the cell ran."""
        return self.page.evaluate("() => window.seen")

    def seconds(self, act: Callable[[], None], effect: str, event: str = "click") -> float:
        """Act, and tell the seconds from the click to its effect in the page."""
        self.page.evaluate(_TIME, [event, f"{_SEEN} return {effect};"])
        act()
        self.page.wait_for_function("() => window.seconds !== null", timeout=1000 * LIMIT_SECONDS)
        return self.page.evaluate("() => window.seconds")

    def start(self, cell: int) -> None:
        """Run a cell, and look up at the dashboard while it is busy."""
        self.notebook.start(cell)
        self.notebook.cell(cell).locator(".jp-InputPrompt").filter(has_text="[*]").wait_for(state="attached")
        self.look()

    def look(self) -> None:
        """Scroll to the dashboard: what is out of sight is not drawn."""
        self.page.evaluate("() => document.querySelector('.nnw').scrollIntoView({ block: 'start' })")

    def picture(self, width: int = 1200, height: int = 3200) -> None:
        """Keep the dashboard alone, as wide as that and whole, as ``dashboard.png``."""
        size, around = self.page.viewport_size, self.dashboard.bounding_box()
        assert size is not None
        assert around is not None
        self.page.set_viewport_size({"width": size["width"] + round(width - around["width"]), "height": height})
        self.look()
        self.page.wait_for_timeout(1500)
        self.dashboard.screenshot(path=self.notebook.artifacts / "dashboard.png")
        self.page.set_viewport_size(size)
