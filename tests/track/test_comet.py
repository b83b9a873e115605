"""Offline archives of Comet, written by a process of its own, as in earnest."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from nnwidgets.track import Store

from .helper import Helper
from .made import FACTS, UID, begin, end, facts, numbers

pytestmark = pytest.mark.skipif(find_spec("comet_ml") is None, reason="comet_ml is not installed")


@pytest.fixture(scope="module")
def helper() -> Iterator[Helper]:
    made = Helper()
    yield made
    made.stop()


def read(archive: Path) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """The messages, and the files by the names that Comet will show."""
    with zipfile.ZipFile(archive) as opened:
        messages = [json.loads(line) for line in opened.read("messages.json").splitlines()]
        uploads = [each["payload"] for each in messages if "file_path" in each["payload"]]
        return messages, {each["additional_params"]["fileName"]: opened.read(each["file_path"]) for each in uploads}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


def test_an_archive_holds_the_run_and_nobody_is_called(helper: Helper, store: Store, tmp_path: Path) -> None:
    run = begin(store)
    facts(store)
    numbers(store, [1.0, math.nan, math.inf])
    archives = tmp_path / "archives" / "of mine"
    target = f"comet:{archives}"
    assert helper.send(store, run.id, target) == "waiting the run goes on: send it again when it has ended."
    assert not archives.exists()
    run.tag("good")
    end(store)
    assert helper.send(store, run.id, target) == "sent"

    (archive,) = archives.iterdir()
    assert archive.name == f"{UID}.zip"
    messages, files = read(archive)
    metrics = _metrics(messages)
    assert [(each["metricName"], each["step"], each["metricValue"]) for each in metrics] == [
        ("train/loss", 0, 1.0), ("train/loss", 1, "NaN"), ("train/loss", 2, "Infinity"),
    ]  # fmt: skip
    words = [each["payload"].get("param") or each["payload"] for each in messages]
    parameters = {each["paramName"]: each["paramValue"] for each in words if "paramName" in each}
    # the last one is Comet's own
    assert parameters["optimizer.0.scale_by_adam.b1"] == "0.9"
    assert {name for name in parameters if "." not in name} == {"batch_size", "seed", "curr_step"}
    others = {each["key"]: each["value"] for each in words if "key" in each}
    assert (others["Name"], others["nnwidgets.commit"], others["nnwidgets.state"]) == ("mnist", "c" * 40, "finished")
    assert files["code/slice.py"].decode() == FACTS["code"]["slice"]
    assert json.loads(files["environment.json"]) == FACTS["environment"]
    assert files["findings.json"] == b"[]" and files["history.npz"][:2] == b"PK"
    # of the process that sends, nothing is in it
    assert {each["type"] for each in messages} == {"log_other", "parameter_msg", "metric_msg", "file_upload"}

    # it is not written again, unless there is something new
    before = archive.stat().st_mtime_ns
    assert helper.send(store, run.id, target) == "sent"
    assert archive.stat().st_mtime_ns == before
    numbers(store, [0.5], first=3)
    assert helper.send(store, run.id, target) == "sent"
    messages, _ = read(archive)
    assert [each["step"] for each in _metrics(messages)] == [0, 1, 2, 3]
    assert helper.do("connections") == []


def test_what_cannot_be_written_waits(helper: Helper, store: Store, tmp_path: Path) -> None:
    run = begin(store)
    end(store)
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    state = helper.send(store, run.id, f"comet:{blocked}", give_up_after=4)
    assert state.startswith(("waiting FileExistsError", "waiting NotADirectoryError"))


def _metrics(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = [each["payload"]["metric"] for each in messages if each["type"] == "metric_msg"]
    # Comet adds the seconds that the writing took, and cannot be told not to
    return [each for each in found if each["metricName"] != "process duration"]
