"""A run's recorded code is run again, and its losses are compared with those on record."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from ..sources._listing import code as code
from ..store._store import Store
from ._repeated import Rerun as Rerun
from ._repeated import compare
from ._same_machine import as_recorded, missing

_TAIL, _PATIENCE = 25, 10.0


class CannotRerun(RuntimeError):
    """The run can't be repeated here; the message says why, and what to type."""


def rerun(run: Any, *, home: Path | str, out: Callable[[str], Any], force: bool = False) -> Rerun:
    """Run the recorded code of a run again, in a process of its own, and compare the losses bit for bit.

    It runs in the recorded working folder with the recorded text of script, cells and local modules, whatever the files say
    today; data files are read as they are today, and the hashes of the batches tell whether they are the same.

    Args:
        run: the one to repeat, from a `Store`.
        home: the folder of the store, which the new run goes to as well.
        out: gets each line that is to be shown.
        force: run although packages or devices differ; that is only told then.

    Raises:
        CannotRerun: there is no code on record or the folder is gone; or packages or devices differ, unless forced.
    """
    facts, environment = run.facts("code"), run.facts("environment")
    problems = _unusable(facts)
    if problems:
        raise CannotRerun(f"run {run.id} can't be repeated: {'; '.join(problems)}.")
    variables = as_recorded(environment)
    differing = missing(environment, variables)
    if differing and not force:
        raise CannotRerun(
            f"run {run.id} was made in another environment:\n  - "
            + "\n  - ".join(differing)
            + "\nRun it all the same with --force (force=True)."
        )
    warnings = [*(f"another environment: {each}" for each in differing), *_warnings(run, facts)]
    for warning in warnings:
        out(f"Warning: {warning}")
    began = time.time()
    status, tail = _run_again(run, facts, variables, Path(home), out)
    return _outcome(run, facts, Store(home), began, status, tail, warnings)


def _unusable(facts: dict[str, Any]) -> list[str]:
    problems = []
    if not facts.get("cells") and not (facts.get("script") or {}).get("source"):
        problems.append("no code is on record, neither cells nor a script")
    folder = facts.get("folder") or "."
    if not os.path.isdir(folder):
        problems.append(f"its working folder {folder} is gone: make it, with the data files in it")
    return problems


def _warnings(run: Any, facts: dict[str, Any]) -> list[str]:
    found = []
    if _hides_secrets(facts):
        found.append("a secret in the code was masked by ***: what needs it fails.")
    interventions = [f"step {each['step']}: {each['what']}" for each in facts.get("interventions") or ()]
    steps, values = run.rows("run/multiplier")
    moved = steps[(values != 1).any(axis=1)] if len(steps) else steps
    if len(moved):
        interventions.append(f"step {moved[0]}: the learning rate was multiplied by hand")
    if interventions:
        found.append(f"what was done by hand can't be repeated ({'; '.join(interventions)}).")
    return found


def _hides_secrets(facts: dict[str, Any]) -> bool:
    texts = [cell["source"] for cell in facts.get("cells") or ()]
    script = facts.get("script") or {}
    texts += [script.get("source", ""), *script.get("argv", ()), *(facts.get("modules") or {}).values()]
    return any("***" in text for text in texts)


def _run_again(
    run: Any, facts: dict[str, Any], environment: dict[str, str], home: Path, out: Callable[[str], Any]
) -> tuple[int, list[str]]:
    """The exit status, and the last lines that were written."""
    environment |= {"NNWIDGETS_RERUN_OF": run.uid, "NNWIDGETS_HOME": str(home.absolute()), "PYTHONUNBUFFERED": "1"}
    # a window would wait for somebody to close it
    environment["MPLBACKEND"] = "agg"
    # it is recorded here, and not sent anywhere
    environment.pop("NNWIDGETS_TRACK", None)
    root = str(Path(__file__).resolve().parents[3])
    known = environment.get("PYTHONPATH", "")
    environment["PYTHONPATH"] = os.pathsep.join([*([known] if known else []), root])
    tail: deque[str] = deque(maxlen=_TAIL)
    with tempfile.TemporaryDirectory(prefix="nnwidgets-rerun-", ignore_cleanup_errors=True) as folder:
        order = Path(folder) / "order.json"
        order.write_text(json.dumps(facts), encoding="utf-8")
        with _child(
            [sys.executable, "-m", "nnwidgets.track.reruns._rerun_main", str(order)], facts, environment
        ) as child:
            for line in child.stdout:
                tail.append(line.rstrip("\n"))
                out(tail[-1])
            return child.wait(), list(tail)


@contextmanager
def _child(words: list[str], facts: dict[str, Any], environment: dict[str, str]) -> Iterator[Any]:
    """A process that ends with this block, whatever ends it; it may first write down that it was interrupted."""
    child = subprocess.Popen(
        words,
        cwd=facts.get("folder") or ".",
        env=environment,
        # held open: the child ends when it is closed, so also when this process is killed
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        # Ctrl-C comes to this process alone, which hands it on
        start_new_session=True,
    )
    try:
        with child:
            try:
                yield child
            except BaseException:
                _end(child)
                raise
    finally:
        _end(child)


def _end(child: Any) -> None:
    if child.poll() is None:
        with suppress(ProcessLookupError):
            child.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            child.wait(_PATIENCE)
    with suppress(psutil.NoSuchProcess):
        for each in psutil.Process(child.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                each.kill()
    if child.poll() is None:
        child.kill()
        child.wait()


def _outcome(
    run: Any, facts: dict[str, Any], store: Store, began: float, status: int, tail: list[str], warnings: list[str]
) -> Rerun:
    new = _new_run(run, facts, store, began)
    reasons = f" Note: {' '.join(warnings)}" if warnings else ""
    failed = f" The code ended with an error (exit code {status}):\n" + "\n".join(tail) if status else ""
    if new is None:
        why = (
            failed or " It ended without training this session: was it started by hand, or from cells that came later?"
        )
        return Rerun(None, False, None, f"The code of run {run.id} made no run again.{why}{reasons}")
    found = compare(run, new)
    return Rerun(found.run_id, found.equal, found.first_difference, found.words + reasons + failed)


def _new_run(run: Any, facts: dict[str, Any], store: Store, began: float) -> Any:
    """The run of the same session of the process, and of the same branch of it."""
    found = [each for each in store.runs() if each.rerun_of == run.uid and each.created >= began - 1]
    same = [each for each in found if each.facts("code").get("ordinal") == facts.get("ordinal")]
    branch = [each for each in same if _depth(each) == _depth(run)]
    return next(iter(branch or same), None)


def _depth(run: Any) -> int:
    """How many branches led to it."""
    depth = 0
    while run.parent is not None:
        try:
            run = run.store.run(run.parent)
        except LookupError:
            break
        depth += 1
    return depth
