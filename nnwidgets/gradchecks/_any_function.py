"""`nnw.gradcheck`: the gradient of any function, or a gradient that somebody wrote for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.objective import leaf_paths
from nnwidgets.records import GradientReport

from ._check import Check
from ._function import make_function


def gradcheck(
    fn: Callable[..., Any],
    *args: Any,
    argnums: int | Sequence[int] | None = None,
    grad: Callable[..., Any] | None = None,
    tier: str = "full",
    coordinates: int = 10,
    seed: int = 0,
) -> GradientReport:
    """Check the derivatives of a function at these arguments: analytic against numeric, in float64.

    Every custom rule inside it is checked as it is used. Whatever the dtype of the arguments, differences are taken in
    float64, of the program that JAX traces; nothing needs to be set.

    Args:
        fn: a function of arrays, or pytrees of them; what it returns is contracted with random numbers unless it is a scalar.
        args: its arguments.
        argnums: which of them to check; all that hold floats if None.
        grad: ``grad(*args)``, a gradient written by hand, shaped like the argument of `argnums` (a tuple for several);
            reverse mode if None.
        tier: "quick", one direction a tensor; "full", also coordinates.
        coordinates: how many of each tensor.
        seed: of the directions and coordinates.

    Raises:
        ValueError: nothing to differentiate, or the gradient does not have the shape of its argument.

    Example:
        >>> @jax.custom_vjp
        ... def double(x):
        ...     return 2 * x
        >>> double.defvjp(lambda x: (2 * x, None), lambda _, g: (3 * g,))
        >>> print(gradcheck(lambda x: double(x).sum(), jnp.ones(3)).verdict("x"))
        wrong
    """
    names = _names(fn, len(args))
    chosen = _chosen(args, names, argnums)
    trees = [args[i] for i in chosen]
    several = len(args) > 1
    paths, tensors, floats, named = [], [], [], []
    for i in chosen:
        for path, leaf in zip(leaf_paths(args[i]), jax.tree.leaves(args[i]), strict=True):
            full = "/".join(part for part in (names[i] if several or not path else "", path) if part)
            floats.append(jnp.issubdtype(jnp.result_type(leaf), jnp.floating))
            if floats[-1]:
                paths.append(full)
                tensors.append(jnp.asarray(leaf))
            else:
                named.append(f"{full} ({jnp.result_type(leaf)})")
    if not tensors:
        got = ", ".join(named) or "no arrays"
        raise ValueError(f"there is nothing to differentiate: wanted floating arguments, got {got}.")
    rest, structure = jax.tree.flatten([None if i in chosen else args[i] for i in range(len(args))])
    others = [leaf for leaf, is_float in zip(jax.tree.leaves(trees), floats, strict=True) if not is_float]
    treedef = jax.tree.structure(trees)

    def call(function: Callable[..., Any], tensors: list[Any], rest: list[Any]) -> Any:
        given, more = iter(tensors), iter(rest[len(rest) - len(others) :] if others else [])
        filled = jax.tree.unflatten(treedef, [next(given) if each else next(more) for each in floats])
        arguments = jax.tree.unflatten(structure, rest[: len(rest) - len(others)])
        for i, tree in zip(chosen, filled, strict=True):
            arguments[i] = tree
        return function(*arguments)

    rest = [jnp.asarray(leaf) if not hasattr(leaf, "dtype") else leaf for leaf in (*rest, *others)]
    weights = _weights(jax.eval_shape(lambda *given: call(fn, *given), tensors, rest), seed)

    def parts(tensors: list[Any], rest: list[Any]) -> Any:
        outputs = [leaf for leaf in jax.tree.leaves(call(fn, tensors, rest)) if _is_float(leaf)]
        return jnp.stack([sum(jnp.vdot(weight, output) for weight, output in zip(weights, outputs, strict=True))])

    given_gradient: Any = None
    if grad is not None:
        found = jax.eval_shape(lambda *given: call(grad, *given), tensors, rest)
        _check_shapes(found, trees, args, names, chosen, argnums, weights)

        def by_hand(tensors: list[Any], rest: list[Any]) -> Any:
            leaves = jax.tree.leaves(call(grad, tensors, rest))
            return parts(tensors, rest), [
                [leaf for leaf, is_float in zip(leaves, floats, strict=True) if is_float]
            ]  # fmt: skip

        given_gradient = by_hand

    check = Check(
        make_function(parts, tensors, rest, paths=paths, names=("loss",), gradient=given_gradient)
    )  # fmt: skip
    report = check.run([*tensors, *rest], tier=tier, coordinates=coordinates, seed=seed)
    notes = [f"no derivative with respect to {each}" for each in named]
    if grad is not None and report.suspects:
        notes += _other_argument(fn, grad, args, names, chosen)
    return replace(report, notes=(*report.notes, *notes))


def _names(fn: Callable[..., Any], count: int) -> list[str]:
    """The names of the first arguments, numbers where the signature has none."""
    try:
        parameters = list(inspect.signature(fn).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    known = [each.name for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    return [*known, *(str(i) for i in range(len(known), count))][:count]


def _chosen(args: tuple, names: list[str], argnums: int | Sequence[int] | None) -> list[int]:
    if argnums is None:
        return [i for i, each in enumerate(args) if any(_is_float(leaf) for leaf in jax.tree.leaves(each))] or list(
            range(len(args))
        )
    chosen = [argnums] if isinstance(argnums, int) else list(argnums)
    if not all(isinstance(i, int) and 0 <= i < len(args) for i in chosen):
        raise ValueError(f"argnums must be positions from 0 to {len(args) - 1}, got {argnums!r}: there are {names}.")
    return chosen


def _is_float(leaf: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(leaf), jnp.floating)


def _weights(outputs: Any, seed: int) -> list[Any]:
    floats = [leaf for leaf in jax.tree.leaves(outputs) if hasattr(leaf, "dtype") and _is_float(leaf)]
    if not floats:
        raise ValueError(f"fn must return a floating array, got {outputs!r}: there is nothing to differentiate.")
    if len(floats) == 1 and not floats[0].shape:
        return [jnp.ones((), floats[0].dtype)]
    rng = np.random.default_rng(seed)
    return [jnp.asarray(rng.standard_normal(each.shape), each.dtype) for each in floats]


def _check_shapes(
    found: Any, trees: list[Any], args: tuple, names: list[str], chosen: list[int], argnums: Any, weights: list[Any]
) -> None:
    if len(weights) > 1 or jnp.shape(weights[0]):
        raise ValueError("grad= needs a function that returns one scalar; leave it out to check reverse mode.")
    wanted = trees[0] if len(trees) == 1 else tuple(trees)
    got, want = _shapes(found), _shapes(wanted)
    if got == want:
        return
    others = [i for i, each in enumerate(args) if i not in chosen and _shapes(each) == got]
    hint = (
        f"it has the shape of {names[others[0]]!r}: type argnums={others[0]}" if others else "return one array for each"
    )
    of = ", ".join(repr(names[i]) for i in chosen)
    raise ValueError(f"grad must return the gradient with respect to {of}, wanted {want}, got {got}; {hint}.")


def _shapes(tree: Any) -> list[str]:
    return [str(list(jnp.shape(leaf))) for leaf in jax.tree.leaves(tree)]


def _other_argument(
    fn: Callable[..., Any], grad: Callable[..., Any], args: tuple, names: list[str], chosen: list[int]
) -> list[str]:
    """Whether a gradient written by hand is right, but with respect to another argument of the same shape."""
    if len(chosen) != 1:
        return []
    found = jax.tree.leaves(grad(*args))
    for i, each in enumerate(args):
        if i in chosen or _shapes(each) != _shapes(args[chosen[0]]) or not all(map(_is_float, jax.tree.leaves(each))):
            continue
        right = jax.tree.leaves(jax.grad(fn, argnums=i)(*args))
        if all(np.allclose(a, b, rtol=1e-3, atol=1e-6) for a, b in zip(found, right, strict=True)):
            return [f"it is the gradient with respect to {names[i]!r}, not to {names[chosen[0]]!r}: type argnums={i}"]
    return []
