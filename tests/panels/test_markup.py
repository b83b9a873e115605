"""Nothing that a user, a model or its data named becomes markup: pages with hostile names have the shape of plain ones."""

from __future__ import annotations

import ast
import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import comm
import ipywidgets
import numpy as np
import pytest

import nnwidgets
from nnwidgets.panels import DEFAULT_PANELS, Dashboard, Panel
from nnwidgets.panels._comms import all_widgets
from nnwidgets.panels._look_words import headline
from nnwidgets.records import (
    Check,
    CheckInfo,
    Checklist,
    Cost,
    Diagnosis,
    ExperimentInfo,
    Exploration,
    Finding,
    Fork,
    Grid,
    Guide,
    Histogram,
    History,
    Line,
    Notice,
    Plot,
    RunRow,
    Status,
)
from nnwidgets.track.differences._difference import Difference
from nnwidgets.track.differences._parted import Parted

from ._made import GRAPH, RecordingComm, gradient_report, look

HOSTILE = (
    """<img src=x onerror="window.hacked=1">"'><script>window.hacked=2</script>&amp;</textarea></svg>$\\alpha$"""
    "<a href='javascript:window.hacked=3'>\u202e\u2066"
)
# as long, and as deep: a slash is the step from a layer to what lies in it
PLAIN = "".join("/" if letter == "/" else "x" for letter in HOSTILE)
SEEN = HOSTILE.replace("\u202e", "\\u202e").replace("\u2066", "\\u2066")
# Words of ours, not of the user's.
CLOSED = {"severity", "verdict", "family", "state", "confirm", "result", "axis", "follows"}
PACKAGE = Path(nnwidgets.__file__).parent


