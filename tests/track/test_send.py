from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from nnwidgets.track import Store
from nnwidgets.track.sending import _courier, _delivery
from nnwidgets.track.sending._send import send, send_all
from nnwidgets.track.sending.engines import Refused, Row, engine, parse_target

from .made import FACTS, FINDING, UID, begin, end, facts, numbers

HERE = "mlflow:http://127.0.0.1:9"


class Memory:
    """An engine that keeps what it is given, and fails when it is told to."""

    whole = False

    def __init__(self, failures: int = 0, fails_at: str = "log") -> None:
        self.rows: list[Row] = []
        self.batches: list[int] = []
        self.words: dict[str, Mapping[str, str]] = {}
        self.documents: dict[str, str] = {}
        self.files: list[str] = []
        self.states: list[str] = []
        self.begun: list[str | None] = []
        self.failures, self.fails_at = failures, fails_at

    def _may_fail(self, where: str) -> None:
        if where == self.fails_at and self.failures:
            self.failures -= 1
            raise ConnectionError("nobody there")

    def begin(self, uid: str, name: str, created: float, remote: str | None) -> str:
        self._may_fail("begin")
        self.begun.append(remote)
        return f"remote of {uid}"

    def parameters(self, values: Mapping[str, str]) -> None:
        self.words["parameters"] = values

    def tags(self, values: Mapping[str, str]) -> None:
        self.words["tags"] = values

    def log(self, rows: Sequence[Row]) -> None:
        # what arrives may be told to have failed all the same
        self.rows += rows
        self._may_fail("log")
        self.batches.append(len(rows))

    def document(self, name: str, text: str) -> None:
        self._may_fail("document")
        self.documents[name] = text

    def file(self, path: Path) -> None:
        self.files.append(path.name)

    def end(self, state: str, ended: float) -> None:
        self.states.append(state)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_courier, "_PASS", 0.01)
    monkeypatch.setattr(_courier, "_IDLE", 0.02)
    monkeypatch.setattr(_courier, "_DOCUMENTS", 0.05)
    monkeypatch.setattr(_courier, "_FIRST_WAIT", 0.02)


def test_a_run_is_sent_once(store: Store) -> None:
    run = begin(store)
    facts(store)
    numbers(store, [1.0, math.nan, 0.5])
    numbers(store, [2.0], first=2, name="validation/loss")
    numbers(store, [7.0], name="data/hash")
    end(store)
    far = Memory()

    delivery = send(store, run, HERE, engine=far)

    assert (delivery.state, delivery.error, delivery.rows) == ("sent", "", 4)
    assert [(row.name, row.step) for row in far.rows] == [
        ("train/loss", 0), ("train/loss", 1), ("train/loss", 2), ("validation/loss", 2),
    ]  # fmt: skip
    assert math.isnan(far.rows[1].value)
    # ten seconds, over three steps
    assert [round(row.time - run.created) for row in far.rows] == [0, 5, 10, 10]
    assert far.words["parameters"]["optimizer.0.scale_by_adam.b1"] == "0.9"
    assert far.words["parameters"]["model.parameters"] == "101"
    assert far.words["tags"]["commit"] == "c" * 40
    assert far.documents["code/slice.py"] == FACTS["code"]["slice"]
    assert far.documents["code/train.py"] == "loss = 1\n"
    assert far.documents["code/modules/lib/blocks.py"] == "y = 2\n"
    assert far.documents["code/modules/outside.py"] == "z = 3\n"
    assert far.documents["requirements.txt"] == "jax==0.10.2\nnumpy==2.4\n"
    assert "rows" not in far.documents["data.json"] and "d" * 64 in far.documents["data.json"]
    assert (far.files, far.states) == (["history.npz"], ["finished"])
    assert run.fresh().deliveries[0]["state"] == "sent"

    again = Memory()
    assert send(store, run, HERE, engine=again).state == "sent"
    assert (again.begun, again.rows, again.states) == ([], [], [])


def test_what_is_new_is_sent_later_and_alone(store: Store) -> None:
    run = begin(store)
    numbers(store, [1.0, 2.0])
    far = Memory()
    assert send(store, run, HERE, engine=far).state == "waiting"
    assert run.fresh().deliveries[0]["error"] == "the run goes on: send it again when it has ended."
    numbers(store, [3.0], first=2)
    end(store, findings="[]")
    assert send(store, run, HERE, engine=far).state == "sent"
    assert [row.value for row in far.rows] == [1.0, 2.0, 3.0]
    assert far.begun == [None, f"remote of {UID}"]

    # somebody goes on with it, and says so
    run.tag("good")
    delivery = send(store, run, HERE, engine=far)
    assert (delivery.state, delivery.rows, far.words["tags"]["tags"]) == ("sent", 0, "good")


