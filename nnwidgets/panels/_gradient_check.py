"""Whether the gradients are right, tensor by tensor."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import ipywidgets

from nnwidgets.records import Command, Finding, GradientReport, History, Notice, TensorCheck

from ._check_picture import picture
from ._panel import Panel
from ._text import escape
from ._theme import colour_of, layer_colours, number

SHOWN = 60
WRONG_SIGN = "\u2717"
_WAITS = (
    '<span class="nnw-note">Waits for a check: is every gradient the slope of the loss? '
    "The run holds meanwhile, and goes on as if nothing had been.</span>"
)
_SIGNS = {"ok": "\u2713", "kink": "\u2713", "unreached": "\u2013", "skipped": "\u2013", "unsure": "?"}
_SIGNS |= dict.fromkeys(("stopped", "surrogate"), "!")


class GradientCheck(Panel):
    """The newest gradient check: a verdict for each tensor, its error on a log scale, and numeric against analytic.

    Tells apart: a wrong gradient (red) from a corner of the loss at this very point (a kink, which is no fault), and a
    fault of the rule from one of precision: the second number is the gradient in the model's own precision against
    float64. Errors are relative, |a - n| / max(|a|, |n|); under 1e-7 is as close as float64 gets, over 1e-2 probably wrong,
    between 1e-4 and 1e-2 suspicious (the ladder of Stanford's CS231n notes).

    Attributes:
        send: takes the wish for a check; the dashboard sets it.
        notices: what failed inside the debugger; the dashboard sets it.
    """

    title = "Gradient check"
    wide = True
    notices: Sequence[Notice] = ()

    def __init__(self) -> None:
        self.send: Callable[[Command], None] = lambda command: None
        self._report: GradientReport | None = None
        self._failures = 0
        self._quick = self._button("Check gradients", "One direction a tensor: seconds", "quick")
        self._full = self._button("Check fully", "Also single coordinates of every tensor: slower", "full")
        self._headline, self._table, self._picture = ipywidgets.HTML(_WAITS), ipywidgets.HTML(), ipywidgets.HTML()
        self._chosen = ipywidgets.Dropdown(options=[], description="", tooltip="Which tensor's picture to show")
        self._chosen.observe(self._choose, "value")
        self._offering = self._picked = False
        self._side = ipywidgets.VBox([self._chosen, self._picture], layout={"width": "280px", "flex": "0 0 auto"})
        self._side.layout.display = "none"
        scroll = ipywidgets.Box([self._table], layout={"flex": "1 1 320px", "min_width": "0"}).add_class("nnw-scroll")
        bar = ipywidgets.HBox([self._quick, self._full, self._headline]).add_class("nnw-row")
        body = ipywidgets.HBox([scroll, self._side]).add_class("nnw-check")
        self.widget = ipywidgets.VBox([bar, body])

    def update(self, history: History, findings: Sequence[Finding]) -> str | None:
        """Show the newest report, or why there is none; while a check goes on, that it does."""
        report = history.gradient_reports[-1] if history.gradient_reports else None
        failures = [each for each in self.notices if each.source == "gradcheck"]
        failed, self._failures = len(failures) > self._failures, len(failures)
        if report is not None and report is not self._report:
            self._report = report
            ordered = ordered_by_gravity(report)
            self._side.layout.display = ""
            self._headline.value = headline_html(report)
            self._table.value = table_html(report, ordered[:SHOWN], layer_colours(history))
            self._offer([each.path for each in ordered[:SHOWN]])
        elif failed:
            self._headline.value = (
                f'<span class="nnw-alarm"><b>{WRONG_SIGN} the check itself failed</b></span> '
                f'<span class="nnw-note">{escape(failures[-1].message)}</span>'
            )
        if report is not None:
            chosen = next((each for each in report.tensors if each.path == self._chosen.value), None)
            self._picture.value = picture(chosen) if chosen is not None else ""
        return None

    def _offer(self, paths: list[str]) -> None:
        """Fill the list; unless the user's choice is still there, choose the first, which is no choice of the user's."""
        self._offering = True
        kept = self._chosen.value if self._picked and self._chosen.value in paths else None
        with self._chosen.hold_sync():
            self._chosen.options = paths
            self._chosen.value = kept or (paths[0] if paths else None)
        self._offering = False

    def _choose(self, change: object) -> None:
        if not self._offering:
            self._picked = True
            self.redraw()

    def _button(self, text: str, tooltip: str, tier: str) -> ipywidgets.Button:
        button = ipywidgets.Button(description=text, tooltip=tooltip, icon="check")
        button.on_click(lambda _: self._ask(tier))
        return button.add_class("nnw-command")

    def _ask(self, tier: str) -> None:
        self._headline.value = '<span class="nnw-message">checking gradients \u2026</span>'
        self.send(Command("gradcheck", tier))


def ordered_by_gravity(report: GradientReport) -> list[TensorCheck]:
    """The tensors, what is wrong first."""
    return sorted(report.tensors, key=_rank)


def _rank(tensor: TensorCheck) -> tuple[int, float]:
    order = ("wrong", "non-finite", "stopped", "surrogate", "unsure", "kink", "ok", "unreached", "skipped")
    return order.index(tensor.verdict), -(tensor.error or 0.0)


def headline_html(report: GradientReport) -> str:
    """The verdict with its causes and notes."""
    used = f"{report.examples} examples" if report.examples else "the whole batch"
    about = f"step {report.step:,}, {used}, {report.evaluations:,} evaluations, {number(report.seconds, 2)} s"
    sign, kind = "", "nnw-alarm" if _is_alarm(report) else ""
    if report.ok and report.checked:
        sign, kind = "\u2713", "nnw-healthy"
    causes = [f"cause: {rule.sentence}" for rule in report.rules if rule.wrong]
    below = "".join(f"<div>{escape(note)}</div>" for note in (*causes, *report.notes))
    return (
        f'<span class="{kind}"><b>{sign} {escape(report.headline.partition(": ")[2])}</b></span> '
        f'<span class="nnw-note">{escape(report.precision)}; {about}</span>{below}'
    )


def _is_alarm(report: GradientReport) -> bool:
    return any(each.verdict in ("wrong", "non-finite") for each in report.tensors)


def table_html(report: GradientReport, tensors: Sequence[TensorCheck], colours: dict[str, str]) -> str:
    """A row a tensor."""
    names = ("", "tensor", "verdict", "relative error", "", "own precision", "seen from")
    head = f"<tr>{''.join(f'<th>{name}</th>' for name in names)}</tr>"
    rows = "".join(_row(each, colour_of(each.path, colours)) for each in tensors)
    more = len(report.tensors) - len(tensors)
    # the suspects come first, and what was not checked last
    right = ", all right" if report.checked == len(report.tensors) and len(report.suspects) <= len(tensors) else ""
    rest = f'<div class="nnw-note">and {more} more{right}: session.gradcheck() returns them</div>' if more > 0 else ""
    legend = (
        '<div class="nnw-note">bar: 1e-12 to 1; ticks at 1e-7 (as close as float64 gets), 1e-4 and 1e-2 (probably wrong). '
        "Own precision: the gradient as the model computes it, against float64. Seen from: the smallest relative error in one "
        "typical coordinate that this check sees.</div>"
    )
    return f'<table class="nnw-table">{head}{rows}</table>{rest}{legend}'


def _row(tensor: TensorCheck, colour: str) -> str:
    bad = tensor.verdict in ("wrong", "non-finite")
    # its cause stands in the headline
    words = "" if tensor.verdict == "wrong" else tensor.words or (_kink_words(tensor) if tensor.slopes else "")
    shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in tensor.shares.items())
    below = " \u00b7 ".join(part for part in (words, f"share of the gradient: {shares}" if shares else "") if part)
    return (
        f'<tr class="{"nnw-alarm" if bad else ""}"><td>{_SIGNS.get(tensor.verdict, WRONG_SIGN)}</td>'
        f'<td><span class="nnw-chip" style="background:{colour}"></span>{escape(tensor.path)}</td>'
        f"<td>{tensor.verdict}</td><td>{_number(tensor.error)}</td><td>{_bar(tensor.error, bad)}</td>"
        f"<td>{_number(tensor.own_error)}</td><td>{_number(tensor.sensitivity)}</td></tr>"
        + (
            f'<tr class="nnw-below"><td></td><td colspan="6" class="nnw-note">{escape(below)}</td></tr>'
            if below
            else ""
        )
    )


def _kink_words(tensor: TensorCheck) -> str:
    assert tensor.slopes is not None
    left, right = (number(each) for each in tensor.slopes)
    return f"slope to the left {left}, to the right {right}" if left != "NaN" else "a corner of the loss"


def _number(value: float | None) -> str:
    return "\u2013" if value is None else f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e+")


def _bar(error: float | None, bad: bool) -> str:
    """The error between 1e-12 and 1, with the ladder's marks."""
    size = max(0.0, error or 0.0) if error == error else 1.0
    share = min(1.0, max(0.0, (math.log10(size) + 12) / 12)) if 0 < size < math.inf else float(size == math.inf)
    ticks = "".join(f'<i style="left:{100 * (power + 12) / 12:.0f}%"></i>' for power in (-7, -4, -2))
    bar = f'<div class="{"nnw-bad" if bad else ""}" style="width:{100 * share:.0f}%"></div>'
    return f'<div class="nnw-error-bar">{bar}{ticks}</div>'
