"""A JupyterLab server of the tests' own: a free port on 127.0.0.1, and no file shared with the user's Jupyter."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, Literal

START_SECONDS = 120


class Lab:
    """A running JupyterLab, or a Notebook 7, which is made of the same parts.

    Args:
        home: an empty folder for notebooks, settings, kernels and the log.
        application: which of the two.
    """

    def __init__(self, home: Path, application: Literal["jupyterlab", "notebook"] = "jupyterlab") -> None:
        self.home, self.application = home, application
        self.notebooks = home / "notebooks"
        self.notebooks.mkdir()
        self.token = secrets.token_hex(16)
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        _write_setting(home, "apputils-extension/notification", {"fetchNews": "false", "checkForUpdates": False})
        # Every cell is in the page, in view or not.
        _write_setting(home, "notebook-extension/tracker", {"windowingMode": "none"})
        name = {"jupyterlab": "LabApp", "notebook": "JupyterNotebookApp"}[application]
        command = [
            sys.executable, "-m", application, "--no-browser", "--allow-root",
            "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={self.port}", "--ServerApp.port_retries=0",
            f"--IdentityProvider.token={self.token}", f"--ServerApp.root_dir={self.notebooks}",
            f"--{name}.expose_app_in_browser=True", "--LabApp.news_url=None",
        ]  # fmt: skip
        self.log = (home / "lab.log").open("w", encoding="utf-8")
        self.process = subprocess.Popen(
            command, env=self._environment(), stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT
        )
        self._wait_until_it_answers()

    def address(self, name: str) -> str:
        """Where a notebook of this name is opened."""
        path = {"jupyterlab": f"lab/tree/{name}?reset&", "notebook": f"notebooks/{name}?"}[self.application]
        return f"{self.url}/{path}token={self.token}"

    def add_kernel(self, name: str, environment: dict[str, str]) -> None:
        """Add a kernel that is this Python with further environment variables."""
        folder = self.home / "data" / "kernels" / name
        folder.mkdir(parents=True)
        spec = {
            "argv": [sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": name,
            "language": "python",
            "env": environment,
        }
        (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")

    def stop(self) -> None:
        """Stop the server and its kernels."""
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        self.log.close()

    def _environment(self) -> dict[str, str]:
        folders = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "IPYTHONDIR": "ipython",
        }
        return {**os.environ, **{name: str(self.home / folder) for name, folder in folders.items()}}

    def _wait_until_it_answers(self) -> None:
        started = time.monotonic()
        request = urllib.request.Request(f"{self.url}/api/status", headers={"Authorization": f"token {self.token}"})
        while time.monotonic() - started < START_SECONDS and self.process.poll() is None:
            try:
                with urllib.request.urlopen(request, timeout=2):
                    return
            except OSError:
                time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"JupyterLab did not start:\n{(self.home / 'lab.log').read_text(encoding='utf-8')[-3000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _write_setting(home: Path, name: str, values: dict[str, Any]) -> None:
    path = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values), encoding="utf-8")
