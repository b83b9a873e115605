"""What is taken down of the code: cells, script, modules, loss, model, Git."""

from __future__ import annotations

import functools
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import equinox as eqx
import flax.linen as linen
import jax
import jax.numpy as jnp
import nbformat
import optax
import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import nnwidgets as nnw
from nnwidgets.track.sources import _cells, _code, _git, _local_modules
from nnwidgets.track.sources._listing import code
from nnwidgets.track.sources._written import written

from .. import models

SECRET = "q7Rz2LxP9vKd4TnW8sYb"


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    config = Config()
    config.HistoryManager.enabled = False
    main, hook = sys.modules["__main__"], sys.displayhook
    shell = InteractiveShell(config=config, user_module=ModuleType("__main__"))
    shell.displayhook.compute_format_data = lambda _: ({}, {})
    shell.displayhook.write_output_prompt = lambda: None
    yield shell
    sys.modules["__main__"], sys.displayhook = main, hook


def run(shell: InteractiveShell, source: str, cell: str | None = None) -> Any:
    return shell.run_cell(source, store_history=True, cell_id=cell)


class TestCells:
    def test_all_with_their_ids_and_the_running_one(self, shell: InteractiveShell) -> None:
        run(shell, "x = 1", "before")
        _cells.watch_cells(shell)
        run(shell, "y = 2\n", "second")
        run(shell, "%matplotlib_missing")
        shell.user_ns["executed"] = lambda: _cells.executed(shell)
        run(shell, "found = executed()", "now")
        found = shell.user_ns["found"]
        # the cell that ran before anybody watched was not told by its id
        assert [(each["number"], each["id"], each["source"]) for each in found] == [
            (1, None, "x = 1"),
            (2, "second", "y = 2"),
            (3, None, "%matplotlib_missing"),
            (4, "now", "found = executed()"),
        ]

    def test_a_cell_that_failed_says_so(self, shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
        run(shell, "1 / 0")
        run(shell, "x = 2")
        assert [each.get("failed", False) for each in _cells.executed(shell)] == [True, False]
        assert "ZeroDivisionError" in capsys.readouterr().out

    def test_the_running_cell_of_a_kernel_that_was_not_watched(self, shell: InteractiveShell) -> None:
        shell.get_parent = lambda: {"content": {"code": "x = 1\n"}, "metadata": {"cellId": "a"}}
        run(shell, "x = 1\n")
        assert _cells.executed(shell) == [{"number": 1, "id": "a", "source": "x = 1"}]

    def test_the_message_of_a_widget_is_no_cell(self, shell: InteractiveShell) -> None:
        shell.get_parent = lambda: {"content": {"comm_id": "b", "data": {}}, "metadata": {"cellId": "a"}}
        run(shell, "x = 1")
        assert _cells.executed(shell)[0]["id"] is None

    def test_watching_twice_registers_once(self, shell: InteractiveShell) -> None:
        _cells.watch_cells(shell)
        _cells.watch_cells(shell)
        assert len(shell.events.callbacks["pre_run_cell"]) == 1

    def test_what_is_not_stored_has_no_number(self, shell: InteractiveShell) -> None:
        _cells.watch_cells(shell)
        shell.run_cell("x = 1", store_history=False, cell_id="silent")
        run(shell, "y = 1", "told")
        assert _cells.executed(shell) == [{"number": 1, "id": "told", "source": "y = 1"}]

    def test_no_shell_no_cells(self) -> None:
        assert _cells.executed() == [] and _code.executed() is None

    def test_it_costs_little(self, shell: InteractiveShell) -> None:
        for i in range(100):
            run(shell, f"x = {i}")
        _cells.watch_cells(shell)
        began = time.perf_counter()
        for _ in range(100):
            _cells.executed(shell)
        assert (time.perf_counter() - began) / 100 < 0.005


class TestGit:
    @pytest.fixture
    def repository(self, tmp_path: Path) -> Path:
        git(tmp_path, "init", "--quiet", "--initial-branch=main")
        (tmp_path / "train.py").write_text("x = 1\n")
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "--quiet", "--message=first")
        return tmp_path

    def test_a_clean_folder(self, repository: Path) -> None:
        found = _git.describe(repository)
        assert len(found.pop("commit")) == 40
        assert found == {"branch": "main", "dirty": False, "diff": "", "untracked": []}

    def test_changes_and_new_files(self, repository: Path) -> None:
        (repository / "train.py").write_text("x = 2\n")
        (repository / "naïve name.py").write_text("")
        (repository / ".nnwidgets").mkdir()
        (repository / ".nnwidgets" / "runs.db").write_text("")
        found = _git.describe(repository)
        assert found["dirty"] and found["untracked"] == ["naïve name.py"]
        assert "-x = 1\n+x = 2\n" in found["diff"]

    def test_a_new_file_alone_is_no_change(self, repository: Path) -> None:
        (repository / "new.py").write_text("")
        assert not _git.describe(repository)["dirty"]

    def test_a_folder_inside_and_no_branch(self, repository: Path) -> None:
        git(repository, "checkout", "--quiet", "--detach")
        (repository / "inside").mkdir()
        found = _git.describe(repository / "inside")
        assert len(found["commit"]) == 40 and found["branch"] == ""

    def test_before_the_first_commit(self, tmp_path: Path) -> None:
        git(tmp_path, "init", "--quiet", "--initial-branch=main")
        (tmp_path / "a").write_text("1")
        git(tmp_path, "add", ".")
        found = _git.describe(tmp_path)
        assert found == {"commit": "", "branch": "main", "dirty": True, "diff": "", "untracked": []}

    def test_a_long_difference_is_cut(self, repository: Path) -> None:
        (repository / "train.py").write_text("y = 1234567\n" * 200_000)
        (repository / "many").mkdir()
        for i in range(210):
            (repository / f"new{i:03}").write_text("")
        found = _git.describe(repository)
        assert len(found["diff"]) < 1_000_100 and found["diff"].endswith("is not on record\n")
        assert len(found["untracked"]) == 201 and found["untracked"][-1] == "... and 10 more"

    def test_a_silent_git_is_ended(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "git").write_text("#!/bin/sh\nexec sleep 60\n")
        (tmp_path / "git").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        monkeypatch.setattr(_git, "_SECONDS", 0.2)
        began = time.perf_counter()
        assert _git.describe(tmp_path) == {}
        assert time.perf_counter() - began < 5

    def test_no_repository_no_git_no_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert _git.describe(tmp_path) == {} and _git.describe(tmp_path / "gone") == {}
        monkeypatch.setenv("PATH", str(tmp_path))
        assert _git.describe(tmp_path) == {}

    def test_the_index_is_not_touched(self, repository: Path) -> None:
        # a file with a new time and the old content is what Git would note in its index
        os.utime(repository / "train.py", (1, 1))
        before = (repository / ".git" / "index").read_bytes()
        _git.describe(repository)
        assert (repository / ".git" / "index").read_bytes() == before


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


