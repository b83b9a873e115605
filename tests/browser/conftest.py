"""The fixtures of the browser tests: one Chromium and one JupyterLab for all of them, one page for each."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from ._chromium import find_chromium
from ._kernels import add_overlay_kernel
from ._lab import Lab
from ._notebook import PATIENCE, Notebook

ARTIFACTS = Path(__file__).resolve().parents[2] / ".artifacts"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


# Machines may be slow: as patient as the other waits.
expect.set_options(timeout=PATIENCE * 1000)


# "package": torn down before the tests that follow, since Playwright keeps an event loop running in the main thread.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(playwright), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    server = Lab(tmp_path_factory.mktemp("lab"))
    yield server
    server.stop()


@pytest.fixture(scope="package")
def kernel(lab: Lab) -> Callable[[str], str]:
    """Makes a kernel of this name known to the server: "python3" is the installed one, others are overlays."""
    known = {"python3"}

    def make(name: str) -> str:
        if name not in known:
            known.add(add_overlay_kernel(lab, name, ARTIFACTS / "kernels"))
        return name

    return make


@contextmanager
def one_page(chromium: Browser, lab: Lab) -> Iterator[Notebook]:
    """A page for one notebook, whose kernel ends with it."""
    ARTIFACTS.mkdir(exist_ok=True)
    context = chromium.new_context(viewport={"width": 1500, "height": 1100})
    notebook = Notebook(context.new_page(), lab, ARTIFACTS)
    try:
        yield notebook
    finally:
        # else the next test would go on in this kernel
        notebook.close()
    context.close()


@pytest.fixture
def notebook(chromium: Browser, lab: Lab) -> Iterator[Notebook]:
    with one_page(chromium, lab) as notebook:
        yield notebook


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails keeps a picture of its page, and its report says what the browser's console has."""
    report = yield
    if report.when == "call" and report.failed:
        for each in getattr(item, "funcargs", {}).values():
            notebook = getattr(each, "notebook", each)
            if isinstance(notebook, Notebook):
                notebook.screenshot(f"failed-{item.name}")
                report.sections.append(("browser console", "\n".join(notebook.console)))
    return report
