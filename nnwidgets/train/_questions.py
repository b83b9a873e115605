"""What is asked of a run while it stands still: its set-up, its remedies, its checks, its inside, its parameters."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import optax

from nnwidgets.lint import Setup, facts_of, lint
from nnwidgets.records import (
    CheckInfo,
    Checklist,
    Finding,
    Look,
    Notice,
    Spike,
)

from ._data import Batches
from ._experiments import BATCHES, Bench
from ._past import Past
from ._programs import Programs
from ._spike import find_spike, look_into
from ._timeline import Saved, Timeline
from ._watchable import Watchable

if TYPE_CHECKING:
    from nnwidgets.inside import Inside

# Batches that are looked at before the first step.
LINTED = 8


class Questions(Watchable):
    """The questions that a `Session` answers; none of them changes the run.

    What stands above `train` is imported when it is asked for.
    """

    params: Any
    state: Any
    opt_state: Any
    timeline: Timeline
    reach: tuple[int, int]
    _tx: optax.GradientTransformation
    _programs: Programs
    _batches: Batches
    _past: Past
    _here: Saved
    _key: jax.Array
    _validation: Any
    _furthest: int
    _batch: Any
    _passed: list[str]
    _lints: tuple[Any, ...]
    _checks: tuple[Any, ...] | None
    _set_up: Setup | None
    _inside: Any
    _flush: Callable[[], None]
    _tell: Callable[[str], None]
    _standing_still: Callable[[str], AbstractContextManager[None]]
    _here_or_still: Callable[[str], AbstractContextManager[None]]

    def spike(self, step: int | None = None) -> Spike:
        """Look into a loss spike: which gradient grew first, and which examples of the batch carried it.

        The steps before it are made again; the session stays where it is. ``session.explore.loss_spike()``, or the
        dashboard's "Diagnose parameters", draws it.

        Args:
            step: whose loss jumped; the one that is furthest above those before it if None.

        Raises:
            ValueError: none is above those before it, or the step is out of reach.
            RuntimeError: the session is running.
        """
        with self._standing_still("look into a spike"):
            found = self._find_spike(step)
        if found is None:
            what = "no loss is above those before it" if self._furthest > 3 else f"{self._furthest} steps were made"
            then = "session.spike(step) to look at one all the same" if self._furthest else "session.run(100) first"
            raise ValueError(f"{what}: type {then}.")
        return found

    def _find_spike(self, step: int | None) -> Spike | None:
        self._flush()
        step = find_spike(self.timeline.losses) if step is None else step
        if step is None:
            return None
        if step not in range(len(self.timeline.losses)):
            raise ValueError(f"spike looks into a step that was made, 0 to {self._furthest - 1}, got {step!r}.")
        return look_into(step, self.objective, self._past, self.timeline, self._key, self._tell)

    def lint(self) -> tuple[Finding, ...]:
        """Look at the program, the first batches and the first update, without a step; the dashboard shows what was found, too.

        Raises:
            RuntimeError: the session is running.
        """
        with self._standing_still("look at its set-up"):
            self._lint()
        static = {(each.rule, each.where) for each in self._desk.static}
        return tuple(each for each in self.findings if (each.rule, each.where) in static)

    def _lint(self) -> Setup:
        setup, first = self._setup(), self._here
        if self.step:
            # the rules are on what a run begins with: its first state, if it is in reach, and an optimizer without moments
            first = self._past.state_at(0) if self.timeline.first == 0 else first
            batches = self._batches_from(first.step)
            setup = setup.at(first.params, first.state, self._tx.init(first.params), batches)
        findings, self._passed, notices = lint(setup, self._lints)
        self.notices.extend(notices)
        try:
            self.history.facts = facts_of(setup)
        except Exception as error:
            self.notices.append(Notice("facts", f"the loss is not known: {error}", traceback.format_exc()))
        self._desk.note_static([replace(each, step=first.step) for each in findings])
        self._desk.show(force=True)
        return setup

    @property
    def checks(self) -> tuple[Any, ...]:
        """What `checklist` can run, in the order of the checklist."""
        if self._checks is None:
            from nnwidgets.checks import DEFAULT_CHECKS

            self._checks = DEFAULT_CHECKS
        return self._checks

    def checklist(self, *names: str, seconds: float = 60.0) -> Checklist:
        """Go down the checklist: run its checks at the state as it is now, and tell the newest result of each.

        The run is not changed. Results are drawn in the dashboard, too.

        Args:
            names: only these checks; all if none is named.
            seconds: that each may take, about; it then tells what it knows.

        Raises:
            ValueError: there is no check of that name.
            RuntimeError: the session is running.
        """
        known = {check.name: check for check in self.checks}
        if unknown := [name for name in names if name not in known]:
            raise ValueError(f"there is no check named {', '.join(unknown)}; there are {', '.join(known)}.")
        with self._standing_still("run checks"):
            self._run_checks([known[name] for name in names] or self.checks, seconds)
        return Checklist(self._infos(), self.history.checks)

    def _run_checks(self, checks: Sequence[Any], seconds: float = 60.0) -> None:
        from nnwidgets.checks import run_checks

        # one for all: it keeps what was traced and compiled
        setup = cache(self._setup)
        bench = cache(lambda: self._bench(setup()))
        for found in run_checks(checks, lambda: self._subject(setup, bench, seconds), self.notices):
            self.history.add_check(found)
            self._tell("")

    def _subject(
        self, setup: Callable[[], Setup] | None = None, bench: Callable[[], Bench] | None = None, seconds: float = 60.0
    ) -> Any:
        """What checks look at; nothing is traced, and no batch drawn, before one does."""
        from nnwidgets.checks import Subject

        setup = setup or cache(self._setup)
        return Subject(
            self.objective.paths, setup, bench or (lambda: self._bench(setup())), self._key, self.step, self.history,
            gradcheck=lambda: self.gradcheck("quick"), lint=self._lint_again, again=self._made_again, tell=self._tell,
            seconds=seconds, step_seconds=1 / (self.status.steps_per_second or 100.0),
        )  # fmt: skip

    def _infos(self) -> tuple[CheckInfo, ...]:
        from nnwidgets.checks import infos

        return infos(self.checks, self._subject())

    def _lint_again(self) -> tuple[Finding, ...]:
        self._lint()
        return self._desk.static

    def _made_again(self) -> str:
        """Why steps that were made can't be made again as they were the first time; "" if they can, or if there were none."""
        try:
            # the newest batches may still be at hand: what the data gives again shows further back
            for step in {self.step // 2, self.step - 1} - {-1}:
                self._past.again(self._past.state_at(step))
        except ValueError as error:
            return str(error)
        return ""

    @property
    def inside(self) -> Inside:
        """Pictures of the network as it is now: activations, filters, saliency, Grad-CAM, attention, ..."""
        from nnwidgets.inside import Inside

        setup = self._setup()
        if self._inside is None:
            self._inside = Inside(self.objective, setup.batches, params=self.params, state=self.state, key=self._key)
        self._inside = self._inside.at(self.params, self.state, setup.batches)
        return self._inside

    def look(
        self,
        view: str = "activations",
        *,
        order: str = "wrong first",
        position: int = 0,
        layer: str = "",
        unit: int | None = None,
    ) -> Look:
        """Look inside the network at one example; the dashboard shows it, too.

        Args:
            view: "activations", "feature maps", "filters", "weights", "saliency", "Grad-CAM", "occlusion",
                "maximised unit", "attention": those that this network has are in ``look.views``.
            order: of the examples, which are those of the coming batches: "wrong first", "most confident wrong first",
                "largest loss first", "in order".
            position: in that order, from 0.
            layer: one of ``look.layers``; all, or the last that suits, if empty.
            unit: or channel, or class; the predicted one if None.

        Raises:
            ValueError: there is no such view or order.
            RuntimeError: the session is running.
        """
        from nnwidgets.inside import ORDERS, VIEWS

        for name, given, known in (("view", view, VIEWS), ("order", order, ORDERS)):
            if given not in known:
                raise ValueError(f"there is no {name} {given!r}; there are {', '.join(known)}.")
        with self._standing_still("look inside"):
            return self._look(view, order=order, position=position, layer=layer, unit=unit)

    def _look(self, view: str = "activations", **wanted: Any) -> Look:
        started = time.perf_counter()
        # first, since what it traces serves the pictures, too
        self._draw_graph()
        found = self.inside.look(view, **wanted)
        found = replace(found, step=self.step, seconds=time.perf_counter() - started)
        self.history.add_look(found)
        self._desk.show(force=True)
        return found

    def _setup(self) -> Setup:
        """What the rules and checks look at, with the state as it is now."""
        batches = self._batches_from(self.step)
        if self._set_up is not None:
            return self._set_up.at(self.params, self.state, self.opt_state, batches)
        self._set_up = Setup(
            self.objective, self._tx, batches, params=self.params, state=self.state, opt_state=self.opt_state,
            validation=list(islice(self._validation or (), LINTED)), key=self._key, ready=self._batches.ready,
        )  # fmt: skip
        return self._set_up

    def _batches_from(self, step: int) -> list[Any]:
        """The batches of some steps from this one on; where they are not to be had, that of the newest step."""
        try:
            return self._batches.window(step, LINTED)
        except ValueError:
            return [self._now()[2]]

    def _bench(self, setup: Setup) -> Bench:
        """What experiments work with: the first state in reach, and the newest one that is finite."""
        if self.timeline.first is None:
            # no step was made yet
            self.timeline.keep(self._here, pin=True)
        start = self._past.state_at(self.reach[0])
        now = self._here if is_finite(self.params) else start
        try:
            batches = self._batches.window(start.step, BATCHES)
        except ValueError:
            batches = [self._now()[2]]
        return Bench(setup, self._programs, start, now, batches, self._key, self.history)

    def _lint_here(self, _: Any) -> None:
        with self._here_or_still("look at its set-up"):
            self._lint()

    def _check_here(self, names: Any) -> None:
        with self._here_or_still("run checks"):
            wanted = tuple(names or ())
            self._run_checks([check for check in self.checks if not wanted or check.name in wanted])

    def _look_here(self, wanted: Any) -> None:
        with self._here_or_still("look inside"):
            self._look(**dict(wanted or {}))

    def _draw_graph(self) -> None:
        if self.history.graph is None:
            from nnwidgets.inside import Inside

            started = time.perf_counter()
            # of the batch at hand: a run does not draw ahead
            batches = [self._now()[2] if self._batch is None else self._batch]
            self._inside = Inside(self.objective, batches, params=self.params, state=self.state, key=self._key)
            self.history.graph = self._inside.graph()
            self._desk.governor.set_aside(time.perf_counter() - started)


def is_finite(tree: Any) -> bool:
    return all(
        bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.inexact)
    )
