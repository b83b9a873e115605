"""Flax NNX: a model in, an Objective of plain arrays out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from flax import nnx

from ..objective import Objective
from ._batch import Field, arguments, split_batch


def from_nnx(
    model: nnx.Module,
    loss: Callable[[Any, Any], jax.Array],
    *,
    inputs: Field = None,
    targets: Field = None,
) -> Objective:
    """The objective ``loss(model(inputs), targets)``; ``nnx.Param`` is trained, all other variables are state.

    The model runs as after ``model.train()`` or ``model.eval()``. Randomness follows the step's key, folded once for each
    stored stream, and the streams themselves stay as they are; without a key the stored streams are used and advance. The
    model given is copied and not changed.

    Args:
        model: the NNX module, built.
        loss: ``loss(outputs, targets)`` gives a scalar.
        inputs: field of a mapping or function of the batch; None: the batch is a pair. A tuple gives several arguments.
        targets: the same for the targets.

    Raises:
        ValueError: the model has no ``nnx.Param``, or isn't a module.
    """
    if not isinstance(model, nnx.Module):
        raise ValueError(
            f"got a {type(model).__name__}, wanted an nnx.Module that is built: from_nnx(Model(rngs=...), loss)."
        )
    graphdef, params, random, rest = nnx.split(model, nnx.Param, nnx.RngState, ...)
    layouts = tuple(_Layout(part) for part in (params, random, rest))

    def merge(params: Any, state: Any) -> nnx.Module:
        parts = (params, state["random"], state["rest"])
        return nnx.merge(graphdef, *(layout.build(part) for layout, part in zip(layouts, parts, strict=True)))

    def loss_fn(params: Any, batch: Any, *, rng: Any, state: Any, train: bool) -> tuple[jax.Array, dict]:
        model_inputs, model_targets = split_batch(batch, inputs, targets)
        random = state["random"] if rng is None else _reseed(state["random"], rng)
        module = merge(params, {**state, "random": random})
        module.train() if train else module.eval()
        outputs = module(*arguments(model_inputs))
        _, _, random, rest = nnx.split(module, nnx.Param, nnx.RngState, ...)
        if train:
            state = {
                "random": layouts[1].arrays(random) if rng is None else state["random"],
                "rest": layouts[2].arrays(rest),
            }
        return loss(outputs, model_targets), {"state": state, "outputs": outputs, "targets": model_targets}

    state = {"random": layouts[1].arrays(random), "rest": layouts[2].arrays(rest)}
    return Objective(loss_fn, layouts[0].arrays(params), state, framework="nnx", restore=merge)


class _Layout:
    """How an ``nnx.State`` becomes nested dicts of arrays and back, whatever Flax wraps its leaves in."""

    def __init__(self, state: nnx.State) -> None:
        leaves, self._structure = jax.tree_util.tree_flatten_with_path(state)
        self._paths = [_names(path) for path, _ in leaves]

    def arrays(self, state: nnx.State) -> dict:
        nested: dict = {}
        known = set(self._paths)
        for path, leaf in jax.tree_util.tree_flatten_with_path(state)[0]:
            names = _names(path)
            # What a call only reports (sown intermediates) isn't carried from step to step.
            if names not in known:
                continue
            place = nested
            for name in names[:-1]:
                place = place.setdefault(name, {})
            place[names[-1]] = leaf
        return nested

    def build(self, nested: Any) -> nnx.State:
        leaves = []
        for names in self._paths:
            value = nested
            for name in names:
                value = value[name]
            leaves.append(value)
        return jax.tree.unflatten(self._structure, leaves)


def _names(path: Any) -> tuple[Any, ...]:
    names = tuple(getattr(key, "key", getattr(key, "name", getattr(key, "idx", None))) for key in path)
    return names[:-1] if len(names) > 1 and names[-1] == "value" else names


def _reseed(random: Any, rng: jax.Array) -> Any:
    """Keys from the step's key in the place of the stored ones; counts stay."""
    if not jax.numpy.issubdtype(rng.dtype, jax.dtypes.prng_key):
        rng = jax.random.wrap_key_data(rng)
    leaves, structure = jax.tree.flatten(random)
    return jax.tree.unflatten(structure, [_key_like(leaf, jax.random.fold_in(rng, i)) for i, leaf in enumerate(leaves)])


def _key_like(leaf: jax.Array, key: jax.Array) -> jax.Array:
    if not jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return leaf
    if jax.random.key_impl(leaf) != jax.random.key_impl(key):
        key = jax.random.key(jax.random.bits(key), impl=jax.random.key_impl(leaf))
    return jax.random.split(key, leaf.shape) if leaf.shape else key
