"""An optimizer in words: the chain of an optax transformation with its arguments, read from its closures."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._plain_value import arguments_of, held_by, name_of, plain

# The steps at which a schedule is looked at.
_LOOKED_AT = (0, 10, 100, 1000)
_NOTHING = {"name": "identity", "arguments": {}}
_RATES = ("learning_rate", "schedule", "step_size_fn", "decay_rate_fn")


def describe(tx: Any, opt_state: Any = None) -> list[dict[str, Any]]:
    """The steps of an optax transformation, in the order in which they are made, with what each was given.

    Optax keeps arguments in the closures of ``init`` and ``update``, where they are read. A schedule is told by its own name
    and arguments, and by its values at steps 0, 10, 100 and 1,000.

    Args:
        tx: any optax transformation, `optax.MultiSteps` included.
        opt_state: its state, for the hyperparameters that ``optax.inject_hyperparams`` keeps there.

    Returns:
        list: of ``{"name", "arguments"}``, plain data without memory addresses, so that two descriptions of the same
        optimizer are equal in every process. What can't be read is ``{"name": "unknown: <qualified name>"}``; nothing is
        raised.

    Example:
        >>> import optax
        >>> [part["name"] for part in describe(optax.adam(1e-3))]
        ['scale_by_adam', 'scale_by_learning_rate']
        >>> describe(optax.sgd(0.1))[-1]
        {'name': 'scale_by_learning_rate', 'arguments': {'learning_rate': 0.1}}
    """
    parts = _steps(tx)
    now = _injected(opt_state)
    return [*parts, {"name": "hyperparameters now", "arguments": now}] if now else parts


def _steps(tx: Any) -> list[dict[str, Any]]:
    try:
        update = _unwrapped(tx.update)
        held = held_by(tx.init) | held_by(update)
        name = name_of(update)
        if name == "chain" and "update_fns" in held:
            pairs = zip(held["init_fns"], held["update_fns"], strict=True)
            steps = [step for init, each in pairs for step in _steps(_Pair(init, each))]
            return [step for step in steps if step != _NOTHING] or steps[:1]
        return [_learning_rate({"name": name, "arguments": _arguments(tx.init, update, held)})]
    except Exception:
        return [{"name": f"unknown: {_known_as(tx)}"}]


class _Pair:
    """A transformation in parts."""

    def __init__(self, init: Any, update: Any) -> None:
        self.init, self.update = _unwrapped(init), update


def _unwrapped(update: Any) -> Any:
    """Without optax's wrapper that only lets extra arguments through."""
    while name_of(update) == "with_extra_args_support":
        update = held_by(update)["tx"].update
    return update


def _arguments(init: Any, update: Any, held: dict[str, Any]) -> dict[str, Any]:
    found, own = arguments_of(init) | arguments_of(update), name_of(update)
    told = {name: _argument(name, held[name]) if name in held else found[name] for name in sorted(found)}
    # neither the update's own argument nor the functions that a transformation is made of
    return {name: each for name, each in told.items() if name != "params" and not _is_helper(held.get(name), each, own)}


def _is_helper(value: Any, told: Any, own: str) -> bool:
    return callable(value) and isinstance(told, str) and told.partition(".")[0] == own


def _argument(name: str, value: Any) -> Any:
    if _is_transformation(value):
        return _steps(value)
    if _is_update(value):
        return _steps(_Pair(lambda: None, value))
    if isinstance(value, dict):
        return {str(each): _argument(str(each), value[each]) for each in value}
    if isinstance(value, (list, tuple)) and any(_holds_transformation(each) for each in value):
        return [_argument(name, each) for each in value]
    if callable(value) and any(word in name for word in _RATES):
        return _schedule(value)
    return plain(value)


def _holds_transformation(value: Any) -> bool:
    return _is_transformation(value) or (
        isinstance(value, (list, tuple)) and any(_is_transformation(each) for each in value)
    )


def _is_transformation(value: Any) -> bool:
    return callable(getattr(value, "init", None)) and callable(getattr(value, "update", None))


def _is_update(value: Any) -> bool:
    return callable(value) and getattr(value, "__qualname__", "").endswith(
        (".update_fn", "with_extra_args_support.<locals>.update")
    )


def _schedule(function: Any) -> dict[str, Any]:
    held = held_by(function)
    if name_of(function) == "scale_by_learning_rate" and held.get("m") == -1:
        # optax's own wrapper, for the sign
        return _schedule(held["learning_rate"])
    # first, since some of optax's schedules turn their own integers into floats when they are called
    values = _values(function)
    name, arguments = _named_schedule(function)
    return {"name": name, "arguments": arguments, "values": values}


def _named_schedule(function: Any) -> tuple[str, dict[str, Any]]:
    """Its name and arguments, without what only wraps it: optax's sign, our own cast to float32."""
    held, name = held_by(function), name_of(function)
    inner = held.get(
        {"scale_by_learning_rate": "learning_rate", "as_schedule": "curve", "per_epoch": "curve"}.get(name)
    )
    if callable(inner):
        steps = {"steps_per_epoch": held["length"]} if "length" in held else {}
        within, arguments = _named_schedule(inner)
        return within, arguments | steps
    nested = {each: _schedule(held[each]) for each in held if callable(held[each]) and any(w in each for w in _RATES)}
    return name, arguments_of(function) | nested


def _values(function: Any) -> dict[str, Any]:
    import jax

    try:
        # one small program, as the optimizer traces it, too: operation by operation each would be compiled
        found = np.asarray(jax.jit(jax.vmap(function))(np.array(_LOOKED_AT, np.int32)))
        return {str(step): plain(float(value)) for step, value in zip(_LOOKED_AT, found, strict=True)}
    except Exception:
        return {}


def _learning_rate(step: dict[str, Any]) -> dict[str, Any]:
    """As users know it: optax keeps the rate with its sign turned round."""
    arguments = step["arguments"]
    size = arguments.get("step_size")
    if step["name"] == "scale" and isinstance(size, (int, float)) and size <= 0:
        return {"name": "scale_by_learning_rate", "arguments": {"learning_rate": -size}}
    schedule = arguments.get("step_size_fn")
    if step["name"] == "scale_by_schedule" and isinstance(schedule, dict) and "values" in schedule:
        return {"name": "scale_by_learning_rate", "arguments": {"learning_rate": schedule}}
    return step


def _injected(opt_state: Any) -> dict[str, Any]:
    """The hyperparameters that a state keeps."""
    own = getattr(opt_state, "hyperparams", None)
    if isinstance(own, dict):
        return {str(name): plain(own[name]) for name in sorted(own)}
    inner = opt_state.values() if isinstance(opt_state, dict) else opt_state if isinstance(opt_state, tuple) else ()
    return next((found for each in inner if (found := _injected(each))), {})


def _known_as(tx: Any) -> str:
    try:
        return tx.update.__qualname__
    except Exception:
        return type(tx).__qualname__