SCALE = 2.0


def network(params: Any, inputs: Any) -> Any:
    return SCALE * inputs @ params["w"]


def plain_loss(params: Any, batch: Any) -> Any:
    return jnp.mean(network(params, batch) ** 2)


class Weighted:
    def __init__(self, weight: float) -> None:
        self.weight = weight

    def __call__(self, outputs: Any, targets: Any) -> Any:
        return self.weight * models.loss(outputs, targets)


def objective(loss: Any = plain_loss) -> nnw.Objective:
    return nnw.Objective(loss, {"w": jnp.ones(2)})


class TestLossAndModel:
    @pytest.mark.parametrize("framework", ["linen", "nnx", "equinox"])
    def test_of_each_framework(self, framework: str) -> None:
        made, _, _ = models.make(framework)
        found = _code.capture(made)
        assert found["troubles"] == []
        assert found["failures"] == []
        assert found["loss"]["name"] == "loss" and found["loss"]["file"].endswith("models.py")
        assert found["loss"]["source"].startswith("def loss(outputs: Any, targets: Any) -> Any:\n    return optax.")
        name = {"linen": "LinenTransformer", "nnx": "NnxCnn", "equinox": "EqxCnn"}[framework]
        assert found["model"]["name"] == name and f"class {name}(" in found["model"]["source"].splitlines()[0]
        lines = Path(found["model"]["file"]).read_text().splitlines()
        assert lines[found["model"]["line"] - 1].startswith(f"class {name}(")

    def test_of_keras(self) -> None:
        made, _, _ = models.make("keras")
        found = _code.capture(made)
        # the class is Keras's own: its version tells what it is
        assert found["model"]["name"] == "Functional" and found["model"]["source"] == ""
        assert found["loss"]["name"] == "loss"

    def test_of_a_plain_loss(self) -> None:
        found = _code.capture(objective())
        assert found["loss"]["name"] == "plain_loss" and found["model"]["name"] == "network"
        assert found["model"]["source"].startswith("def network(")
        assert found["loss"]["line"] == plain_loss.__code__.co_firstlineno

    @pytest.mark.parametrize("wrap", [jax.jit, lambda loss: functools.partial(loss), eqx.filter_jit, jax.checkpoint])
    def test_below_what_wraps_it(self, wrap: Any) -> None:
        assert _code.capture(objective(wrap(plain_loss)))["loss"]["name"] == "plain_loss"

    def test_a_lambda_gives_its_line(self) -> None:
        found = _code.capture(objective(lambda params, batch: jnp.sum(params["w"] * batch)))["loss"]
        assert found["name"].endswith("<lambda>") and "lambda params, batch: jnp.sum" in found["source"]

    def test_an_object_that_is_called(self) -> None:
        model = models.LinenTransformer()
        variables = model.init(jax.random.key(0), models.TOKENS)
        found = _code.capture(nnw.from_linen(model, variables, Weighted(2.0)))
        assert found["loss"]["name"] == "Weighted" and "self.weight * models.loss" in found["loss"]["source"]

    def test_a_librarys_loss_is_named(self) -> None:
        model = models.LinenTransformer()
        variables = model.init(jax.random.key(0), models.TOKENS)
        found = _code.capture(nnw.from_linen(model, variables, optax.squared_error))["loss"]
        assert found["name"] == "squared_error" and found["source"] == ""

    def test_classes_of_a_cell(self, shell: InteractiveShell) -> None:
        run(shell, "import flax.linen as nn\nimport functools, jax")
        run(
            shell,
            "# top\n\n@functools.total_ordering\nclass Net(nn.Module):\n    width: int = 3\n    def __lt__(self, x):\n"
            "        return False\n    @nn.compact\n    def __call__(self, x):\n        return nn.Dense(self.width)(x)\n\n"
            "y = 1",
        )
        about = written(shell.user_ns["Net"]())
        assert about["name"] == "Net" and about["line"] == 3
        assert about["source"].startswith("@functools.total_ordering\nclass Net(") and about["source"].endswith("(x)")


