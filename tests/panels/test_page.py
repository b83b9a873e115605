"""A run as one page: what stands in it, what cannot run in it, what it weighs."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from nnwidgets.panels.page import _pack, page
from nnwidgets.records import (
    Branch,
    Check,
    Diagnosis,
    Finding,
    Fork,
    History,
    NetworkGraph,
    Node,
    Notice,
    Status,
    write_html,
)

from ._made import FINDING, LAYERS, record

STATUS = Status("finished", 120, steps_per_second=250.0)
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u202e"


class Read(HTMLParser):
    """The page's elements, and its text outside of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self._inside = "", ""
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "script":
            self.scripts.append(data)
        elif self._inside != "style":
            self.text += data

    @property
    def data(self):
        return json.loads(self.scripts[0])

    @property
    def sections(self):
        return [attrs["id"] for tag, attrs in self.tags if tag == "section"]


def unpacked(packed):
    """What page.js makes of it, written anew."""
    raw = base64.b64decode(packed["bytes"])
    if packed["kind"] in ("f4", "f8", "i4"):
        return np.frombuffer(raw, f"<{packed['kind']}")
    if packed["kind"] == "bits":
        return np.unpackbits(np.frombuffer(raw, "u1"))[: packed["size"]].astype(bool)
    if packed["kind"] == "half":
        return np.frombuffer(raw, "<f2").astype(np.float64) * packed["most"]
    words = np.frombuffer(raw, "<u2").astype(np.float64)
    values = 10 ** (packed["low"] + (packed["high"] - packed["low"]) * words / 65533)
    return np.where(words == 65535, np.nan, np.where(words == 65534, 0.0, values))


def test_every_reading_finding_check_and_fact_is_on_the_page(healthy):
    healthy.add_check(Check("first loss", "2.303", "9.1", "wrong", 2, "far above chance."))
    history, findings = healthy, (FINDING, Finding("Mine", "note", "", 3, "Follows.", "", follows="NonFinite"))
    facts = {"Hyperparameters": {"optimizer": {"name": "adam", "rate": 1e-3}}, "Empty": {"note": None}}
    text = page(STATUS, history, findings, (Notice("probe", "it failed", "Traceback"),), ("NonFinite",), facts=facts)
    read = Read(text)
    assert read.sections == [
        "findings", "checks", "gradcheck", "loss", "gradients", "updates", "heatmaps", "units", "histograms", "network",
        "experiments", "look", "notices", "facts",
    ]  # fmt: skip
    layered = {name for name in history.names() if name.split("/")[0] in ("gradient", "update", "activation")}
    assert set(read.data["heatmaps"]["readings"]) == layered
    named = [line["name"] for group in read.data["gradients"]["groups"] for line in group["lines"]]
    assert sorted(named) == sorted(LAYERS)
    assert {chart["title"] for chart in read.data["loss"]["small"]} == {"accuracy"}
    for words in (
        "far above chance.",
        "<b>bad</b>",
        "Lower it.",
        "and 1 that follows from it",
        "optimizer rate",
        "it failed",
    ):
        assert words in read.text
    assert not any("nnw-line" in (attrs.get("class") or "") for _, attrs in read.tags), "no button that opens nothing"
    assert "Empty" not in read.text and "finished" in read.text and "120" in read.text