def spoil(value, end):
    """The same, with `end` behind every text of a user's."""
    if isinstance(value, str):
        return value + end
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [each.name for each in dataclasses.fields(value) if each.init and each.name not in CLOSED]
        return dataclasses.replace(value, **{name: spoil(getattr(value, name), end) for name in names})
    if isinstance(value, dict):
        return {spoil(key, end): spoil(each, end) for key, each in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(spoil(each, end) for each in value)
    return value


def finding(end, severity="problem", rule="Rule"):
    evidence = {"code": "loss = f(x)", "loss": 1.5, "layers": ["a", "b"]}
    made = Finding(
        rule, severity, "Conv_0", 7, "why", "do", line="model.py:3", evidence=evidence, confirmed="it", tried="so"
    )
    return spoil(made, end)


def filled(end):
    """A history in which every name and word ends so."""
    history, random = History(), np.random.default_rng(0)
    tensors = tuple(f"{layer}{end}/{name}{end}" for layer in ("Conv_0", "Dense_0") for name in ("bias", "kernel"))
    layers = tuple(f"{layer}{end}" for layer in ("Conv_0", "Dense_0"))
    for step in range(1, 30):
        history.add_scalar("train/loss", step, 1.0 / step)
        history.add_scalar(f"train/accuracy{end}", step, 0.5)
        history.add_scalar(f"validation/accuracy{end}", step, 0.5)
        history.add_scalar(f"log/mine{end}", step, float(step))
        history.add_scalar("validation/loss", step, 0.3)
        norms = np.exp(random.normal(size=(2, len(tensors)))).astype(np.float32)
        norms[0, :2] = (np.nan, 0.0) if step == 29 else (1.0, 2.0)
        history.table("gradient", ("norm", f"own{end}"), tensors).add(step, norms)
        history.table("update", ("norm", "ratio"), tensors).add(step, np.abs(norms))
        history.add("activation", step, layers, {"mean": np.ones(2), "dead": np.array([0.2, 0.9])})
    edge, counts = np.ones(len(tensors)), np.ones((len(tensors), 8), np.float32)
    history.add_histogram(Histogram("gradient/histogram", 29, tensors, -edge, edge, counts))
    history.graph = spoil(GRAPH, end)
    history.add_gradient_report(spoil(gradient_report(), end))
    history.add_look(spoil(look(), end))
    history.fork = Fork(
        5, f"half the rate{end}", np.ones((1, 3), np.float32), np.ones((1, 3), np.float32), 0.0, 0.0, 0.0
    )
    history.add_exploration(exploration(end))
    history.add_check(spoil(Check("first loss", "2.3", "9.1", "wrong", words="too high"), end))
    return history


def exploration(end):
    line = Line("loss", [1e-3, 1e-2], [1.0, 2.0], low=[0.5, 1.0], high=[1.5, 3.0])
    plot = Plot("Loss", "rate", "loss", (line,), (Guide(0.005, "here"), Guide(1.5, "there", "y")), x_names=("a", "b"))
    grid = Grid(
        "Map", "x", "y", "loss", [1.0, 2.0], [1.0, 2.0], [[1.0, np.nan], [2.0, 3.0]], labels=(("a", "b"), ("c", "d"))
    )
    made = Exploration("rates", "answer", columns=("a", "b"), rows=(("x", 1.0),), pictures=(plot, grid), caution="care")
    return spoil(made, end)


class Runs:
    present, waits = "a", ""

    def __init__(self, end):
        self.end = end

    def rows(self):
        row = RunRow(
            1, "a", "name", "failed", 0.0, message="why", tags=("tag",), note="note", origin="of 2", differs="rate 1"
        )
        return [spoil(row, self.end)]

    def difference_html(self, left, right):
        return difference(self.end)._repr_html_()


def difference(end):
    groups = (("code", (("file.py", "old", "new"), ("rate", "1\n2", "2"))),)
    made = Difference("run 1 (a)", "run 2 (b)", "Seed", groups, (("file.py", "- old\n+ new"),), Parted(3, 9, "why"))
    return spoil(made, end)


def hostile_panel(end, failing):
    class Mine(Panel):
        title = f"Mine{end}"

        def __init__(self):
            self.widget = ipywidgets.Label("x")

        def update(self, history, findings):
            if failing:
                raise ValueError(end)
            return f"Waits for it{end}"

    return Mine


def built(end):
    """A dashboard of such a history, with all that surrounds it."""
    dashboard = Dashboard(
        filled(end), lambda command: None, (*DEFAULT_PANELS, hostile_panel(end, False), hostile_panel(end, True))
    )
    dashboard.rules, dashboard.reading = (f"Mine{end}", f"Other{end}"), f"cannot steer{end}"
    dashboard.infos = lambda: [CheckInfo(f"first loss{end}", 2, f"about{end}", 1.0)]
    dashboard.experiments = lambda: [ExperimentInfo(f"rates{end}", f"about{end}", Cost(10))]
    dashboard.runs = lambda: Runs(end)
    assert dashboard.widget
    findings = [finding(end), finding(end, "warning"), finding(end, "note", "DeadUnits")]
    notices = [Notice(f"probe{end}", f"failed{end}", f"Traceback{end}"), Notice(f"look{end}", f"failed{end}", "")]
    status = Status(
        "paused", 29, message=f"paused: me{end}", pauses=(f"loss above 3{end}",), target=100, steps_per_second=3.0
    )
    dashboard.refresh(status, findings, notices, force=True)
    dashboard._redraw()
    for card in dashboard._cards:
        panel = card.panel
        if hasattr(panel, "_chosen") and hasattr(panel, "_canvas") and card.panel.title == "Network":
            panel._chosen = f"Conv_0{end}"
        if panel.title == "Look inside":
            panel._failed = f"failed{end}"
            panel._say()
        if panel.title == "Layers over steps":
            panel._reading.value = f"gradient/own{end}"
        dashboard._draw_card(card, force=True)
    try:
        raise ValueError(end)
    except ValueError:
        dashboard._controls.fail(f"It{end}")
    return dashboard


class Shape(HTMLParser):
    """The elements with the names of their attributes, and the text."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.values, self.text = [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, *(name for name, _ in attrs)))
        self.values += [value for _, value in attrs if value is not None]

    def handle_endtag(self, tag):
        self.elements.append((f"/{tag}",))

    def handle_data(self, data):
        self.text += data


def same_shape(hostile, plain):
    ours, theirs = Shape(plain), Shape(hostile)
    assert theirs.elements == ours.elements
    return theirs


@pytest.fixture(scope="module")
def two():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comm, "create_comm", RecordingComm)
        made = [built(HOSTILE), built(PLAIN)]
        yield made
        for each in made:
            each.close()


def test_every_piece_of_html_in_the_dashboard_has_the_shape_that_harmless_names_give_it(two):
    hostile, plain = ([each for each in all_widgets(one.widget) if isinstance(each, ipywidgets.HTML)] for one in two)
    assert len(hostile) == len(plain) > 20
    shapes = [same_shape(one.value, other.value) for one, other in zip(hostile, plain, strict=True)]
    named = [shape for shape in shapes if SEEN in shape.text or any(SEEN in value for value in shape.values)]
    # not all have a name in them, but an empty page would pass, too
    assert len(named) >= 14
    assert not any("\u202e" in each.value for each in hostile)


def test_buttons_lists_and_labels_take_their_words_as_text(two):
    hostile = all_widgets(two[0].widget)
    assert not any(getattr(each, "description_allow_html", False) for each in hostile)
    assert not [each for each in hostile if isinstance(each, ipywidgets.HTMLMath)]


def test_the_difference_of_two_runs_and_the_rows_are_text(two):
    grids = [next(card.panel for card in each._cards if card.panel.title == "Runs") for each in two]
    answers = []
    for panel in grids:
        panel.heard({"kind": "compare", "runs": [1, 2]})
        panel.heard({"kind": "list"})
        answers.append(panel.grid.answer["html"])
    shape = same_shape(*answers)
    assert SEEN in shape.text
    row = grids[0].grid.data["rows"][0]
    assert row["note"] == f"note{HOSTILE}"
    assert row["name"] == f"name{SEEN}"


@pytest.mark.parametrize(
    "write",
    [
        lambda end: exploration(end)._repr_html_(),
        lambda end: spoil(look(), end)._repr_html_(),
        lambda end: difference(end)._repr_html_(),
        lambda end: headline(spoil(look(), end)),
        lambda end: Diagnosis(
            (finding(end), finding(end, "note")),
            (spoil(Check("one", "a", "b", "wrong", words="c"), end),),
            (f"Rule{end}",),
        ).to_html(),
        lambda end: Checklist(
            (spoil(CheckInfo("one", 2, "about", 1.0), end), spoil(CheckInfo("two", 3, "about", 1.0), end)),
            (spoil(Check("one", "a", "b", "wrong", words="c"), end),),
        ).to_html(),
    ],
    ids=["experiment", "look", "difference", "headline of a look", "diagnosis", "checklist"],
)
def test_what_a_cell_shows_is_text(write):
    shape = same_shape(write(HOSTILE), write(PLAIN))
    assert any(name in text for name in (HOSTILE, SEEN) for text in (shape.text, *shape.values))


def test_every_class_that_writes_html_for_a_cell_is_in_these_tests():
    found = {
        each.name
        for file in PACKAGE.rglob("*.py")
        if "node_modules" not in file.parts and re.search("_repr_html_|to_html", text := file.read_text("utf-8"))
        for each in ast.walk(ast.parse(text))
        if isinstance(each, ast.ClassDef)
        and {"_repr_html_", "to_html"} & {part.name for part in each.body if isinstance(part, ast.FunctionDef)}
    }
    assert found == {"Exploration", "Look", "Difference", "Checklist", "Diagnosis"}, "write a test of its markup above"


def test_the_browser_is_given_html_in_one_place_only():
    risky = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|DOMParser")
    lines = [
        f"{file.name}: {line.strip()}"
        for file in sorted((PACKAGE / "panels" / "static").glob("*.js"))
        for line in file.read_text("utf-8").splitlines()
        if risky.search(line)
    ]
    # what Difference._repr_html_ has escaped
    assert lines == ["runs.js: content.innerHTML = answer.html;"]


def test_a_message_of_the_browser_opens_no_file_and_runs_nothing(two, monkeypatch):
    """Whatever comes from the page is a number, or a name that is looked up among known ones."""
    import builtins
    import io

    def refuse(*arguments, **keys):
        raise AssertionError(f"opened {arguments}")

    names = ["/etc/passwd", "../../secret", HOSTILE]
    for module in (builtins, io):
        monkeypatch.setattr(module, "open", refuse)
    for name in names:
        for card in two[0]._cards:
            for part in all_widgets(card.widget):
                if hasattr(part, "_esm"):
                    for kind in ("open", "close", "choose", "check", "go", "list", "compare", "tags", "note", "view"):
                        content = {
                            "kind": kind,
                            "key": name,
                            "names": [name],
                            "run": 1,
                            "tags": name,
                            "note": name,
                            "by": 1,
                        }
                        part._handle_custom_msg({**content, "runs": [1, 2]}, [])
    assert RecordingComm.messages
