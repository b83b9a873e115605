"""What there is to know about one layer of a network, as HTML."""

from __future__ import annotations

import math

from nnwidgets.records import Finding, Node

from ._network_health import LAYERS, TENSORS, UNITS, Health, Readings, plain_path, within
from ._source_line import source_line
from ._text import escape
from ._theme import number, rule_words

TENSORS_SHOWN = 12
SEVERITIES = {"problem": "✗", "warning": "!", "note": "i"}


def count(numbers: int) -> str:
    """How many, for people.

    Example:
        >>> count(320), count(1_234), count(124_000_000)
        ('320', '1.2 k', '124 M')
    """
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if numbers >= 0.9995 * size:
            return f"{float(f'{numbers / size:.{3 if numbers >= 99.5 * size else 2}g}'):g} {unit}"
    return str(numbers)


def details(node: Node, found: Health, newest: Readings, colour: str) -> str:
    """Path, kind, output, parameters, line; what was found there; the newest readings."""
    learns = f"{node.parameters:,} parameters" if node.parameters else "no parameters"
    about = [node.kind if node.kind != "layer" else "", f"gives {shape(node.shape)}" if node.shape else "", learns]
    about += [f"then {', '.join(node.functions)}"] if node.functions else []
    line = f'<div class="nnw-place">called at {source_line(node.line)}</div>' if node.line else ""
    return (
        f'<div class="nnw-network-name"><span class="nnw-chip" style="background:{colour}"></span>'
        f"<b>{escape(node.name)}</b></div>"
        f"<div>{escape(' · '.join(part for part in about if part))}</div>{line}"
        f"{''.join(_finding(each) for each in found.findings)}{_tensors(node, newest)}{_outputs(node, newest)}{_when(newest)}"
    )


def shape(sizes: tuple[int, ...]) -> str:
    """As Python writes it, but for one number."""
    return f"({', '.join(map(str, sizes))})"


def _finding(finding: Finding) -> str:
    words = rule_words(finding.rule)
    sign = SEVERITIES[finding.severity]
    return (
        f'<div class="nnw-finding nnw-{finding.severity}"><div><b>{sign} {finding.severity}: {escape(words)}</b> '
        f'<span class="nnw-place">step {finding.step:,}</span></div><div>{escape(finding.explanation)}</div>'
        + (f"<div><b>Try:</b> {escape(finding.remedy)}</div>" if finding.remedy else "")
        + "</div>"
    )


def _tensors(node: Node, newest: Readings) -> str:
    if not node.tensors:
        return ""
    read = [name for name in TENSORS if name in newest.values]
    head = "".join(f"<th>{TENSORS[name]}</th>" for name in read)
    rows = "".join(
        f'<tr><td title="{escape(tensor)}">{escape(_short(tensor, node))}</td>'
        f"{''.join(_cell(newest.of(name, tensor)) for name in read)}</tr>"
        for tensor in node.tensors[:TENSORS_SHOWN]
    )
    more = len(node.tensors) - TENSORS_SHOWN
    rest = f'<div class="nnw-note">and {more} more tensors</div>' if more > 0 else ""
    note = "" if read else '<div class="nnw-note">gradients are not read yet</div>'
    return f'<table class="nnw-table"><tr><th>tensor</th>{head}</tr>{rows}</table>{rest}{note}'


def _short(tensor: str, node: Node) -> str:
    """The path without that of its layer, which stands above; a tensor of elsewhere keeps it."""
    return tensor.removeprefix(f"{plain_path(node.name)}/")


def _outputs(node: Node, newest: Readings) -> str:
    parts = [
        f"{words} {_value(value)}"
        for name, words in LAYERS.items()
        if (value := newest.of(name, node.name)) is not None
    ]
    parts = [f"outputs: {', '.join(parts)}"] if parts else []
    for name, words in UNITS.items():
        known = within(node, newest.values.get(name, {}))
        # NaN: this says nothing about this nonlinearity
        parts += [f"{100 * each:.0f} % of the units {words}" for each in known.values() if not math.isnan(each)]
    return f"<div>{' · '.join(parts)}</div>" if parts else ""


def _when(newest: Readings) -> str:
    """At which steps all that was read: kinds of readings have their own pace."""
    at: dict[int, list[str]] = {}
    for name in (*TENSORS, *LAYERS, *UNITS):
        kinds = at.setdefault(newest.steps[name], []) if name in newest.steps else []
        if name.partition("/")[0] not in kinds:
            kinds.append(name.partition("/")[0])
    told = [f"step {step:,}" + (f" ({', '.join(kinds)})" if len(at) > 1 else "") for step, kinds in at.items()]
    return f'<div class="nnw-note">read at {", ".join(told)}</div>' if told else ""


def _cell(value: float | None) -> str:
    return "<td>\u2013</td>" if value is None else f"<td>{_value(value)}</td>"


def _value(value: float) -> str:
    return number(value) if math.isfinite(value) else f'<b class="nnw-alarm">{number(value)}</b>'
