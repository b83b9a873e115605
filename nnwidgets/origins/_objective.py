"""The origin of a NaN in a step of training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from nnwidgets.objective import Objective, leaf_paths
from nnwidgets.records import NanReport, Origin
from nnwidgets.trace import layer_finder

from ._compiled import is_finite
from ._locate import MOST_BYTES, Question, locate
from ._values import size_in_bytes


class ObjectiveOrigin:
    """Looks for the operation that made the loss of an objective, or a gradient of it, NaN or infinite.

    Args:
        objective: the loss.

    Example:
        >>> objective = Objective(lambda params, batch: jnp.mean(jnp.log(batch @ params["w"])), {"w": jnp.zeros(3)})
        >>> report = ObjectiveOrigin(objective)(objective.params, None, jnp.ones((4, 3)), jax.random.key(0))
        >>> report.forward.what, report.forward.result, report.forward.rows
        ('log', '-inf', (0, 1, 2, 3))
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective

    def __call__(self, params: Any, state: Any, batch: Any, rng: Any) -> NanReport:
        """The report for one step: as in training, with its parameters, model state, batch and key.

        Args:
            params: like the objective's.
            state: like the objective's.
            batch: one batch.
            rng: the step's key.

        Where the values between all operations would take more than 4 GiB, the half of the batch that is not finite is taken,
        and the half of that, until they don't; the report says so.

        Raises:
            MemoryError: no half of the batch is not finite by itself, or the batch can't be halved.
        """
        start, whole, count = 0, batch, _examples(batch)
        question = self._question(params, state, batch, rng)
        while size_in_bytes(question.closed) > MOST_BYTES and (length := _examples(batch) or 0) > 1:
            halves = ((0, length // 2), (length // 2, length))
            for low, high in halves:
                half = _between(batch, low, high)
                if not self._is_finite(params, state, half, rng):
                    start, batch = start + low, half
                    break
            else:
                break
            question = self._question(params, state, batch, rng)
        report = locate(question)
        if batch is whole:
            return report
        last = start + (_examples(batch) or 0) - 1
        note = f"of the {count} examples of the batch, {start} to {last} were looked at, for memory"
        return replace(
            report,
            forward=_moved(report.forward, start),
            backward=_moved(report.backward, start),
            notes=(*report.notes, note),
        )

    def _is_finite(self, params: Any, state: Any, batch: Any, rng: Any) -> bool:
        results = jax.jit(self._run)(params, state, batch, rng)
        return all(is_finite(each) for each in jax.device_get(jax.tree.leaves(results)))

    def _run(self, params: Any, state: Any, batch: Any, rng: Any) -> Any:
        return jax.value_and_grad(lambda params: self._objective(params, state, batch, rng, True)[0])(params)

    def _question(self, params: Any, state: Any, batch: Any, rng: Any) -> Question:
        objective = self._objective
        groups = {"params": params, "state": state, "batch": batch, "rng": rng}
        leaves, structure = jax.tree.flatten(tuple(groups.values()))
        labels = [f"{name}/{path}".rstrip("/") for name, tree in groups.items() for path in leaf_paths(tree)]
        inputs = [jnp.asarray(leaf) for leaf in leaves]

        def value(leaves: list[Any]) -> Any:
            params, state, batch, rng = jax.tree.unflatten(structure, leaves)
            return objective(params, state, batch, rng, True)[0]

        fields = [k for k, label in enumerate(labels) if label.partition("/")[0] == "batch" and jnp.ndim(inputs[k])]
        return Question(
            jax.make_jaxpr(lambda leaves: self._run(*jax.tree.unflatten(structure, leaves)))(inputs),
            inputs,
            labels,
            ["loss", *objective.paths],
            fields if _examples(batch) is not None else (),
            value=lambda: jax.make_jaxpr(value)(inputs),
            layers=lambda: layer_finder(objective, batch),
        )


def _examples(batch: Any) -> int | None:
    """How many examples all arrays of the batch have; None if that is not clear."""
    lengths = {jnp.shape(leaf)[0] for leaf in jax.tree.leaves(batch) if jnp.ndim(leaf)}
    return lengths.pop() if len(lengths) == 1 else None


def _between(batch: Any, low: int, high: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[low:high] if jnp.ndim(leaf) else leaf, batch)


def _moved(origin: Origin | None, start: int) -> Origin | None:
    if origin is None or origin.rows is None:
        return origin
    return replace(origin, rows=tuple(start + row for row in origin.rows))
