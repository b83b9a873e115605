"""A notebook that is executed without a browser, and what its file and its page show of the dashboard."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_notebook

from tests.slow_session import slow_session

SESSION = slow_session()
FREEZE = "session.run(5)\nsession.freeze()"


def test_the_file_and_the_page_show_the_last_state(tmp_path: Path) -> None:
    cells = [SESSION, "session.run(2_000)", "display(session)", "session.run(10)", FREEZE, "session.run(1)"]
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    resources = {"metadata": {"path": tmp_path}}
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources=resources, store_widget_state=False
    ).execute()
    outputs = [cell.outputs for cell in notebook.cells]
    kinds = [[each.metadata.get("nnwidgets") for each in cell if "data" in each] for cell in outputs]
    # a cell that ends with run(), where the dashboard is displayed above, has the text; what came after freeze() is live again
    assert kinds == [["frozen", "still"], [None], ["frozen", "still"], [None], [], ["live", "still"]]
    assert (
        list(outputs[1][0].data) == ["text/plain"]
        and "finished, step 2,000 of 2,000" in outputs[1][0].data["text/plain"]
    )
    for place, step in ((0, "2,015"), (2, "2,015"), (5, "2,016")):
        still = outputs[place][1]
        assert set(still.data) == {"image/png", "text/plain"} and still.metadata["image/png"]["width"] == 900
        for part in (
            f"finished, step {step}",
            "problem: Slow in at step 5, cell [1]:4",
            "It <b>creeps</b>.",
            "try: Hurry.",
        ):
            assert part in still.data["text/plain"]
    assert list(outputs[0][0].data) == ["text/plain"] and "display it again" in outputs[0][0].data["text/plain"]
    assert len(nbformat.writes(notebook)) < 500_000
    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert page.count('width="900"') == 3 and "model not found" not in page
    assert "<b>creeps</b>" not in page
