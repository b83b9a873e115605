"""Cheap experiments that confirm or refute a suspicion; each runs aside from the run, from a copy of its state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nnwidgets.lint import Setup
from nnwidgets.objective import Objective
from nnwidgets.records import Fork, History
from nnwidgets.rules import short_of_usual

from ._fork import Change, Way, fork
from ._programs import Programs
from ._timeline import Saved

STEPS, KEYS = 60, 3
# Of the run's first steps, for all of them: four in one, or as many as a remedy is tried for.
BATCHES = 4 * STEPS


@dataclass(frozen=True)
class Outcome:
    """What an experiment says.

    Attributes:
        supports: whether it bears the suspicion out; None where it does not decide.
        words: what was measured.
    """

    supports: bool | None
    words: str


@dataclass(frozen=True, eq=False)
class Bench:
    """What the experiments work with.

    Attributes:
        setup: the program and the first batches.
        programs: of the run.
        start: the first state of the run.
        now: its newest state with finite numbers.
        batches: those of the first steps.
        key: of the run.
        history: its readings.
    """

    setup: Setup
    programs: Programs
    start: Saved
    now: Saved
    batches: Sequence[Any]
    key: jax.Array
    history: History

    def beside(self, change: Change, keys: int = KEYS, steps: int = STEPS) -> Fork:
        """The run from its start, with a change and without."""
        unchanged = Way(self.programs, self.start, 1.0)
        changed, words = change.way(unchanged, self.setup.objective, self.setup.tx)
        return fork((unchanged, changed), self.batches[:steps], self.key, keys, change=words)

    def with_batches(self, other: Sequence[Any], words: str, keys: int = KEYS) -> Fork:
        """The run from its start, with its batches and with others."""
        way = Way(self.programs, self.start, 1.0)
        return fork((way, way), self.batches[: len(other)], self.key, keys, change=words, other=other)

    def loss(self, batch: Any, saved: Saved | None = None, train: bool = True) -> float:
        """The loss on a batch, with the newest parameters if no others are given."""
        at = saved or self.now
        return float(self.setup.loss(at.params, at.state, batch, jax.random.fold_in(self.key, 0), train)[0])


def try_out(name: str, bench: Bench) -> Outcome:
    """Make the experiment of this name."""
    return EXPERIMENTS[name](bench)


def _lower(bench: Bench) -> Outcome:
    found = bench.beside(Change(multiplier=0.1))
    return Outcome(is_better(found), f"with a tenth of the learning rate from the start {_ends(found)}")


def _higher(bench: Bench) -> Outcome:
    """Nearly every run gains by larger steps at first: what counts is a gain that the run as it is stays far from.

    Ten times as high, or as high as makes updates of a usual size.
    """
    factor = max(10.0, short_of_usual(bench.history))
    found = bench.beside(Change(multiplier=factor), steps=2 * STEPS)
    start = float(np.mean(found.unchanged[:, 0]))
    gains = [start - float(ends.mean()) for ends in found.ends]
    far = gains[1] > 3 * max(gains[0], 0.0) and gains[1] - gains[0] > 0.1 * abs(start)
    times = "ten" if factor == 10 else f"{factor:g}"
    return Outcome(is_better(found) and far, f"with {times} times the learning rate from the start {_ends(found)}")


def _float32(bench: Bench) -> Outcome:
    """The parameters kept in float32, and cast where they are used."""
    objective, dtypes = bench.setup.objective, jax.tree.map(lambda leaf: leaf.dtype, bench.start.params)

    def loss_fn(params: Any, batch: Any, *, rng: Any = None, state: Any = None, train: bool = True) -> Any:
        cast = jax.tree.map(lambda leaf, dtype: leaf.astype(dtype), params, dtypes)
        loss, (state, aux) = objective(cast, state, batch, rng, train)
        return loss, {**aux, "state": state}

    wide = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), bench.start.params)
    programs = Programs(Objective(loss_fn, wide, objective.state), bench.setup.tx)
    ours = Way(bench.programs, bench.start, 1.0)
    start = Saved(bench.start.step, wide, bench.start.state, bench.setup.tx.init(wide))
    batches = bench.batches[: 2 * STEPS]
    found = fork(
        (ours, Way(programs, start, 1.0)), batches, bench.key, KEYS, change="float32 parameters", other=batches
    )
    unchanged, changed = (float(ends.mean()) for ends in found.ends)
    far = unchanged - changed > 0.1 * abs(unchanged)
    return Outcome(is_better(found) and far, f"with the parameters kept in float32 {_ends(found)}")


def with_output_bias(bench: Bench, value: float) -> Change | None:
    """The bias of the last layer at a value; None where there is none."""
    layers = bench.setup.train.head.layers
    paths, leaves = bench.setup.objective.paths, jax.tree.leaves(bench.start.params)
    for i, (path, leaf) in enumerate(zip(paths, leaves, strict=True)):
        if layers and path.startswith(layers[-1]) and leaf.ndim <= 1 and not np.any(np.asarray(leaf, np.float32)):
            filled = [*leaves[:i], jnp.full_like(leaf, value), *leaves[i + 1 :]]
            return Change(params=jax.tree.unflatten(jax.tree.structure(bench.start.params), filled))
    return None


def _output_bias(bench: Bench) -> Outcome:
    targets = [each for each in bench.setup.fields if each.is_target and not each.is_input and each.dtype.kind == "f"]
    change = with_output_bias(bench, float(np.mean(targets[0].values))) if targets else None
    if change is None:
        return Outcome(None, "the last layer has no bias that starts at 0")
    found = bench.beside(change, steps=2 * STEPS)
    unchanged, changed = (float(ends.mean()) for ends in found.ends)
    return Outcome(
        is_better(found) and changed < 0.5 * unchanged, f"with the output's bias at the targets' mean {_ends(found)}"
    )


def _clip(bench: Bench) -> Outcome:
    found = bench.beside(Change(tx=optax.chain(optax.clip_by_global_norm(usual_norm(bench)), bench.setup.tx)))
    return Outcome(is_better(found), f"with gradients clipped to their usual norm {_ends(found)}")


def _descend(bench: Bench) -> Outcome:
    """Whether any small step along -gradient lowers the loss of the same batch."""
    at, batch, rng = bench.now, bench.batches[0], jax.random.fold_in(bench.key, 0)
    (loss, _), grads = bench.setup.gradient(at.params, at.state, batch, rng)
    norm = float(optax.global_norm(grads))
    if not (np.isfinite(norm) and norm > 0):
        return Outcome(None, "there is no gradient to go along")
    size, slopes = float(optax.global_norm(at.params)), jax.tree.map(jnp.conj, grads)
    for relative in (1e-2, 1e-3, 1e-4):
        length = relative * size / norm
        moved = jax.tree.map(lambda leaf, slope: leaf - jnp.asarray(length, leaf.dtype) * slope, at.params, slopes)  # noqa: B023
        lower = bench.loss(batch, Saved(at.step, moved, at.state, at.opt_state))
        if lower < float(loss):
            return Outcome(
                False,
                f"a step of {relative:g} of the weights along -gradient lowers the loss, {float(loss):.4g} to {lower:.4g}",
            )
    return Outcome(True, "no small step along -gradient lowers the loss of the same batch")


def _zero_inputs(bench: Bench) -> Outcome:
    fields = {field.index for field in bench.setup.fields if field.is_input and not field.is_target}
    if not fields:
        return Outcome(None, "which arrays of the batch are inputs is not known")
    given, zeroed = [], []
    for batch in bench.batches[:4]:
        leaves, structure = jax.tree.flatten(batch)
        empty = [np.zeros_like(leaf) if i in fields else leaf for i, leaf in enumerate(leaves)]
        given.append(bench.loss(batch, train=False))
        zeroed.append(bench.loss(jax.tree.unflatten(structure, empty), train=False))
    worse = float(np.mean(zeroed) - np.mean(given))
    same = worse <= 0.01 * abs(float(np.mean(given)))
    return Outcome(
        same, f"the loss is {np.mean(given):.4g} with the inputs and {np.mean(zeroed):.4g} with zeros in their place"
    )


def _shuffled_labels(bench: Bench) -> Outcome:
    fields = {field.index for field in bench.setup.fields if field.is_target and not field.is_input}
    if not fields:
        return Outcome(None, "which arrays of the batch are targets is not known")
    first = jax.tree.leaves(bench.batches[0])
    pools = {i: np.asarray(first[i]) for i in fields}
    inputs = [each.index for each in bench.setup.fields if each.is_input and each.index not in fields]
    other = []
    for batch in bench.batches[: 2 * STEPS]:
        leaves, structure = jax.tree.flatten(batch)
        rows = np.asarray(leaves[inputs[0] if inputs else min(fields)])
        # by the example itself, so that it has the same wrong label whenever it comes
        chosen = np.array([int.from_bytes(blake2b(row.tobytes(), digest_size=4).digest()) for row in rows])
        other.append(
            jax.tree.unflatten(
                structure, [pools[i][chosen % len(pools[i])] if i in fields else leaf for i, leaf in enumerate(leaves)]
            )
        )
    found = bench.with_batches(other, "labels of other examples")
    return Outcome(
        found.better is not False,
        f"with the labels of other examples {_ends(found)}: their own must do better",
    )


def _train_and_evaluation(bench: Bench) -> Outcome:
    train, evaluation = bench.loss(bench.batches[0]), bench.loss(bench.batches[0], train=False)
    # dropout makes training worse; a network that is right is never much worse in evaluation
    worse = evaluation > 1.5 * train and evaluation - train > 0.02 * abs(bench.loss(bench.batches[0], bench.start))
    return Outcome(worse, f"on the same batch the loss is {train:.4g} in training and {evaluation:.4g} in evaluation")


def _larger_batch(bench: Bench) -> Outcome:
    count = len(bench.batches) // 4
    if count < 5:
        return Outcome(None, "there are too few batches")
    joined = [
        jax.tree.map(lambda *parts: np.concatenate(parts), *bench.batches[4 * i : 4 * i + 4])
        for i in range(min(count, STEPS))
    ]
    found = bench.with_batches(joined, "batches of four times the size", keys=5)
    unchanged, changed = found.ends
    far = bool((changed < unchanged).all()) and float(changed.mean()) < 0.6 * float(unchanged.mean())
    return Outcome(far, f"with batches of four times the size, at as many steps, {_ends(found)}")


EXPERIMENTS: dict[str, Callable[[Bench], Outcome]] = {
    "lower learning rate": _lower,
    "higher learning rate": _higher,
    "float32 parameters": _float32,
    "output bias": _output_bias,
    "clip": _clip,
    "descend": _descend,
    "zero inputs": _zero_inputs,
    "shuffled labels": _shuffled_labels,
    "train and evaluation": _train_and_evaluation,
    "larger batch": _larger_batch,
}


def usual_norm(bench: Bench) -> float:
    """The median norm of the whole gradient, over the steps that were read."""
    if "gradient/norm" not in bench.history:
        return 1.0
    norms = np.linalg.norm(bench.history["gradient/norm"].values.astype(np.float64), axis=1)
    finite = norms[np.isfinite(norms) & (norms > 0)]
    return float(np.median(finite)) if finite.size else 1.0


def is_better(found: Fork) -> bool:
    """Whether the change is certainly better: by the interval, by far under every key, or finite where it is not without it.

    Losses of runs that blow up differ by orders of magnitude from key to key, so that an interval of them says nothing.
    """
    unchanged, changed = found.ends
    if not np.isfinite(changed).all():
        return False
    far = len(changed) >= KEYS and bool(np.isfinite(unchanged).all()) and changed.max() < 0.5 * unchanged.min()
    return found.better is True or far or not np.isfinite(unchanged).any()


def _ends(found: Fork) -> str:
    unchanged, changed = (float(ends.mean()) for ends in found.ends)
    keys, steps = found.changed.shape
    return f"the loss after {steps} steps is {changed:.4g} instead of {unchanged:.4g} ({keys} keys)"
