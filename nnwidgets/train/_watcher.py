"""Reads chosen steps by further compiled programs, and writes what arrives into the history."""

from __future__ import annotations

import functools
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

    Args:
        probes: the probes of the run.
        paths: a path for each parameter tensor.
        history: where readings go.
        governor: who pays.
    """

    def __init__(self, probes: Sequence[Any], paths: tuple[str, ...], history: History, governor: Governor) -> None:
        self._probes, self._paths, self._history, self._governor = probes, paths, history, governor
        self._plans: list[tuple[Plan, Callable[..., jax.Array]]] | None = None
        self._waiting: list[tuple[Plan, int, jax.Array]] = []
        self._looks: dict[str, int] = {}
        self._last: dict[str, float] = {}
        self.notices: list[Notice] = []

    def prepare(self, loss: Any, params: Any, grads: Any, updates: Any) -> None:
        """Sort and compile the probes for these shapes, once. A probe that fails becomes a notice."""
        if self._plans is not None:
            return
        self._plans = []
        if self._governor.budget == 0:
            return
        plans, notices = make_plan(self._probes, Snapshot(loss, params, grads, updates, self._paths))
        self.notices.extend(notices)
        for plan in plans:
            program = jax.jit(functools.partial(_packed, plan, self._paths))
            jax.block_until_ready(program(loss, params, grads, updates))
            self._plans.append((plan, program))
            self._governor.join(plan.kind)

    def look(self, step: int, values: tuple[Any, Any, Any, Any], force: bool = False) -> None:
        """Start the programs that are due on a step's (loss, params, grads, updates); `collect` gets what they give."""
        for plan, program in self._plans or ():
            now = time.perf_counter()
            quiet = now - self._last.get(plan.kind, -1e9) < _QUIET_SECONDS.get(plan.kind, 0.0)
            if not force and (quiet or not self._governor.due(plan.kind)):
                continue
            self._last[plan.kind] = now
            count = self._looks[plan.kind] = self._looks.get(plan.kind, -1) + 1
            if count < _MEASURE_FIRST or count % _MEASURE_EVERY == 0:
                jax.block_until_ready(values)
                started = time.perf_counter()
                packed = jax.block_until_ready(program(*values))
                self._governor.charge(plan.kind, time.perf_counter() - started)
            else:
                packed = program(*values)
                self._governor.charge(plan.kind, self._governor.cost(plan.kind), measured=False)
            packed.copy_to_host_async()
            self._waiting.append((plan, step, packed))

    def collect(self, before: int | None = None) -> None:
        """Write the readings of the steps before this one (of all, if None) into the history."""
        while self._waiting and (before is None or self._waiting[0][1] < before):
            plan, step, packed = self._waiting.pop(0)
            started = time.perf_counter()
            plan.write(self._history, step, np.asarray(packed))
            self._governor.charge(plan.kind, time.perf_counter() - started, measured=False)


def _packed(plan: Plan, paths: tuple[str, ...], loss: Any, params: Any, grads: Any, updates: Any) -> jax.Array:
    return plan.packed(Snapshot(loss, params, grads, updates, paths))
