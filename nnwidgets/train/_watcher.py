"""Reads chosen steps by further compiled programs, and writes what arrives into the history."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from nnwidgets.probes import Plan, Snapshot, make_plan
from nnwidgets.records import History, Notice

from ._governor import Governor

_MEASURE_FIRST = 3
_MEASURE_EVERY = 8
_QUIET_SECONDS = {"histograms": 0.25}


class Watcher:
    """Looks at steps when the governor lets it; its programs read what a step left and change nothing.

    Most looks are started and fetched a step later. The first three and every eighth are waited for, and their time on
    the clock is what the governor takes a look of that kind to cost.

    Args:
        probes: the probes of the run.
        history: where readings go.
        governor: who pays.
    """

    def __init__(self, probes: Sequence[Any], history: History, governor: Governor) -> None:
        self._probes, self._history, self._governor = probes, history, governor
        self._plans: list[tuple[Plan, Callable[[Snapshot], jax.Array]]] = []
        self._waiting: list[tuple[Plan, int, jax.Array]] = []
        self._looks: dict[str, int] = {}
        self._last: dict[str, float] = {}
        self.prepared = False
        self.notices: list[Notice] = []

    def prepare(self, snapshot: Snapshot) -> None:
        """Sort and compile the probes for the shapes of this step, once. A probe that fails becomes a notice."""
        self.prepared = True
        if self._governor.budget == 0:
            return
        plans, notices = make_plan(self._probes, snapshot)
        self.notices.extend(notices)
        for plan in plans:
            program = jax.jit(plan.packed)
            try:
                jax.block_until_ready(program(snapshot))
            except Exception as error:
                self.notices.append(Notice(plan.kind, f"these probes are left out: {error}"))
                continue
            self._plans.append((plan, program))
            self._governor.join(plan.kind)

    def due(self) -> list[str]:
        """The kinds of probes that would look now."""
        now = time.perf_counter()
        return [
            plan.kind
            for plan, _ in self._plans
            if self._governor.due(plan.kind)
            and now - self._last.get(plan.kind, -1e9) >= _QUIET_SECONDS.get(plan.kind, 0.0)
        ]

    def look(self, step: int, ready: Any, snapshot: Callable[[], Snapshot], force: bool = False) -> None:
        """Start the programs that are due on a step; `collect` writes what they give.

        Args:
            step: the step's number.
            ready: the step's results, waited for where a look is timed.
            snapshot: makes the step's snapshot; called only when a look is due, its time is part of the first look's.
            force: look with every kind, due or not.
        """
        due = self.due()
        made: Snapshot | None = None
        for plan, program in self._plans:
            if not force and plan.kind not in due:
                continue
            self._last[plan.kind] = time.perf_counter()
            count = self._looks[plan.kind] = self._looks.get(plan.kind, -1) + 1
            timed = count < _MEASURE_FIRST or count % _MEASURE_EVERY == 0
            if timed:
                jax.block_until_ready(ready)
            started = time.perf_counter()
            made = made or snapshot()
            packed = program(made)
            if timed:
                jax.block_until_ready(packed)
                self._governor.charge(plan.kind, time.perf_counter() - started)
            else:
                self._governor.charge(plan.kind, self._governor.cost(plan.kind), measured=False)
            packed.copy_to_host_async()
            self._waiting.append((plan, step, packed))

    def collect(self, before: int | None = None) -> None:
        """Write the readings of the steps before this one (of all, if None) into the history."""
        while self._waiting and (before is None or self._waiting[0][1] < before):
            plan, step, packed = self._waiting.pop(0)
            values = np.asarray(packed)
            started = time.perf_counter()
            plan.write(self._history, step, values)
            self._governor.charge(plan.kind, time.perf_counter() - started, measured=False)
