"""Flax Linen: variables in, an Objective out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
from flax.core import unfreeze

from ..objective import Objective
from ._batch import Field, arguments, split_batch

_TRAIN_NAMES = ("train", "training", "is_training", "deterministic", "use_running_average")
_TURNED_ROUND = ("deterministic", "use_running_average")
# Collections that a call only reports into: they aren't carried from step to step.
_REPORTED = ("intermediates", "perturbations")
_FIND = "find in the signature"


def from_linen(
    model: nn.Module,
    variables: Mapping[str, Any],
    loss: Callable[[Any, Any], jax.Array],
    *,
    inputs: Field = None,
    targets: Field = None,
    train_argument: str | None = _FIND,
    rngs: Sequence[str] = ("dropout",),
) -> Objective:
    """The objective ``loss(model.apply(variables, inputs), targets)``.

    Args:
        model: the Linen module.
        variables: what ``model.init`` gave; "params" is trained, every other collection is state.
        loss: ``loss(outputs, targets)`` gives a scalar.
        inputs: field of a mapping or function of the batch; None: the batch is a pair. A tuple gives several arguments.
        targets: the same for the targets.
        train_argument: the module's argument that says training; "deterministic" and "use_running_average" are turned
            round, None: it takes none; left out: found in the signature.
        rngs: names of the random streams; each gets its own key, folded from the step's.

    Raises:
        ValueError: the variables have no "params", or the module has no such train argument.
    """
    collections = {name: values for name, values in unfreeze(variables).items() if name not in _REPORTED}
    if "params" not in collections:
        got = ", ".join(map(repr, collections)) or "nothing"
        raise ValueError(f'variables has {got}, wanted "params": pass what model.init(key, inputs) returned, whole.')
    params = collections.pop("params")
    train_argument = _train_argument(model, train_argument)

    def loss_fn(params: Any, batch: Any, *, rng: Any, state: Any, train: bool) -> tuple[jax.Array, dict]:
        model_inputs, model_targets = split_batch(batch, inputs, targets)
        keywords = {} if rng is None else {"rngs": {name: jax.random.fold_in(rng, i) for i, name in enumerate(rngs)}}
        if train_argument is not None:
            keywords[train_argument] = train != (train_argument in _TURNED_ROUND)
        values = {"params": params, **state}
        if train and state:
            outputs, state = model.apply(values, *arguments(model_inputs), mutable=list(state), **keywords)
        else:
            outputs = model.apply(values, *arguments(model_inputs), **keywords)
        aux = {"state": unfreeze(state), "outputs": outputs, "targets": model_targets}
        return loss(outputs, model_targets), aux

    return Objective(
        loss_fn,
        params,
        collections,
        framework="linen",
        restore=lambda params, state: {"params": params, **(state or {})},
    )


def _train_argument(model: nn.Module, name: str | None) -> str | None:
    parameters = inspect.signature(type(model).__call__).parameters
    if name == _FIND:
        return next((candidate for candidate in _TRAIN_NAMES if candidate in parameters), None)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    if name is not None and name not in parameters and not takes_any:
        raise ValueError(
            f"train_argument={name!r}, but {type(model).__name__}.__call__ takes "
            f"{', '.join(list(parameters)[1:]) or 'nothing'}: name the one that says training, or train_argument=None."
        )
    return name
