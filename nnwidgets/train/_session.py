"""A training run that can be watched and steered while it goes on."""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nnwidgets.lint import DEFAULT_LINTS, Setup
from nnwidgets.objective import Objective
from nnwidgets.panels import DEFAULT_PANELS
from nnwidgets.probes import DEFAULT_PROBES, Snapshot
from nnwidgets.records import Command, NanReport, Notice
from nnwidgets.rules import DEFAULT_RULES
from nnwidgets.trace import Trace, trace_objective

from . import _folder
from ._arguments import check_checks, check_every, check_experiments, check_objective, check_optimizer, check_parts
from ._attempts import Attempts
from ._data import Batches, batch_size, describe
from ._desk import Desk
from ._interrupt import Interrupts
from ._past import Made, Past
from ._programs import Programs, metric_names
from ._questions import is_finite
from ._timeline import Saved, Timeline
from ._tracking import Setting, Tracking
from ._validation import check_validation


class Session(Attempts):
    """Trains an objective, shows what happens, and lets it be paused, stepped and stopped.

    Gradient and update are two compiled programs that are the same on every step, looked at or not, so the parameters
    are the same bits whatever `budget` is. Displaying the session shows its dashboard, before, during or after a run.

    Args:
        objective: the loss and its parameters; see `nnw.Objective` and the adapters.
        tx: an optax transformation.
        batches: an iterable of batches, or a callable ``batches(step)``. A list or a loader is started again when it
            ends; a generator ends the run.
        validation: batches to validate on; an iterable that can be started again.
        validation_every: steps between two validations; 100 if None.
        seed: everything random follows from it.
        budget: the share of the run's own time that watching may add, or 0.3 ms a step where that is more; 0 is off.
        probes: pure functions of a `nnw.Snapshot`.
        rules: judgements on the history.
        lints: judgements on the set-up before the first step; see `lint`.
        checks: things to be run on a button; those of ``nnwidgets.checks`` if None; see `checklist`.
        experiments: what can be tried on copies of the run; those of ``nnwidgets.explore`` if None; see `explore`.
        panels: what the dashboard shows.
        timeline_memory: bytes that saved states and batches, from which `rewind` works, may hold; a tenth of the free memory
            if None.
        pause_on_nan: pause at the first loss or gradient that is not finite, at the state before that step, and say which
            operation made it.
        gradcheck_every: check all gradients after every so many steps; None: only when asked to.
        track: whether its runs are kept on record, in ``.nnwidgets`` beside the notebook or script; a string says where they
            are sent as well, such as ``"mlflow:http://127.0.0.1:5000"``; see `record`.
        name: how the run is called.

    Raises:
        ValueError: if there is no batch, or the objective does not fit it.

    Example:
        >>> import jax.numpy as jnp, optax
        >>> def loss_fn(params, batch):
        ...     return jnp.mean((batch @ params["w"]) ** 2)
        >>> session = Session(Objective(loss_fn, {"w": jnp.ones(2)}), optax.sgd(0.1), [jnp.ones((4, 2))])
        >>> session.run(5).step
        5
    """

    def __init__(
        self,
        objective: Objective,
        tx: optax.GradientTransformation,
        batches: Iterable[Any] | Callable[[int], Any],
        *,
        validation: Iterable[Any] | None = None,
        validation_every: int | None = None,
        seed: int = 0,
        budget: float = 0.05,
        probes: Sequence[Any] = DEFAULT_PROBES,
        rules: Sequence[Any] = DEFAULT_RULES,
        lints: Sequence[Any] = DEFAULT_LINTS,
        checks: Sequence[Any] | None = None,
        experiments: Sequence[Any] | None = None,
        panels: Sequence[Any] = DEFAULT_PANELS,
        timeline_memory: int | None = None,
        pause_on_nan: bool = True,
        gradcheck_every: int | None = None,
        track: bool | str = True,
        name: str | None = None,
    ) -> None:
        check_objective(objective)
        check_optimizer(tx)
        check_parts(probes=probes, rules=rules, panels=panels)
        check_checks(checks or ())
        check_experiments(experiments or ())
        self.name = name or "run"
        self.objective = objective
        self.timeline = Timeline(timeline_memory)
        self._batches = Batches(batches, memory=self.timeline.memory // 4)
        objective.check(self._batches.first())
        if validation is not None:
            check_validation(validation, objective, self._batches.first())
        self._tx, self._programs = tx, Programs(objective, tx)
        self._validation, self._validation_every = validation, validation_every or 100
        self._key = jax.random.key(seed)
        # copies: the caller may donate what was handed in, and an optimizer may keep the parameters in its state
        self.params = jax.tree.map(jnp.copy, objective.params)
        self.state = objective.state
        self.opt_state = jax.tree.map(jnp.copy, tx.init(self.params))
        self.step = 0
        self._left_at = Saved(0, self.params, self.state, self.opt_state)
        self._past = Past(self._programs, self._batches, self._key, self.timeline)
        tasks = {"gradcheck": self._check_gradients, "rewind": self._rewind_here, "lint": self._lint_here}
        tasks |= {"verify": self._verify_here, "check": self._check_here, "look": self._look_here}
        tasks |= {"explore": self._explore_here}
        self._desk = Desk(budget, probes, rules, panels, start=self._run_aside, tasks=tasks, reach=lambda: self.reach)
        self._lints, self._passed = tuple(lints), list[str]()
        self._furthest, self._rewound, self._pauses_on_nan = 0, False, pause_on_nan
        self._was_finite, self._bad_step = True, None
        self._gradcheck_every = check_every("gradcheck_every", gradcheck_every)
        self._batch: Any = None
        self._lock = threading.Lock()
        self._loop_thread: int | None = None
        self._pending: list[tuple[int, Any]] = []
        self._metrics: dict[bool, tuple[str, ...]] = {}
        self._trace: Trace | None = None
        self._set_up: Setup | None = None
        self._inside: Any = None
        self._checks = None if checks is None else tuple(checks)
        self._experiments = None if experiments is None else tuple(experiments)
        numbers = {"seed": seed, "batch_size": batch_size(self._batches.first()), "gradcheck_every": gradcheck_every}
        numbers |= {"validation_every": self._validation_every if validation is not None else None}
        setting = Setting(tx, isinstance(batches, (list, tuple)), numbers)
        self._tracked = Tracking(self, setting, track)
        self._desk.dashboard.infos, self._desk.dashboard.experiments = self._infos, self._experiment_infos
        self._desk.dashboard.runs = lambda: self._tracked.runs

    @property
    def trace(self) -> Trace:
        """The traced loss: its layers, operations and watched values; traced when first asked for."""
        if self._trace is None:
            self._trace = trace_objective(self.objective, self._batches.like)
        return self._trace

    @property
    def record(self) -> Any:
        """The run as it stands in the store (see `nnwidgets.track.Run`); None before the first step, or where none is kept."""
        return self._tracked.run

    def _about(self) -> dict[str, dict[str, Any]]:
        try:
            run = self.record
            return {} if run is None else run.about()
        except Exception as error:
            # the store may be gone, or busy: the page is worth more than this part of it
            self.notices.append(Notice("track", f"the set-up is left out of the page: {error}", traceback.format_exc()))
            return {}

    @property
    def model(self) -> Any:
        """The user's own model with the parameters as they are now (Linen: the variables; plain JAX: the parameters)."""
        return self.objective.restore(self.params, self.state)

    @property
    def reach(self) -> tuple[int, int]:
        """The first and the last step that `rewind` can go to."""
        first = self.timeline.first
        return self.step if first is None else first, self._furthest

    def rewind(self, step: int) -> Session:
        """Go to the state after so many updates, bit for bit the one that the run had there; returns the session.

        The nearest saved state is taken, and the steps from there are made again with the same keys and batches. All panels
        show that step. Going on from there with `run` starts a branch; until then one can go forward again, too.

        Args:
            step: from 0 to the furthest step made.

        Raises:
            ValueError: it is out of reach; or the data source gives other batches than the first time, in which case the
                session stays where it was.
        """
        self._check_reach(step)
        if not self._lock.acquire(blocking=False):
            # the loop that holds it goes back between two steps
            self._desk.receive(Command("rewind", step))
            return self
        try:
            self._go_to(step)
        finally:
            self._lock.release()
        return self

    def nan_origin(self) -> NanReport:
        """Which operation makes the coming step's loss or gradients NaN or infinite, with its line and its operands.

        A run pauses at the state before the first such step, so that this is the question to ask there; it has been asked
        already: see `session.findings`. Where the run has gone on, the session goes back to the first such step; where an
        update made parameters that are not finite, to the state before it.

        Raises:
            RuntimeError: the session is running.
        """
        with self._standing_still("ask where a NaN began"):
            return self._nan_origin()

    def _nan_origin(self) -> NanReport:
        from nnwidgets.origins import ObjectiveOrigin

        bad = np.flatnonzero(~np.isfinite(self.timeline.losses))
        if len(bad) and bad[0] < self.step:
            self._go_to(int(bad[0]), self._desk.status.message)
        if self.step > self.reach[0] and not is_finite(self.params):
            report = self._update_origin(self.step - 1) or ObjectiveOrigin(self.objective)(*self._now())
        else:
            report = ObjectiveOrigin(self.objective)(*self._now())
            report = (report.finite and self._update_origin(self.step)) or report
        report = replace(report, step=self.step)
        if not report.finite:
            self.history.add_nan_report(report)
        return report

    def _update_origin(self, step: int) -> NanReport | None:
        """Where the update of one step stopped being finite; the session goes there. None if it did not."""
        from nnwidgets.origins import nan_origin

        before, factor = self._past.state_at(step), np.float32(self.timeline.multiplier(step))
        _, made = self._past.again(before)
        if not is_finite((made.loss, made.grads)) or is_finite((made.after.params, made.after.opt_state, made.updates)):
            return None
        report = nan_origin(
            self._programs.update, before.params, before.opt_state, made.grads, factor, made.loss, argnums=None
        )
        self._go_to(step, self._desk.status.message)
        note = f"loss and gradients of step {step} are finite: the optimizer's update is not"
        return replace(report, notes=(note, *report.notes))

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write saved states and history into a folder; whenever the process is killed, what was saved before stays whole.

        Returns:
            the complete folder inside it.

        Raises:
            RuntimeError: the session is running.
        """
        with self._standing_still("save"):
            self._flush()
            self.timeline.keep(self._here, pin=True)
            about = {"step": self.step, "furthest": self._furthest, "multiplier": self._desk.controls.multiplier}
            about["key"] = np.asarray(jax.random.key_data(self._key)).tolist()
            try:
                return _folder.write(folder, self.timeline, self.history, **about)
            finally:
                self.timeline.unpin(self.step)

    def load(self, folder: str | os.PathLike[str]) -> Session:
        """Become what `save` wrote; the session must be new, and made with the same model, optimizer, seed and data.

        Raises:
            ValueError: nothing complete is there, it has another form or seed, the data is shorter, or this session has made
                steps. Nothing is loaded then.
            RuntimeError: the session is running.
        """
        with self._standing_still("load"):
            if self._furthest:
                raise ValueError(f"load wants a new session, this one has made {self._furthest} steps: build it anew.")
            stored = _folder.read(folder, self._left_at)
            about = stored.about
            if about["key"] != np.asarray(jax.random.key_data(self._key)).tolist():
                raise ValueError(
                    f"{os.fspath(folder)} was saved by a session with another seed: build it with the same one."
                )
            self._batches.skip(about["furthest"])
            for saved in stored.states:
                self.timeline.keep(saved, pin=True)
                self.timeline.unpin(saved.step)
            self.timeline.losses, self.timeline.multipliers = stored.losses, stored.multipliers
            self.history.take_over(stored.history)
            self._put(next(saved for saved in stored.states if saved.step == about["step"]))
            self._furthest, self._rewound = about["furthest"], about["step"] < about["furthest"]
            self._desk.controls.multiplier = about["multiplier"]
            self._desk.rewound(self.step, f"loaded at step {self.step}")
            self._tracked("branched", self.step, f"loaded from {os.fspath(folder)}")
        return self

    @property
    def _here(self) -> Saved:
        return Saved(self.step, self.params, self.state, self.opt_state)

    def _tell(self, words: str) -> None:
        self._desk.show(message=words, force=True)
        if words and not self.dashboard.viewed and sys.stderr.isatty():
            # in a terminal, where nothing else would say that it goes on
            sys.stderr.write(f"{words}\n")

    @contextmanager
    def _standing_still(self, what: str) -> Iterator[None]:
        if not self._lock.acquire(blocking=False):
            raise RuntimeError(f"this session is running: stop it first, then {what}.")
        try:
            yield
        finally:
            self._lock.release()

    def run(self, steps: int | None = None) -> Session:
        """Make more steps, or the rest of those that were stopped; returns the session.

        While it runs the dashboard moves and its buttons work. The kernel's stop button or Stop ends it between two
        steps, and `run()` goes on from there.

        Args:
            steps: how many; None for what a stopped run had left.

        Raises:
            ValueError: if `steps` is not positive, or None with nothing left; or a batch has another shape.
            RuntimeError: if the session is running already.
        """
        target = self.status.target if steps is None else self.step + steps
        wanted = steps is None or (isinstance(steps, (int, np.integer)) and steps >= 1)
        if not wanted or target is None or target <= self.step:
            raise ValueError(f"how many steps? Got {steps!r} at step {self.step}: type session.run(1000).")
        if not self._lock.acquire(blocking=False):
            raise RuntimeError("this session is running already: press Stop, or wait until it has ended.")
        try:
            self._loop_thread = threading.get_ident()
            self._note_intervention()
            self._desk.begin(target, "" if self._metrics else "compiling the step")
            self._tracked("began")
            with Interrupts() as interrupts:
                self._loop(interrupts)
            self._tracked("ended")
        except KeyboardInterrupt as interrupt:
            self._flush()
            self._desk.end("stopped", f"interrupted at step {self.step}; session.run() goes on", self.step)
            self._tracked("ended", interrupt)
            if "ipykernel" not in sys.modules:
                raise
        except BaseException as error:
            self._desk.end("stopped", f"ended by {type(error).__name__} at step {self.step}", self.step)
            self._tracked("ended", error)
            raise
        finally:
            self._loop_thread = None
            self._lock.release()
        return self

    def _now(self) -> tuple[Any, Any, Any, Any]:
        try:
            batch = self._batches.window(self.step, 1)[0]
        except ValueError:
            # the data has ended, or is gone
            if (batch := self._batch) is None:
                raise
        return self.params, self.state, batch, self._programs.fold_in(self._key, np.uint32(self.step))

    def _loop(self, interrupts: Interrupts) -> None:
        desk, first = self._desk, self.step
        while True:
            why = desk.may_go_on(self.step, self._flush)
            if why is not None:
                self._flush()
                words = f"{why} at step {self.step}; session.run() goes on"
                return desk.end("stopped" if why == "stopped" else "paused", words)
            started = time.perf_counter()
            if desk.status.target is not None and self.step >= desk.status.target and not desk.controls.single:
                self._flush()
                return desk.end("finished", "")
            batch = self._batches.take(self.step)
            desk.pace.waited("data", time.perf_counter() - started)
            if batch is None and self.step == first:
                raise ValueError(
                    f"there is no batch left for step {self.step}: the generator has ended. Give a list, a data loader, or a "
                    "callable batches(step), which can be started again."
                )
            if batch is None:
                self._flush()
                return desk.end("finished", f"the data ended after {self.step} batches")
            self._branch_off()
            self._advance(batch, interrupts)
            keep, made = 0 if desk.controls.paused else 1, time.perf_counter()
            self._read(keep)
            desk.pace.waited("device", time.perf_counter() - made)
            if self._pauses_on_nan and self._bad_step is not None:
                self._pause_at_nan(self._bad_step)
                continue
            desk.watcher.collect(before=self.step - keep)
            if self._validation is not None and self.step % self._validation_every == 0:
                self._validate()
            again = self._batches.epoch > 0
            told = self._tracked("made", self.step - 1, batch, again, desk.governor.step_seconds)
            # the first pass through the data is described once in a run, within a bound of its own
            (desk.governor.charge_all if again else desk.governor.set_aside)(told)
            desk.end_step(self.step, started)
            if self._gradcheck_every and self.step % self._gradcheck_every == 0:
                self._check_gradients("whole")

    def _advance(self, batch: Any, interrupts: Interrupts) -> None:
        watcher, multiplier = self._desk.watcher, self._desk.controls.multiplier
        before = self._here
        self._batch = batch
        if True not in self._metrics:
            self._metrics[True] = metric_names(self.objective, self.params, self.state, batch, self._key, True)
        kept = time.perf_counter()
        self.timeline.keep(before, pin=before.step == 0 or self._desk.controls.single > 0)
        self.timeline.note_multiplier(before.step, multiplier)
        self._desk.governor.charge_all(time.perf_counter() - kept)
        with interrupts.protected():
            made = self._past.make(before, batch, multiplier)
            self._put(made.after)
            self._furthest = self.step
            self._pending.append((before.step, made.readout))
        snapshot = self._snapshot(before, batch, made)
        if not watcher.prepared:
            self._prepare(snapshot)
        watcher.look(before.step, (made.loss, made.updates), snapshot, force=self._desk.controls.single > 0)

    def _put(self, saved: Saved) -> None:
        self.params, self.state, self.opt_state, self.step = saved.params, saved.state, saved.opt_state, saved.step
        self._left_at = saved

    def _snapshot(self, before: Saved, batch: Any, made: Made) -> Callable[[], Snapshot]:
        def snapshot() -> Snapshot:
            rng = self._programs.fold_in(self._key, np.uint32(before.step))
            watched, capture = (self._trace.watched, self._trace.capture) if self._trace is not None else ((), None)
            return Snapshot(
                made.loss, before.params, made.grads, made.updates, self.objective.paths, before.state, batch, rng, watched,
                capture,
            )  # fmt: skip

        return snapshot

    def _note_intervention(self) -> None:
        """Whoever puts other parameters into the session begins a new run at this step: nothing earlier leads here."""
        known = self._left_at
        if self.params is known.params and self.state is known.state and self.opt_state is known.opt_state:
            return
        self._branch_off(changed=True)
        self._left_at = self._here
        self.timeline.keep(self._left_at, pin=True)

    def _branch_off(self, changed: bool = False) -> None:
        """After a rewind, or with parameters put in by hand, the run goes another way from this step."""
        if not self._rewound and not changed:
            return
        self._rewound = False
        # before the history forgets the other way
        self._tracked("branched", self.step, "other values were put into the session" if changed else "")
        self.history.branch(self.step)
        if self.step < self._furthest:
            self._furthest = self.step
            self.timeline.forget_after(self.step)

    def _check_reach(self, step: int) -> None:
        first, last = self.reach
        if not (isinstance(step, (int, np.integer)) and first <= step <= last):
            raise ValueError(f"rewind goes to a step from {first} to {last}, got {step!r}.")

    def _go_to(self, step: int, words: str = "") -> None:
        self._note_intervention()
        self._check_reach(step)
        last = self._furthest
        self._flush()
        started, desk = time.perf_counter(), self._desk
        # the way back to the newest state, too, if no saved one is on it
        self.timeline.keep(self._here, pin=self.step == last)
        saved = self._past.state_at(int(step), self._tell)
        self._put(saved)
        self._rewound = True
        self.history.rewind(saved.step)
        if saved.step < last:
            self._look_at(saved)
        desk.governor.set_aside(time.perf_counter() - started)
        self._was_finite, self._bad_step = True, None
        desk.rewound(saved.step, words or f"rewound to step {step}; going on from here starts a branch")

    def _look_at(self, saved: Saved) -> None:
        """Read the step that follows a state, so that all panels show it; it is not made."""
        try:
            self._batch, made = self._past.again(saved)
        except ValueError as error:
            self.notices.append(Notice("rewind", f"the panels show less of step {saved.step}: {error}"))
            return
        snapshot = self._snapshot(saved, self._batch, made)
        self._desk.watcher.look(saved.step, (made.loss, made.updates), snapshot, force=True)
        self._desk.watcher.collect()

    def _here_or_still(self, what: str) -> AbstractContextManager[None]:
        """For the dashboard: in the loop itself, or in a thread of its own when none is running."""
        return nullcontext() if threading.get_ident() == self._loop_thread else self._standing_still(what)

    def _rewind_here(self, step: int) -> None:
        with self._here_or_still("go back"):
            self._go_to(int(step))

    def _prepare(self, snapshot: Callable[[], Snapshot]) -> None:
        """Trace the loss and compile the probes; where it cannot be traced, its activations are not read."""
        watcher = self._desk.watcher
        if self._desk.governor.budget:
            try:
                _ = self.trace
                self._draw_graph()
            except Exception as error:
                message = f"no activations, since the loss could not be traced: {error}"
                self.notices.append(Notice("trace", message, traceback.format_exc()))
        watcher.prepare(snapshot())

    def _read(self, keep: int) -> None:
        """Fetch the loss and metrics of all steps but the newest `keep`."""
        while len(self._pending) > keep:
            step, readout = self._pending.pop(0)
            loss, finite, *metrics = np.asarray(readout).tolist()
            self.timeline.losses.append(loss)
            read = {"train/loss": loss}
            read |= {f"train/{name}": value for name, value in zip(self._metrics[True], metrics, strict=True)}
            for name, value in read.items():
                self.history.add_scalar(name, step, value)
            self._desk.readings = read | {"run/finite": finite}
            if not finite and self._was_finite:
                self._bad_step = step
            self._was_finite = bool(finite)

    def _pause_at_nan(self, bad: int) -> None:
        """Stand still at the state whose step gave the first number that is not finite; going on does not pause again."""
        words = f"the loss or a gradient of step {bad} is not finite; the state is the one before it"
        self._tracked("nan", bad)
        self._desk.controls.paused = True
        try:
            self._go_to(bad, words)
        except ValueError as error:
            self.notices.append(Notice("pause_on_nan", f"the state before step {bad} is lost: {error}"))
            self._desk.show("paused", f"paused: the loss or a gradient of step {bad} is not finite", force=True)
        else:
            self._desk.show(message=f"paused: {words}; looking for the operation that made it", force=True)
            try:
                told = f"step {bad}: {self._nan_origin().headline}"
            except Exception as error:
                told = words
                self.notices.append(Notice("nan_origin", str(error), traceback.format_exc()))
            self._desk.show("paused", f"paused: {told}", force=True)
        self._was_finite, self._bad_step = False, None

    def _validate(self) -> None:
        readouts = []
        for batch in self._validation or ():
            try:
                if False not in self._metrics:
                    self._metrics[False] = metric_names(
                        self.objective, self.params, self.state, batch, self._key, False
                    )
                readouts.append(self._programs.evaluate(self.params, self.state, batch, self._key))
            except Exception as error:
                error.add_note(f"nnwidgets: raised on a batch of validation, {describe(batch)}.")
                raise
        if not readouts:
            raise ValueError("validation is empty: wanted at least one batch; give a list of batches, or leave it out.")
        loss, _, *metrics = np.mean([np.asarray(readout) for readout in readouts], axis=0).tolist()
        for name, value in zip(("loss", *self._metrics[False]), (loss, *metrics), strict=True):
            self.history.add_scalar(f"validation/{name}", self.step, value)

    def _run_aside(self, steps: int) -> None:
        """Run in a thread of its own: a click while no cell is running must leave the kernel free for the next click."""

        def run() -> None:
            with self._desk.aside:
                try:
                    self.run(steps)
                except Exception as error:
                    self.notices.append(Notice("run", str(error), traceback.format_exc()))
                    self._desk.show(force=True)

        threading.Thread(target=run, daemon=True).start()

    def _flush(self) -> None:
        self._read(keep=0)
        self._desk.watcher.collect()
