"""The rules that look before the first step."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from nnwidgets.records import Check

from ._subject import Subject
from ._told import told


@dataclass(frozen=True)
class SetUp:
    """All rules on the traced loss, the first batches, the initialisation and the optimizer; no step is made.

    What they find stands under its own heading and, with evidence and remedy, in Findings.
    """

    name: ClassVar[str] = "set-up"
    heading: ClassVar[int] = 2

    def seconds(self, subject: Subject) -> float:
        """About how long it takes."""
        return 6.0

    def run(self, subject: Subject) -> Check:
        """One light for all of them."""
        found = subject.lint()
        counts = Counter(each.severity for each in found)
        numbers = {"problems": counts["problem"], "warnings": counts["warning"], "rules": [each.rule for each in found]}
        expected = "no problem"
        first = next((each for each in found if each.severity == "problem"), found[0] if found else None)
        if counts["problem"]:
            assert first is not None
            measured = f"{counts['problem']} problem{'s' * (counts['problem'] > 1)}, first: {first.rule}"
            return told(self, measured, expected, "wrong", first.explanation, **numbers)
        if counts["warning"]:
            assert first is not None
            words = f"a warning is no proof: session.diagnose() makes experiments. {first.rule}: {first.explanation}"
            return told(
                self,
                f"{counts['warning']} warning{'s' * (counts['warning'] > 1)}",
                expected,
                "suspicious",
                words,
                **numbers,
            )
        return told(self, "nothing found", expected, "ok", "loss, data, layers and optimizer fit together.", **numbers)
