"""The command: what it says, what it leaves in the folder, and how it fails."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import nnwidgets
from nnwidgets import _demo, cli

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def tour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Ships a tour of these code cells in place of the real one."""

    def ship(*cells: str) -> Path:
        path = tmp_path / "shipped.ipynb"
        nbformat.write(new_notebook(cells=[new_markdown_cell("words"), *map(new_code_cell, cells)]), path)
        monkeypatch.setattr(_demo, "shipped_tour", lambda: path)
        return path

    return ship


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that would have been started; none is."""
    commands: list[list[str]] = []

    def start(command: list[str]) -> subprocess.Popen[bytes]:
        commands.append(command)
        return subprocess_popen([sys.executable, "-c", ""])

    subprocess_popen = subprocess.Popen
    monkeypatch.setattr(_demo.subprocess, "Popen", start)
    return commands


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"nnwidgets {nnwidgets.__version__}\n"


def test_no_command_is_an_error_that_names_demo(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main([])
    assert "demo" in capsys.readouterr().err


def test_headless_writes_a_page_and_says_where(
    tour: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tour("# the first cell\nprint(6 * 7)", "open('made.txt', 'w').close()")
    folder = tmp_path / "new" / "folder"
    assert cli.main(["demo", "--headless", "--folder", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "[1/2] # the first cell ... " in said
    assert "[2/2] open('made.txt', 'w').close() ... " in said
    assert f"Wrote {folder / 'tour.html'}" in said
    assert "42" in (folder / "tour.html").read_text(encoding="utf-8")
    assert (folder / "made.txt").exists()


def test_headless_with_a_failing_cell_shows_its_error(
    tour: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tour("1 + 1", "raise ValueError('planted')", "print('never reached')")
    assert cli.main(["demo", "--headless", "--folder", str(tmp_path)]) == 1
    assert "ValueError: planted" in capsys.readouterr().err
    page = (tmp_path / "tour.html").read_text(encoding="utf-8")
    assert "planted" in page


def test_demo_opens_a_copy_on_this_machine_only(
    tour: Callable[..., Path], started: list[list[str]], tmp_path: Path
) -> None:
    shipped = tour("1 + 1")
    folder = tmp_path / "mine"
    assert cli.main(["demo", "--no-browser", "--folder", str(folder)]) == 0
    assert (folder / "tour.ipynb").read_bytes() == shipped.read_bytes()
    assert "--ServerApp.ip=127.0.0.1" in started[0]
    assert "--no-browser" in started[0]
    assert {f"--ServerApp.root_dir={folder}", "--LabApp.default_url=/lab/tree/tour.ipynb"} <= set(started[0])


def test_demo_keeps_a_changed_copy_and_says_so(
    tour: Callable[..., Path], started: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tour("1 + 1")
    copy = tmp_path / "tour.ipynb"
    copy.write_text("changed", encoding="utf-8")
    assert cli.main(["demo", "--folder", str(tmp_path)]) == 0
    assert copy.read_text(encoding="utf-8") == "changed"
    assert f"Kept your changed copy {copy}" in capsys.readouterr().out
    assert "--no-browser" not in started[0]


@pytest.mark.parametrize("arguments", [["demo"], ["demo", "--headless"]])
def test_a_missing_package_names_the_extra(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_demo.importlib.util, "find_spec", lambda name: None)
    assert cli.main(arguments) == 2
    assert 'pip install "nnwidgets[demo]"' in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    assert cli.main(["demo", "--headless", "--folder", str(tmp_path / "file")]) == 2
    assert "name another one with --folder" in capsys.readouterr().err


def test_demo_really_serves_the_tour(tmp_path: Path) -> None:
    """JupyterLab starts, answers, and ends when told to."""
    environment = {**os.environ, "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime")}
    command = [sys.executable, "-m", "nnwidgets", "demo", "--no-browser", "--folder", str(tmp_path / "tour")]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    demo = subprocess.Popen(command, env=environment, text=True, start_new_session=True, **pipes)
    try:
        assert demo.stdout is not None
        address = next(line.split()[-1] for line in demo.stdout if "tour.ipynb?token=" in line)
        assert address.startswith("http://127.0.0.1:")
        assert _status(address) == 200
    finally:
        _end(demo)
    with pytest.raises(OSError):
        urllib.request.urlopen(address, timeout=5)


def test_the_wheel_carries_the_tour(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, stdin=subprocess.DEVNULL, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "nnwidgets/notebooks/tour.ipynb" in names
    scripts = [name for name in names if name.startswith("nnwidgets/panels/") and "/static/" in name]
    shipped = [path for path in (ROOT / "nnwidgets" / "panels").rglob("static/*") if path.is_file()]
    assert len(scripts) == len(shipped) > 0
    assert not [name for name in names if name.startswith(("tests", "notebooks"))]


def _status(address: str) -> int:
    """The address is printed a moment before anybody listens there."""
    until = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(address, timeout=30) as page:
                return page.status
        except urllib.error.URLError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def _end(demo: subprocess.Popen[str]) -> None:
    """As `kill` does; the server has to end with it."""
    demo.terminate()
    try:
        demo.wait(30)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(demo.pid, signal.SIGKILL)
    demo.communicate()
