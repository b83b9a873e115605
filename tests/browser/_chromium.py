"""Find a Chromium that starts, or install one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Playwright

ON_PATH = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL_SECONDS = 420


def find_chromium(playwright: Playwright) -> str:
    """The path of a Chromium that starts: named by NNWIDGETS_CHROMIUM, on the PATH, Playwright's, or installed now."""
    tried: list[str] = []
    for candidate in _candidates(playwright, tried):
        if trouble := _trouble(candidate):
            tried.append(f"{candidate}: {trouble}")
        else:
            return candidate
    lines = "\n  ".join(tried)
    raise RuntimeError(f"no Chromium for the browser tests; set NNWIDGETS_CHROMIUM to one. Tried:\n  {lines}")


def _candidates(playwright: Playwright, tried: list[str]) -> Iterator[str]:
    if named := os.environ.get("NNWIDGETS_CHROMIUM"):
        yield named
        return  # who names one wants that one
    yield from filter(None, map(shutil.which, ON_PATH))
    own = playwright.chromium.executable_path
    if Path(own).exists():
        yield own
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    # As root Playwright also brings the system libraries that its Chromium needs.
    with_libraries = ["--with-deps"] if root else []
    if _install([sys.executable, "-m", "playwright", "install", *with_libraries, "chromium"], tried):
        yield own
    if root and shutil.which("apt-get"):
        _install(["apt-get", "update"], tried)
        if _install(["apt-get", "install", "-y", "--no-install-recommends", "chromium"], tried):
            yield from filter(None, map(shutil.which, ON_PATH))


def _install(command: list[str], tried: list[str]) -> bool:
    print(f"+ {' '.join(command)}", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        subprocess.run(command, check=True, timeout=INSTALL_SECONDS, stdin=subprocess.DEVNULL, env=quiet)
    except (subprocess.SubprocessError, OSError) as error:
        tried.append(str(error))
        return False
    return True


def _trouble(path: str) -> str:
    """Why this program does not start; "" if it does."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=False)
    except (subprocess.SubprocessError, OSError) as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip()[-300:] or f"exit code {done.returncode}"
