"""Whether the network looks at its input at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nnwidgets.records import Check
from nnwidgets.train import try_out

from ._subject import Subject
from ._told import told

_EARLY = 20


@dataclass(frozen=True)
class ZeroedInput:
    """With zeros in place of the inputs the loss of a trained network must rise: else it has not learned from them."""

    name: ClassVar[str] = "zeroed input"
    heading: ClassVar[int] = 2

    def seconds(self, subject: Subject) -> float:
        """About how long it takes."""
        return 1.0

    def run(self, subject: Subject) -> Check:
        """The loss of some batches as they are, and with zeros as inputs."""
        outcome = try_out("zero inputs", subject.bench)
        raise NotImplementedError
