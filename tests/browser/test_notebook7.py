"""The tour in Notebook 7: panels that move and buttons that work while a cell runs; a dock in the side area.

It leaves ``notebook7.png`` in ``.artifacts``.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from ._lab import Lab
from ._tour import Tour
from .conftest import one_page


@pytest.fixture(scope="module")
def tour(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tour]:
    server = Lab(tmp_path_factory.mktemp("notebook7"), "notebook")
    try:
        with one_page(chromium, server) as notebook:
            yield Tour(notebook, ["session.run(1_000_000)"])
    finally:
        server.stop()


def test_the_tour_runs(tour: Tour) -> None:
    notebook, page = tour.notebook, tour.page
    for place in tour.code[3:]:
        notebook.run(place)
    long = tour.place("session.run(1_000_000)")
    tour.start(long)
    tour.wait("state() === 'running'")
    step = tour.ask("step()")
    tour.wait(f"step() > {step + 20}")
    assert notebook.busy(long)
    tour.button("Pause").click()
    tour.wait("state() === 'paused'")
    assert notebook.busy(long)
    # its main area holds one document: a dock goes to the side
    tour.button("Dock").click()
    dock = page.locator(".nnw-dock-panel")
    expect(dock.locator(".nnw-state")).to_have_text("paused")
    notebook.screenshot("notebook7")
    dock.locator(".nnw-controls button", has_text="Stop").click()
    notebook.wait_for(long)
    # Notebook 7.6 has one of its own, with any notebook and without our extension
    assert [error for error in notebook.errors() if "reading 'schema'" not in error] == []
