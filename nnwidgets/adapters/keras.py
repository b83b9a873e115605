"""Keras 3 on JAX: a built model in, an Objective out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from ..objective import Objective
from ._batch import Field, split_batch

try:
    import keras
except ImportError as error:
    raise ImportError('from_keras needs Keras: pip install "nnwidgets[keras]"') from error


def from_keras(
    model: Any,
    loss: Callable[[Any, Any], jax.Array],
    *,
    inputs: Field = None,
    targets: Field = None,
) -> Objective:
    """The objective ``loss(model(inputs), targets)`` plus the model's own losses (regularizers), in ``aux["penalty"]``.

    Randomness follows the step's key, folded once for each seed; without a key the stored seeds are used and advance.

    Args:
        model: the Keras model, built.
        loss: ``loss(outputs, targets)`` gives a scalar.
        inputs: field of a mapping or function of the batch; None: the batch is a pair.
        targets: the same for the targets.

    Raises:
        ImportError: Keras isn't installed.
        ValueError: Keras runs on another backend, or the model isn't built.
    """
    if keras.backend.backend() != "jax":
        raise ValueError(
            f"Keras runs on the backend {keras.backend.backend()!r}, wanted 'jax': set "
            'os.environ["KERAS_BACKEND"] = "jax" before the first import of keras.'
        )
    if not getattr(model, "built", False):
        raise ValueError(
            f"the Keras model {getattr(model, 'name', model)!r} isn't built, so it has no parameters yet: call "
            "model.build(input_shape) or call it once on a batch."
        )
    trained = _names(model, model.trainable_variables)
    fixed = _names(model, model.non_trainable_variables)
    seeds = {name: i for i, name in enumerate(name for name in fixed if name.endswith("seed_generator_state"))}

    def loss_fn(params: Any, batch: Any, *, rng: Any, state: Any, train: bool) -> tuple[jax.Array, dict]:
        model_inputs, model_targets = split_batch(batch, inputs, targets)
        fresh = {} if rng is None else {name: _seed(rng, i, state[name]) for name, i in seeds.items()}
        outputs, values, losses = model.stateless_call(
            [params[name] for name in trained],
            [fresh.get(name, state[name]) for name in fixed],
            model_inputs,
            training=train,
            return_losses=True,
        )
        aux = {"outputs": outputs, "targets": model_targets}
        total = loss(outputs, model_targets)
        if losses:
            aux["penalty"] = sum(losses)
            total = total + aux["penalty"]
        if train:
            kept = seeds if rng is not None else {}
            pairs = zip(fixed, values, strict=True)
            state = {name: state[name] if name in kept else value for name, value in pairs}
        return total, {**aux, "state": state}

    def restore(params: Any, state: Any = None) -> Any:
        values = {**dict(params), **dict(state or {})}
        names = [*trained, *fixed]
        for name, variable in zip(names, [*model.trainable_variables, *model.non_trainable_variables], strict=True):
            if name in values:
                variable.assign(values[name])
        return model

    return Objective(
        loss_fn,
        {name: variable.value for name, variable in zip(trained, model.trainable_variables, strict=True)},
        {name: variable.value for name, variable in zip(fixed, model.non_trainable_variables, strict=True)},
        framework="keras",
        restore=restore,
    )


def _names(model: Any, variables: list) -> list[str]:
    """One unique path per variable, without the model's own name in front."""
    names: list[str] = []
    for variable in variables:
        name = variable.path.removeprefix(model.name + "/")
        same = sum(other == name or other.startswith(name + "#") for other in names)
        names.append(name if not same else f"{name}#{same + 1}")
    return names


def _seed(rng: jax.Array, i: int, like: jax.Array) -> jax.Array:
    return jax.random.bits(jax.random.fold_in(rng, i), like.shape, "uint32").astype(like.dtype)