def test_nothing_on_the_page_is_fetched_and_its_scripts_end_where_they_should(healthy):
    text = page(STATUS, healthy, (FINDING,))
    read = Read(text)
    assert not re.search(r"https?://|//cdn|@import|url\(", re.sub(r'xmlns="[^"]*"', "", text))
    assert {tag for tag, attrs in read.tags if "src" in attrs or tag == "link"} <= {"img"}
    assert all(attrs["src"].startswith("data:") for tag, attrs in read.tags if tag == "img")
    policy = next(attrs["content"] for tag, attrs in read.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy and "connect-src" not in policy
    assert text.count("<script") == text.count("</script>") == 2 == len(read.scripts)


def test_no_name_or_message_becomes_markup():
    history = History()
    for step in range(5):
        history.add_scalar("train/loss", step, 1.0)
        history.add_scalar(f"log/{EVIL}", step, 1.0)
        history.add("gradient", step, (f"{EVIL}/kernel", "b"), {"norm": [1.0, 2.0]})
        history.add("activation", step, (EVIL,), {"dead": [0.5]})
    history.graph = NetworkGraph((Node(EVIL, "dense", (1,), 3, (f"{EVIL}/kernel",), (EVIL,), EVIL),))
    history.add_check(Check(EVIL, EVIL, EVIL, "odd", 1, EVIL))
    history.fork = Fork(1, EVIL, np.ones((1, 3), np.float32), np.ones((1, 3), np.float32), 0.0, 0.0, 0.0)
    finding = Finding(
        "NonFinite", "problem", EVIL, 1, EVIL, EVIL, EVIL, {EVIL: EVIL, "code": EVIL}, confirmed=EVIL, tried=EVIL
    )
    status = Status("stopped", 5, message=EVIL)
    text = page(
        status, history, (finding,), (Notice(EVIL, EVIL, EVIL),), (EVIL,), title=EVIL, facts={EVIL: {EVIL: EVIL}}
    )
    plain = page(Status("stopped", 5), History())
    read = Read(text)
    assert text.count("<script") == plain.count("<script") and "alert" not in read.scripts[1]
    assert "img" not in {tag for tag, _ in read.tags}
    assert not any(name.startswith("on") for _, attrs in read.tags for name in attrs)
    assert read.text.count("<img src=x onerror=alert(2)>") > 15 and "\u202e" not in text
    assert "<" not in read.scripts[0]
    assert all("<img" not in html and "<script" not in html for html in read.data["network"]["details"].values())


def test_what_is_not_finite_is_marked_and_a_zero_stays_a_zero():
    history = History()
    for step in range(40):
        history.add_scalar("train/loss", step, float("nan") if step == 7 else 1.0 + step)
        history.add("gradient", step, ("a", "b"), {"norm": [0.0 if step == 3 else 0.5, np.inf if step >= 20 else 2.0]})
    data = Read(page(STATUS, history)).data
    train = data["loss"]["main"]["groups"][0]
    assert np.flatnonzero(unpacked(train["bad"])).tolist() == [7]
    assert np.isnan(unpacked(train["values"])[7]) and unpacked(train["values"])[8] == 9.0
    norms = data["gradients"]["groups"][0]
    values, bad = unpacked(norms["values"]).reshape(2, 40), unpacked(norms["bad"]).reshape(2, 40)
    assert values[0, 3] == 0.0 and np.flatnonzero(bad[1]).tolist() == list(range(20, 40)) and not bad[0].any()
    np.testing.assert_allclose(values[1, :20], 2.0, rtol=1e-4)
    assert "NaN or infinite at step 39: b" in data["gradients"]["note"]
    drawn = data["heatmaps"]["readings"]["gradient/norm"]
    assert unpacked(drawn["bad"]).reshape(2, 40).sum(axis=1).tolist() == [0, 20]


def test_a_long_run_is_thinned_and_keeps_its_spike():
    history = History()
    for step in range(30_000):
        history.add_scalar("train/loss", step, 99.0 if step == 12_345 else 1.0 + step % 2)
    text = page(STATUS, history)
    train = Read(text).data["loss"]["main"]["groups"][0]
    assert 500 < len(unpacked(train["steps"])) <= 1000
    assert unpacked(train["high"]).max() == 99.0 and unpacked(train["low"]).min() == 1.0
    assert len(text) < 300_000


def test_an_ordinary_page_is_small(healthy):
    assert len(page(STATUS, healthy, (FINDING,))) < 400_000


def test_an_empty_run_and_one_of_a_single_step_have_their_page():
    read = Read(page(Status(), History()))
    assert read.sections == ["findings"] and "Nothing to judge yet" in read.text
    history = History()
    history.add_scalar("train/loss", 0, float("nan"))
    history.add("gradient", 0, ("a",), {"norm": [1.0]})
    read = Read(page(Status("stopped", 1), history))
    assert read.sections == ["findings", "loss"] and "NaN" in read.text


def test_a_rewound_run_keeps_its_other_way(healthy):
    healthy.branches = (Branch(60, healthy["train/loss"]),)
    names = [group["lines"][0]["name"] for group in Read(page(STATUS, healthy)).data["loss"]["main"]["groups"]]
    assert names == ["before the rewind to step 60", "train", "validation"]


def test_a_loss_that_spans_a_thousandfold_is_shown_in_powers_of_ten():
    history = History()
    for step in range(20):
        history.add_scalar("train/loss", step, 1e30 if step == 5 else 2.0)
    assert Read(page(STATUS, history)).data["loss"]["main"]["log"] is True


@pytest.mark.parametrize("decades", [1, 12, 40])
def test_powers_are_exact_to_a_thousandth(decades):
    values = np.array([0.0, np.nan, *np.logspace(-decades / 2, decades / 2, 99)])
    read = unpacked(_pack.powers(values))
    assert read[0] == 0.0 and np.isnan(read[1])
    np.testing.assert_allclose(read[2:], values[2:], rtol=1e-3)


def test_halves_keep_three_digits_over_eight_decades():
    values = np.array([-1e9, 3.3e7, 1.2345e3, -77.7, 0.0, np.nan, np.inf])
    read = unpacked(_pack.halves(values))
    np.testing.assert_allclose(read[:5], values[:5], rtol=1e-3)
    assert np.isnan(read[5:]).all()


def test_a_page_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    file = tmp_path / "report.html"
    assert write_html(file, "one \udcff") == file and file.read_text("utf-8") == "one \\udcff"
    with pytest.raises(IsADirectoryError, match=r"is a folder: type '.*report\.html'"):
        write_html(tmp_path, "two")
    with pytest.raises(FileNotFoundError, match=r"needs a folder that is there, and .*missing' is none"):
        write_html(tmp_path / "missing" / "report.html", "two")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match=r"No space left on device\. Nothing was changed"):
        write_html(file, "two")
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"] and file.read_text("utf-8").startswith("one")


def test_a_diagnosis_has_its_page(tmp_path):
    red = replace(FINDING, explanation=EVIL)
    text = Diagnosis((red,), (Check("first loss", "2.3", "9", "wrong"),), ("DeadUnits",), 200).save_html(
        tmp_path / "d.html"
    )
    read = Read(text.read_text("utf-8"))
    assert (
        "problem: NonFinite" in read.text and "DeadUnits" in read.text and "script" not in {tag for tag, _ in read.tags}
    )


def test_a_run_of_many_layers_is_folded_into_few_boxes():
    history = record(History(), range(3))
    names = [f"encoder/block_{i // 6}/layer_{i}" for i in range(300)]
    nodes = (Node("input", "input"), *(Node(name, "dense") for name in names))
    history.graph = NetworkGraph(nodes, tuple((i, i + 1) for i in range(300)))
    network = Read(page(STATUS, history)).data["network"]
    assert sum(len(state["boxes"]) for state in network["states"].values()) <= 1500
    assert {"", "+encoder/block_0 … encoder/block_16"} <= set(network["states"]) or len(network["states"]) > 10
    assert len(network["details"]) == 301 and all("<b>" in told for told in network["details"].values())
