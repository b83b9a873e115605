"""``nnwidgets runs``: what is asked of the record on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nnwidgets.cli import main
from nnwidgets.track import Store

from . import made

OTHER = "fedcba9876543210fedcba9876543210"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "home")
    for uid, last in ((made.UID, 0.5), (OTHER, 0.25)):
        made.begin(store, uid)
        made.facts(store, uid)
        made.numbers(store, [2.0, 1.0, last], uid=uid)
        made.end(store, uid=uid)
    return store


def runs(store: Store, *words: str) -> int:
    return main(["runs", "--home", str(store.folder), *words])


def test_they_are_listed(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert runs(store) == 0
    head, newest, oldest = capsys.readouterr().out.strip().splitlines()
    assert head.split()[:3] == ["run", "name", "state"]
    assert newest.split()[:3] == ["2", "mnist", "finished"] and oldest.split()[0] == "1"
    assert runs(store, "list", "--json") == 0
    assert [row["id"] for row in json.loads(capsys.readouterr().out)["runs"]] == [2, 1]


def test_one_is_shown(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert runs(store, "show", "1") == 0
    told = capsys.readouterr().out
    for words in (
        "run 1 (mnist): finished at step 3",
        "scale_by_adam(b1=0.9, b2=0.999)",
        "101 parameters",
        "2 at step 0",
    ):
        assert words in told
    assert runs(store, "show", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["id"], found["state"], found["environment"]["python"]) == (2, "finished", "3.11")


def test_two_are_compared(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert runs(store, "compare", "1", "2", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["parted"]["step"] == 2 and "outcome" in found["groups"]


@pytest.mark.parametrize(
    ("what", "words"), [("code", "x = 1"), ("slice", "loss = x"), ("loss", "def loss()"), ("diff", "+x = 1")]
)
def test_the_code_comes_back(what: str, words: str, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert runs(store, "code", "1", "--what", what) == 0
    assert words in capsys.readouterr().out


def test_tags_and_notes(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert runs(store, "tag", "1", "good") == runs(store, "note", "1", "the one in the paper") == 0
    run = store.run(1)
    assert run.tags == ("good",) and run.note == "the one in the paper"
    assert runs(store, "tag", "1", "good", "--off") == 0 and store.run(1).tags == ()
    capsys.readouterr()


def test_a_run_is_forgotten_when_that_is_meant(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert runs(store, "remove", "1") == 1 and "add --yes" in capsys.readouterr().out
    assert runs(store, "remove", "1", "--yes") == 0
    assert [run.id for run in store.runs()] == [2]
    with store.connect() as connection:
        assert connection.execute("SELECT count(*) FROM series WHERE run = 1").fetchone() == (0,)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["show", "7"], "no run '7' in"),
        (["send", "1"], "say where to: --to"),
        (["send", "1", "--to", "ftp:x"], "mlflow:"),
        (["code", "1", "--what", "model"], "model"),
    ],
)
def test_what_cannot_be_done_is_said(
    words: list[str], told: str, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert runs(store, *words) == 2
    assert told in capsys.readouterr().out


def test_where_nothing_was_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--home", str(tmp_path)]) == 0 and "Waits for the first run" in capsys.readouterr().out
    assert main(["runs", "--home", str(tmp_path), "show"]) == 2 and "no store of runs at" in capsys.readouterr().out


def test_looking_at_runs_needs_no_jax(store: Store) -> None:
    program = f"""
import sys
from nnwidgets.cli import main
assert main(["runs", "--home", {str(store.folder)!r}]) == 0 == main(["runs", "--home", {str(store.folder)!r}, "show", "1"])
found = {{"jax", "flax", "optax", "bqplot"}} & set(sys.modules)
sys.exit(f"imported: {{found}}" if found else 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
