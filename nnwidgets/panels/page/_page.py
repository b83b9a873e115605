"""A run as one page that needs nothing else: no network, no server, no kernel."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nnwidgets.records import Finding, History, Notice, Status

from .._layer_lines import worst_now, zero_now
from .._scripts import text_of
from .._text import escape
from .._unit_health import bars
from . import _curves, _pack, _pictures
from ._sections import checks_html, facts_html, findings_html, gradients_html, notices_html, status_html

OWN = Path(__file__).parent / "static"
# Nothing may be fetched, sent or framed; what is drawn comes from this file alone.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)
# The parts that JavaScript draws, by their name in the data.
_DRAWN = {
    "loss": "Loss and metrics", "gradients": "Gradients", "updates": "Updates", "heatmaps": "Layers over steps",
    "units": "Dead and saturated units", "histograms": "Histograms", "network": "Network",
}  # fmt: skip
_CANVASES = ("heatmap", "histograms", "shares", "network")


def page(
    status: Status,
    history: History,
    findings: Sequence[Finding] = (),
    notices: Sequence[Notice] = (),
    rules: Sequence[str] = (),
    *,
    title: str = "run",
    facts: Mapping[str, Mapping[str, Any]] | None = None,
    written: float | None = None,
) -> str:
    """The run as the text of an HTML file: findings, curves, pictures of all layers, the network, checks and facts.

    It is interactive in any browser of 2023 or later. Findings, checks and facts can be read without JavaScript. Curves are
    thinned to at most 2,000 points, smallest and largest values kept.

    Args:
        status: where the run stands.
        history: its readings.
        findings: what the rules found.
        notices: what failed inside the debugger.
        rules: the names of the rules that looked.
        title: how the run is called.
        facts: more to be told, as tables: for each heading, names and values.
        written: when, in seconds since 1970; now if None.

    Example:
        >>> text = page(Status("finished", 10), History(), title="<first>")
        >>> text.startswith("<!doctype html>"), "<first>" in text, "http://" in text or "https://" in text
        (True, False, False)
    """
    data = _data(history, findings)
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(written))
    parts = _sections(data, history, findings, notices, rules, facts)
    body = "".join(_section(*part) for part in parts)
    links = "".join(f'<a href="#{name}">{escape(heading)}</a>' for name, heading, _ in parts)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}: nnwidgets</title><style>{_style()}</style></head>"
        f'<body class="nnw nnw-page"><header><div class="nnw-top"><h1>{escape(title)}</h1>'
        f'<span class="nnw-note">nnwidgets, {when}</span><button id="theme" type="button" hidden>Dark</button></div>'
        f'{status_html(status, history)}<nav aria-label="Parts of this page">{links}</nav>'
        "<noscript><p class='nnw-hint'>The curves and pictures need JavaScript, which is off here. Findings, checks and facts "
        "can be read as they are.</p></noscript></header>"
        f'<main>{body}</main><script type="application/json" id="data">{_pack.in_script(data)}</script>'
        f"<script>{_script()}</script></body></html>\n"
    )


def _data(history: History, findings: Sequence[Finding]) -> dict[str, Any]:
    """All that is drawn, as JSON values."""
    ratio = {
        "band": [1e-4, 1e-2],
        "guide": 1e-3,
        "note": "Grey band: usual, 0.0001 to 0.01; dashed: 0.001. Biases usually lie above.",
    }
    main, small = _curves.loss(history), _curves.metrics(history)
    curves = {
        "loss": {"main": main, "small": small} if main or small else None,
        "gradients": _curves.layers(
            history, "gradient/norm", "Gradient norm per tensor", "norm of the gradient", note=_gaps(history)
        ),
        "updates": _curves.layers(
            history, "update/ratio", "Update size relative to parameters", "norm of update / parameter", **ratio
        ),
    }
    units = bars(history)
    return {
        **curves,
        "heatmaps": _pictures.heatmaps(history),
        "units": units and {"step": units[0], "bars": units[1]},
        "histograms": _pictures.histograms(history),
        "network": _pictures.network(history, findings),
    }


def _gaps(history: History) -> str:
    """What a gap in a line means, and the tensors where there is one now."""
    now = [words for words in (worst_now(history, "gradient/norm"), zero_now(history, "gradient/norm")) if words]
    return ". ".join(["A gap is a gradient that is zero, or not finite (red)", *now]) + "."


def _sections(
    data: dict[str, Any],
    history: History,
    findings: Sequence[Finding],
    notices: Sequence[Notice],
    rules: Sequence[str],
    facts: Mapping[str, Mapping[str, Any]] | None,
) -> list[tuple[str, str, str]]:
    """Name, heading and HTML of each part that has something to show, in order."""
    reports = history.gradient_reports
    told = notices_html(notices)
    known = facts_html(facts or {})
    tried = "".join(f'<div class="nnw-experiment">{each._repr_html_()}</div>' for each in history.explorations)
    parts = [("findings", "Findings", findings_html(findings, history, rules, notices))]
    parts += [("checks", "Checks", checks_html(history.checks))] if history.checks else []
    parts += [("gradcheck", "Gradient check", gradients_html(reports[-1], history))] if reports else []
    parts += [(name, heading, "") for name, heading in _DRAWN.items() if data[name]]
    parts += [("experiments", "Experiments", tried)] if tried else []
    parts += [("look", "Look inside", history.look._repr_html_())] if history.look is not None else []
    parts += [("notices", "Notices of the debugger", told)] if told else []
    parts += [("facts", "Set-up", known)] if known else []
    return parts


def _section(name: str, heading: str, text: str) -> str:
    return (
        f'<section id="{name}" aria-labelledby="{name}-heading"><h2 id="{name}-heading">{escape(heading)}</h2>'
        f'<div class="nnw-part">{text}</div></section>'
    )


def _style() -> str:
    return text_of("dashboard.css") + (OWN / "page.css").read_text("utf-8")


def _script() -> str:
    """What draws, in one function. Each canvas's module is a function in it, so that their names do not meet."""
    drawings = [
        f"{name}: (() => {{\n{text_of(f'{name}.js').replace('export default', 'return')}\n}})()," for name in _CANVASES
    ]
    own = {name: (OWN / f"{name}.js").read_text("utf-8") for name in ("frames", "unpack", "chart", "page")}
    shared = text_of("canvas.js")
    parts = [own["frames"], shared, "const drawings = {", *drawings, "};", own["unpack"], own["chart"], own["page"]]
    return "(() => {\n" + "\n".join(parts) + "\n})();"
