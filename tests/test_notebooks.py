"""What users read first must run: the notebooks and the README's code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
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

    code = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
    assert len(code.strip().splitlines()) <= 10
    batch = (np.ones((8, 784), np.float32), np.zeros(8, np.int32))
    names = {"batches": lambda _: batch}
    exec(code.replace("1_000", "3"), names)
    assert names["session"].step == 3


def test_the_readmes_other_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax

    import nnwidgets as nnw
    from nnwidgets.track._worker import worker

    def loss_fn(params: Any, batch: Any) -> Any:
        return jnp.mean((batch @ params["in"]) ** 2)

    tx, batches, params = optax.adam(1e-3), [np.ones((2, 3), np.float32)] * 4, {"in": jnp.ones(3)}
    names: dict[str, Any] = {
        "nnw": nnw,
        "optax": optax,
        "objective": nnw.Objective(loss_fn, params),
        "tx": tx,
        "batches": batches,
        "held_out": batches,
    }
    _, own_code, own_parts, column, inside, explore, schedules, wrong, checks, back, track, own_loop = re.findall(
        r"```python\n(.*?)```", README, re.DOTALL
    )
    exec(own_code.replace("1_000", "3"), names)
    exec(own_parts, names)
    assert names["session"].step == 3
    assert names["session"].notices == []
    # all of it is gone down in tests/browser/test_checklist.py
    exec(column.replace("checklist()", 'checklist("batch size")'), names)
    assert names["session"].checklist("first loss").ok
    exec(inside, names)
    assert names["session"].history.look.view == "saliency"
    assert names["session"].notices == []
    assert "session.explore.optimizers(seeds=5)" in explore
    exec(explore.replace("optimizers(seeds=5)", "optimizers"), names)
    assert names["found"].name == "learning rate range"
    exec(schedules, names)
    # what is tried is told by tests/train/test_diagnose.py: this toy has no remedy that can be run
    assert "session.verify(report.findings[0])" in wrong
    exec(wrong.replace("session.verify(report.findings[0])", "report").replace("steps=200", "steps=30"), names)
    assert names["report"].steps == 30
    exec(checks, names | {"function": jnp.sin, "arguments": [jnp.ones(3)]})
    assert [report.ok for report in names["session"].history.gradient_reports] == [True, True, True]
    for there, here in (("412", "2"), ("run(100)", "run(9)"), ("spike()", "spike(5)"), ("runs/first", str(tmp_path))):
        assert there in back
        back = back.replace(there, here)
    exec(back, names)
    assert names["session"].step == 11 and names["session"].history.branches[0].step == 2
    monkeypatch.setenv("NNWIDGETS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NNWIDGETS_TRACK", raising=False)
    for _ in range(2):
        recorded = nnw.Session(names["objective"], tx, batches, validation=batches, validation_every=2).run(5)
    assert recorded.record.id == 2 and worker.drain(20)
    exec(
        track.replace("compare(3, 5)", "compare(1, 2)").replace("runs()[3]", "runs()[1]"), names | {"session": recorded}
    )
    head, body = own_loop.split("\n\n", 1)
    exec(head, names)

    @jax.jit
    def train_step(params: Any, opt_state: Any, batch: Any) -> Any:
        loss, grads = jax.value_and_grad(loss_fn)(params, batch)
        updates, opt_state = names["tx"].update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, loss

    names |= {"params": params, "opt_state": names["tx"].init(params), "train_step": train_step}
    exec(body, names)
    assert names["monitor"].step == 4
    assert names["monitor"].notices == []
