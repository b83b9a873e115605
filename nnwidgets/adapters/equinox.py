"""Equinox: a model in, an Objective out; per-example models are vmapped over the batch."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax

from ..objective import Objective
from ._batch import Field, arguments, split_batch

try:
    import equinox as eqx
except ImportError as error:
    raise ImportError('from_equinox needs Equinox: pip install "nnwidgets[equinox]"') from error


def from_equinox(
    model: Any,
    loss: Callable[[Any, Any], jax.Array],
    *,
    state: Any = None,
    inputs: Field = None,
    targets: Field = None,
    batch_axis: bool = True,
) -> Objective:
    """The objective ``loss(jax.vmap(model)(inputs), targets)``; inexact arrays are trained, the rest is fixed.

    Without training, the model runs as after ``eqx.nn.inference_mode``. Where its ``__call__`` takes ``key``, each example
    gets its own key, split from the step's.

    Args:
        model: the Equinox module (or any pytree that can be called).
        loss: ``loss(outputs, targets)`` gives a scalar.
        state: the ``eqx.nn.State`` of ``eqx.nn.make_with_state``; the model is then called as ``model(x, state)``.
        inputs: field of a mapping or function of the batch; None: the batch is a pair. A tuple gives several arguments.
        targets: the same for the targets.
        batch_axis: True: the model takes one example; False: it takes the whole batch.

    Raises:
        ImportError: Equinox isn't installed.
        ValueError: the model can't be called, or has layers with state and none was given.
    """
    if not callable(model):
        raise ValueError(
            f"got a {type(model).__name__}, which can't be called, wanted a model: from_equinox(model, loss)."
        )
    if state is None and _stateful(model):
        raise ValueError(
            "the model has layers with state, but no state was given: build it with "
            "model, state = eqx.nn.make_with_state(Model)(...) and pass from_equinox(model, loss, state=state)."
        )
    params, static = eqx.partition(model, eqx.is_inexact_array)
    # Plain arrays, since an eqx.nn.State can be used only once.
    arrays, structure = ((), None) if state is None else (tuple(jax.tree.leaves(state)), jax.tree.structure(state))
    takes_key = "key" in inspect.signature(model).parameters
    axis_name = _axis_name(model)

    def call(model: Any, values: tuple, eqx_state: Any, key: Any) -> tuple[Any, Any]:
        keywords = {"key": key} if takes_key else {}
        return (model(*values, **keywords), None) if structure is None else model(*values, eqx_state, **keywords)

    def loss_fn(params: Any, batch: Any, *, rng: Any, state: Any, train: bool) -> tuple[jax.Array, dict]:
        model_inputs, model_targets = split_batch(batch, inputs, targets)
        values = arguments(model_inputs)
        run = eqx.nn.inference_mode(eqx.combine(params, static), value=not train)
        before = None if structure is None else jax.tree.unflatten(structure, state)
        if batch_axis:
            examples = jax.tree.leaves(values)[0].shape[0]
            keys = jax.random.split(rng, examples) if takes_key and rng is not None else None
            mapped = jax.vmap(
                lambda values, key: call(run, values, before, key),
                in_axes=(0, None if keys is None else 0),
                out_axes=(0, None),
                axis_name=axis_name,
            )
            outputs, after = mapped(values, keys)
        else:
            outputs, after = call(run, values, before, rng)
        new_state = tuple(jax.tree.leaves(after)) if train else state
        return loss(outputs, model_targets), {"state": new_state, "outputs": outputs, "targets": model_targets}

    def restore(params: Any, state: Any = None) -> Any:
        restored = eqx.combine(params, static)
        return restored if structure is None else (restored, jax.tree.unflatten(structure, state))

    return Objective(loss_fn, params, arrays, framework="equinox", restore=restore)


def _stateful(model: Any) -> bool:
    def index(leaf: Any) -> bool:
        return isinstance(leaf, eqx.nn.StateIndex)

    return any(index(leaf) for leaf in jax.tree.leaves(model, is_leaf=index))


def _axis_name(model: Any) -> Any:
    """The name of the batch axis that the model's batch norms ask for, or None."""

    def named(leaf: Any) -> bool:
        return isinstance(leaf, eqx.nn.BatchNorm)

    names = [leaf.axis_name for leaf in jax.tree.leaves(model, is_leaf=named) if named(leaf)]
    return names[0] if names else None
