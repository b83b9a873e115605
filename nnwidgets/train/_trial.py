"""Trying the remedy of a finding, beside the unchanged run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nnwidgets.records import Finding, Fork
from nnwidgets.trace import conjugated

from ._experiments import Bench, is_better, with_output_bias
from ._fork import Change, Way, fork
from ._programs import Programs

STEPS, KEYS = 100, 5


def try_remedy(finding: Finding, bench: Bench) -> Finding:
    """The finding, with what came of its remedy: 100 steps over five keys from the run's first state, with it and without.

    Args:
        finding: with a `change`; one without is given back as it is.
        bench: where it is tried.
    """
    if finding.change is None:
        return finding
    if finding.change[0] == "objective":
        return _try_loss(finding, str(finding.change[1]), bench)
    found = _run(finding.change, bench)
    if found is None:
        return replace(finding, tried="this remedy cannot be tried by itself")
    before, after = (float(ends.mean()) for ends in found.ends)
    keys, steps = found.changed.shape
    helped = is_better(found)
    verdict = "it helped" if helped else "it did not help" if found.better is False else "no difference that is certain"
    words = f"{found.change}: loss after {steps} steps {before:.4g} -> {after:.4g} over {keys} keys, {verdict}"
    return replace(finding, tried=words, verified=helped)


def _try_loss(finding: Finding, name: str, bench: Bench) -> Finding:
    """Two losses have no common scale: both ways are judged by both.

    It helped if it is better by the new one, for certain, and not worse by the one that was there.
    """
    other = bench.setup.objective.alternatives[name]
    ours = Way(bench.programs, bench.start, 1.0)
    theirs = Way(Programs(other, bench.setup.tx), bench.start, 1.0)
    batches = bench.batches[:STEPS]
    by_own = fork((ours, theirs), batches, bench.key, KEYS, change=name)
    by_other = fork((theirs, ours), batches, bench.key, KEYS, change=name)
    own = [float(ends.mean()) for ends in by_own.ends]
    new = [float(ends.mean()) for ends in reversed(by_other.ends)]
    # a floor that both reach counts as the same
    same = own[1] - own[0] <= 0.05 * abs(float(np.mean(by_own.unchanged[:, 0])))
    helped = by_other.better is False and same
    verdict = "it helped" if helped else "no difference that is certain"
    words = (
        f"{name}: after {len(batches)} steps over {KEYS} keys {new[0]:.4g} -> {new[1]:.4g} by that loss, and "
        f"{own[0]:.4g} -> {own[1]:.4g} by the loss that was there, {verdict}"
    )
    return replace(finding, tried=words, verified=helped)


def _run(change: tuple[str, Any], bench: Bench) -> Fork | None:
    what, value = change
    if what == "multiplier":
        return bench.beside(Change(multiplier=float(value)), KEYS, STEPS)
    if what == "clip":
        return bench.beside(
            Change(tx=optax.chain(optax.clip_by_global_norm(float(value)), bench.setup.tx)), KEYS, STEPS
        )
    if what == "optimizer" and value == "adam":
        return bench.beside(Change(tx=conjugated(optax.adam(1e-3))), KEYS, STEPS)
    if what == "gradients" and value == "conjugate":
        return bench.beside(Change(tx=conjugated(bench.setup.tx)), KEYS, STEPS)
    if what == "output bias":
        filled = with_output_bias(bench, float(value))
        return None if filled is None else bench.beside(filled, KEYS, STEPS)
    if what == "initialization":
        return bench.beside(Change(params=_initialized(bench.start.params)), KEYS, STEPS)
    if what == "standardize":
        return bench.with_batches(_standardized(bench), "inputs standardised", KEYS)
    return None


def _initialized(params: Any) -> Any:
    """Every kernel drawn anew by LeCun's rule (normal, variance 1 / fan-in); vectors stay."""
    draw, leaves = jax.nn.initializers.lecun_normal(), jax.tree.leaves(params)
    keys = iter(jax.random.split(jax.random.key(0), len(leaves)))
    return jax.tree.map(
        lambda leaf: draw(next(keys), leaf.shape, jnp.float32).astype(leaf.dtype) if leaf.ndim >= 2 else leaf, params
    )


def _standardized(bench: Bench) -> list[Any]:
    """The batches with mean 0 and standard deviation 1 in each feature of each floating input."""
    chosen = [each for each in bench.setup.fields if each.is_input and not each.is_target and each.dtype.kind == "f"]
    scales = {}
    for each in chosen:
        values = np.asarray(each.values, np.float64)
        axes = tuple(range(values.ndim - 1))
        deviation = values.std(axes)
        scales[each.index] = (values.mean(axes), np.where(deviation > 0, deviation, 1.0))

    def scaled(batch: Any) -> Any:
        leaves, structure = jax.tree.flatten(batch)
        for index, (mean, deviation) in scales.items():
            leaves[index] = ((np.asarray(leaves[index]) - mean) / deviation).astype(leaves[index].dtype)
        return jax.tree.unflatten(structure, leaves)

    return [scaled(batch) for batch in bench.batches[:STEPS]]
