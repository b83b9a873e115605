"""A real MLflow server, and the sender in a process of its own, as it is in earnest."""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nnwidgets.records import History
from nnwidgets.track import Store

from .helper import Helper
from .made import FACTS, FINDING, UID, begin, end, facts, numbers

pytest.importorskip("mlflow")

_READ = """
def read(uri, uid, folder):
    from mlflow.tracking import MlflowClient
    client = MlflowClient(uri)
    experiments = [each.experiment_id for each in client.search_experiments()]
    (run,) = client.search_runs(experiments, f"tags.`nnwidgets.uid` = '{uid}'")
    def files(path=None):
        for each in client.list_artifacts(run.info.run_id, path):
            yield from files(each.path) if each.is_dir else [each.path]
    local = {path: Path(client.download_artifacts(run.info.run_id, path, folder)) for path in files()}
    return {
        "id": run.info.run_id, "status": run.info.status, "params": run.data.params, "tags": run.data.tags,
        "name": run.info.run_name, "experiment": client.get_experiment(run.info.experiment_id).name,
        "start": run.info.start_time, "end": run.info.end_time,
        "texts": {path: file.read_text() for path, file in local.items() if file.suffix != ".npz"},
        "metrics": {
            name: [[each.step, repr(each.value)] for each in client.get_metric_history(run.info.run_id, name)]
            for name in run.data.metrics
        },
    }
"""


def read(helper: Helper, server: Server, uid: str, folder: Path) -> dict[str, Any]:
    folder.mkdir()
    return helper.do("read", server.uri, uid, str(folder))