class TestEverything:
    def test_a_notebook(self, shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_cells, "running_shell", lambda: shell)
        sys.modules["__main__"] = shell.user_module
        _cells.watch_cells(shell)
        run(shell, "import jax.numpy as jnp\nimport nnwidgets as nnw", "a")
        run(shell, f'scale = 2\napi_key = "{SECRET}"\nother = 3', "b")
        run(shell, "def loss_fn(params, batch):\n    return jnp.sum(scale * params['w'] * batch)", "c")
        run(shell, "objective = nnw.Objective(loss_fn, {'w': jnp.ones(2)})", "d")
        found = _code.capture(shell.user_ns["objective"])
        assert found["kind"] == "interactive" or "ipykernel" in sys.modules
        assert [(each["number"], each["id"]) for each in found["cells"]] == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]
        assert found["cells"][1]["source"] == 'scale = 2\napi_key = "***"\nother = 3'
        assert found["slice"] == (
            "import jax.numpy as jnp\nscale = 2\ndef loss_fn(params, batch):\n"
            "    return jnp.sum(scale * params['w'] * batch)"
        )
        assert found["loss"]["source"].startswith("def loss_fn(")
        assert "script" not in found and found["troubles"] == found["failures"] == []
        assert _code.executed() == 4
        json.dumps(found)

    def test_a_loss_whose_lines_python_does_not_keep(
        self, shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(_cells, "running_shell", lambda: shell)
        run(shell, "%%time\ndef loss_fn(params, batch):\n    return batch * params['w'].sum()")
        found = _code.capture(objective(shell.user_ns["loss_fn"]))
        assert found["loss"]["source"] == "def loss_fn(params, batch):\n    return batch * params['w'].sum()"
        assert "CPU times" in capsys.readouterr().out

    def test_a_script(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "train.py").write_text(f"token = '{SECRET}'\nrate = 1\nloss = lambda p, b: rate * p['w'].sum()\n")
        main = ModuleType("__main__")
        main.__file__ = str(tmp_path / "train.py")
        exec(compile((tmp_path / "train.py").read_text(), main.__file__, "exec"), vars(main))
        monkeypatch.setitem(sys.modules, "__main__", main)
        monkeypatch.setattr(sys, "argv", ["train.py", "--rate", "3", "--api-key", SECRET, f"--token={SECRET}"])
        monkeypatch.chdir(tmp_path)
        found = _code.capture(objective(main.loss))
        assert found["kind"] == "script" and found["folder"] == str(tmp_path) and found["git"] == {}
        assert found["script"]["path"] == str(tmp_path / "train.py") and found["script"]["module"] is None
        assert found["script"]["source"].startswith("token = '***'\nrate = 1\n")
        assert found["script"]["argv"] == ["--rate", "3", "--api-key", "***", "--token=***"]
        assert found["slice"] == "rate = 1\nloss = lambda p, b: rate * p['w'].sum()"
        # other tests' modules hold it under harmless names
        assert SECRET not in json.dumps(found | {"modules": {}})

    def test_it_never_raises(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: Any) -> Any:
            raise RuntimeError("broken")

        for module, name in (
            (_cells, "executed"), (_git, "describe"), (_code, "local_modules"), (_code, "needed"), (_code, "loss_of"),
            (_code, "_script"), (os, "getcwd"),
        ):  # fmt: skip
            monkeypatch.setattr(module, name, broken)
        found = _code.capture(objective())
        monkeypatch.undo()
        assert len(found["failures"]) == 7
        assert found["failures"][0] == "the working folder could not be recorded: RuntimeError: broken"
        assert found["model"]["name"] == "network"

    def test_nothing_leaves_where_secrets_cannot_be_masked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_code, "mask", lambda _: 1 / 0)
        monkeypatch.setattr(_code, "_script", dict)
        found = _code.capture(objective())
        assert set(found) == {"kind", "folder", "cells", "troubles", "failures"}


