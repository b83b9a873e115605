"""A training loop of the user's own that can be watched and steered while it goes on."""

from __future__ import annotations

import itertools
import math
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from typing import Any

import jax
import numpy as np
import optax

from nnwidgets.objective import Objective
from nnwidgets.panels import DEFAULT_PANELS
from nnwidgets.probes import DEFAULT_PROBES
from nnwidgets.records import Notice, RunState
from nnwidgets.rules import DEFAULT_RULES

from ._again import Again, say_once
from ._arguments import check_objective, check_optimizer, check_parts
from ._desk import Desk
from ._instrument import InstrumentedState, find_instrumented, instrument, with_multiplier
from ._norms import Norms
from ._watchable import Watchable

_OF_A_SESSION = ("fork", "replay", "rewind", "run")
_END = object()


class Monitor(Watchable):
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
        check_objective(objective)
        check_parts(probes=probes, rules=rules, panels=panels)
        self.objective = objective
        self.step = 0
        self._again = Again(objective, probes, seed)
        self._desk = Desk(budget, (self._again.read,), rules, panels, tasks={"gradcheck": self._check_gradients})
        self._newest: tuple[Any, Any, Any, Any] | None = None
        # one program reads all but the norms
        self._desk.kinds = {"norms": "norms"} | dict.fromkeys(self._desk.kinds, "statistics")
        self._desk.governor.join("norms")
        self._norms = Norms(objective.paths, self._desk.history)
        self._pending: list[tuple[int, Any, dict[str, Any]]] = []
        self._loop: object = None
        self._ended_in: int | None = None
        self._in_force: float | None = None
        self._asked_for: float | None = None
        self._off: set[str] = set()

    def instrument(self, tx: optax.GradientTransformation) -> optax.GradientTransformationExtraArgs:
        """The same optimizer, carrying in its state the norms of each tensor and the learning-rate multiplier.

        Put it round the whole, ``monitor.instrument(optax.chain(...))``, or inside `optax.chain`, `optax.MultiSteps`,
        `optax.masked` or `optax.inject_hyperparams`: the gradients are those that reach `tx` there. Call its ``update``
        with the parameters, else their norms are not known.

        The step's result is the same to the bit as with `tx` alone, while the multiplier is 1. So it was on CPU in 200
        steps of an MLP with dropout and of four frameworks' models with ``adam``, scheduled or not, and ``sgd`` with
        momentum, and in a few steps of 24 optimizers of optax. The exceptions differ in the last bit: ``adafactor``, and
        an embedding table under ``sgd`` with momentum. There the compiler adds the gradient's rows right into the
        momentum, unless somebody, here its norm, needs the gradient itself.
        """
        check_optimizer(tx)
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
        # the processor's time, not the clock's: here the loop often waits for its own step
        entered, spent, new = time.thread_time(), governor.spent_seconds, "train/loss" not in self.history
        for name, value in {"loss": loss, **metrics}.items():
            _check_scalar(name, value)
        if params is None:
            raise TypeError("params must be the parameters after the step, got None.")
        carried = find_instrumented(opt_state)
        step, self.step = self.step, self.step + 1
        self._newest = (params, state, batch, rng)
        if not self._desk.running:
            self._say("record", "called outside of `for batch in monitor.steps(batches)`: little but the loss is read.")
        alone = self._desk.controls.paused or not self._desk.running
        self._pending.append((step, loss, metrics))
        self._guard("norms", self._look_at_norms, step, carried, alone)
        self._read(math.inf if alone else step)
        opt_state = self._guard("the learning-rate multiplier", self._steer, opt_state, carried, default=opt_state)
        if governor.budget:
            seconds = max(time.thread_time() - entered - (governor.spent_seconds - spent), 0.0)
            # the first time the history's tables are made
            governor.set_aside(seconds) if new else governor.charge_all(seconds)
        self._guard("histograms and activations", self._again.look, self._desk, step, loss, params, state, batch, rng)
        return opt_state

    def __getattr__(self, name: str) -> Any:
        if name in _OF_A_SESSION:
            raise AttributeError(
                f"a Monitor has no {name}(): it watches steps that your own loop makes. nnw.Session(objective, tx, batches) "
                "makes them itself, so it can."
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _now(self) -> tuple[Any, Any, Any, Any]:
        params, state, batch, rng = self._newest or (None, None, None, None)
        if batch is None:
            raise ValueError(
                "there is no batch to check the gradients on: type monitor.record(..., batch=batch) first."
            )
        if any(leaf.is_deleted() for leaf in jax.tree.leaves(params) if isinstance(leaf, jax.Array)):
            raise ValueError(
                "the parameters were donated to the next step: check while the loop is paused, or in its body."
            )
        return *self._again.canonical(params, state), batch, jax.random.key(0) if rng is None else rng

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
        # a step that is read again has both, to be compared
        if governor.due("norms") or ((alone or self._again.planned) and governor.budget):
            started, first = time.perf_counter(), not self._norms.looked
            self._norms.look(step, carried)
            seconds = time.perf_counter() - started
            if first:
                # it was compiled
                governor.set_aside(seconds)
            else:
                governor.charge("norms", seconds)

    def _read(self, before: float) -> None:
        """Fetch norms, loss and metrics of the steps before this one."""
        while self._pending and self._pending[0][0] < before:
            step, loss, metrics = self._pending.pop(0)
            self._guard("norms", self._norms.collect, step + 1)
            self._guard("the loss and the metrics", self._write, step, {"loss": loss, **metrics})

    def _write(self, step: int, values: dict[str, Any]) -> None:
        read = {f"train/{name}": float(np.asarray(value)) for name, value in values.items()}
        for name, value in read.items():
            self.history.add_scalar(name, step, value)
        self._desk.readings = read | {"run/finite": float(math.isfinite(read["train/loss"]) and self._norms.finite)}

    def _steer(self, opt_state: Any, carried: InstrumentedState) -> Any:
        """Put the multiplier that was asked for into the state, unless it is there."""
        wanted = float(np.float32(self._desk.controls.multiplier))
        if self._in_force is None:
            self._in_force = float(np.asarray(jax.tree.leaves(carried.multiplier)[0]))
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
        say_once(self.notices, Notice(source, message, details))


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