def test_a_number_that_is_sent_again_has_the_same_time(store: Store) -> None:
    run = begin(store)
    numbers(store, range(10))
    far = Memory(failures=10**6)
    assert send(store, run, HERE, engine=far, give_up_after=0.1).state == "waiting"
    far.failures = 0
    numbers(store, range(10, 20), first=10)
    end(store, seconds=99.0)
    assert send(store, run, HERE, engine=far).state == "sent"
    assert len(far.rows) > 30 and len(set(far.rows)) == 20
    times = [row.time for row in far.rows[-20:]]
    assert times == sorted(times)


def test_numbers_come_in_batches(store: Store) -> None:
    run = begin(store)
    numbers(store, range(2500))
    numbers(store, range(2500), name="train/accuracy")
    end(store)
    far = Memory()
    assert send(store, run, HERE, engine=far).rows == 5000
    assert far.batches == [1000] * 5
    assert sorted((row.name, row.step) for row in far.rows) == [
        (name, step) for name in ("train/accuracy", "train/loss") for step in range(2500)
    ]


def test_it_follows_a_run_until_that_ends(store: Store) -> None:
    run = begin(store)
    far, done = Memory(), []
    thread = threading.Thread(target=lambda: done.append(send(store, run, HERE, engine=far, follow=True)))
    thread.start()
    numbers(store, [1.0, 2.0])
    _until(lambda: len(far.rows) == 2)
    assert not far.states and run.fresh().deliveries[0]["state"] == "sending"
    numbers(store, [3.0], first=2)
    _until(lambda: len(far.rows) == 3)
    end(store, "failed", error="ValueError: no\n")
    thread.join(10)
    assert done[0].state == "sent"
    assert (far.states, far.documents["error.txt"]) == (["failed"], "ValueError: no\n")


def test_it_tries_again(store: Store) -> None:
    run = begin(store)
    numbers(store, [1.0])
    end(store)
    far, lines = Memory(failures=2, fails_at="begin"), []
    assert send(store, run, HERE, engine=far, out=lines.append).state == "sent"
    assert lines == [
        f"run 1 could not be sent to {HERE}: ConnectionError: nobody there",
        f"run 1 is at {HERE}: 1 numbers were sent now.",
    ]


def test_it_gives_up_and_says_why(store: Store) -> None:
    run = begin(store)
    end(store)
    begun = time.monotonic()
    delivery = send(store, run, HERE, engine=Memory(failures=10**6, fails_at="begin"), give_up_after=0.2)
    assert time.monotonic() - begun < 2
    assert (delivery.state, delivery.error) == ("waiting", "ConnectionError: nobody there")
    row = run.fresh().deliveries[0]
    assert (row["state"], row["error"], row["remote"]) == ("waiting", "ConnectionError: nobody there", None)


def test_an_answer_that_never_comes_takes_no_longer_than_the_limit(store: Store) -> None:
    run = begin(store)
    end(store)
    far = Memory()
    far.begin = lambda *_: time.sleep(5)
    begun = time.monotonic()
    delivery = send(store, run, HERE, engine=far, give_up_after=0.3)
    assert time.monotonic() - begun < 2
    assert delivery.error == "TimeoutError: no answer within 0.3 s"


def test_documents_that_fail_keep_back_no_numbers(store: Store) -> None:
    run = begin(store)
    facts(store)
    numbers(store, [1.0, 2.0])
    end(store)
    far = Memory(failures=10**6, fails_at="document")
    delivery = send(store, run, HERE, engine=far, give_up_after=0.1)
    assert (delivery.state, delivery.rows) == ("waiting", 2)
    assert far.states[-1] == "finished"
    far.failures = 0
    assert send(store, run, HERE, engine=far).state == "sent"
    assert len(far.rows) == 2 and "code/slice.py" in far.documents


def test_a_refusal_is_final(store: Store) -> None:
    run = begin(store)
    far = Memory()

    def refuse(*_: object) -> str:
        raise Refused("deleted there")

    far.begin = refuse
    delivery = send(store, run, HERE, engine=far, follow=True)
    assert (delivery.state, delivery.error) == ("failed", "deleted there")


