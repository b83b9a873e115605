"""A training loop of the user's own that can be watched and steered while it goes on."""

from __future__ import annotations

import itertools
import math
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nnwidgets.objective import Objective, leaf_paths
from nnwidgets.panels import DEFAULT_PANELS, Dashboard
from nnwidgets.probes import DEFAULT_PROBES, Snapshot, make_plan, norms, update_ratio
from nnwidgets.records import Command, Finding, History, Notice, RunState, Status
from nnwidgets.rules import DEFAULT_RULES
from nnwidgets.trace import trace_objective

from ._controls import condition
from ._desk import Desk
from ._instrument import InstrumentedState, Norms, find_instrumented, instrument, name_leaves, with_multiplier

_OF_A_SESSION = ("fork", "replay", "rewind", "run")
# read by the instrumented optimizer in the user's own step
_IN_THE_STEP = (norms, update_ratio)
_MEASURE_FIRST = 4
_MEASURE_EVERY = 8
_END = object()


class Monitor:
    """Shows what happens in a loop that the user wrote, and lets it be paused, stepped and stopped.

    The step stays the user's own compiled function; it may donate its arguments. Its optimizer carries the norms of each
    tensor and the learning-rate multiplier (`instrument`). All else, on the steps that the budget pays for, is read by
    one further program, which computes the gradients again from the parameters before the step: histograms, activations,
    means and so on are those of `objective`, on the batch that `record` was given, from a loop's second or third step on.
    Its loss is recorded as ``objective/loss``. Displaying the monitor shows its dashboard, before, during or after the loop.

    Args:
        objective: the loss that the step minimizes; see `nnw.Objective` and the adapters.
        budget: the share of the loop's own time that watching may add, or 0.3 ms a step where that is more; 0 is off. The
            norms inside the user's step are not in it: they are a part of that step.
        seed: for the objective's random draws, where `record` is given no ``rng``.
        probes: pure functions of a `nnw.Snapshot`.
        rules: judgements on the history.
        panels: what the dashboard shows.

    Example:
        >>> import jax, jax.numpy as jnp, optax
        >>> def loss_fn(params, batch):
        ...     return jnp.mean((batch @ params["w"] - 1.0) ** 2)
        >>> params = {"w": jnp.zeros(2)}
        >>> monitor = Monitor(Objective(loss_fn, params))
        >>> tx = monitor.instrument(optax.sgd(0.1))
        >>> opt_state = tx.init(params)
        >>> @jax.jit
        ... def train_step(params, opt_state, batch):
        ...     loss, grads = jax.value_and_grad(loss_fn)(params, batch)
        ...     updates, opt_state = tx.update(grads, opt_state, params)
        ...     return optax.apply_updates(params, updates), opt_state, loss
        >>> for batch in monitor.steps([jnp.ones((4, 2))] * 3):
        ...     params, opt_state, loss = train_step(params, opt_state, batch)
        ...     opt_state = monitor.record(loss=loss, params=params, opt_state=opt_state, batch=batch)
        >>> monitor.step, [f"{loss:.2f}" for loss in monitor.history["train/loss"].values[:, 0]]
        (3, ['1.00', '0.36', '0.13'])
    """

    def __init__(
        self,
        objective: Objective,
        *,
        budget: float = 0.05,
        seed: int = 0,
        probes: Sequence[Any] = DEFAULT_PROBES,
        rules: Sequence[Any] = DEFAULT_RULES,
        panels: Sequence[Any] = DEFAULT_PANELS,
    ) -> None:
        self.objective = objective
        self.step = 0
        self._again = _Again(objective, probes, seed)
        self._desk = Desk(budget, (self._again.read,), rules, panels)
        # one program reads all but the norms
        self._desk.kinds = {"norms": "norms"} | dict.fromkeys(self._desk.kinds, "statistics")
        self._desk.governor.join("norms")
        self._norms = Norms(objective.paths, self._desk.history)
        self._pending: list[tuple[int, Any, dict[str, Any]]] = []
        self._loop: object = None
        self._ended_in: int | None = None
        self._waited = 0.0
        self._in_force: float | None = None
        self._asked_for: float | None = None
        self._off: set[str] = set()

    @property
    def history(self) -> History:
        """Everything that was read; the first call of `record` is step 0."""
        return self._desk.history

    @property
    def dashboard(self) -> Dashboard:
        """The panels and controls; displaying the monitor shows them."""
        return self._desk.dashboard

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the rules say of the history as it is now."""
        return self._desk.findings

    @property
    def notices(self) -> list[Notice]:
        """What failed or was refused inside the debugger, while the loop went on."""
        return self._desk.notices

    @property
    def status(self) -> Status:
        """Where the loop stands."""
        return self._desk.status

    def instrument(self, tx: optax.GradientTransformation) -> optax.GradientTransformationExtraArgs:
        """The same optimizer, carrying in its state the norms of each tensor and the learning-rate multiplier.

        Put it round the whole, ``monitor.instrument(optax.chain(...))``, or inside `optax.chain`, `optax.MultiSteps`,
        `optax.masked` or `optax.inject_hyperparams`: the gradients are those that reach `tx` there. Call its ``update``
        with the parameters, else their norms are not known.

        The step's result is the same to the bit as with `tx` alone, while the multiplier is 1. So it was on CPU in 200
        steps of an MLP with dropout and of four frameworks' models with ``adam``, scheduled or not, and ``sgd`` with
        momentum, and in a few steps of 23 optimizers of optax. The exceptions differ in the last bit: ``adafactor``, and
        an embedding table under ``sgd`` with momentum. There the compiler adds the gradient's rows right into the
        momentum, unless somebody, here its norm, needs the gradient itself.
        """
        return instrument(tx, self._norms.note)

    def steps(self, batches: Iterable[Any] | Callable[[int], Any], steps: int | None = None) -> Iterator[Any]:
        """The batches one by one, each when its step may be made: ``for batch in monitor.steps(batches):``.

        Between two batches the dashboard moves and its buttons work: Pause holds the loop here, Stop ends it. A pause that
        nobody could end, since no dashboard is displayed or its clicks do not arrive, ends the loop too. After either,
        further loops of the same notebook cell (the next epochs) end at once; those of another cell go on. The kernel's
        stop button acts at once, as in any loop: a step that it hits in the middle may lose the arrays that it donates.

        Args:
            batches: an iterable, gone through once, or again and again if `steps` is given; or a callable ``batches(step)``.
            steps: how many batches; a callable needs it.

        Raises:
            TypeError: if `batches` is neither.
            ValueError: if `steps` is missing or not positive, or there is no batch.
            RuntimeError: in a loop that goes on after another one of the same monitor has begun.
        """
        if not callable(batches) and not isinstance(batches, Iterable):
            raise TypeError(
                f"batches must be an iterable of batches or a callable batches(step), got {type(batches).__name__}: put one "
                "batch into a list, monitor.steps([batch], steps=100), to train on it alone."
            )
        if (steps is None and callable(batches)) or (steps is not None and steps < 1):
            raise ValueError(f"how many steps? Got {steps!r}: type monitor.steps(batches, steps=1000).")
        return self._passes(batches, steps)

    def record(
        self,
        *,
        loss: Any,
        params: Any,
        opt_state: Any,
        batch: Any = None,
        state: Any = None,
        rng: Any = None,
        **metrics: Any,
    ) -> Any:
        """Take down what a step gave, and give back the optimizer's state to go on with; once in each pass of the loop.

        The loss and the metrics are recorded at every step, the rest as often as the budget allows. Whatever fails in
        here becomes a notice and never ends the loop.

        Args:
            loss: scalar, the step's.
            params: the parameters after the step, in a tree like the objective's, or one with the same tensors.
            opt_state: the optimizer's state after the step, or a tree that holds it, such as a Flax ``TrainState``.
            batch: the step's batch, as the objective takes it. Without it only norms are read.
            state: the model state after the step, e.g. batch statistics; the objective's initial one if None.
            rng: the key that the step gave to its loss. Without it dropout and the like are drawn anew, so that gradients
                and activations are those of other draws.
            **metrics: scalars, recorded as ``train/<name>``.

        Returns:
            `opt_state`, the very same object unless the learning-rate multiplier was changed.

        Raises:
            TypeError: if the loss or a metric is not a number, or `params` is None.
            ValueError: if one of them is not a scalar, or `opt_state` is not that of one instrumented optimizer.
        """
        governor = self._desk.governor
        entered, spent, self._waited = time.perf_counter(), governor.spent_seconds, 0.0
        for name, value in {"loss": loss, **metrics}.items():
            _check_scalar(name, value)
        if params is None:
            raise TypeError("params must be the parameters after the step, got None.")
        carried = find_instrumented(opt_state)
        step, self.step = self.step, self.step + 1
        if not self._desk.running:
            self._say("record", "called outside of `for batch in monitor.steps(batches)`: little but the loss is read.")
        alone = self._desk.controls.paused or not self._desk.running
        self._pending.append((step, loss, metrics))
        self._guard("norms", self._look_at_norms, step, carried, alone)
        self._read(math.inf if alone else step)
        opt_state = self._guard("the learning-rate multiplier", self._steer, opt_state, carried, default=opt_state)
        if governor.budget:
            aside = self._waited + governor.spent_seconds - spent
            governor.charge_all(max(time.perf_counter() - entered - aside, 0.0))
        self._guard("histograms and activations", self._again.look, self._desk, step, loss, params, state, batch, rng)
        return opt_state

    def pause_when(self, when: Any) -> None:
        """Pause the loop as soon as a condition holds; see `nnw.Session.pause_when`.

        Raises:
            ValueError: if there is no such condition.
        """
        condition(when)  # a wrong one raises here, not later in the loop
        self._desk.receive(Command("pause_when", when))

    def log(self, step: int | None = None, **scalars: float) -> None:
        """Record numbers of your own under ``log/<name>``, at this step unless told otherwise."""
        for name, value in scalars.items():
            self.history.add_scalar(f"log/{name}", self.step if step is None else step, float(value))

    def __repr__(self) -> str:
        return repr(self.dashboard)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        self._desk.show(force=True)
        return self.dashboard._repr_mimebundle_(**kwargs)

    def __getattr__(self, name: str) -> Any:
        if name in _OF_A_SESSION:
            raise AttributeError(
                f"a Monitor has no {name}(): it watches steps that your own loop makes. nnw.Session(objective, tx, batches) "
                "makes them itself, so it can."
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _passes(self, batches: Any, steps: int | None) -> Iterator[Any]:
        if self._ended_in is not None and self._ended_in == _cell():
            return
        mine = self._loop = object()
        self._begin(steps if steps is not None else len(batches) if isinstance(batches, Sized) else None)
        desk, made, drawn = self._desk, 0, _draw(batches, steps, self.step)
        try:
            while (why := desk.may_go_on(self.step, self._flush)) is None:
                started = time.perf_counter()
                batch = next(drawn, _END)
                if batch is _END:
                    return self._finish(made, steps)
                self._guard("histograms and activations", self._again.plan, desk)
                made, before = made + 1, self.step
                yield batch
                if self._loop is not mine:
                    raise RuntimeError(
                        "another loop of this monitor has begun meanwhile: type its monitor.steps(...) anew."
                    )
                if self.step == before:
                    self._again.forget()
                    self._say("record", "not called in a pass of the loop: nothing is read of it, nor is it counted.")
                desk.end_step(self.step, started)
            self._ended_in = _cell()
            self._end("stopped", f"{why} at step {self.step}; monitor.steps(...) goes on")
        except BaseException as error:
            if self._loop is mine:
                left = isinstance(error, GeneratorExit)
                why = "left, by a break or an error in its body," if left else f"ended by {type(error).__name__}"
                self._end("stopped", f"the loop was {why} at step {self.step}")
            raise

    def _begin(self, length: int | None) -> None:
        self._off.clear()
        self._again.forget()
        self._in_force = None
        self._desk.begin(None if length is None else self.step + length, "" if self.step else "compiling the step")

    def _finish(self, made: int, steps: int | None) -> None:
        if not made:
            raise ValueError(
                "batches is empty: wanted at least one batch, got none. A generator that was used up before gives nothing "
                "more: make a new one for each loop."
            )
        self._end("finished", "" if made == steps or steps is None else f"the data ended after {made} batches")

    def _end(self, state: RunState, message: str) -> None:
        self._flush()
        self._again.forget()
        self._desk.end(state, message)

    def _flush(self) -> None:
        self._read(math.inf)
        self._guard("histograms and activations", self._again.collect, self._desk)

    def _look_at_norms(self, step: int, carried: InstrumentedState, alone: bool) -> None:
        governor = self._desk.governor
        if governor.due("norms") or (alone and governor.budget):
            started, first = time.perf_counter(), not self._norms.looked
            self._norms.look(step, carried)
            seconds = time.perf_counter() - started
            if first:
                # it was compiled
                governor.set_aside(seconds)
                self._waited += seconds
            else:
                governor.charge("norms", seconds)

    def _read(self, before: float) -> None:
        """Fetch norms, loss and metrics of the steps before this one."""
        while self._pending and self._pending[0][0] < before:
            step, loss, metrics = self._pending.pop(0)
            self._guard("norms", self._norms.collect, step + 1)
            self._guard("the loss and the metrics", self._write, step, {"loss": loss, **metrics})

    def _write(self, step: int, values: dict[str, Any]) -> None:
        read = {f"train/{name}": self._fetch(value) for name, value in values.items()}
        for name, value in read.items():
            self.history.add_scalar(name, step, value)
        self._desk.readings = read | {"run/finite": float(math.isfinite(read["train/loss"]) and self._norms.finite)}

    def _steer(self, opt_state: Any, carried: InstrumentedState) -> Any:
        """Put the multiplier that was asked for into the state, unless it is there."""
        wanted = float(np.float32(self._desk.controls.multiplier))
        if self._in_force is None:
            self._in_force = self._fetch(jax.tree.leaves(carried.multiplier)[0])
        if self._in_force == wanted:
            self._asked_for = None
            return opt_state
        if self._asked_for == wanted:
            self._say(
                "multiplier",
                "the learning-rate multiplier does not reach your step: type opt_state = monitor.record(...), and give that "
                "opt_state to the next step.",
            )
        self._in_force, self._asked_for = None, wanted
        return with_multiplier(opt_state, wanted)

    def _fetch(self, value: Any) -> float:
        """A scalar as a number; the wait for the step that computes it is the loop's own time."""
        started = time.perf_counter()
        number = float(np.asarray(value))
        self._waited += time.perf_counter() - started
        return number

    def _guard(self, part: str, work: Callable[..., Any], *arguments: Any, default: Any = None) -> Any:
        """Do it. If it fails say so, and leave that part out for the rest of the loop."""
        if part in self._off:
            return default
        try:
            return work(*arguments)
        except Exception as error:
            self._off.add(part)
            self._say(part, f"left out for the rest of this loop: {error}", traceback.format_exc())
            return default

    def _say(self, source: str, message: str, details: str = "") -> None:
        _say_once(self.notices, Notice(source, message, details))