class Server:
    """An MLflow server with a database of its own, on a free port of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            *(
                sys.executable,
                "-m",
                "mlflow",
                "server",
                "--workers",
                "1",
                "--host",
                "127.0.0.1",
                "--port",
                str(self.port),
            ),
            *("--backend-store-uri", f"sqlite:///{self.folder}/server.db"),
            *("--artifacts-destination", str(self.folder / "artifacts")),
        ]
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with open(self.folder / "server.log", "wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | quiet,
                start_new_session=True,
            )

    def wait(self) -> None:
        end = time.monotonic() + 120
        while not self._answers():
            assert self._process is not None and self._process.poll() is None, (self.folder / "server.log").read_text()
            assert time.monotonic() < end, (self.folder / "server.log").read_text()
            time.sleep(0.1)

    def stop(self) -> None:
        if self._process is not None:
            # it has started a process of its own, in the same group
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(20)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=1) as answer:
                return answer.status == 200
        except OSError:
            return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("mlflow"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def helper() -> Iterator[Helper]:
    made = Helper(_READ)
    yield made
    made.stop()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


# The tests of this module use one server, which is not up yet when the first one begins.


def test_a_run_arrives_whole_though_the_server_is_down_at_first(
    server: Server, helper: Helper, store: Store, tmp_path: Path
) -> None:
    target = f"mlflow:{server.uri}#digits"
    run = begin(store, findings=json.dumps([FINDING]), note="first try")
    facts(store)
    numbers(store, [1.0, math.nan, math.inf, 0.5])
    numbers(store, [0.25], first=3, name="validation/f1@0.5")
    helper.tell("send", str(store.folder), run.id, target, {"follow": True})
    _until(lambda: any(row["error"] for row in run.fresh().deliveries))
    (row,) = run.fresh().deliveries
    assert row["state"] == "sending" and "Connection refused" in row["error"]
    server.start()
    server.wait()
    _until(lambda: run.fresh().deliveries[0]["remote"])
    numbers(store, [0.125], first=4)
    end(store)
    assert helper.hear() == "sent"

    there = read(helper, server, UID, tmp_path / "there")

    assert (there["name"], there["experiment"], there["status"]) == ("mnist", "digits", "FINISHED")
    assert there["id"] == run.fresh().deliveries[0]["remote"]
    assert (there["start"], there["end"]) == (int(run.created * 1000), int((run.created + 10) * 1000))
    # a database has no infinity
    infinity = "1.7976931348623157e+308"
    assert there["metrics"]["train/loss"] == [[0, "1.0"], [1, "nan"], [2, infinity], [3, "0.5"], [4, "0.125"]]
    assert there["metrics"]["validation/f1_0.5.79db2e80"] == [[3, "0.25"]]
    assert there["params"]["optimizer.0.scale_by_adam.b1"] == "0.9"
    assert there["params"] | {"batch_size": "32", "seed": "0", "model.framework": "linen"} == there["params"]
    tags = there["tags"]
    assert tags["mlflow.source.git.commit"] == "c" * 40 and tags["mlflow.source.name"] == "/home/me/train.py"
    assert (tags["nnwidgets.state"], tags["mlflow.note.content"]) == ("finished", "first try")
    texts = there["texts"]
    assert texts["code/slice.py"] == FACTS["code"]["slice"] and texts["code/git.diff"] == "+x = 1\n"
    assert json.loads(texts["environment.json"]) == FACTS["environment"]
    assert json.loads(texts["code.json"]) == FACTS["code"]
    assert json.loads(texts["findings.json"])[0]["explanation"] == "No gradient reaches w."
    history = History.load(tmp_path / "there" / "history.npz")
    assert history.latest("train/loss")[0] == 4

    # a second time it brings nothing
    assert helper.send(store, run.id, target) == "sent"


def test_a_batch_of_which_no_answer_came_is_not_there_twice(
    server: Server, helper: Helper, store: Store, tmp_path: Path
) -> None:
    run = begin(store, "2" * 32)
    numbers(store, [math.nan, 1.0, -math.inf] * 400, uid="2" * 32)
    end(store, "nan", uid="2" * 32)
    target = f"mlflow:{server.uri}"
    assert helper.send(store, run.id, target) == "sent"
    with store.connect() as connection:
        # as it was before the first answer
        ((cursor,),) = connection.execute("SELECT cursor FROM deliveries")
        cursor = json.loads(cursor) | {"rows": {}, "stretch": [[0, run.created], [1199, run.created + 10.0]]}
        connection.execute("UPDATE deliveries SET state = 'waiting', cursor = ?", (json.dumps(cursor),))
    assert helper.send(store, run.id, target) == "sent"
    there = read(helper, server, "2" * 32, tmp_path / "there")
    assert (there["experiment"], there["status"], there["tags"]["nnwidgets.state"]) == ("nnwidgets", "FAILED", "nan")
    assert [row[0] for row in there["metrics"]["train/loss"]] == list(range(1200))


def test_a_killed_run_is_killed_there_and_its_branch_lies_below_it(
    server: Server, helper: Helper, store: Store, tmp_path: Path
) -> None:
    target = f"mlflow:{server.uri}"
    # nobody lives under this number any more
    parent = begin(store, "3" * 32, process_started=1.0)
    numbers(store, [1.0], uid="3" * 32)
    assert parent.fresh().state == "killed"
    assert helper.send(store, parent.id, target, follow=True) == "sent"
    branch = begin(store, "4" * 32, parent="3" * 32, branched_at=1)
    assert helper.send(store, branch.id, target) == "waiting the run goes on: send it again when it has ended."
    there = read(helper, server, "3" * 32, tmp_path / "there")
    assert there["status"] == "KILLED" and there["metrics"]["train/loss"] == [[0, "1.0"]]
    # a sender that died before it wrote down what it had made there
    with store.connect() as connection:
        connection.execute("DELETE FROM deliveries WHERE run = ?", (branch.id,))
    assert helper.send(store, branch.id, target).startswith("waiting")
    below = read(helper, server, "4" * 32, tmp_path / "below")
    assert below["status"] == "RUNNING" and below["tags"]["mlflow.parentRunId"] == there["id"]


def test_a_server_that_says_nothing_is_given_up_in_time(helper: Helper, store: Store) -> None:
    run = begin(store, "5" * 32)
    end(store, uid="5" * 32)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = f"mlflow:http://127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()
        assert helper.send(store, run.id, target, give_up_after=2) == "waiting TimeoutError: no answer within 2.0 s"
    assert time.monotonic() - begun < 4
    assert run.fresh().deliveries[0]["state"] == "waiting"


def _until(condition: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)
