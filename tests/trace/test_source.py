"""Where an operation was written: in a file, in a notebook's cell, in a terminal's."""

from __future__ import annotations

import nbclient
import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from nnwidgets.trace import Source
from nnwidgets.trace._source import cell_number

CELLS = [
    "x = 1",
    "import jax.numpy as jnp\nimport nnwidgets as nnw\n\ndef loss_fn(params, batch):\n"
    "    hidden = batch @ params['one']\n    return jnp.mean(hidden @ params['two'])",
    "objective = nnw.Objective(loss_fn, {'one': jnp.ones((2, 2)), 'two': jnp.ones(2)})\n"
    "trace = nnw.trace_objective(objective, jnp.ones((3, 2)))\n"
    "print(*[layer.source for layer in trace.layers])",
]


def test_a_notebooks_cell_and_line_are_named() -> None:
    notebook = new_notebook(cells=[new_code_cell(source) for source in CELLS])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbclient.NotebookClient(notebook, timeout=120).execute()
    (output,) = notebook.cells[-1].outputs
    assert output.text.strip() == "cell [2]:5 cell [2]:6"
    assert nbformat.validate(notebook) is None


def test_a_terminals_cell_is_named_and_a_file_is_not_a_cell() -> None:
    assert cell_number("<ipython-input-7-0123abcd>") == 7
    assert cell_number(__file__) is None
    assert str(Source(__file__, 3, "f")) == f"{__file__}:3"
