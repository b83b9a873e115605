"""A training run that can be watched and steered while it goes on."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nnwidgets.objective import Objective
from nnwidgets.panels import DEFAULT_PANELS
from nnwidgets.probes import DEFAULT_PROBES, Snapshot
from nnwidgets.records import Notice
from nnwidgets.rules import DEFAULT_RULES
from nnwidgets.trace import Trace, trace_objective

from ._arguments import check_objective, check_optimizer, check_parts
from ._data import Batches
from ._desk import Desk
from ._interrupt import Interrupts
from ._programs import Programs, metric_names
from ._watchable import Watchable


class Session(Watchable):
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
        gradcheck_every: check all gradients after every so many steps; None: only when asked to.
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
        gradcheck_every: int | None = None,
        name: str | None = None,
    ) -> None:
        check_objective(objective)
        check_optimizer(tx)
        check_parts(probes=probes, rules=rules, panels=panels)
        if validation is not None and iter(validation) is validation:
            raise ValueError(
                "validation must give its batches again and again, got a generator: type list(validation)."
            )
        self.name = name or "run"
        self.objective = objective
        self._batches = Batches(batches)
        objective.check(self._batches.first())
        self._programs = Programs(objective, tx)
        self._validation, self._validation_every = validation, validation_every or 100
        self._key = jax.random.key(seed)
        # copies: the caller may donate what was handed in, and an optimizer may keep the parameters in its state
        self.params = jax.tree.map(jnp.copy, objective.params)
        self.state = objective.state
        self.opt_state = jax.tree.map(jnp.copy, tx.init(self.params))
        self.step = 0
        self._desk = Desk(budget, probes, rules, panels, start=self._run_aside, check=self._check_gradients)
        self._gradcheck_every = gradcheck_every
        self._batch: Any = None
        self._lock = threading.Lock()
        self._pending: list[tuple[int, Any]] = []
        self._metrics: dict[bool, tuple[str, ...]] = {}
        self._trace: Trace | None = None

    @property
    def trace(self) -> Trace:
        """The traced loss: its layers, operations and watched values; traced when first asked for."""
        if self._trace is None:
            self._trace = trace_objective(self.objective, self._batches.like)
        return self._trace

    @property
    def model(self) -> Any:
        """The user's own model with the parameters as they are now (Linen: the variables; plain JAX: the parameters)."""
        return self.objective.restore(self.params, self.state)

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
            self._desk.begin(target, "" if self._metrics else "compiling the step")
            with Interrupts() as interrupts:
                self._loop(interrupts)
        except KeyboardInterrupt:
            self._flush()
            self._desk.end("stopped", f"interrupted at step {self.step}; session.run() goes on", self.step)
            if "ipykernel" not in sys.modules:
                raise
        except BaseException as error:
            self._desk.end("stopped", f"ended by {type(error).__name__} at step {self.step}", self.step)
            raise
        finally:
            self._lock.release()
        return self

    def _now(self) -> tuple[Any, Any, Any, Any]:
        batch = self._batches.first() if self._batch is None else self._batch
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
            if batch is None and self.step == first:
                raise ValueError(
                    f"there is no batch left for step {self.step}: the generator has ended. Give a list, a data loader, or a "
                    "callable batches(step), which can be started again."
                )
            if batch is None:
                self._flush()
                return desk.end("finished", f"the data ended after {self.step} batches")
            self._advance(batch, interrupts)
            keep = 0 if desk.controls.paused else 1
            self._read(keep)
            desk.watcher.collect(before=self.step - keep)
            if self._validation is not None and self.step % self._validation_every == 0:
                self._validate()
            desk.end_step(self.step, started)
            if self._gradcheck_every and self.step % self._gradcheck_every == 0:
                self._check_gradients("whole")

    def _advance(self, batch: Any, interrupts: Interrupts) -> None:
        params, state, step, watcher = self.params, self.state, self.step, self._desk.watcher
        self._batch = batch
        if True not in self._metrics:
            self._metrics[True] = metric_names(self.objective, params, state, batch, self._key, True)
        readout, loss, grads, new_state = self._programs.gradient(params, state, batch, self._key, np.uint32(step))
        with interrupts.protected():
            multiplier = np.float32(self._desk.controls.multiplier)
            new_params, opt_state, updates = self._programs.update(params, self.opt_state, grads, multiplier, loss)
            self.params, self.state, self.opt_state, self.step = new_params, new_state, opt_state, step + 1
        self._pending.append((step, readout))

        def snapshot() -> Snapshot:
            rng = self._programs.fold_in(self._key, np.uint32(step))
            watched, capture = (self._trace.watched, self._trace.capture) if self._trace is not None else ((), None)
            return Snapshot(loss, params, grads, updates, self.objective.paths, state, batch, rng, watched, capture)

        if not watcher.prepared:
            self._prepare(snapshot)
        watcher.look(step, (loss, updates), snapshot, force=self._desk.controls.single > 0)

    def _prepare(self, snapshot: Callable[[], Snapshot]) -> None:
        """Trace the loss and compile the probes; where it cannot be traced, its activations are not read."""
        watcher = self._desk.watcher
        if self._desk.governor.budget:
            try:
                _ = self.trace
            except Exception as error:
                message = f"no activations, since the loss could not be traced: {error}"
                self.notices.append(Notice("trace", message, traceback.format_exc()))
        watcher.prepare(snapshot())

    def _read(self, keep: int) -> None:
        """Fetch the loss and metrics of all steps but the newest `keep`."""
        while len(self._pending) > keep:
            step, readout = self._pending.pop(0)
            loss, finite, *metrics = np.asarray(readout).tolist()
            read = {"train/loss": loss}
            read |= {f"train/{name}": value for name, value in zip(self._metrics[True], metrics, strict=True)}
            for name, value in read.items():
                self.history.add_scalar(name, step, value)
            self._desk.readings = read | {"run/finite": finite}

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

    def _run_aside(self, steps: int) -> None:
        """Run in a thread of its own: a click while no cell is running must leave the kernel free for the next click."""

        def run() -> None:
            try:
                self.run(steps)
            except Exception as error:
                self.notices.append(Notice("run", str(error), traceback.format_exc()))
                self._desk.show(force=True)

        threading.Thread(target=run, daemon=True).start()

    def _flush(self) -> None:
        self._read(keep=0)
        self._desk.watcher.collect()
