"""`nnw.nan_origin`: of any function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from nnwidgets.objective import leaf_paths
from nnwidgets.records import NanReport
from nnwidgets.trace import argument_names, argument_positions, is_key

from ._locate import Question, locate


def nan_origin(fn: Callable[..., Any], *args: Any, argnums: int | Sequence[int] | None = 0) -> NanReport:
    """The first operation that made something non-finite of finite numbers, in the forward and in the backward pass.

    The function is traced with its gradient and evaluated operation by operation; from what is not finite the path is
    followed back, element by element. An infinity that never reaches the result (a mask of -inf, what a `where` did not
    choose) is not accused.

    Args:
        fn: a function of arrays, or pytrees of them. With a scalar result, also its gradient is looked at; with any other, such
            as an optimizer's update, all floating arrays that it returns.
        args: its arguments, at the point where something is not finite.
        argnums: what to differentiate with respect to; None for no gradient.

    Returns:
        the report, also when everything is finite.

    Raises:
        ValueError: there is nothing to look at: no floating result, or nothing to differentiate; the message says which.

    Example:
        >>> def loss(w, x):
        ...     distance = jnp.sqrt(jnp.sum((x - w) ** 2, axis=-1))
        ...     return jnp.mean(distance)
        >>> report = nan_origin(loss, jnp.ones(3), jnp.array([[1.0, 1.0, 1.0], [0.0, 2.0, 1.0]]))
        >>> report.forward, report.backward.what, report.backward.derivative_of, report.backward.rows
        (None, 'div', 'sqrt', (0,))
        >>> print(report.backward.remedy.partition(":")[0])
        the square root has an infinite slope at 0
    """
    if not callable(fn):
        raise ValueError(f"fn must be a function, got a {type(fn).__name__}: nan_origin(loss_fn, params, batch).")
    names = argument_names(fn, len(args))
    foreign = [
        f"{name} ({type(leaf).__name__})"
        for name, each in zip(names, args, strict=True)
        for leaf in jax.tree.leaves(each)
        if not _is_number(leaf)
    ]
    if foreign:
        raise ValueError(
            f"fn must take arrays, got {', '.join(foreign)}: bind everything else first, functools.partial(fn, ...)."
        )
    if not args and argnums is not None:
        raise ValueError(
            "fn was given no arguments: nan_origin(loss_fn, params, batch), or argnums=None for no gradient."
        )
    chosen = [] if argnums is None else argument_positions(argnums, names)
    outputs = jax.eval_shape(fn, *args)
    floats = [leaf for leaf in jax.tree.leaves(outputs) if _is_float(leaf)]
    if not floats:
        raise ValueError(f"fn must return a floating array, got {outputs!r}: there is nothing that could be NaN.")
    has_loss = bool(chosen) and len(jax.tree.leaves(outputs)) == 1 and floats[0].shape == ()
    leaves, structure = jax.tree.flatten(args)
    owners = [i for i, each in enumerate(args) for _ in jax.tree.leaves(each)]
    places = [k for k, i in enumerate(owners) if has_loss and i in chosen and _is_float(leaves[k])]
    if has_loss and not places:
        wanted = ", ".join(names[i] for i in chosen)
        raise ValueError(
            f"there is nothing to differentiate: {wanted} holds no floating arrays; say argnums=, or argnums=None for none."
        )
    labels = [f"{name}/{path}".rstrip("/") for name, each in zip(names, args, strict=True) for path in leaf_paths(each)]

    def run(leaves: list[Any]) -> Any:
        return fn(*jax.tree.unflatten(structure, leaves))

    def run_with_gradient(leaves: list[Any]) -> Any:
        def loss(tensors: list[Any]) -> Any:
            filled = list(leaves)
            for place, tensor in zip(places, tensors, strict=True):
                filled[place] = tensor
            return jnp.reshape(jnp.asarray(jax.tree.leaves(run(filled))[0]), ())

        return jax.value_and_grad(loss)([leaves[k] for k in places])

    def value() -> Any:
        return jax.make_jaxpr(run)(inputs)

    inputs = [jnp.asarray(leaf) for leaf in leaves]
    try:
        closed = jax.make_jaxpr(run_with_gradient if has_loss else run)(inputs)
    except Exception as error:
        if has_loss:
            error.add_note("nnwidgets: raised by JAX; nan_origin(fn, ..., argnums=None) looks at the value alone.")
        raise
    results = (
        ["loss", *(labels[k] for k in places)]
        if has_loss
        else [f"result/{path}".rstrip("/") for path in leaf_paths(outputs)]
    )
    rest = [k for k, i in enumerate(owners) if i not in chosen and jnp.ndim(leaves[k]) and not is_key(leaves[k])]
    same = has_loss and len({jnp.shape(leaves[k])[0] for k in rest}) == 1
    return locate(
        Question(closed, inputs, labels, results, rest if same else (), has_loss, value if has_loss else None)
    )


def _is_number(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") or isinstance(leaf, (bool, int, float, complex))


def _is_float(leaf: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)
