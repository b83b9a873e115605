"""Two runs side by side: what differs, and what of it made the numbers differ."""

from __future__ import annotations

import html
from dataclasses import asdict, dataclass
from typing import Any

from ._change import Change
from ._changed_code import changed_sources
from ._changed_course import changed_outcome
from ._parted import Parted, causes, part

GROUPS = (
    "environment", "model", "start", "hyperparameters", "interventions", "data", "code", "packages", "outcome",
)  # fmt: skip
# How many causes a sentence names, and the longest value that a table shows.
_NAMED, _LONGEST = 3, 300


@dataclass(frozen=True)
class Difference:
    """What differs between two runs.

    Attributes:
        left: the first run, as a user calls it.
        right: the second.
        why: the most likely cause of other numbers, in one or two sentences; what can't change any comes last.
        groups: of (group, of (what, left, right)), those that differ alone.
        diffs: of (name, patch), for code.
        parted: where the losses part.

    Example:
        >>> rows = (("seed", "0", "1"),)
        >>> Difference("run 1 (a)", "run 2 (b)", "Seed: 0 against 1.", (("hyperparameters", rows),), (), Parted(None, 9, ""))
        run 1 (a) and run 2 (b)
          Seed: 0 against 1.
        <BLANKLINE>
        hyperparameters
          seed: 0 | 1
    """

    left: str
    right: str
    why: str
    groups: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...]
    diffs: tuple[tuple[str, str], ...]
    parted: Parted

    def to_dict(self) -> dict[str, Any]:
        """It as plain data for JSON."""
        return asdict(self) | {
            "groups": {group: [list(row) for row in rows] for group, rows in self.groups},
            "diffs": dict(self.diffs),
        }

    def __repr__(self) -> str:
        lines = [f"{self.left} and {self.right}", f"  {self.why}"]
        for group, rows in self.groups:
            lines += ["", group]
            for what, left, right in rows:
                lines += _told(what, left, right)
        for _, patch in self.diffs:
            lines += ["", patch]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = [_heading("", self.left, self.right)]
        for group, found in self.groups:
            rows += [f"<tr><th colspan='3' style='text-align:left'>{html.escape(group)}</th></tr>"]
            rows += [_row(*each) for each in found]
        patches = [
            f"<details><summary>{html.escape(name)}</summary><pre>{html.escape(patch)}</pre></details>"
            for name, patch in self.diffs
        ]
        return f"<p>{html.escape(self.why)}</p><table>{''.join(rows)}</table>{''.join(patches)}"


def difference(left: Any, right: Any) -> Difference:
    """Compare two runs on record.

    Args:
        left: a `Run`.
        right: another one.

    Example:
        >>> from nnwidgets.track import Store
        >>> difference(Store().run(3), Store().run("last"))  # doctest: +SKIP
        run 3 (adam) and run 4 (adam)
          Learning rate: 0.1 against 0.2. The losses part at step 1.
    """
    changes = causes(left, right)
    where = part(left, right, changes)
    found = [*changes, *changed_outcome(left, right)]
    groups = ((group, tuple((e.what, e.left, e.right) for e in found if e.group == group)) for group in GROUPS)
    sources = changed_sources(left.facts("code"), right.facts("code"))
    return Difference(
        f"run {left.id} ({left.name})",
        f"run {right.id} ({right.name})",
        _why(changes, where),
        tuple((group, rows) for group, rows in groups if rows),
        tuple((each.name, each.unified) for each in sources),
        where,
    )


def _why(changes: list[Change], where: Parted) -> str:
    able = [each for each in changes if not each.harmless and not each.follows]
    if not able:
        return _sentence(where.why) + (f" {_sentence(_harmless(changes))}" if changes else "")
    named = "; ".join(dict.fromkeys(each.told for each in able[:_NAMED]))
    more = f"; and {len(able) - _NAMED} more" if len(able) > _NAMED else ""
    if where.step is not None and able[0].acts > where.step:
        return f"{_sentence(where.why)} Later: {named}{more}."
    if where.step is not None:
        return f"{_sentence(named + more)} The losses part at step {where.step:,}."
    return f"{_sentence(named + more)} Yet {where.why}." if where.common else _sentence(named + more)


def _harmless(changes: list[Change]) -> str:
    told = "; ".join(each.told for each in changes[:_NAMED])
    more = f"; and {len(changes) - _NAMED} more" if len(changes) > _NAMED else ""
    return f"what differs can't change a number: {told}{more}"


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _told(what: str, left: str, right: str) -> list[str]:
    if "\n" not in left + right:
        return [f"  {what}: {_cut(left) or 'none'} | {_cut(right) or 'none'}"]
    lines = [f"  - {line}" for line in left.splitlines()] + [f"  + {line}" for line in right.splitlines()]
    return [f"  {what}", *(f"  {line}" for line in lines[:20])]


def _heading(*cells: str) -> str:
    return f"<tr>{''.join(f'<th>{html.escape(each)}</th>' for each in cells)}</tr>"


def _row(*cells: str) -> str:
    style = "style='text-align:left;vertical-align:top;white-space:pre-wrap'"
    return f"<tr>{''.join(f'<td {style}>{html.escape(_cut(each))}</td>' for each in cells)}</tr>"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
