"""``nnwidgets check``: its verdicts and exit codes, and files that misbehave in every way."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from nnwidgets import cli

PROGRAM = """
import sys
import jax.numpy as jnp, numpy as np, optax
import nnwidgets as nnw
from neighbour import RATE

print("words of the file")

def loss_fn(params, batch):
    x, y = batch
    error = x @ params["w"] - y
    return jnp.mean(error**2){fault}, {{"outputs": error + y, "targets": y}}

def build(seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(320, 4)).astype("float32")
    y = (x @ rng.normal(size=4) + 0.1 * rng.normal(size=320)).astype("float32")
    batches = [(x[i : i + 32], y[i : i + 32]) for i in range(0, 320, 32)]
    return nnw.Session(nnw.Objective(loss_fn, {{"w": jnp.zeros(4)}}), optax.sgd(RATE), batches, seed=seed)
"""


def test_a_healthy_program_gives_0_and_nothing_but_json(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "neighbour.py").write_text("RATE = 0.05")
    (tmp_path / "program.py").write_text(PROGRAM.format(fault=""))
    assert cli.main(["check", str(tmp_path / "program.py"), "--json", "--steps", "60", "--seed", "3"]) == 0
    out, err = capfd.readouterr()
    report = json.loads(out)
    assert (report["healthy"], report["steps"], report["seed"]) == (True, 60, 3)
    assert "words of the file" in err


def test_a_problem_gives_1_and_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "neighbour.py").write_text("RATE = 0.05")
    (tmp_path / "program.py").write_text(PROGRAM.format(fault=" / jnp.sum(x - x)"))
    assert cli.main(["check", str(tmp_path / "program.py"), "--steps", "20"]) == 1
    assert "problem: NonFinite" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1", "program.py defines no function build: write  def build(seed=0) -> nnw.Session."),
        ("build = 3", "defines no function build"),
        ("def build(:", "SyntaxError: invalid syntax"),
        ("x = '\0'", "null bytes"),
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("def build(): pass", "build() of program.py cannot be called with a seed"),
        ("def build(seed=0): raise OSError('planted')", "line 1, in build\n    def build(seed=0): raise OSError"),
        ("def build(seed=0): build(seed)", "RecursionError"),
        ("raise ValueError('x' * 100_000)", "(100013 letters)"),
        ("import sys; sys.exit('gone')", "failed while it was imported"),
        ("import os; os._exit(0)", "ended with exit code 0 and gave no verdict, while it was imported"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "was killed by SIGSEGV"),
    ],
)
def test_what_cannot_be_run_gives_2_and_says_why(
    text: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "program.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["check", "program.py", "--json"]) == 2
    out, err = capfd.readouterr()
    error = json.loads(out)["error"]
    assert words in error
    assert len(error) < 4_000
    assert err == f"nnwidgets check: {error}\n"


def test_a_build_that_returns_something_else(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "program.py").write_text("def build(seed=0): return {}")
    assert cli.main(["check", str(tmp_path / "program.py")]) == 2
    assert "returned a dict, wanted a nnw.Session" in capfd.readouterr().err


@pytest.mark.parametrize(("name", "words"), [("missing.py", "missing.py is not there"), ("", "is a folder")])
def test_no_such_file(name: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", str(tmp_path / name)]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--steps", "0"], ["--timeout", "-1"], ["--steps", "many"]])
def test_wrong_numbers(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["check", "program.py", *arguments])
    assert arguments[0] in capsys.readouterr().err


def test_an_endless_import_is_ended_with_its_children(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    child = tmp_path / "child"
    text = "import subprocess, sys\n"
    text += "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(100)'])\n"
    text += f"open({str(child)!r}, 'w').write(str(child.pid))\nwhile True: pass"
    (tmp_path / "program.py").write_text(text)
    assert cli.main(["check", str(tmp_path / "program.py"), "--timeout", "3"]) == 2
    assert "was ended after 3 s, while it was imported" in capfd.readouterr().err
    assert _gone(int(child.read_text()))


def test_whoever_ends_the_check_ends_the_child(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    (tmp_path / "program.py").write_text(
        f"import os\nopen({str(pid)!r}, 'w').write(f'{{os.getpid()}}.')\nwhile True: pass"
    )
    command = [sys.executable, "-m", "nnwidgets", "check", str(tmp_path / "program.py")]
    check = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not (pid.exists() and pid.read_text().endswith(".")) and time.monotonic() < until:
        time.sleep(0.05)
    check.terminate()
    assert check.wait(30) != 0
    assert _gone(int(pid.read_text()[:-1]))


def test_a_flood_of_words_is_passed_on(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("for _ in range(300):\n    print('x' * 99_999)\nraise ValueError('the end')")
    command = [sys.executable, "-m", "nnwidgets", "check", str(tmp_path / "program.py"), "--json"]
    with (tmp_path / "errors").open("wb") as errors:
        check = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, check=False)
    assert check.returncode == 2
    assert "ValueError: the end" in json.loads(check.stdout)["error"]
    assert (tmp_path / "errors").stat().st_size > 30_000_000


def _gone(pid: int) -> bool:
    """Whether it has ended within a moment; one that nobody has waited for counts as ended."""
    try:
        child = psutil.Process(pid)
        until = time.monotonic() + 10
        while child.is_running() and child.status() != psutil.STATUS_ZOMBIE and time.monotonic() < until:
            time.sleep(0.05)
        return not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
