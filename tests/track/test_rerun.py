"""A recorded run is run again: a script, a notebook, with other data, and all that keeps one from being repeated."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import psutil
import pytest
from nbclient import NotebookClient

from nnwidgets.track import Run, Store
from nnwidgets.track.facts._packages import imported, installed
from nnwidgets.track.reruns._recorded_import import RecordedModules
from nnwidgets.track.reruns._repeated import compare
from nnwidgets.track.reruns._rerun import CannotRerun, Rerun, rerun
from nnwidgets.track.reruns._same_machine import as_recorded, missing
from nnwidgets.track.store._chunks import Key
from nnwidgets.track.store._writer import writer

from . import made

HELPER = """
SCALE = 2.0
def net(params, x):
    return SCALE * x @ params["w"]
"""
SCRIPT = """
import sys
from pathlib import Path
import jax.numpy as jnp, numpy as np, optax
import nnwidgets as nnw
from net import net

def loss(params, batch):
    return jnp.mean((net(params, batch) - 1) ** 2)

if __name__ == "__main__":
    data = np.load(Path(__file__).parent / "data.npy")
    other = nnw.Session(nnw.Objective(loss, {"w": jnp.ones(3)}), optax.sgd(0.01), [data], name="other").run(3)
    batches = [data[:4], data[4:]]
    session = nnw.Session(nnw.Objective(loss, {"w": jnp.ones(3)}), optax.adam(0.01), batches, name="script")
    session.run(int(sys.argv[1]))
    print("notices", other.notices + session.notices)
