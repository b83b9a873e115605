"""What Git says about the working folder."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path
from typing import Any

_SECONDS, _MOST_LETTERS, _MOST_NAMES = 3.0, 1_000_000, 200
# Nothing is locked, refreshed, asked, paged or started: a user's own Git command may run at this moment.
_CALM = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
_OPTIONS = ("--no-pager", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false")


def describe(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The commit of a folder, and how its files differ from it.

    Returns:
        dict: ``commit`` ("" before the first one), ``branch`` ("" where there is none), ``dirty`` (a file under version
        control differs), ``diff`` (of the working files against the commit; its last line says so where it is cut at 1 MB)
        and ``untracked`` (at most 200 names). {} where there is no repository, no Git, or no answer in time.
    """
    status = _git(folder, "status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal", limit=_MOST_LETTERS)
    if not status:
        return {}
    entries = [entry for entry in status.split("\0") if entry]
    heads = {(words := entry[2:].split(" ", 1))[0]: words[-1] for entry in entries if entry.startswith("# ")}
    untracked = [entry[2:] for entry in entries if entry.startswith("? ") and ".nnwidgets/" not in entry]
    dirty = any(entry[:2] in ("1 ", "2 ", "u ") for entry in entries)
    commit, branch = heads.get("branch.oid", ""), heads.get("branch.head", "")
    return {
        "commit": commit.strip("()") if commit != "(initial)" else "",
        "branch": branch if branch != "(detached)" else "",
        "dirty": dirty,
        "diff": _diff(folder) if dirty and commit != "(initial)" else "",
        "untracked": _few(untracked),
    }


def _diff(folder: str | os.PathLike[str]) -> str:
    # No programs of the user's are started to show a file, only Git's own difference of texts.
    found = _git(folder, "diff", "--no-ext-diff", "--no-textconv", "--no-color", "HEAD", "--", limit=_MOST_LETTERS + 1)
    if len(found) <= _MOST_LETTERS:
        return found
    return found[:_MOST_LETTERS].rpartition("\n")[0] + "\n... cut here, after 1 MB: the rest is not on record\n"


def _few(names: list[str]) -> list[str]:
    return names if len(names) <= _MOST_NAMES else [*names[:_MOST_NAMES], f"... and {len(names) - _MOST_NAMES} more"]


def _git(folder: str | os.PathLike[str], *words: str, limit: int) -> str:
    """The first bytes of an answer; "" for none."""
    try:
        process = subprocess.Popen(
            ["git", *_OPTIONS, *words],
            cwd=Path(folder),
            env={**os.environ, **_CALM},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return ""
    # A pipe that stays silent can't be left otherwise than by ending who holds it.
    timer = threading.Timer(_SECONDS, process.kill)
    timer.start()
    try:
        with process:
            found = process.stdout.read(limit) if process.stdout is not None else b""
            if len(found) == limit:
                process.kill()
            elif process.wait() != 0:
                return ""
    except OSError:
        return ""
    finally:
        timer.cancel()
    return found.decode("utf-8", "replace")
