"""The wheel brings JupyterLab's extension, and JupyterLab takes it, on a machine without Node.js."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import nnwidgets as nnw

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / "nnwidgets" / "lab"
PLACE = "share/jupyter/labextensions/nnwidgets"


@pytest.fixture(scope="module")
def hook():
    """The build hook, which is no module of the package."""
    spec = importlib.util.spec_from_file_location("hook", LAB / "_build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def wheel(tmp_path_factory, hook) -> Path:
    assert hook._is_built(nnw.__version__), 'the extension is older than its sources; run: pip install -e ".[test]"'
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        ".",
    ]
    subprocess.run(command, cwd=ROOT, check=True, timeout=300, stdin=subprocess.DEVNULL)
    return next(folder.glob("nnwidgets-*.whl"))


def test_it_holds_the_extension_and_none_of_its_sources(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    data = [name.split(".data/data/")[1] for name in names if ".data/data/" in name]
    assert {f"{PLACE}/package.json", f"{PLACE}/install.json", f"{PLACE}/schemas/nnwidgets/plugin.json"} <= set(data)
    assert any(name.startswith(f"{PLACE}/static/remoteEntry") for name in data)
    assert not [name for name in names if "nnwidgets/lab" in name or name.endswith(".ts") or "node_modules" in name]
    assert "nnwidgets/notebooks/tour.ipynb" in names


def test_jupyterlab_takes_it_without_node(wheel, tmp_path):
    target = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if ".data/data/" in name:
                path = target / name.split(".data/data/")[1]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(name))
    bare = tmp_path / "bin"
    bare.mkdir()
    environment = {
        **os.environ, "PATH": str(bare), "JUPYTER_PATH": str(target / "share" / "jupyter"),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
    }  # fmt: skip
    command = [sys.executable, "-m", "jupyterlab.labextensions", "list"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=True)
    listed = (done.stdout + done.stderr).split(str(target / "share" / "jupyter" / "labextensions"))[1]
    line = next(line for line in listed.splitlines() if "nnwidgets" in line)
    assert f"v{nnw.__version__}" in line
    assert "enabled" in line
    assert "OK" in line


def test_a_card_for_each_notebook(hook, tmp_path):
    hook._write_notebooks(tmp_path)
    titles = json.loads((tmp_path / "titles.json").read_text())
    assert {each["file"] for each in titles} == {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert all(each["title"] and not each["title"].endswith(".ipynb") for each in titles)
    assert json.loads((tmp_path / "contents.json").read_text())["tour.ipynb"]["cells"]


def test_what_went_in_is_known(hook, monkeypatch, tmp_path):
    key = hook._key("1")
    assert (key == hook._key("1"), key == hook._key("2")) == (True, False)
    other = tmp_path / "notebooks"
    other.mkdir()
    monkeypatch.setattr(hook, "NOTEBOOKS", other)
    assert hook._key("1") != key


def test_a_failed_build_says_why_and_what_to_type(hook, tmp_path):
    with pytest.raises(RuntimeError, match=r"(?s)jlpm install --immutable ended with.*set NNWIDGETS_LAB=off"):
        (tmp_path / "package.json").write_text("{")
        hook._run(tmp_path, "jlpm", "install", "--immutable")