"""
CELLS = [
    "%matplotlib inline\nimport jax.numpy as jnp, numpy as np, optax\nimport nnwidgets as nnw",
    "from net import net\ndata = np.load('data.npy')",
    "unknown",
    "%%time\ndef loss(params, batch):\n    return jnp.mean((net(params, batch) - 1) ** 2)",
    "session = nnw.Session(nnw.Objective(loss, {'w': jnp.ones(3)}), optax.adam(0.01), [data[:4], data[4:]])\nsession",
    "session.run(10)",
    "session.run(7)",
]


def project(folder: Path) -> Path:
    (folder / "net.py").write_text(HELPER)
    (folder / "train.py").write_text(SCRIPT)
    np.save(folder / "data.npy", np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32))
    return folder / "store"


def again(run: Run, home: Path, **how: Any) -> tuple[Rerun, str]:
    lines: list[str] = []
    found = rerun(run, home=home, out=lines.append, **how)
    return found, "\n".join(lines)


def test_a_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = project(tmp_path)
    monkeypatch.setenv("NNWIDGETS_HOME", str(home))
    monkeypatch.delenv("NNWIDGETS_TRACK", raising=False)
    words = [sys.executable, str(tmp_path / "train.py"), "12"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    assert "notices []" in done.stdout
    run = Store(home).run("script")
    assert run.facts("code")["modules"]["net.py"] == HELPER

    # neither the script nor the module of today counts
    (tmp_path / "net.py").write_text("raise RuntimeError('today')")
    (tmp_path / "train.py").write_text("raise RuntimeError('today')")
    found, shown = again(run, home)
    assert found.words == f"Run {found.run_id} gave all 12 losses of run {run.id} again, bit for bit."
    assert found.equal and found.first_difference is None and "notices []" in shown
    new = Store(home).run(found.run_id or 0)
    assert new.name == "script" and new.rerun_of == run.uid
    # the record of a rerun is that of the code which ran, so that it can be run again in turn
    old, now = (each.facts("code") for each in (run, new))
    assert {key: now[key] for key in ("script", "modules", "loss", "model", "slice", "kind", "folder")} == {
        key: old[key] for key in ("script", "modules", "loss", "model", "slice", "kind", "folder")
    }

    data = np.load(tmp_path / "data.npy")
    data[5] += 1
    np.save(tmp_path / "data.npy", data)
    found, _ = again(run, home)
    assert not found.equal and found.first_difference == 1
    assert f"Run {found.run_id} gave another loss at step 1: " in found.words
    assert "The reason: the data is not the same: the batch of step 1 has another hash." in found.words


def test_a_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = project(tmp_path)
    monkeypatch.setenv("NNWIDGETS_HOME", str(home))
    monkeypatch.delenv("NNWIDGETS_TRACK", raising=False)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    notebook.cells[2].metadata["tags"] = ["raises-exception"]
    NotebookClient(notebook, timeout=200, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    run = Store(home).run("last")
    code = run.facts("code")
    assert code["kind"] == "notebook" and [cell["source"] for cell in code["cells"]] == CELLS
    assert code["cells"][2]["failed"] and code["loss"]["source"].startswith("def loss(")
    assert code["slice"].startswith("import jax.numpy as jnp, numpy as np, optax\nfrom net import net\ndef loss(")

    found, shown = again(run, home)
    assert found.words == f"Run {found.run_id} gave all 17 losses of run {run.id} again, bit for bit."
    assert found.equal and "NameError: name 'unknown' is not defined" in shown and "CPU times" in shown
    assert [cell["source"] for cell in Store(home).run(found.run_id or 0).facts("code")["cells"]] == CELLS


# What follows trains nothing.


def recorded(home: Path, script: str, **code: Any) -> Run:
    """A run whose script is given, in an environment of which nothing is known."""
    run = made.begin(Store(home))
    to = writer(Store(home).path)
    to.set(run.uid, state="finished", ended=time.time())
    script_facts = {"path": str(home / "train.py"), "source": script, "argv": ["a b"]}
    facts = {"kind": "script", "folder": str(home.parent), "script": script_facts, "ordinal": 1, **code}
    to.state(run.uid, "code", facts)
    rows(home, run.uid, "train", "loss", [1.0, 0.5, 0.25])
    return run.fresh()


def rows(home: Path, uid: str, what: str, reading: str, values: Any, dtype: str = "float32") -> None:
    key = Key(uid, what, (reading,), ("",), dtype)
    to = writer(Store(home).path)
    for step, value in enumerate(values):
        to.add(key, step, np.asarray([[value]], dtype).tobytes())
    to.rest(uid)
    assert to.flush()


def pair(home: Path, left: Any, right: Any) -> tuple[Run, Run]:
    for uid, losses in (("a" * 32, left), ("b" * 32, right)):
        made.begin(Store(home), uid)
        rows(home, uid, "train", "loss", losses)
    return Store(home).run("a" * 32), Store(home).run("b" * 32)


class TestComparison:
    def test_nan_is_nan_and_zero_is_not_minus_zero(self, tmp_path: Path) -> None:
        assert compare(*pair(tmp_path, [0.0, np.nan], [0.0, np.nan])).equal
        assert compare(*pair(tmp_path / "b", [1.0, 0.0], [1.0, -0.0])).first_difference == 1

    def test_the_last_bit_counts(self, tmp_path: Path) -> None:
        found = compare(*pair(tmp_path, [1.0, 2.0], [1.0, np.nextafter(np.float32(2), np.float32(3))]))
        assert found.words == "Run 2 gave another loss at step 1: 2.00000024 in place of 2."
        assert not found.equal and found.first_difference == 1 and found.run_id == 2

    def test_a_shorter_and_a_longer_one(self, tmp_path: Path) -> None:
        found = compare(*pair(tmp_path, [3.0, 2.0, 1.0], [3.0, 2.0]))
        assert found.first_difference == 2
        assert found.words == "Run 2 has no loss of step 2: it ended after 2 of 3 steps (running)."
        found = compare(*pair(tmp_path / "b", [3.0, 2.0], [3.0, 2.0, 1.0]))
        assert found.equal
        assert found.words == "Run 2 gave all 2 losses of run 1 again, bit for bit. Run 2 went on for 1 more."

    def test_nothing_to_compare(self, tmp_path: Path) -> None:
        found = compare(*pair(tmp_path, [], [1.0]))
        assert not found.equal and "has no losses on record" in found.words

    def test_other_data_is_the_reason(self, tmp_path: Path) -> None:
        old, new = pair(tmp_path, [1.0, 2.0], [1.0, 3.0])
        rows(tmp_path, old.uid, "data", "hash", [5, 2**62 + 1], "int64")
        rows(tmp_path, new.uid, "data", "hash", [5, 2**62], "int64")
        found = compare(old, new)
        assert found.words.endswith("The reason: the data is not the same: the batch of step 1 has another hash.")

    def test_other_data_with_the_same_losses_is_told(self, tmp_path: Path) -> None:
        old, new = pair(tmp_path, [1.0], [1.0])
        for run, digest in ((old, "aa"), (new, "bb")):
            writer(Store(tmp_path).path).state(run.uid, "data", {"hash": digest, "hashed": 1})
        writer(Store(tmp_path).path).flush()
        assert compare(old, new).equal and compare(old, new).words.endswith(
            "But the data is not the same: its hash differs."
        )


class TestProcess:
    def test_the_script_finds_itself_where_it_was(self, tmp_path: Path) -> None:
        script = (
            "import sys, os, json\nimport helper, data_beside\n"
            "print(json.dumps([__name__, __file__, sys.argv, sys.path[0], os.getcwd(), helper.X, helper.__file__, "
            "data_beside.TEXT, os.environ['NNWIDGETS_RERUN_OF'], os.environ.get('NNWIDGETS_TRACK'), "
            "os.environ['XLA_FLAGS']]))\ntry:\n    input()\nexcept EOFError:\n    print('nobody to ask')\n"
        )
        home = tmp_path / "store"
        (tmp_path / "beside.txt").write_text("beside")
        (tmp_path / "helper.py").write_text("X = 'today'")
        beside = "from pathlib import Path\nTEXT = (Path(__file__).parent / 'beside.txt').read_text()"
        modules = {"helper.py": "X = 'then'", "data_beside.py": beside}
        run = recorded(home, script, modules=modules, imports={"helper": "helper.py", "data_beside": "data_beside.py"})
        to = writer(Store(home).path)
        to.state(run.uid, "environment", {"variables": {"XLA_FLAGS": "--one=1", "JAX_TOKEN": "***"}})
        to.flush()
        found, shown = again(run, home)
        assert json.loads(shown.splitlines()[0]) == [
            "__main__", str(home / "train.py"), [str(home / "train.py"), "a b"], str(home), str(tmp_path), "then",
            str(tmp_path / "helper.py"), "beside", run.uid, None, "--one=1",
        ]  # fmt: skip
        assert shown.splitlines()[1] == "nobody to ask"
        assert found.run_id is None and not found.equal
        assert found.words.startswith(
            f"The code of run {run.id} made no run again. It ended without training this session"
        )

    def test_the_end_of_a_traceback_is_told(self, tmp_path: Path) -> None:
        run = recorded(tmp_path / "store", "def f():\n    raise KeyError('gone')\nf()\n")
        found, _ = again(run, tmp_path / "store")
        assert "The code ended with an error (exit code 1):" in found.words
        # the recorded line is shown, though there is no such file
        assert "raise KeyError('gone')\nKeyError: 'gone'" in found.words

    def test_an_interrupt_ends_the_child(self, tmp_path: Path) -> None:
        script = "import os, subprocess, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)\n"
        run = recorded(tmp_path / "store", script)
        pids: list[int] = []

        def interrupt(line: str) -> None:
            pids.append(int(line))
            raise KeyboardInterrupt

        began = time.perf_counter()
        with pytest.raises(KeyboardInterrupt):
            rerun(run, home=tmp_path / "store", out=interrupt)
        assert not psutil.pid_exists(pids[0]) and time.perf_counter() - began < 30

    def test_the_child_ends_with_a_parent_that_is_killed(self, tmp_path: Path) -> None:
        order = tmp_path / "order.json"
        source = "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)\n"
        order.write_text(
            json.dumps({"folder": str(tmp_path), "script": {"path": "x.py", "source": source, "argv": []}})
        )
        words = [sys.executable, "-m", "nnwidgets.track.reruns._rerun_main", str(order)]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout and int(child.stdout.readline()) == child.pid
            assert child.stdin
            # what the kernel does for a dead process
            child.stdin.close()
            assert child.wait(20) == 130


class TestRefusals:
    def test_no_code_and_no_folder(self, tmp_path: Path) -> None:
        run = recorded(tmp_path / "store", "", folder=str(tmp_path / "gone"))
        with pytest.raises(CannotRerun, match=r"no code is on record.*; its working folder .*gone is gone: make it"):
            again(run, tmp_path / "store")

    def test_another_environment(self, tmp_path: Path) -> None:
        run = recorded(tmp_path / "store", "print('ran')")
        to = writer(Store(tmp_path / "store").path)
        packages = {**installed(), "jax": "0.9.9", "absent-package": "1.2"}
        facts = {"python": "3.9.1", "packages": packages, "imported": [*imported(), "absent-package"]}
        to.state(run.uid, "environment", facts)
        to.flush()
        with pytest.raises(CannotRerun) as refused:
            again(run, tmp_path / "store")
        words = str(refused.value)
        assert "Python 3.9.1 ran it, this is " in words and "python3.9 -m venv old" in words
        assert 'pip install "absent-package==1.2" "jax==0.9.9"' in words
        assert (
            "absent-package 1.2 (not installed here), jax 0.9.9 (here is " in words and "--force (force=True)" in words
        )
        found, shown = again(run, tmp_path / "store", force=True)
        assert "Warning: another environment: Python 3.9.1" in shown and "ran" in shown
        assert "another environment: " in found.words

    def test_packages_that_compute_nothing_may_differ(self) -> None:
        here = installed()
        assert missing({"packages": {**here, "ipython": "1.0"}, "imported": list(here)}, {}) == []
        assert missing({"packages": {**here, "NumPy": here["numpy"], "absent": "1"}, "imported": ["numpy"]}, {}) == []

    def test_devices(self) -> None:
        assert missing({"jax": {"backend": "cpu", "devices": {"cpu": 3}}}, {}) == []
        here = {**os.environ, "JAX_PLATFORMS": "cpu"}
        found = missing({"jax": {"backend": "cuda", "devices": {"NVIDIA H100": 2}}}, here)
        assert found == ["it ran on 2 x NVIDIA H100, and JAX has no backend 'cuda' here: run it on such a machine"]

    def test_variables_are_as_they_were(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XLA_FLAGS", "--today")
        monkeypatch.setenv("JAX_ENABLE_X64", "1")
        monkeypatch.setenv("OMP_NUM_THREADS", "7")
        monkeypatch.delenv("JAX_PLATFORMS", raising=False)
        found = as_recorded({"variables": {"XLA_FLAGS": "--then", "OMP_NUM_THREADS": "***"}, "jax": {"backend": "cpu"}})
        assert found["XLA_FLAGS"] == "--then" and "JAX_ENABLE_X64" not in found and found["OMP_NUM_THREADS"] == "7"
        assert found["JAX_PLATFORMS"] == "cpu" and found["PATH"] == os.environ["PATH"]
        # where nothing is on record nothing is changed
        assert as_recorded({}) == dict(os.environ)

    def test_what_cannot_be_repeated_is_told(self, tmp_path: Path) -> None:
        home = tmp_path / "store"
        interventions = [{"step": 1, "what": "other parameters were put in"}]
        run = recorded(home, "key = '***'", interventions=interventions)
        rows(home, run.uid, "run", "multiplier", [1.0, 1.0, 0.5])
        found, shown = again(run, home)
        told = "step 1: other parameters were put in; step 2: the learning rate was multiplied by hand"
        for text in (shown, found.words):
            assert "a secret in the code was masked by ***: what needs it fails." in text
            assert f"what was done by hand can't be repeated ({told})." in text


def test_recorded_modules_and_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    modules = {
        "lib/__init__.py": "from .part import Y\n",
        "lib/part.py": "Y = 3\n",
        "../out.py": "import lib\nZ = lib.Y\n",
    }
    imports = {"a_lib": "lib/__init__.py", "a_lib.part": "lib/part.py", "an_out": "../out.py", "lib": "lib/__init__.py"}
    imports |= {"lib.part": "lib/part.py"}
    monkeypatch.setattr(sys, "meta_path", [RecordedModules("/nowhere/at/all", modules, imports), *sys.meta_path])
    try:
        found = __import__("an_out")
        assert found.Z == 3 and found.__file__ == os.path.normpath("/nowhere/at/out.py")
        assert __import__("inspect").getsource(found).startswith("import lib")
        assert sys.modules["lib"].__path__ == ["/nowhere/at/all/lib"]
    finally:
        for name in imports:
            sys.modules.pop(name, None)
