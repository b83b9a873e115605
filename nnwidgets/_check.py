"""``nnwidgets check``: a user's file is run in a process of its own, which may do whatever it likes."""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import inspect
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

_WANTED = "write  def build(seed=0) -> nnw.Session"
# A message may hold a whole array; frames of a recursion are all alike.
_MOST_LETTERS, _MOST_FRAMES = 2_000, 10


@dataclass(frozen=True)
class Outcome:
    """What a check came to.

    Attributes:
        code: 0 nothing red, 1 a problem was found, 2 it could not be run.
        text: for people.
        report: for programs: the diagnosis, or ``{"error": ...}``.
    """

    code: int
    text: str
    report: dict[str, Any]


class CannotRun(Exception):
    """The file cannot be diagnosed; the message says why."""


def check(file: Path, *, steps: int, seed: int, verify: bool, timeout: float, quiet: bool) -> Outcome:
    """Train what a file builds, and diagnose it.

    Args:
        file: it defines ``build(seed=0)``, which returns a `nnw.Session`.
        steps: that are trained.
        seed: handed to ``build``.
        verify: whether remedies are tried.
        timeout: seconds, for all of it.
        quiet: what the file prints goes to the standard error.
    """
    try:
        return _in_a_process(file, quiet=quiet, timeout=timeout, steps=steps, seed=seed, verify=verify)
    except CannotRun as trouble:
        return Outcome(2, str(trouble), {"file": str(file), "error": str(trouble)})


def _in_a_process(file: Path, *, quiet: bool, timeout: float, **how: Any) -> Outcome:
    if not file.is_file():
        raise CannotRun(f"{file} is {'a folder' if file.is_dir() else 'not there'}: name a Python file.")
    with tempfile.TemporaryDirectory(prefix="nnwidgets-check-", ignore_cleanup_errors=True) as folder:
        report = Path(folder) / "report.json"
        order = json.dumps({"file": str(file.resolve()), "shown": str(file), "report": str(report), **how})
        child = subprocess.Popen(
            [sys.executable, "-m", "nnwidgets._check", order],
            stdin=subprocess.DEVNULL,
            # never held here, however much it is
            stdout=sys.__stderr__ if quiet else None,
            start_new_session=True,
            # a check in CI leaves no record beside the file, unless that is set
            env={"NNWIDGETS_TRACK": "off", **os.environ},
        )
        try:
            with _ended_with_us():
                code = child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise CannotRun(
                f"{file} was ended after {timeout:g} s, {_stage(report)}; --timeout gives it longer."
            ) from None
        finally:
            _kill(child)
        if not report.exists():
            raise CannotRun(f"the process that ran {file} {_death(code)}, {_stage(report)}.")
        found = json.loads(report.read_text(encoding="utf-8"))
    if "error" in found:
        raise CannotRun(found["error"])
    return Outcome(found["code"], found["text"], found["report"])


@contextlib.contextmanager
def _ended_with_us() -> Any:
    """Whoever ends this process ends the child too."""

    def end(*_: Any) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End the child and all that it has started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for each in psutil.Process(child.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        # those whose parent has gone, too; there are no groups elsewhere than on POSIX
        os.killpg(child.pid, signal.SIGKILL) if hasattr(os, "killpg") else child.kill()
    child.wait()


def _stage(report: Path) -> str:
    stage = report.with_suffix(".stage")
    return stage.read_text(encoding="utf-8") if stage.exists() else "before it began"


def _death(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code} and gave no verdict"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def _child(file: str, shown: str, report: str, *, steps: int, seed: int, verify: bool) -> None:
    """In the process of its own: the report is a file, since the standard output is the user's."""
    # in front of the current folder, which is there already
    sys.path.insert(0, str(Path(file).parent))

    def stage(words: str) -> None:
        Path(report).with_suffix(".stage").write_text(words, encoding="utf-8")

    try:
        stage("while it was imported")
        module = _load(Path(file), shown)
        stage("in build")
        session = _build(module, seed, shown)
        stage("in the run")
        diagnosis = session.diagnose(steps=steps, verify=verify)
        about = {"file": shown, "seed": seed, "healthy": diagnosis.healthy, **diagnosis.to_dict()}
        found = {"code": 0 if diagnosis.healthy else 1, "text": repr(diagnosis), "report": about}
    except CannotRun as trouble:
        found = {"error": str(trouble)}
    except BaseException as error:
        where = Path(report).with_suffix(".stage").read_text(encoding="utf-8")
        found = {"error": f"{shown} failed {where}:\n{_told(error, file)}"}
    new = Path(report).with_suffix(".new")
    new.write_text(json.dumps(found), encoding="utf-8")
    new.replace(report)


def _load(file: Path, shown: str) -> Any:
    """The module, under the file's name where no other has it; ``__main__`` is not run."""
    name = file.stem if file.stem not in sys.modules else f"{file.stem} (checked)"
    loader = importlib.machinery.SourceFileLoader(name, str(file))
    spec = importlib.util.spec_from_file_location(name, file, loader=loader)
    if spec is None:
        raise CannotRun(f"{shown} is no Python file.")
    # data classes and pickle look for it there
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def _build(module: Any, seed: int, shown: str) -> Any:
    build = getattr(module, "build", None)
    if not callable(build):
        raise CannotRun(f"{shown} defines no function build: {_WANTED}.")
    with contextlib.suppress(ValueError):
        signature = inspect.signature(build)
        try:
            signature.bind(seed=seed)
        except TypeError as error:
            raise CannotRun(
                f"build{signature} of {shown} cannot be called with a seed ({error}): {_WANTED}."
            ) from error
    session = build(seed=seed)
    # not before: it imports JAX
    from nnwidgets import Session

    if not isinstance(session, Session):
        raise CannotRun(f"build of {shown} returned a {type(session).__name__}, wanted a nnw.Session: {_WANTED}.")
    return session


def _told(error: BaseException, file: str) -> str:
    """The user's own part of a traceback, shortened."""
    # the import system's own are of no use to anybody
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<frozen ")]
    foreign = (str(Path(__file__).parent), os.path.dirname(os.__file__), sys.prefix)
    own = [frame for frame in frames if not frame.filename.startswith(foreign)] or frames[-3:]
    if isinstance(error, SyntaxError) and error.filename == file:
        # its message names the place
        own = []
    lines = traceback.format_list(own[-_MOST_FRAMES:])
    try:
        said = "".join(traceback.format_exception_only(error))
    except Exception:
        # its __str__ raises
        said = type(error).__name__
    said = said if len(said) <= _MOST_LETTERS else f"{said[:_MOST_LETTERS]} ... ({len(said)} letters)"
    return "".join([*lines, said]).rstrip()


if __name__ == "__main__":
    _order = json.loads(sys.argv[1])
    sys.argv = [_order["file"]]
    _child(**_order)
    # threads of the user's that go on must not hold it up
    for _stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            _stream.flush()
    os._exit(0)
