"""The user's loss in one form: (params, state, batch, rng, train) -> (loss, (state, aux))."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

_KEYWORDS = ("rng", "state", "train")
_AUX = ("state", "outputs", "targets", "penalty", "metrics")
_SIGNATURE = "loss_fn(params, batch, *, rng, state, train) with any of the three keywords left out"


class Objective:
    """A loss function with the values that it starts from, in the one form that everything else uses.

    ``loss_fn(params, batch)`` may also take the keywords ``rng`` (a key), ``state`` (mutable model state such as
    batch statistics) and ``train`` (a Python bool), found by name, and returns ``loss`` or ``(loss, aux)``. ``aux`` is a dict;
    its reserved keys are ``state`` (the new model state), ``outputs``, ``targets``, ``penalty`` and ``metrics``.

    Args:
        loss_fn: the loss; a scalar of a floating dtype comes out.
        params: pytree of floating arrays.
        state: pytree of arrays that the model changes itself, or None.
        framework: where it comes from: "jax", "linen", "nnx", "equinox" or "keras".
        restore: ``restore(params, state)`` gives the user's model back; plain losses give the params.
        alternatives: other losses of the same parameters by name, that a finding about the loss or the outputs may try
            in its place.

    Raises:
        ValueError: the signature or the params don't fit; every mismatch is in the one message.

    Example:
        >>> import jax.numpy as jnp
        >>> def loss_fn(params, batch):
        ...     inputs, targets = batch
        ...     return jnp.mean((inputs @ params["w"] - targets) ** 2)
        >>> objective = Objective(loss_fn, {"w": jnp.zeros(2)})
        >>> loss, (state, aux) = objective(objective.params, None, (jnp.ones((3, 2)), jnp.ones(3)), None, True)
        >>> objective.paths, float(loss)
        (('w',), 1.0)
    """

    def __init__(
        self,
        loss_fn: Callable[..., Any],
        params: Any,
        state: Any = None,
        *,
        framework: str = "jax",
        restore: Callable[[Any, Any], Any] | None = None,
        alternatives: Mapping[str, Objective] | None = None,
    ) -> None:
        self.framework = framework
        self.alternatives = dict(alternatives or {})
        self._loss_fn = loss_fn
        self._restore = restore
        self._keywords, problems = _keywords(loss_fn, state)
        problems += _params_problems(params)
        if problems:
            raise ValueError("This objective can't be used: " + "; ".join(problems) + ".")
        self.params = jax.tree.map(_as_array, params)
        self.state = jax.tree.map(_as_array, state)
        self.paths = leaf_paths(self.params)

    def __call__(
        self, params: Any, state: Any, batch: Any, rng: Any, train: bool
    ) -> tuple[jax.Array, tuple[Any, dict]]:
        """The loss with the new state and aux; pure, so it can be jitted (``train`` static) and differentiated.

        Returns:
            ``(loss, (state, aux))``: a scalar, the state after the step (the old one where the function returns none) and
            a dict without the key "state".
        """
        loss, aux = self._call(params, state, batch, rng, train)
        return loss, (aux.pop("state", state), aux)

    def _call(self, params: Any, state: Any, batch: Any, rng: Any, train: bool) -> tuple[jax.Array, dict]:
        values = {"rng": rng, "state": state, "train": train}
        returned = self._loss_fn(params, batch, **{name: values[name] for name in self._keywords})
        loss, aux = returned if isinstance(returned, tuple) and len(returned) == 2 else (returned, {})
        if not isinstance(aux, dict):
            raise ValueError(
                f"loss_fn returned (loss, {type(aux).__name__}), wanted loss or (loss, aux) with aux a dict: "
                'return loss, {"outputs": outputs, "state": state}.'
            )
        return loss, dict(aux)

    def restore(self, params: Any, state: Any = None) -> Any:
        """The user's own model (Linen: the variables; plain: the params) with these values."""
        return params if self._restore is None else self._restore(params, state)

    def check(self, batch: Any, rng: Any = None) -> None:
        """Raises a ValueError that names everything wrong with the loss on this batch; nothing is computed."""
        rng = jax.random.key(0) if rng is None else rng
        unknown: list[str] = []
        returned_state = []

        def forward(params: Any, state: Any, batch: Any, rng: Any) -> Any:
            loss, aux = self._call(params, state, batch, rng, True)
            returned_state.append("state" in aux)
            unknown.extend(str(key) for key in aux if key not in _AUX)
            return loss, aux.get("state", state)

        try:
            loss, state = jax.eval_shape(forward, self.params, self.state, batch, rng)
        except Exception as error:
            shapes = [f"{jnp.result_type(leaf)}{list(jnp.shape(leaf))}" for leaf in jax.tree.leaves(batch)]
            error.add_note(f"nnwidgets: raised by the loss itself, on a batch of {', '.join(shapes) or 'no arrays'}.")
            raise
        problems = _loss_problems(loss)
        if self.state is not None and jax.tree.leaves(self.state) and not returned_state[0]:
            problems.append(
                "state was given but loss_fn doesn't return the new one, wanted it in aux: "
                'return loss, {"state": new_state}'
            )
        else:
            problems += _state_problems(self.state, state)
        if unknown:
            problems.append(
                f"aux has the keys {', '.join(map(repr, unknown))}, wanted only {', '.join(_AUX)}: put numbers of your own "
                'under metrics, return loss, {"metrics": {"accuracy": accuracy}}'
            )
        if problems:
            raise ValueError("This objective can't be trained: " + "; ".join(problems) + ".")


