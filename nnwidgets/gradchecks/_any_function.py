"""`nnw.gradcheck`: the gradient of any function, or a gradient that somebody wrote for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.objective import leaf_paths
from nnwidgets.records import GradientReport
from nnwidgets.trace import argument_names, argument_positions, as_given, as_real

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
        args: its arguments; a complex array is checked as its real and imaginary parts.
        argnums: which of them to check; all that hold floats if None.
        grad: ``grad(*args)``, a gradient written by hand with `jax.numpy`, shaped like the argument of `argnums` (a tuple for
            several); of a complex one dL/dx - i dL/dy, as `jax.grad` gives it. Reverse mode if None.
        tier: "quick", one direction a tensor; "full", also coordinates.
        coordinates: how many of each tensor.
        seed: of the directions and coordinates.

    Raises:
        ValueError: nothing to differentiate, no gradient in reverse mode and none given, or one that does not have the shape
            of its argument.
        TypeError: `fn` or `grad` is no function, or `grad` is none that JAX can trace.

    Example:
        >>> @jax.custom_vjp
        ... def double(x):
        ...     return 2 * x
        >>> double.defvjp(lambda x: (2 * x, None), lambda _, g: (3 * g,))
        >>> print(gradcheck(lambda x: double(x).sum(), jnp.ones(3)).verdict("x"))
        wrong
    """
    if not callable(fn):
        raise TypeError(
            f"fn must be a function of arrays, got {type(fn).__name__}: type nnw.gradcheck(fn, *args), "
            "and session.gradcheck() for the gradients of a run."
        )
    if grad is not None and not callable(grad):
        raise TypeError(f"grad must be a function of the same arguments as fn, got {type(grad).__name__}.")
    names = argument_names(fn, len(args))
    chosen = _chosen(args, names, argnums)
    leaves, structure = jax.tree.flatten(args)
    owners = [i for i, each in enumerate(args) for _ in jax.tree.leaves(each)]
    places = [k for k, i in enumerate(owners) if i in chosen and _is_float(leaves[k])]
    paths = _paths(args, names)
    integers = [f"{paths[k]} ({_kind(leaves[k])})" for k, i in enumerate(owners) if i in chosen and k not in places]
    if not places:
        got = ", ".join(integers) or "no arrays"
        raise ValueError(f"there is nothing to differentiate: wanted floating arguments, got {got}.")

    given = [jnp.asarray(leaves[k]) for k in places]

    def call(function: Callable[..., Any], tensors: list[Any]) -> Any:
        filled = list(leaves)
        for place, tensor, like in zip(places, tensors, given, strict=True):
            filled[place] = as_given(tensor, like)
        return function(*jax.tree.unflatten(structure, filled))

    tensors = [as_real(each) for each in given]
    returned, outputs = jax.eval_shape(lambda each: (found := call(fn, each), _reals(found)), tensors)
    if not outputs:
        raise ValueError(f"fn must return a floating array, got {returned!r}: there is nothing to differentiate.")
    weights = _weights(outputs, seed)

    def parts(tensors: list[Any], rest: list[Any]) -> Any:
        outputs = _reals(call(fn, tensors))
        return jnp.stack([sum(jnp.vdot(weight, output) for weight, output in zip(weights, outputs, strict=True))])

    def by_hand(tensors: list[Any], rest: list[Any]) -> Any:
        # the derivatives with respect to the parts: JAX's gradient is their conjugate
        found = _reals(jax.tree.map(jnp.conj, call(grad, tensors)))  # pyright: ignore[reportArgumentType]
        return parts(tensors, rest), [found]

    if grad is not None:
        try:
            given_back = jax.eval_shape(lambda each: call(grad, each), tensors)
        except jax.errors.TracerArrayConversionError as error:
            raise TypeError(f"grad must be written with jax.numpy, so that JAX can trace it: {error}") from None
        _check_shapes(given_back, args, names, chosen, weights)
    try:
        function = make_function(
            parts,
            tensors,
            [],
            paths=[paths[k] for k in places],
            names=("loss",),
            gradient=None if grad is None else by_hand,
        )
    except ValueError as error:
        if grad is not None or "everse-mode" not in str(error):
            raise
        raise ValueError(
            f"fn has no gradient in reverse mode; one written by hand is checked as grad=. JAX says: {error}"
        ) from None
    report = Check(function).run(tensors, tier=tier, coordinates=coordinates, seed=seed)
    notes = [f"no derivative with respect to {each}" for each in integers]
    if grad is not None and report.suspects:
        notes += _mistaken_for(fn, grad, args, names, chosen)
    return replace(report, notes=(*report.notes, *notes))