class _Again:
    """Reads steps that the user's program has made, by computing their gradients once more.

    For that it keeps the parameters before a step that is due, or, once the step was seen to donate them, a copy.

    Args:
        objective: the loss.
        probes: what is read.
        seed: for the random draws of a step whose key is not known.
    """

    def __init__(self, objective: Objective, probes: Sequence[Any], seed: int) -> None:
        self._objective, self._key = objective, jax.random.key(seed)
        self._state = jax.tree.map(jnp.copy, objective.state)
        self._probes = tuple(probe for probe in probes if probe not in _IN_THE_STEP)
        self._fold_in = jax.jit(jax.random.fold_in)
        self._copy = jax.jit(lambda leaves: [jnp.copy(leaf) for leaf in leaves])
        self._orders: dict[Any, list[int]] = {}
        self._model: tuple[Any, Any] | None = None
        self._before: list[Any] | None = None
        self._donated, self._copies, self._copy_seconds = False, 0, 0.0
        self._shapes: Any = None
        self._misfits = 0
        self._watched: Any = ()
        self._capture: Any = None
        self._told: tuple[int, Any] | None = None
        self._planned: tuple[Any, ...] = ()

    def forget(self) -> None:
        """What `record` saw last is not what the next step starts from."""
        self._model = self._before = None

    def plan(self, desk: Desk) -> None:
        """Before a step: keep what it starts from, if a look at it is due."""
        model, self._model, self._before = self._model, None, None
        watcher = desk.watcher
        due = desk.controls.single or not watcher.prepared or watcher.due()
        if model is None or not self._probes or not desk.governor.budget or not due:
            return
        started = time.perf_counter()
        leaves = self._in_order("params", model[0], self._objective.params)
        leaves += self._in_order("state", self._state if model[1] is None else model[1], self._state)
        desk.governor.charge("statistics", time.perf_counter() - started, measured=False)
        self._before = self._copied(leaves, desk) if self._donated else leaves

    def look(self, desk: Desk, step: int, loss: Any, params: Any, state: Any, batch: Any, rng: Any) -> None:
        """After a step: read it, if it was planned."""
        self.collect(desk, before=step)
        before, self._before = self._before, None
        self._model = None if batch is None else (params, state)
        if before is None or batch is None:
            return
        if any(getattr(leaf, "is_deleted", bool)() for leaf in before):
            self._donated = True
            return
        if not self._fits(batch, desk):
            return
        started = time.perf_counter()
        raw = self._raw(before, params, batch, self._key_of(step, rng))
        if desk.watcher.prepared:
            desk.governor.charge("statistics", time.perf_counter() - started, measured=False)
        else:
            desk.governor.set_aside(time.perf_counter() - started)
            raw = self._prepare(desk, raw)
            self._told = (step, loss)
        # it was due when it was planned
        desk.watcher.look(step, (loss, params), lambda: raw, force=True)
        if desk.controls.paused:
            self.collect(desk)

    def collect(self, desk: Desk, before: int | None = None) -> None:
        """Write what was read of the steps before this one (of all, if None) into the history."""
        desk.watcher.collect(before)
        latest = desk.history.latest("objective/loss") if self._told is not None else None
        if self._told is None or latest is None or latest[0] != self._told[0]:
            return
        told, found = float(np.asarray(self._told[1])), float(latest[1][0])
        self._told = None
        if math.isfinite(told) and not math.isclose(told, found, rel_tol=0.02, abs_tol=1e-3):
            message = (
                f"the objective's loss at step {latest[0]} is {found:.4g}, the loop's {told:.4g}: histograms and activations "
                "are those of the objective. If it draws random numbers (dropout), pass monitor.record(..., rng=...), the "
                "step's key; else see that both compute the same loss."
            )
            desk.notices.append(Notice("record", message))

    def read(self, raw: Snapshot) -> dict[str, Any]:
        """All readings, as one probe of a snapshot that `_complete` has yet to complete."""
        snapshot = self._complete(raw)
        found: dict[str, Any] = {"objective/loss": snapshot.loss}
        for probe in self._planned:
            found |= probe(snapshot)
        return found

    def _complete(self, raw: Snapshot) -> Snapshot:
        """With loss and gradients; `raw` has the parameters after the step in place of the updates."""
        value_and_grad = jax.value_and_grad(self._objective, has_aux=True)
        (loss, _), grads = value_and_grad(raw.params, raw.state, raw.batch, raw.rng, True)
        return replace(raw, loss=loss, grads=grads, updates=jax.tree.map(jnp.subtract, raw.updates, raw.params))

    def _fits(self, batch: Any, desk: Desk) -> bool:
        """Whether a batch has the shapes that the program was compiled for. A short last one now and then is normal."""
        self._misfits = 0 if self._shapes in (None, _shapes(batch)) else self._misfits + 1
        if self._misfits == 3:
            message = (
                "the batches no longer have the shapes of the first ones: only norms are read of them. For histograms and "
                "activations make a new nnw.Monitor."
            )
            _say_once(desk.notices, Notice("record", message))
        return not self._misfits

    def _raw(self, before: list[Any], params: Any, batch: Any, rng: Any) -> Snapshot:
        objective = self._objective
        after = self._in_order("params", params, objective.params)
        structure, count = jax.tree.structure(objective.params), len(after)
        first, last = jax.tree.unflatten(structure, before[:count]), jax.tree.unflatten(structure, after)
        state = jax.tree.unflatten(jax.tree.structure(self._state), before[count:])
        return Snapshot(None, first, None, last, objective.paths, state, batch, rng, self._watched, self._capture)

    def _prepare(self, desk: Desk, raw: Snapshot) -> Snapshot:
        """Trace the loss and compile the probes; where it cannot be traced, its activations are not read."""
        started = time.perf_counter()
        self._shapes = _shapes(raw.batch)
        try:
            trace = trace_objective(self._objective, raw.batch)
            self._watched, self._capture = trace.watched, trace.capture
        except Exception as error:
            message = f"no activations, since the loss could not be traced: {error}"
            desk.notices.append(Notice("trace", message, traceback.format_exc()))
        raw = replace(raw, watched=self._watched, capture=self._capture)
        plans, notices = make_plan((*_IN_THE_STEP, *self._probes), jax.eval_shape(self._complete, raw))
        self._planned = tuple(probe for plan in plans for probe in plan.probes if probe not in _IN_THE_STEP)
        desk.notices.extend(notices)
        desk.governor.set_aside(time.perf_counter() - started)
        desk.watcher.prepare(raw)
        return raw

    def _key_of(self, step: int, rng: Any) -> Any:
        if rng is None:
            return self._fold_in(self._key, np.uint32(step))
        if not hasattr(rng, "dtype"):
            raise TypeError(f"rng must be the step's key, such as jax.random.key(0), got {type(rng).__name__}")
        return rng if jnp.issubdtype(rng.dtype, jax.dtypes.prng_key) else jax.random.wrap_key_data(rng)

    def _copied(self, leaves: list[Any], desk: Desk) -> list[Any]:
        """A copy on the device, by one program; now and then it is timed, always it is paid for."""
        first, timed = self._copies == 0, self._copies < _MEASURE_FIRST or self._copies % _MEASURE_EVERY == 0
        if timed:
            jax.block_until_ready(leaves)
        started = time.perf_counter()
        copies = self._copy(leaves)
        if timed:
            jax.block_until_ready(copies)
            self._copy_seconds = time.perf_counter() - started
        self._copies += 1
        if first:
            # it was compiled
            desk.governor.set_aside(self._copy_seconds)
        else:
            desk.governor.charge("statistics", self._copy_seconds, measured=False)
        return copies

    def _in_order(self, what: str, tree: Any, like: Any) -> list[Any]:
        """The leaves of a user's tree in the order of the objective's."""
        leaves, structure = jax.tree.flatten(tree)
        if (what, structure) not in self._orders:
            self._orders[what, structure] = _order(what, tree, like)
        return [leaves[place] for place in self._orders[what, structure]]