class TestModules:
    def test_the_users_own(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "pack").mkdir()
        (tmp_path / "pack" / "__init__.py").write_text("one = 1\n")
        (tmp_path / "pack" / "inner.py").write_text("two = 2\n")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(sys, "dont_write_bytecode", False)
        __import__("pack.inner")
        try:
            found = _local_modules.local_modules(str(tmp_path))
            assert found["modules"]["pack/inner.py"] == "two = 2\n" and found["imports"]["pack"] == "pack/__init__.py"
            assert str(tmp_path) in found["paths"]
            assert not [
                name for name in found["imports"] if name.split(".")[0] in ("jax", "nnwidgets", "json", "numpy")
            ]
            outside = [path for path in found["modules"] if path.endswith("tests/models.py")]
            assert outside and outside[0].startswith("../")
            assert not [each for each in found["troubles"] if "pack" in each]
            # whoever edits a module and does not import it again runs the older text
            (tmp_path / "pack" / "inner.py").write_text("two = 3\n")
            os.utime(tmp_path / "pack" / "inner.py", (1, 1))
            troubles = _local_modules.local_modules(str(tmp_path))["troubles"]
            assert [each for each in troubles if "pack.inner has been changed since it was imported" in each]
            monkeypatch.setattr(_local_modules, "_MOST_LETTERS", 10)
            found = _local_modules.local_modules(str(tmp_path))
            assert "pack/__init__.py" in found["modules"] and "pack/inner.py" not in found["modules"]
            assert [each for each in found["troubles"] if each.startswith("module pack.inner is left out")]
        finally:
            del sys.modules["pack"], sys.modules["pack.inner"]

    def test_while_another_thread_imports(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Python 3.11 may turn to another thread whenever it collects garbage, which a list of pairs makes it do."""

        def imports(*_: Any) -> None:
            monkeypatch.setitem(sys.modules, f"imported_{len(sys.modules)}", ModuleType("imported"))

        before = gc.get_threshold()
        gc.callbacks.append(imports)
        gc.set_threshold(10)
        # no pair that was let go is left to be used again
        held = [(number, number) for number in range(3000)]
        try:
            count = len(sys.modules)
            assert any(path.endswith("tests/models.py") for path in _local_modules.local_modules("/")["modules"])
            assert len(sys.modules) > count and held
        finally:
            gc.set_threshold(*before)
            gc.callbacks.remove(imports)

    @pytest.mark.parametrize(
        ("file", "local"),
        [
            ("/home/me/train.py", True),
            ("/tmp/ipykernel_3/12.py", True),
            ("<ipython-input-1-abc>", True),
            ("/home/me/.venv/lib/python3.11/site-packages/jax/a.py", False),
            (json.__file__, False),
            (nnw.__file__, False),
            ("<frozen importlib>", False),
            ("", False),
        ],
    )
    def test_what_is_local(self, file: str, local: bool) -> None:
        assert _local_modules.is_local(file) == local


class TestListing:
    CELLS = (
        {"number": 1, "id": "a1", "source": "%matplotlib inline\nimport os"},
        {"number": 2, "id": None, "source": "%%time\nx = os.getcwd()\nx?"},
        {"number": 3, "id": "a1", "source": "%%bash\nls"},
        {"number": 4, "id": "b", "source": "1 / 0", "failed": True},
        {"number": 5, "id": "c", "source": "!ls\nif x:\n    %time y = 1\n    display(x)"},
    )

    def run(self, **facts: Any) -> Any:
        return SimpleNamespace(id=7, facts=lambda section: facts if section == "code" else {})

    def test_cells_become_a_script(self) -> None:
        text = code(self.run(cells=self.CELLS))
        assert text == (
            "from IPython.display import display\n\n"
            "# %% In [1]\n# %matplotlib inline\nimport os\n\n"
            "# %% In [2]\n# %%time\nx = os.getcwd()\n# x?\n\n"
            "# %% In [3]\n# %%bash\n# ls\n\n"
            "# %% In [4] ended in an error\n1 / 0\n\n"
            "# %% In [5]\n# !ls\nif x:\n#     %time y = 1\n    display(x)\n"
        )
        compile(text, "cells.py", "exec")

    def test_a_script_is_its_source(self) -> None:
        assert code(self.run(script={"source": "x = 1\n"})) == "x = 1\n"

    def test_a_notebook_is_valid(self) -> None:
        notebook = nbformat.reads(code(self.run(cells=self.CELLS), "notebook"), as_version=4)
        nbformat.validate(notebook)
        assert [cell.id for cell in notebook.cells] == ["a1", "cell-2", "cell-3", "b", "c"]
        assert [cell.source for cell in notebook.cells] == [cell["source"] for cell in self.CELLS]
        assert [cell.execution_count for cell in notebook.cells] == [1, 2, 3, 4, 5]

    def test_parts(self) -> None:
        made = self.run(slice="x = 1", loss={"source": "def loss(): ..."}, git={"diff": "+x"})
        assert [code(made, what) for what in ("slice", "loss", "diff")] == ["x = 1", "def loss(): ...", "+x"]
        with pytest.raises(LookupError, match=r"^run 7 has no code on record: there are slice, loss, diff\.$"):
            code(made)
        with pytest.raises(LookupError, match=r"^run 7 has no diff on record: no code was recorded\.$"):
            code(self.run(), "diff")
        with pytest.raises(
            ValueError, match=r"^no part 'cells': wanted one of code, slice, loss, model, diff, notebook\.$"
        ):
            code(made, "cells")


def test_a_linen_model_that_is_read_from_the_names_around(shell: InteractiveShell) -> None:
    model = linen.Dense(1)
    variables = model.init(jax.random.key(0), jnp.ones((1, 2)))

    def loss(params: Any, batch: Any) -> Any:
        return model.apply({"params": params}, batch).mean()

    found = _code.capture(nnw.Objective(loss, variables["params"]))
    assert found["model"]["name"] == "Dense" and found["loss"]["source"].lstrip().startswith("def loss(")
