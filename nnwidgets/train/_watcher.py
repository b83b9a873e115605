"""Reads chosen steps by further compiled programs, and writes what arrives into the history."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from nnwidgets.probes import Plan, Snapshot, make_plan
from nnwidgets.records import History, Notice

from ._governor import Governor

_MEASURE_FIRST = 3
_MEASURE_EVERY = 8
_LATELY = 10
_QUIET_SECONDS = {"histograms": 0.25}


class Watcher:
    """Looks at steps when the governor lets it; its programs read what a step left and change nothing.

    On an accelerator most looks are started and fetched a step later; the first three and every eighth are waited for, and
    their time on the clock is what the governor takes a look of that kind to cost. On a CPU all are.

    Args:
        probes: the probes of the run.
        history: where readings go.
        governor: who pays.

    Attributes:
        at_least: whatever it costs, look at every so many steps, as a diagnosis needs it on a busy machine; None: do not.
        prepared: whether the probes are sorted and compiled.
        notices: probes that failed.
    """

    def __init__(self, probes: Sequence[Any], history: History, governor: Governor) -> None:
        self._probes, self._history, self._governor = probes, history, governor
        self._plans: list[tuple[Plan, Callable[[Snapshot], jax.Array]]] = []
        self._waiting: list[tuple[Plan, int, jax.Array]] = []
        self._looks: dict[str, int] = {}
        self._last: dict[str, float] = {}
        self._looked: dict[str, deque[int]] = {}
        self._waited = self._left = 0.0
        self._waiters: list[str] = []
        # A CPU has nothing to overlap a look with, and with two programs in it XLA's pool of threads was seen to
        # stand still for good.
        self._alone = jax.default_backend() == "cpu"
        self.at_least: int | None = None
        self.prepared = False
        self.notices: list[Notice] = []

    def prepare(self, snapshot: Snapshot) -> None:
        """Sort and compile the probes for the shapes of this step, once. A probe that fails becomes a notice."""
        self.prepared = True
        if self._governor.budget == 0:
            return
        started = time.perf_counter()
        plans, notices = make_plan(self._probes, snapshot)
        self.notices.extend(notices)
        for plan in plans:
            program = jax.jit(plan.packed)
            try:
                jax.block_until_ready(program(snapshot))
                compiled = time.perf_counter()
                jax.block_until_ready(program(snapshot))
            except Exception as error:
                self.notices.append(Notice(plan.kind, f"these probes are left out: {error}"))
                continue
            self._plans.append((plan, program))
            self._governor.join(plan.kind)
            self._governor.learn(plan.kind, time.perf_counter() - compiled)
        self._governor.set_aside(time.perf_counter() - started)

    def due(self) -> list[str]:
        """The kinds of probes that would look now."""
        now = time.perf_counter()
        return [plan.kind for plan, _ in self._plans if self._is_due(plan.kind, now)]

    def every(self, kind: str) -> int:
        """This kind looked at about every k-th step lately, or, before there are two looks, is expected to; 0 when off."""
        often, looked = self._governor.every(kind), self._looked.get(kind, ())
        if not often or len(looked) < 2:
            return often
        return max(1, round((looked[-1] - looked[0]) / (len(looked) - 1)))

    def look(self, step: int, ready: Any, snapshot: Callable[[], Snapshot], force: bool = False) -> None:
        """Start the programs that are due on a step; `collect` writes what they give.

        Args:
            step: the step's number.
            ready: the step's results, waited for where a look is timed.
            snapshot: makes the step's snapshot; called only when a look is due.
            force: look with every kind, due or not.
        """
        entered = time.perf_counter()
        force = force or (self.at_least is not None and step % self.at_least == 0)
        chosen = [each for each in self._plans if force or self._is_due(each[0].kind, entered)]
        made = snapshot() if chosen else None
        # a timed look waits for the step, so that the next one starts with the device idle: that is lost as well, by the
        # kinds that waited. If all paid for it, a redraw could wait for a minute.
        lost = min(self._waited, entered - self._left)
        for kind in self._waiters:
            self._governor.charge(kind, lost / len(self._waiters), measured=False)
        if self._plans:
            self._governor.charge_all(time.perf_counter() - entered)
        self._waited, self._waiters = 0.0, []
        for plan, program in chosen:
            self._last[plan.kind] = entered
            self._looked.setdefault(plan.kind, deque(maxlen=_LATELY)).append(step)
            count = self._looks[plan.kind] = self._looks.get(plan.kind, -1) + 1
            timed = self._alone or count < _MEASURE_FIRST or count % _MEASURE_EVERY == 0
            started = time.perf_counter()
            if timed:
                jax.block_until_ready(ready)
                self._waited += time.perf_counter() - started
                self._waiters.append(plan.kind)
                started = time.perf_counter()
            packed = program(made)
            packed.copy_to_host_async()
            self._waiting.append((plan, step, packed))
            if timed:
                jax.block_until_ready(packed)
            seconds = time.perf_counter() - started if timed else self._governor.cost(plan.kind)
            self._governor.charge(plan.kind, seconds, measured=timed)
        self._left = time.perf_counter()

    def collect(self, before: int | None = None) -> None:
        """Write the readings of the steps before this one into the history; of all, if None, as when the run halts."""
        if before is None:
            self._waited, self._waiters = 0.0, []
        while self._waiting and (before is None or self._waiting[0][1] < before):
            plan, step, packed = self._waiting.pop(0)
            values = np.asarray(packed)
            started = time.perf_counter()
            plan.write(self._history, step, values)
            self._governor.charge(plan.kind, time.perf_counter() - started, measured=False)

    def _is_due(self, kind: str, now: float) -> bool:
        return self._governor.due(kind) and now - self._last.get(kind, -1e9) >= _QUIET_SECONDS.get(kind, 0.0)