def _order(what: str, tree: Any, like: Any) -> list[int]:
    """Which leaf of a user's tree is each of the objective's.

    Raises:
        ValueError: if some are missing, or of another shape.
    """
    paths, wanted = leaf_paths(tree), leaf_paths(like)
    leaves = jax.tree.leaves(tree)
    arrays = [place for place, leaf in enumerate(leaves) if hasattr(leaf, "shape")]
    names = name_leaves(tuple(paths[place] for place in arrays), wanted)
    places = dict(zip(names, arrays, strict=True))
    wrong = [f"{path} is missing" for path in wanted if path not in places]
    wrong += [
        f"{path} has shape {list(leaves[places[path]].shape)} instead of {list(model.shape)}"
        for path, model in zip(wanted, jax.tree.leaves(like), strict=True)
        if path in places and leaves[places[path]].shape != model.shape
    ]
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise ValueError(
            f"the {what} given to monitor.record do not fit the objective: {'; '.join(wrong[:5])}{more}. Got "
            f"{', '.join(names[:5]) or 'no arrays'}; give the tensors that the objective was made with."
        )
    return [places[path] for path in wanted]


def _say_once(notices: list[Notice], notice: Notice) -> None:
    if not any((old.source, old.message) == (notice.source, notice.message) for old in notices):
        notices.append(notice)


