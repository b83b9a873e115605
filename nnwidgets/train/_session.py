"""A training run that can be watched and steered while it goes on."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import optax

from nnwidgets.objective import Objective
from nnwidgets.panels import DEFAULT_PANELS, Dashboard
from nnwidgets.probes import DEFAULT_PROBES
from nnwidgets.records import Command, Finding, History, Notice, RunState, Status
from nnwidgets.rules import DEFAULT_RULES

from ._controls import Controls, condition
from ._data import Batches
from ._governor import Governor
from ._interrupt import Interrupts
from ._programs import Programs, metric_names
from ._watcher import Watcher


class Session:
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
        panels: what the dashboard shows.
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
        panels: Sequence[Any] = DEFAULT_PANELS,
        name: str | None = None,
    ) -> None:
        if validation is not None and iter(validation) is validation:
            raise ValueError(
                "validation must give its batches again and again, got a generator: type list(validation)."
            )
        self.name = name or "run"
        self.objective = objective
        self.history = History()
        self._batches = Batches(batches)
        objective.check(self._batches.first())
        self._programs = Programs(objective, tx)
        self._validation, self._validation_every = validation, validation_every or 100
        self._key = jax.random.key(seed)
        # copies: the caller may donate what was handed in, and an optimizer may keep the parameters in its state
        self.params = jax.tree.map(lambda leaf: jax.numpy.array(leaf, copy=True), objective.params)
        self.state = objective.state
        self.opt_state = jax.tree.map(lambda leaf: jax.numpy.array(leaf, copy=True), tx.init(self.params))
        self.step = 0
        self._governor = Governor(budget)
        self._watcher = Watcher(probes, objective.paths, self.history, self._governor)
        self._rules = tuple(rules)
        self._broken_rules: set[int] = set()
        self._findings: tuple[Finding, ...] = ()
        self._judged = -1
        self._controls = Controls()
        self._running = threading.Lock()
        self._status = Status()
        self._pending: list[tuple[int, Any]] = []
        self._metrics: dict[bool, tuple[str, ...]] = {}
        self._readings: dict[str, float] = {}
        self.notices: list[Notice] = self._watcher.notices
        self.dashboard = Dashboard(self.history, self._receive, panels, rules=len(self._rules))

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
        target = self._status.target if steps is None else self.step + steps
        if (steps is not None and steps < 1) or target is None or target <= self.step:
            raise ValueError(f"how many steps? Got {steps!r} at step {self.step}: type session.run(1000).")
        if not self._running.acquire(blocking=False):
            raise RuntimeError("this session is running already: press Stop, or wait until it has ended.")
        try:
            self._controls.stopped = self._controls.paused = False
            self._status = replace(self._status, target=target)
            with Interrupts() as interrupts:
                self._loop(interrupts)
        except KeyboardInterrupt:
            self._finish("stopped", f"interrupted at step {self.step}; session.run() goes on")
            if "ipykernel" not in sys.modules:
                raise
        except BaseException as error:
            self._finish("stopped", f"ended by {type(error).__name__} at step {self.step}")
            raise
        finally:
            self._running.release()
        return self

    def pause_when(self, when: Any) -> None:
        """Pause the run as soon as a condition holds; it holds once and is then forgotten.

        Args:
            when: a step (int), ``"non-finite"``, ``"finding"``, ``("loss above", x)``, or a function of the newest readings
                such as ``lambda readings: readings["train/loss"] > 3``.

        Raises:
            ValueError: if it is none of these.
        """
        condition(when)  # a wrong one raises here, not later in the loop
        self._receive(Command("pause_when", when))

    def log(self, step: int | None = None, **scalars: float) -> None:
        """Record numbers of your own under ``log/<name>``, at this step unless told otherwise."""
        for name, value in scalars.items():
            self.history.add_scalar(f"log/{name}", self.step if step is None else step, float(value))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the rules say of the history as it is now."""
        if self._judged != self.history.version:
            self._judged = self.history.version
            self._findings = tuple(found for rule in self._rules for found in self._judge(rule))
        return self._findings

    @property
    def status(self) -> Status:
        """Where the run stands."""
        return self._status

    def __repr__(self) -> str:
        return repr(self.dashboard)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        self._show(force=True)
        return self.dashboard._repr_mimebundle_(**kwargs)

    def _loop(self, interrupts: Interrupts) -> None:
        self._show("compiling", "compiling the step", force=True)
        while True:
            self._obey()
            if self._controls.stopped:
                return self._finish("stopped", f"stopped at step {self.step}; session.run() goes on")
            if self._controls.paused and not self._controls.single:
                self._flush()
                self._show("paused", self._status.message if self._status.state == "paused" else "paused", force=False)
                if not self.dashboard.viewed or self.dashboard.live is False:
                    return self._finish("paused", f"{self._status.message} at step {self.step}; session.run() goes on")
                self.dashboard.poll()
                time.sleep(0.01)
                continue
            target = self._status.target
            if target is not None and self.step >= target and not self._controls.single:
                return self._finish("finished", "")
            started = time.perf_counter()
            batch = self._batches.take(self.step)
            if batch is None:
                return self._finish("finished", f"the data ended after {self.step} batches")
            self._advance(batch, interrupts)
            self._controls.single = max(0, self._controls.single - 1)
            self._read(keep=0 if self._controls.paused else 1)
            self._watcher.collect(before=self.step)
            if self._validation is not None and self.step % self._validation_every == 0:
                self._validate()
            held = self._controls.check(
                self.step, self._readings, len(self.findings) if self._controls.conditions else 0
            )
            if held is not None:
                self._controls.paused = True
                self._status = replace(self._status, state="paused", message=f"paused: {held}")
            if not self._controls.paused:
                self._show("running")
            self._governor.end_step(time.perf_counter() - started)

    def _advance(self, batch: Any, interrupts: Interrupts) -> None:
        params, first = self.params, not self._metrics
        if first:
            self._metrics[True] = metric_names(self.objective, params, self.state, batch, self._key, True)
        readout, loss, grads, state = self._programs.gradient(
            params, self.state, batch, self._key, np.uint32(self.step)
        )
        with interrupts.protected():
            multiplier = np.float32(self._controls.multiplier)
            new_params, opt_state, updates = self._programs.update(params, self.opt_state, grads, multiplier, loss)
            self.params, self.state, self.opt_state = new_params, state, opt_state
            self.step += 1
        self._pending.append((self.step - 1, readout))
        self._watcher.prepare(loss, params, grads, updates)
        self._watcher.look(self.step - 1, (loss, params, grads, updates), force=self._controls.single > 0)

    def _read(self, keep: int) -> None:
        """Fetch the loss and metrics of all steps but the newest `keep`."""
        while len(self._pending) > keep:
            step, readout = self._pending.pop(0)
            loss, finite, *metrics = np.asarray(readout).tolist()
            self._readings = {"train/loss": loss, "run/finite": finite}
            self._readings |= {f"train/{name}": value for name, value in zip(self._metrics[True], metrics, strict=True)}
            for name, value in self._readings.items():
                if name != "run/finite":
                    self.history.add_scalar(name, step, value)

    def _validate(self) -> None:
        readouts = []
        for batch in self._validation or ():
            if False not in self._metrics:
                self._metrics[False] = metric_names(self.objective, self.params, self.state, batch, self._key, False)
            readouts.append(self._programs.evaluate(self.params, self.state, batch, self._key))
        if not readouts:
            raise ValueError("validation is empty: wanted at least one batch; give a list of batches, or leave it out.")
        loss, _, *metrics = np.mean([np.asarray(readout) for readout in readouts], axis=0).tolist()
        for name, value in zip(("loss", *self._metrics[False]), (loss, *metrics), strict=True):
            self.history.add_scalar(f"validation/{name}", self.step, value)

    def _obey(self) -> None:
        while (command := self._controls.next_command()) is not None:
            try:
                if command.name == "run":
                    self._status = replace(self._status, target=self.step + int(command.value))
                    self._controls.apply(Command("resume"))
                    continue
                self._controls.apply(command)
                if command.name == "multiplier":
                    self.history.add_scalar("run/multiplier", self.step, self._controls.multiplier)
                if command.name == "pause":
                    self._status = replace(self._status, message="paused")
            except Exception as error:
                self.notices.append(Notice(command.name, str(error), traceback.format_exc()))

    def _receive(self, command: Command) -> None:
        """A command from a callback, in any thread: the loop applies it, or it starts one when none is running."""
        self._controls.send(command)
        if self._running.locked():
            return
        if command.name in ("step", "run"):
            self._obey()
            steps = 1 if command.name == "step" else int(command.value)
            self._controls.single = 0
            threading.Thread(target=self._run_aside, args=(steps,), daemon=True).start()
        else:
            self._obey()
            self._show(force=True)

    def _run_aside(self, steps: int) -> None:
        try:
            self.run(steps)
        except Exception as error:
            self.notices.append(Notice("run", str(error), traceback.format_exc()))
            self._show(force=True)

    def _flush(self) -> None:
        self._read(keep=0)
        self._watcher.collect()

    def _finish(self, state: RunState, message: str) -> None:
        self._flush()
        self._show(state, message, force=True)

    def _show(self, state: RunState | None = None, message: str | None = None, force: bool = False) -> None:
        if self.dashboard.viewed:
            self._governor.join("redraw")
        else:
            self._governor.leave("redraw")
        changed = state is not None and state != self._status.state
        asked = force or changed or self._status.state == "paused"
        if not asked and not (self._governor.due("redraw") and self.dashboard.due(time.perf_counter())):
            return
        step_seconds, target = self._governor.step_seconds, self._status.target
        self._status = replace(
            self._status,
            state=state or self._status.state,
            message=("" if state == "running" else self._status.message) if message is None else message,
            step=self.step,
            steps_per_second=1 / step_seconds if step_seconds else 0.0,
            seconds_left=(target - self.step) * step_seconds if target is not None and step_seconds else None,
            probe_every={kind: self._governor.every(kind) for kind in ("statistics", "histograms")},
            watching_share=self._governor.watching_share,
            multiplier=self._controls.multiplier,
            pauses=tuple(words for words, _ in self._controls.conditions),
        )
        spent = self.dashboard.seconds_spent
        self.dashboard.refresh(self._status, self.findings, self.notices, force=force or changed)
        if self.dashboard.seconds_spent > spent:
            self._governor.charge("redraw", self.dashboard.seconds_spent - spent)

    def _judge(self, rule: Any) -> list[Finding]:
        if id(rule) in self._broken_rules:
            return []
        try:
            found = rule.check(self.history)
        except Exception as error:
            self._broken_rules.add(id(rule))
            self.notices.append(Notice(type(rule).__name__, f"the rule was left out: {error}", traceback.format_exc()))
            return []
        return [found] if isinstance(found, Finding) else list(found or ())
