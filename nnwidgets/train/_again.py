"""Steps of a loop that is not ours, read by computing their gradients once more."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nnwidgets.lint import Setup, facts_of
from nnwidgets.objective import Objective, leaf_paths
from nnwidgets.probes import PerLayer, Snapshot, make_plan, norms, update_ratio
from nnwidgets.records import Notice
from nnwidgets.trace import trace_objective

from ._desk import Desk
from ._norms import name_leaves

# read by the instrumented optimizer in the user's own step
_IN_THE_STEP = (norms, update_ratio)
_MEASURE_FIRST = 4
_MEASURE_EVERY = 8


class Again:
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

    @property
    def planned(self) -> bool:
        """Whether the step that is being made will be read."""
        return self._before is not None

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
        self.collect(desk)
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

    def collect(self, desk: Desk) -> None:
        """Write what was read into the history."""
        desk.watcher.collect()
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
        # beside what the user's step gave the optimizer, and what the optimizer gave it
        for name, what in (("objective/gradient", "gradient"), ("applied/norm", "update")):
            found[name] = PerLayer(snapshot.paths, snapshot.summaries[what].norm)
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
            say_once(desk.notices, Notice("record", message))
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
        try:
            desk.history.facts = facts_of(Setup(self._objective, optax.identity(), [raw.batch], params=raw.params))
        except Exception as error:
            desk.notices.append(Notice("facts", f"the loss is not known: {error}", traceback.format_exc()))
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

    def canonical(self, params: Any, state: Any) -> tuple[Any, Any]:
        """A user's parameters and model state (the objective's if None) in trees like the objective's."""
        like = {"params": self._objective.params, "state": self._state}
        given = {"params": params, "state": self._state if state is None else state}
        leaves = {what: self._in_order(what, tree, like[what]) for what, tree in given.items()}
        found = (jax.tree.unflatten(jax.tree.structure(like[what]), leaves[what]) for what in like)
        return next(found), next(found)

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


def say_once(notices: list[Notice], notice: Notice) -> None:
    """Append a notice that is not there yet."""
    if not any((old.source, old.message) == (notice.source, notice.message) for old in notices):
        notices.append(notice)


def _shapes(batch: Any) -> Any:
    leaves, structure = jax.tree.flatten(batch)
    return structure, [(np.shape(leaf), jnp.result_type(leaf)) for leaf in leaves]