def test_another_server_gets_all(store: Store) -> None:
    run = begin(store)
    numbers(store, [1.0])
    first, second = Memory(), Memory()
    send(store, run, HERE, engine=first)
    numbers(store, [2.0], first=1)
    second.begin = lambda *_: "another"
    send(store, run, HERE, engine=second)
    assert [row.value for row in second.rows] == [1.0, 2.0]


def test_only_one_sends(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begin(store)
    _delivery.claim(store, run, HERE)
    with pytest.raises(_delivery.Busy, match=r"run 1 is being sent to mlflow:http://127.0.0.1:9 by process \d+ on"):
        send(store, run, HERE, engine=Memory())
    lines: list[str] = []
    assert send_all(store, out=lines.append) == [] and "is being sent" in lines[0]
    # elsewhere is another matter
    assert send(store, run, HERE + "#other", engine=Memory()).state == "waiting"
    # the process is gone
    monkeypatch.setattr(_delivery.psutil, "Process", _gone)
    assert _delivery._at_work({"host": _delivery.socket.gethostname(), "pid": 1, "started": 0.0}, time.time()) is False
    assert _delivery._at_work({"host": "another", "pid": 1, "started": 0.0}, time.time() - 5) is True
    assert _delivery._at_work({"host": "another", "pid": 1, "started": 0.0}, time.time() - 500) is False


def test_who_was_taken_for_dead_stops(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begin(store)
    mine = _delivery.claim(store, run, HERE)
    monkeypatch.setattr(_delivery, "_at_work", lambda *_: False)
    _delivery.claim(store, run, HERE)
    with pytest.raises(_delivery.Busy, match="by another process now"):
        _delivery.save(store, mine)


def test_all_that_waits_is_sent(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for uid in ("a" * 32, "b" * 32):
        begin(store, uid)
        numbers(store, [1.0], uid=uid)
        end(store, uid=uid)
    far: list[Memory] = []
    monkeypatch.setattr(_courier.engines, "engine", lambda target: far.append(Memory()) or far[-1])
    send(store, store.run(1), HERE, engine=Memory(failures=10**6), give_up_after=0.1)
    assert [delivery.run for delivery in send_all(store)] == [1]
    assert [delivery.run for delivery in send_all(store, HERE)] == [2]
    assert send_all(store, HERE) == []
    assert [each.states for each in far] == [["finished"], ["finished"]]


def test_a_branch_names_its_parent(store: Store) -> None:
    parent = begin(store)
    numbers(store, [1.0, 2.0, 3.0])
    end(store, "stopped")
    send(store, parent, HERE, engine=Memory())
    branch = begin(store, "f" * 32, parent=UID, branched_at=2, findings=f"[{_json(FINDING)}]")
    numbers(store, [4.0], first=2, uid="f" * 32)
    far = Memory()
    send(store, branch, HERE, engine=far)
    # its own steps; those before are the parent's
    assert [(row.step, row.value) for row in far.rows] == [(2, 4.0)]
    assert far.words["tags"]["parent"] == f"remote of {UID}"
    assert "No gradient reaches w." in far.documents["findings.json"]


@pytest.mark.parametrize("target", ["", "mlflow", "mlflow:", "wandb:here", "http://127.0.0.1:5000"])
def test_a_place_that_is_none(target: str, store: Store) -> None:
    with pytest.raises(ValueError, match='is no place to send runs to: use "mlflow:http://HOST:PORT"'):
        parse_target(target)
    run = begin(store)
    with pytest.raises(ValueError, match="is no place"):
        send(store, run, target)
    assert run.deliveries == []


def test_a_password_does_not_belong_into_the_address() -> None:
    with pytest.raises(ValueError, match=r"example\.org holds a name or password.*MLFLOW_TRACKING_PASSWORD") as caught:
        parse_target("mlflow:https://me:secret@example.org/")
    assert "secret" not in str(caught.value)


def test_a_package_that_is_missing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "nnwidgets\[mlflow\]"'):
        engine(HERE)
    delivery = send(store, begin(store), "comet:")
    assert delivery.state == "failed" and 'pip install "nnwidgets[comet]"' in delivery.error


def _gone(pid: int) -> None:
    raise _delivery.psutil.NoSuchProcess(pid)


def _json(value: object) -> str:
    import json

    return json.dumps(value)


def _until(condition: object, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
