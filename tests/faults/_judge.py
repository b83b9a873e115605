"""What a result is worth: whether the fault was seen, called by its name, and found where it is."""

from __future__ import annotations

import ast
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.benchmarks._measure import Row
from tests.faults._cases import Case

Result = Mapping[str, Any]
LINES_OFF = 2
"""How far from the faulty line a finding may point."""


@dataclass(frozen=True)
class About:
    """What a case's file says of its fault; read without running it."""

    case: Case

    @cached_property
    def _values(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for node in ast.parse(self.case.path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Name) and target.id.isupper():
                try:
                    values[target.id] = ast.literal_eval(node.value)
                except ValueError:
                    # not one of ours: those are literals
                    continue
            elif isinstance(node, ast.FunctionDef) and node.name == "loud":
                values["loud"] = True
        return values

    @property
    def group(self) -> str:
        """What kind of fault it is."""
        return self._values.get("GROUP", "?")

    @property
    def accept(self) -> set[str]:
        """The rules that are right."""
        return set(self._values.get("ACCEPT", ()))

    @property
    def where(self) -> str:
        """The layer, or "" if it has none."""
        return self._values.get("WHERE", "")

    @property
    def harmless(self) -> bool:
        """Whether the fault does no harm, so that it is a healthy program."""
        return self._values.get("HARMLESS", False)

    @property
    def loud(self) -> bool:
        """Whether it raises."""
        return self._values.get("loud", False)

    @cached_property
    def lines(self) -> tuple[int, ...]:
        """The faulty lines."""
        text = self.case.path.read_text(encoding="utf-8").splitlines()
        return tuple(number for number, line in enumerate(text, 1) if line.rstrip().endswith("# the fault"))

    @property
    def has_place(self) -> bool:
        """Whether it has a layer or a line."""
        return bool(self.where or self.lines) and not self.loud


@dataclass(frozen=True)
class Verdict:
    """Of one faulty program."""

    about: About
    result: Result

    @property
    def problems(self) -> list[Result]:
        """What is red, the root cause first."""
        return [each for each in self.result.get("findings", ()) if each["severity"] == "problem"]

    @property
    def detected(self) -> bool:
        """Whether anything was said."""
        return bool(self.problems) or bool(self.result.get("heard"))

    @property
    def first(self) -> bool:
        """Whether the first word was right."""
        return bool(self.problems and self.problems[0]["rule"] in self.about.accept) or bool(self.result.get("heard"))

    @property
    def among_three(self) -> bool:
        """Whether one of the first three was."""
        return any(each["rule"] in self.about.accept for each in self.problems[:3]) or bool(self.result.get("heard"))

    @property
    def placed(self) -> bool:
        """Whether the first finding of the right kind names the layer or the line."""
        right = next((each for each in self.problems if each["rule"] in self.about.accept), None)
        return right is not None and (self._in_layer(right) or self._at_line(right))

    @property
    def verified(self) -> bool:
        """Whether the first finding's remedy was tried and seen to help."""
        return bool(self.problems) and self.problems[0]["verified"]

    def _in_layer(self, finding: Result) -> bool:
        return bool(self.about.where) and finding["where"].startswith(self.about.where)

    def _at_line(self, finding: Result) -> bool:
        file, _, number = (finding["line"] or "").rpartition(":")
        same = Path(file).name == self.about.case.path.name and number.isdigit()
        return same and any(abs(int(number) - line) <= LINES_OFF for line in self.about.lines)


def false_alarms(results: Iterable[Result]) -> dict[str, list[str]]:
    """The healthy programs with something red, and what."""
    red = {
        f"{result['kind']} {result['name']}": [
            each["rule"] for each in result.get("findings", ()) if each["severity"] == "problem"
        ]
        for result in results
    }
    return {name: rules for name, rules in red.items() if rules}


def by_group(verdicts: Iterable[Verdict]) -> dict[str, list[Verdict]]:
    """The groups in the order of their names."""
    groups: defaultdict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        groups[verdict.about.group].append(verdict)
    return dict(sorted(groups.items()))


def misses(verdicts: Iterable[Verdict]) -> dict[str, list[str]]:
    """What fell short, by name."""
    found: dict[str, list[str]] = {"not detected": [], "another kind first": [], "another place": []}
    for verdict in verdicts:
        name, said = verdict.about.case.name, ", ".join(each["rule"] for each in verdict.problems[:3])
        if "error" in verdict.result:
            continue
        if not verdict.detected:
            quieter = {f"{each['rule']} ({each['severity']})" for each in verdict.result.get("findings", ())}
            found["not detected"].append(f"{name}{': only ' + ', '.join(sorted(quieter)) if quieter else ''}")
        elif not verdict.first:
            found["another kind first"].append(f"{name}: {said}; wanted {' or '.join(sorted(verdict.about.accept))}")
        if verdict.about.has_place and verdict.among_three and not verdict.placed:
            places = {each["line"] or each["where"] or "no place" for each in verdict.problems[:3]}
            wanted = verdict.about.where or f"line {', '.join(map(str, verdict.about.lines))}"
            found["another place"].append(f"{name}: {', '.join(sorted(places))}; wanted {wanted}")
    return found


def failed_rules(results: Iterable[Result]) -> list[str]:
    """What was left out inside the debugger, each with the first program where that happened and their number."""
    names: defaultdict[str, list[str]] = defaultdict(list)
    for result in results:
        for notice in result.get("notices", ()):
            names[notice].append(result["name"])
    return [f"{notice} ({found[0]}, {len(found)} in all)" for notice, found in sorted(names.items())]


def rows(verdicts: list[Verdict], healthy: list[Result], timed: list[Result]) -> list[Row]:
    """The numbers that are promised, and some that are not."""
    placed = [verdict for verdict in verdicts if verdict.about.has_place]
    detected = [verdict for verdict in verdicts if verdict.detected]
    alarms = false_alarms(healthy)
    found = [
        _share("faults detected", [verdict.detected for verdict in verdicts], 0.95),
        _share("right kind first", [verdict.first for verdict in verdicts], 0.85),
        _share("right kind in the first three", [verdict.among_three for verdict in verdicts]),
        _share("right layer or line", [verdict.placed for verdict in placed], 0.80),
        _share("remedy verified, of those detected", [verdict.verified for verdict in detected]),
        _share("healthy runs with a red alarm", [bool(i < len(alarms)) for i in range(len(healthy))], 0.02, most=True),
    ]
    for name, key, goal in (("static verdict", "static", 2.0), ("dynamic verdict", "dynamic", 5.0)):
        seconds = [result[key] for result in timed if key in result]
        if seconds:
            middle = statistics.median(seconds)
            note = f"median of {len(seconds)}, slowest {max(seconds):.1f} s"
            if worked := [result[f"{key} worked"] for result in timed if f"{key} worked" in result]:
                note += f"; processor time {statistics.median(worked):.1f} s"
            found.append(Row(name, middle, goal, middle <= goal, unit="s", note=note))
    return [row for row in found if row is not None]


def _share(name: str, hits: list[bool], goal: float | None = None, *, most: bool = False) -> Row | None:
    if not hits:
        return None
    share = sum(hits) / len(hits)
    met = None if goal is None else (share <= goal if most else share >= goal)
    return Row(name, share, goal, met, unit="", note=f"{sum(hits)} of {len(hits)}")
