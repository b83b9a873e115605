"""The dashboard as one small picture that needs no kernel: what stays in a saved notebook."""

from __future__ import annotations

from collections.abc import Sequence

from nnwidgets.records import Finding, History, Notice, Status

from ._causes import causes_first
from ._status_line import news, watching_words
from ._still_canvas import GRID, Canvas
from ._still_font import lacks, readable
from ._still_layers import draw_layers, row_colours
from ._still_loss import draw_loss
from ._summary import newest_numbers
from ._theme import GREY, rule_words
from ._verdict import all_well, nothing_found

# Width in points of the page, and the most that it can become high.
WIDE, TALLEST = 900, 1400
SHOWN = 6
# A severity is told by its word and its shape; the colour only repeats it.
SHAPES = {"problem": "square", "warning": "triangle", "note": "ring"}
_TEXT = WIDE - 16.0 - 44.0


def still(
    status: Status,
    history: History,
    findings: Sequence[Finding] = (),
    notices: Sequence[Notice] = (),
    rules: Sequence[str] = (),
) -> tuple[bytes, int]:
    """Where the run stands, its loss, every layer's gradient and update, and the findings in words.

    Args:
        status: where the run stands.
        history: what was read.
        findings: what the rules found.
        notices: what failed inside the debugger.
        rules: the names of the rules that look.

    Returns:
        a PNG of two pixels a point, `WIDE` points wide, and its height in points. It is a card with a ground of its own, so
        it can be read on a dark page as well.

    Example:
        >>> picture, tall = still(Status(), History())
        >>> picture[1:4], tall < 200
        (b'PNG', True)
    """
    canvas = Canvas(WIDE, TALLEST, [GREY, *row_colours(history).values()])
    y = _header(canvas, status, history)
    if any(history.latest(name) is not None for name in history.names()):
        y = draw_loss(canvas, history, y + 26, 150)
        y = draw_layers(canvas, history, y + 18)
    y = _findings(canvas, status, findings, notices, rules, y + 20)
    words = [part for each in findings for part in (each.where, each.line or "", each.explanation, each.remedy)]
    if any(lacks(readable(part[:400])) for part in (*words, *row_colours(history))):
        canvas.text(16, y + 10, "?: a letter that no font of this machine has; session.findings has it.", "muted", 11)
        y += 16
    canvas.cut(min(y + 12, TALLEST))
    return canvas.png(), canvas.tall


def _header(canvas: Canvas, status: Status, history: History) -> float:
    total = f" of {status.target:,}" if status.target else ""
    x = 16 + canvas.text(16, 27, "nnwidgets", "muted", 13) + 12
    x += canvas.text(x, 27, f"{status.state} at step {status.step:,}{total}", size=17, bold=True) + 14
    canvas.text(x, 27, news(status), size=13, within=canvas.wide - 16 - x)
    parts = [newest_numbers(history), watching_words(status)]
    return canvas.paragraph(16, 48, " · ".join(part for part in parts if part), canvas.wide - 32, "muted", 12, 2)


def _findings(
    canvas: Canvas,
    status: Status,
    findings: Sequence[Finding],
    notices: Sequence[Notice],
    rules: Sequence[str],
    y: float,
) -> float:
    canvas.line([(16, y - 12), (canvas.wide - 16, y - 12)], GRID)
    causes = causes_first(findings)
    for cause, followers in causes[:SHOWN]:
        y = _finding(canvas, cause, followers, y + 8) + 3
    if len(causes) > SHOWN:
        y = canvas.paragraph(44, y + 8, f"and {len(causes) - SHOWN} more: session.findings", _TEXT, "muted")
    if not findings:
        verdict, who = nothing_found(rules, notices) if status.step else ("Nothing to judge yet.", "Run some steps.")
        if status.step and all_well(rules, notices):
            canvas.shape(26, y + 4, 11, "disc", "good")
        y = canvas.paragraph(44, y + 8, f"{verdict} {who}", _TEXT)
    # what fails at every step is one line
    distinct = list(dict.fromkeys(f"notice, {each.source}: {each.message}" for each in notices))
    for words in distinct[:2]:
        y = canvas.paragraph(44, y + 4, words, _TEXT, "muted", 11, 2)
    if len(distinct) > 2:
        y = canvas.paragraph(44, y + 4, f"and {len(distinct) - 2} more in .notices", _TEXT, "muted", 11)
    return y


def _finding(canvas: Canvas, finding: Finding, followers: Sequence[Finding], y: float) -> float:
    canvas.shape(26, y - 4, 11, SHAPES[finding.severity], finding.severity)
    x = 44 + canvas.text(44, y, finding.severity, finding.severity, 13, bold=True) + 10
    x += canvas.text(x, y, rule_words(finding.rule), size=13, bold=True, within=300) + 10
    place = " · ".join(part for part in (finding.where, finding.line or "", f"step {finding.step:,}") if part)
    canvas.text(x, y, place, "muted", 12, within=canvas.wide - 16 - x)
    y = canvas.paragraph(44, y + 17, finding.explanation, _TEXT, most=3)
    for name, words in (("confirmed", finding.confirmed), ("try", finding.remedy), ("tried", finding.tried)):
        if words:
            y = canvas.paragraph(44, y, f"{name}: {words}", _TEXT, most=2)
    if followers:
        listed = ", ".join(f"{rule_words(each.rule)} {each.where}".strip() for each in followers[:4])
        y = canvas.paragraph(
            44, y, f"from this follows: {listed}{', …' if len(followers) > 4 else ''}", _TEXT, "muted", most=1
        )
    return y