def _shapes(batch: Any) -> Any:
    leaves, structure = jax.tree.flatten(batch)
    return structure, [(np.shape(leaf), jnp.result_type(leaf)) for leaf in leaves]


def _check_scalar(name: str, value: Any) -> None:
    called = "loss" if name == "loss" else f"the metric {name!r}"
    if isinstance(value, jax.core.Tracer):
        raise TypeError(f"{called} has no value yet: call monitor.record outside of jit, after the step.")
    if not isinstance(value, (bool, int, float, np.generic, np.ndarray, jax.Array)):
        raise TypeError(f"{called} must be a number, got {type(value).__name__}: {value!r}.")
    if np.shape(value):
        raise ValueError(f"{called} must be a scalar, got shape {list(np.shape(value))}: take its mean().")


def _draw(batches: Any, steps: int | None, first: int) -> Iterator[Any]:
    if callable(batches):
        return map(batches, itertools.islice(itertools.count(first), steps))
    return iter(batches) if steps is None else itertools.islice(_epochs(batches), steps)


def _epochs(batches: Iterable[Any]) -> Iterator[Any]:
    """Again and again, until nothing comes any more."""
    empty = False
    while not empty:
        empty = True
        for batch in batches:
            empty = False
            yield batch


def _cell() -> int | None:
    """The number of the notebook cell that is running; None where there is no notebook."""
    module = sys.modules.get("IPython")
    return getattr(module.get_ipython(), "execution_count", None) if module is not None else None
