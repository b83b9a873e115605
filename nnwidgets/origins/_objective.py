"""The origin of a NaN in a step of training."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from nnwidgets.objective import Objective, leaf_paths
from nnwidgets.records import NanReport
from nnwidgets.trace import layer_finder

from ._locate import Question, locate


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

        Raises:
            MemoryError: the values between all operations would take more than 4 GiB; give fewer examples.
        """
        objective = self._objective
        groups = {"params": params, "state": state, "batch": batch, "rng": rng}
        leaves, structure = jax.tree.flatten(tuple(groups.values()))
        labels = [f"{name}/{path}".rstrip("/") for name, tree in groups.items() for path in leaf_paths(tree)]

        def run(leaves: list[Any]) -> Any:
            params, state, batch, rng = jax.tree.unflatten(structure, leaves)
            return jax.value_and_grad(lambda params: objective(params, state, batch, rng, True)[0])(params)

        def forward(leaves: list[Any]) -> Any:
            params, state, batch, rng = jax.tree.unflatten(structure, leaves)
            return objective(params, state, batch, rng, True)[0]

        def value() -> Any:
            return jax.make_jaxpr(forward)(inputs)

        inputs = [jnp.asarray(leaf) for leaf in leaves]
        fields = [k for k, label in enumerate(labels) if label.partition("/")[0] == "batch" and jnp.ndim(inputs[k])]
        same = len({inputs[k].shape[0] for k in fields}) == 1
        question = Question(
            jax.make_jaxpr(run)(inputs),
            inputs,
            labels,
            ["loss", *objective.paths],
            fields if same else (),
            value=value,
            layers=lambda: layer_finder(objective, batch),
        )
        return locate(question)
