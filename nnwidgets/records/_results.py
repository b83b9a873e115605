"""What was looked at and tried during a run, beside its readings."""

from __future__ import annotations

import threading

from ._checks import Check
from ._exploration import Exploration
from ._fork import Fork
from ._gradient_report import GradientReport
from ._nan_report import NanReport
from ._pictures import Look, NetworkGraph

# Gradient checks kept.
REPORTS = 20


class Results:
    """The results of checks, looks and experiments, of each the newest; written and read by several threads.

    Attributes:
        version: counts the additions; unchanged means that nothing is new.
        lock: to be held while writing.
        fork: the newest change that was tried, or None.
        graph: the network's layers and what flows between them, or None.
        look: the newest look inside the network, or None.
    """

    def __init__(self) -> None:
        self.version = 0
        # re-entrant: a signal handler may read in the thread that writes
        self.lock = threading.RLock()
        self.fork: Fork | None = None
        self.graph: NetworkGraph | None = None
        self.look: Look | None = None
        self._gradient_reports: list[GradientReport] = []
        self._nan_reports: list[NanReport] = []
        self._checks: dict[str, Check] = {}
        self._explorations: dict[str, Exploration] = {}

    def add_gradient_report(self, report: GradientReport) -> None:
        """Keep the result of a gradient check; of more than a few, the newest."""
        with self.lock:
            self._gradient_reports = [*self._gradient_reports, report][-REPORTS:]
            self.version += 1

    @property
    def gradient_reports(self) -> tuple[GradientReport, ...]:
        """The newest gradient checks, oldest first."""
        return tuple(self._gradient_reports)

    def add_check(self, check: Check) -> None:
        """Keep it as the newest result of its name."""
        with self.lock:
            self._checks = {**self._checks, check.name: check}
            self.version += 1

    @property
    def checks(self) -> tuple[Check, ...]:
        """The newest result of each check that was run."""
        return tuple(self._checks.values())

    def add_look(self, look: Look) -> None:
        """Keep the newest look inside the network."""
        with self.lock:
            self.look = look
            self.version += 1

    def add_nan_report(self, report: NanReport) -> None:
        """Keep where a NaN began; of more than a few, the newest. Its step must be known."""
        with self.lock:
            self._nan_reports = [*self._nan_reports, report][-REPORTS:]
            self.version += 1

    @property
    def nan_reports(self) -> tuple[NanReport, ...]:
        """Where numbers that are not finite began, oldest first."""
        return tuple(self._nan_reports)

    def add_fork(self, fork: Fork) -> None:
        """Keep the newest change that was tried."""
        with self.lock:
            self.fork = fork
            self.version += 1

    def add_exploration(self, found: Exploration) -> None:
        """Keep what an experiment found as the newest of its name."""
        with self.lock:
            # the newest last
            others = {name: each for name, each in self._explorations.items() if name != found.name}
            self._explorations = {**others, found.name: found}
            self.version += 1

    @property
    def explorations(self) -> tuple[Exploration, ...]:
        """The newest finding of each experiment that was tried, the newest last."""
        return tuple(self._explorations.values())