def _paths(args: tuple, names: list[str]) -> list[str]:
    """The path of each leaf; the argument's name is left out where there is one argument, a tree."""
    found = []
    for name, each in zip(names, args, strict=True):
        found += [path if path and len(args) == 1 else f"{name}/{path}".rstrip("/") for path in leaf_paths(each)]
    return found


def _chosen(args: tuple, names: list[str], argnums: int | Sequence[int] | None) -> list[int]:
    if argnums is None:
        return [i for i, each in enumerate(args) if any(_is_float(leaf) for leaf in jax.tree.leaves(each))] or list(
            range(len(args))
        )
    return argument_positions(argnums, names)


def _is_float(leaf: Any) -> bool:
    return (hasattr(leaf, "dtype") or isinstance(leaf, (float, complex))) and jnp.issubdtype(
        jnp.result_type(leaf), jnp.inexact
    )


def _kind(leaf: Any) -> str:
    is_number = hasattr(leaf, "dtype") or isinstance(leaf, (bool, int, complex))
    return str(jnp.result_type(leaf)) if is_number else type(leaf).__name__


def _reals(tree: Any) -> list[Any]:
    """Its floating arrays, the complex ones as pairs."""
    return [as_real(leaf) for leaf in jax.tree.leaves(tree) if _is_float(leaf)]


def _weights(outputs: list[Any], seed: int) -> list[Any]:
    if len(outputs) == 1 and not outputs[0].shape:
        return [jnp.ones((), outputs[0].dtype)]
    rng = np.random.default_rng(seed)
    return [jnp.asarray(rng.standard_normal(each.shape), each.dtype) for each in outputs]


def _check_shapes(found: Any, args: tuple, names: list[str], chosen: list[int], weights: list[Any]) -> None:
    if len(weights) > 1 or jnp.shape(weights[0]):
        raise ValueError("grad= needs a function that returns one scalar; leave it out to check reverse mode.")
    wanted = args[chosen[0]] if len(chosen) == 1 else tuple(args[i] for i in chosen)
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
    return [str(list(jnp.shape(leaf))) for leaf in jax.tree.leaves(tree) if _is_float(leaf)]


def _mistaken_for(
    fn: Callable[..., Any], grad: Callable[..., Any], args: tuple, names: list[str], chosen: list[int]
) -> list[str]:
    """Whether a gradient written by hand is right, but with respect to another argument of the same shape, or conjugated."""
    if len(chosen) != 1:
        return []
    found = jax.tree.leaves(grad(*args))
    for i, each in enumerate(args):
        if _shapes(each) != _shapes(args[chosen[0]]) or not all(map(_is_float, jax.tree.leaves(each))):
            continue
        try:
            right = jax.tree.leaves(jax.grad(fn, argnums=i)(*args))
        except Exception:
            # no reverse mode, or several results: then there is no hint
            continue
        if i in chosen:
            if any(map(np.iscomplexobj, found)) and _alike(map(np.conj, found), right):
                return ["it is the conjugate of what jax.grad gives, dL/dx - i dL/dy"]
        elif _alike(found, right):
            return [f"it is the gradient with respect to {names[i]!r}, not to {names[chosen[0]]!r}: type argnums={i}"]
    return []


def _alike(found: Iterable[Any], right: Iterable[Any]) -> bool:
    return all(np.allclose(one, other, rtol=1e-3, atol=1e-6) for one, other in zip(found, right, strict=True))
