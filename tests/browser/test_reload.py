"""A page that is loaded again while a cell runs, and a connection that is lost for a while."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import Browser, Page, expect

from ._lab import Lab
from ._notebook import Notebook
from .conftest import one_page
from .test_large import SETUP, STEP

CELLS = [
    SETUP.replace("\nManager()\n", "\nimport ipywidgets\nipywidgets.IntSlider(value=7)"),
    "session = build()\nsession",
    "other = build()\nother",
    "session.run(10_000_000)",
    "import threading\nprint(threading.current_thread() is threading.main_thread(), session.step > 100)",
]
LATER = f"step => ({STEP})() > step"


class Wire:
    """A way to a server on this machine that can be cut.

    Args:
        port: the server's.
    """

    def __init__(self, port: int) -> None:
        self._target, self._up = port, True
        self._ends, self._threads = list[socket.socket](), list[threading.Thread]()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._begin(self._accept)

    def cut(self) -> None:
        """End all connections, and let none come about."""
        self._up = False
        for end in self._ends:
            _hang_up(end)

    def mend(self) -> None:
        """Let connections come about again."""
        self._up = True

    def close(self) -> None:
        """Cut it for good."""
        self.cut()
        _hang_up(self._listener)
        for thread in self._threads:
            thread.join(10)
        for end in (self._listener, *self._ends):
            end.close()

    def _begin(self, work: Callable[..., None], *arguments: socket.socket) -> None:
        self._threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if not self._up:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self._target))
            self._ends += [near, far]
            self._begin(self._pass_on, near, far)
            self._begin(self._pass_on, far, near)

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while told := one.recv(65536):
                other.sendall(told)
        _hang_up(one)
        _hang_up(other)


def _hang_up(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def wire(lab: Lab) -> Iterator[Wire]:
    wire = Wire(lab.port)
    yield wire
    wire.close()


@pytest.fixture(scope="module")
def notebook(chromium: Browser, lab: Lab, wire: Wire) -> Iterator[Notebook]:
    direct, lab.url = lab.url, f"http://127.0.0.1:{wire.port}"
    with one_page(chromium, lab) as notebook:
        notebook.open(CELLS, name="reload.ipynb")
        notebook.run(0)
        for cell in (1, 2):
            notebook.run(cell)
            notebook.cell(cell).locator(".nnw-card").first.wait_for()
        notebook.start(3)
        notebook.page.wait_for_function(LATER, arg=100, timeout=60_000)
        yield notebook
    lab.url = direct


def test_a_connection_that_is_lost_is_said_and_found_again(notebook: Notebook, wire: Wire) -> None:
    page = notebook.page
    wire.cut()
    expect(page.locator(".nnw-lost").first).to_contain_text("No connection to the kernel", timeout=20_000)
    expect(page.locator(".nnw-status-item span").first).to_contain_text("out of reach")
    page.evaluate("() => document.querySelector('.nnw').scrollIntoView({ block: 'start' })")
    step = page.evaluate(STEP)
    notebook.screenshot("connection-lost")
    wire.mend()
    expect(page.locator(".nnw-lost")).to_have_count(0, timeout=120_000)
    page.wait_for_function(LATER, arg=step + 100, timeout=20_000)
    expect(page.locator(".nnw-status-item span").first).to_contain_text("running")


def test_a_page_that_is_loaded_again_shows_the_busy_run_live(notebook: Notebook) -> None:
    page = notebook.page
    for _ in range(2):
        page.evaluate("() => { window.jupyterapp.commands.execute('nnwidgets:dock'); }")
    dock = page.locator(".nnw-dock-panel")
    expect(dock.locator(".nnw-state")).to_have_text("running")
    docked = dock.get_attribute("id")
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.goto(notebook.lab.address("reload.ipynb").replace("reset&", ""), wait_until="domcontentloaded")
    live = notebook.cell(1).locator(".nnw")
    expect(live.locator(".nnw-state")).to_have_text("running", timeout=60_000)
    expect(dock.locator(".nnw-state")).to_have_text("running", timeout=30_000)
    expect(dock).to_have_id(docked or "")
    # widgets that are none of ours come back, too
    expect(notebook.cell(0).locator(".widget-readout")).to_have_text("7")
    page.wait_for_function(LATER, arg=page.evaluate(STEP) + 100, timeout=20_000)
    notebook.screenshot("loaded-again")
    dock.locator(".nnw-controls button", has_text="Pause").click()
    expect(live.locator(".nnw-state")).to_have_text("paused")
    dock.locator(".nnw-controls button", has_text="Stop").click()
    expect(live.locator(".nnw-state")).to_have_text("stopped")
    # cells run where they did
    notebook.cell(4).locator(".cm-content").click()
    assert notebook.run(4).strip() == "True True"
    _close_dock(page)
    page.reload(wait_until="domcontentloaded")
    expect(live.locator(".nnw-state")).to_have_text("stopped", timeout=60_000)
    page.wait_for_timeout(1000)
    expect(dock).to_have_count(0)


def _close_dock(page: Page) -> None:
    page.locator(".lm-TabBar-tab.lm-mod-closable", has_text="reload.ipynb").last.locator(
        ".lm-TabBar-tabCloseIcon"
    ).click()
    expect(page.locator(".nnw-dock-panel")).to_have_count(0)
