"""What users read first must run: the notebooks and the README's code."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.outputs for cell in notebook.cells if cell.cell_type == "code"), "committed with outputs"
    # No cell may warn either: what a reader sees on stderr looks like a mistake.
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    errors = ["".join(output.text) for output in outputs if output.get("name") == "stderr"]
    assert not errors, "\n".join(errors)


def test_ten_lines_of_the_readme_run() -> None:
    import numpy as np

    code = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)[0]
    assert len(code.strip().splitlines()) <= 10
    batch = (np.ones((8, 784), np.float32), np.zeros(8, np.int32))
    names = {"batches": lambda _: batch}
    exec(code.replace("1_000", "3"), names)
    assert names["session"].step == 3