def leaf_paths(tree: Any) -> tuple[str, ...]:
    """One path with slashes per leaf, in the order of ``jax.tree.leaves``.

    Example:
        >>> leaf_paths({"layers": [{"w": 1.0}], "b": 2.0})
        ('b', 'layers/0/w')
    """
    return tuple("/".join(_part(key) for key in path) for path, _ in jax.tree_util.tree_flatten_with_path(tree)[0])


def _part(key: Any) -> str:
    for attribute in ("key", "name", "idx"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)


def _as_array(leaf: Any) -> jax.Array:
    return leaf if isinstance(leaf, jax.Array) else jnp.asarray(leaf)


def _keywords(loss_fn: Callable[..., Any], state: Any) -> tuple[tuple[str, ...], list[str]]:
    if not callable(loss_fn):
        return (), [f"got a {type(loss_fn).__name__} as loss_fn, wanted a function: write {_SIGNATURE}"]
    parameters = inspect.signature(loss_fn).parameters.values()
    by_position = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    rest = [p for p in parameters if p not in by_position[:2] and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    names = tuple(p.name for p in rest if p.name in _KEYWORDS and p.kind is not p.POSITIONAL_ONLY)
    unknown = [p.name for p in rest if p.name not in names and p.default is p.empty]
    swapped = [p.name for p in by_position[:2] if p.name in _KEYWORDS]
    problems = []
    if (len(by_position) < 2 and not variadic) or unknown or swapped:
        extra = f" (it also needs {', '.join(unknown)}: bind it with functools.partial)" if unknown else ""
        got = ", ".join(str(p) for p in parameters)
        problems.append(f"got the signature loss_fn({got}){extra}, wanted {_SIGNATURE}")
    elif state is not None and "state" not in names:
        problems.append("state was given but loss_fn takes no `state`: add the keyword, or leave state=None")
    elif state is None and any(p.name == "state" and p.default is p.empty for p in rest):
        problems.append("loss_fn takes `state` but none was given: pass Objective(loss_fn, params, state=...)")
    return names, problems


def _params_problems(params: Any) -> list[str]:
    leaves = list(zip(leaf_paths(params), jax.tree.leaves(params), strict=True))
    foreign = [f"{path or 'params'} ({type(leaf).__name__})" for path, leaf in leaves if not _is_array_like(leaf)]
    if foreign:
        return [f"params has leaves that aren't arrays: {', '.join(foreign)}; leave them out or close over them"]
    dtypes = [(path, jnp.result_type(leaf)) for path, leaf in leaves]
    wrong = [f"{path or 'params'} ({dtype})" for path, dtype in dtypes if not jnp.issubdtype(dtype, jnp.inexact)]
    if wrong and len(wrong) < len(leaves):
        return [
            f"params has integer leaves: {', '.join(wrong)}, wanted floating ones, which alone have gradients: "
            "put them into state, close over them, or .astype(jnp.float32)"
        ]
    if len(wrong) == len(leaves):
        got = f"only {', '.join(wrong)}" if wrong else "no leaves at all"
        return [f"params has no floating leaves (got {got}), wanted a pytree of floating arrays: init the model first"]
    return []


def _is_array_like(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") or isinstance(leaf, (bool, int, float, complex))


def _loss_problems(loss: Any) -> list[str]:
    if not hasattr(loss, "shape"):
        return [f"the loss is a {type(loss).__name__}, wanted a scalar array: return the loss or (loss, aux)"]
    problems = []
    if loss.shape != ():
        hint = "it looks like one loss per example: take .mean()" if len(loss.shape) == 1 else "reduce it with .mean()"
        problems.append(f"the loss has shape {loss.shape}, wanted a scalar of shape (); {hint}")
    if not jnp.issubdtype(loss.dtype, jnp.floating):
        hint = "take jnp.real or jnp.abs of it" if jnp.iscomplexobj(loss) else "compute it with .astype(jnp.float32)"
        problems.append(f"the loss has dtype {loss.dtype}, wanted a float: {hint}")
    return problems


def _state_problems(old: Any, new: Any) -> list[str]:
    if jax.tree.structure(old) != jax.tree.structure(new):
        return [
            f"the returned state has the leaves {', '.join(leaf_paths(new)) or 'none'}, wanted those given: "
            f"{', '.join(leaf_paths(old)) or 'none'}; return the whole state, with the same structure"
        ]
    pairs = zip(leaf_paths(old), jax.tree.leaves(old), jax.tree.leaves(new), strict=True)
    changed = [
        f"{path} became {b.dtype}{list(b.shape)} from {a.dtype}{list(a.shape)}"
        for path, a, b in pairs
        if (a.shape, a.dtype) != (b.shape, b.dtype)
    ]
    return [f"the returned state changes: {', '.join(changed)}; keep shapes and dtypes"] if changed else []
