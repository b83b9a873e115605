"""The two compiled programs of a step, the same whether anybody looks or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from nnwidgets.trace import as_real


class Programs:
    """Gradient and update, compiled once for the shapes of the first batch.

    They are two programs so that a third one, a probe, can read the gradients and updates between them without
    becoming part of them: a step fused with its probes is another program and may differ in the last bit. Neither
    donates its arguments: on a CPU that costs nothing that could be measured, and every state can be kept as it is.

    Args:
        objective: the loss in its canonical form (`nnw.Objective`).
        tx: any optax transformation; it is given ``value=loss``, which those that take it (reduce on plateau) use.

    Attributes:
        gradient: (params, state, batch, key, step) -> (readout, loss, grads, new state).
        update: (params, opt_state, grads, multiplier, loss) -> (params, opt_state, updates).
        evaluate: (params, state, batch, key) -> readout, in evaluation mode.
        fold_in: (key, step) -> the step's key; ten times quicker than `jax.random.fold_in` uncompiled.
    """

    def __init__(self, objective: Any, tx: optax.GradientTransformation) -> None:
        transformation = optax.with_extra_args_support(tx)

        def gradient(params: Any, state: Any, batch: Any, key: jax.Array, step: Any) -> Any:
            rng = jax.random.fold_in(key, step)
            (loss, (new_state, aux)), grads = jax.value_and_grad(objective, has_aux=True)(
                params, state, batch, rng, True
            )
            finite = jnp.isfinite(loss)
            for leaf in jax.tree.leaves(grads):
                finite &= jnp.isfinite(jnp.sum(as_real(leaf), dtype=jnp.float32))
            return _pack(loss, finite, aux), loss, grads, new_state

        def update(params: Any, opt_state: Any, grads: Any, multiplier: jax.Array, loss: jax.Array) -> Any:
            updates, opt_state = transformation.update(grads, opt_state, params, value=loss)
            updates = scale(updates, multiplier)
            return optax.apply_updates(params, updates), opt_state, updates

        def evaluate(params: Any, state: Any, batch: Any, key: jax.Array) -> jax.Array:
            loss, (_, aux) = objective(params, state, batch, key, False)
            return _pack(loss, jnp.isfinite(loss), aux)

        self.gradient = jax.jit(gradient)
        self.update = jax.jit(update)
        self.evaluate = jax.jit(evaluate)
        self.fold_in = jax.jit(jax.random.fold_in)


def metric_names(objective: Any, params: Any, state: Any, batch: Any, key: jax.Array, train: bool) -> tuple[str, ...]:
    """The names of a readout's entries from the third on: the user's metrics, and the accuracy where it is defined."""
    _, (_, aux) = jax.eval_shape(lambda p, s, b, k: objective(p, s, b, k, train), params, state, batch, key)
    return tuple(_metrics_of(aux, jax.eval_shape))


def scale(updates: Any, multiplier: jax.Array) -> Any:
    """Updates times the learning-rate multiplier, each in its own dtype; a factor of 1 leaves the bits as they are."""
    return jax.tree.map(
        lambda leaf: leaf * multiplier.astype(leaf.dtype) if jnp.issubdtype(leaf.dtype, jnp.inexact) else leaf, updates
    )


def _pack(loss: jax.Array, finite: jax.Array, aux: Mapping[str, Any]) -> jax.Array:
    metrics = _metrics_of(aux, lambda function, *arguments: function(*arguments))
    return jnp.stack([jnp.asarray(value, jnp.float32) for value in (loss, finite, *metrics.values())])


def _metrics_of(aux: Mapping[str, Any], call: Any) -> dict[str, Any]:
    metrics = {str(name): value for name, value in sorted(dict(aux.get("metrics") or {}).items())}
    for name, value in metrics.items():
        if jnp.shape(value):
            raise ValueError(
                f'aux["metrics"][{name!r}] must be a scalar, got shape {list(jnp.shape(value))}: take its mean.'
            )
    outputs, targets = aux.get("outputs"), aux.get("targets")
    if "accuracy" not in metrics and _is_classification(outputs, targets):
        metrics["accuracy"] = call(_accuracy, outputs, targets)
    if aux.get("penalty") is not None and "penalty" not in metrics:
        metrics["penalty"] = aux["penalty"]
    return metrics


def _is_classification(outputs: Any, targets: Any) -> bool:
    if not (hasattr(outputs, "shape") and hasattr(targets, "shape")) or len(outputs.shape) < 2:
        return False
    labels = jnp.issubdtype(targets.dtype, jnp.integer) and targets.shape == outputs.shape[:-1]
    return labels and outputs.shape[-1] > 1 and jnp.issubdtype(outputs.dtype, jnp.floating)


def _accuracy(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    return jnp.mean((jnp.argmax(outputs, -1) == targets).astype(jnp.float32))
