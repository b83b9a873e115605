"""Gradient checks of an `Objective`, with few examples, data loss and penalty apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from nnwidgets.objective import Objective
from nnwidgets.records import GradientReport
from nnwidgets.trace import as_given, as_real

from ._check import Check, check_whole
from ._function import make_function


class ObjectiveCheck:
    """Checks the gradients of an objective; compiles at the first call, and again when shapes change.

    Args:
        objective: the loss.

    Example:
        >>> objective = Objective(lambda params, batch: jnp.mean((batch @ params["w"]) ** 2), {"w": jnp.ones(3)})
        >>> ObjectiveCheck(objective)(objective.params, None, jnp.ones((4, 3)), jax.random.key(0)).verdict("w")
        'ok'
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._checks: dict[tuple[Any, ...], Check] = {}
        self._takes_few: dict[tuple[Any, ...], bool] = {}

    def __call__(
        self,
        params: Any,
        state: Any,
        batch: Any,
        rng: Any,
        *,
        examples: int | None = 8,
        told: Callable[[str], None] = lambda words: None,
        **options: Any,
    ) -> GradientReport:
        """Check it here: with this key for everything random, and this model state, which stays as it is.

        Args:
            params: like the objective's.
            state: like the objective's.
            batch: one batch.
            rng: the key.
            examples: use only the first so many examples, where all arrays of the batch have as many; None for all.
            told: hears what is going on.
            options: see `Check.run`.
        """
        if examples is not None:
            check_whole(least=1, examples=examples)
        few = batch if examples is None else self._few(params, state, batch, rng, examples)
        tensors = [as_real(leaf) for leaf in jax.tree.leaves(params)]
        rest, structure = jax.tree.flatten((state, few, rng))
        shapes = tuple((jnp.shape(leaf), getattr(leaf, "dtype", type(leaf))) for leaf in (*tensors, *rest))
        kind = structure, shapes
        if kind not in self._checks:
            told("checking gradients: tracing the loss")
            self._checks[kind] = self._make(tensors, rest, structure)
        report = self._checks[kind].run([*tensors, *rest], told=told, **options)
        return replace(report, examples=None if few is batch else examples)

    def _make(self, tensors: list[Any], rest: list[Any], structure: Any) -> Check:
        objective = self._objective
        leaves, treedef = jax.tree.flatten(objective.params)

        def parts(tensors: list[Any], rest: list[Any]) -> Any:
            state, batch, rng = jax.tree.unflatten(structure, rest)
            params = jax.tree.unflatten(treedef, list(map(as_given, tensors, leaves)))
            loss, (_, aux) = objective(params, state, batch, rng, True)
            penalty = aux.get("penalty")
            return jnp.stack([loss] if penalty is None else [loss - penalty, jnp.asarray(penalty, loss.dtype)])

        count = jax.eval_shape(parts, tensors, rest).shape[0]
        names = ("loss",) if count == 1 else ("data", "penalty")
        return Check(make_function(parts, tensors, rest, paths=objective.paths, names=names))

    def _few(self, params: Any, state: Any, batch: Any, rng: Any, examples: int) -> Any:
        """The first examples of the batch, if it is clear what these are and the loss takes them; else the batch."""
        leaves = [leaf for leaf in jax.tree.leaves(batch) if jnp.ndim(leaf)]
        lengths = {jnp.shape(leaf)[0] for leaf in leaves}
        if len(lengths) != 1 or lengths.pop() <= examples:
            return batch
        few = jax.tree.map(lambda leaf: leaf[:examples] if jnp.ndim(leaf) else leaf, batch)
        kind = jax.tree.structure(few), *map(jnp.shape, jax.tree.leaves(few))
        if kind not in self._takes_few:
            try:
                jax.eval_shape(lambda p, s, b, r: self._objective(p, s, b, r, True), params, state, few, rng)
                self._takes_few[kind] = True
            except Exception:
                self._takes_few[kind] = False
        return few if self._takes_few[kind] else batch
