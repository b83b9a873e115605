"""The mistakes that are made first: a function where an objective is wanted, an optimizer that was not called."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

from nnwidgets.objective import Objective


def check_objective(objective: Any) -> None:
    """Raise a TypeError unless it is an `Objective`."""
    if not isinstance(objective, Objective):
        raise TypeError(
            f"objective must be an nnw.Objective, got {_got(objective)}: type nnw.Objective(loss_fn, params), or "
            "nnw.from_nnx(model, loss) and the like."
        )


def check_optimizer(tx: Any) -> None:
    """Raise a TypeError unless it is an optax transformation, or a wrapper with the same methods (`optax.MultiSteps`)."""
    if isinstance(tx, type) or not (hasattr(tx, "init") and hasattr(tx, "update")):
        hint = "call it, optax.adam(1e-3)" if callable(tx) else "type optax.adam(1e-3)"
        raise TypeError(f"tx must be an optax transformation, got {_got(tx)}: {hint}.")


def check_multiplier(multiplier: Any) -> float:
    """The learning-rate multiplier as a float; a ValueError unless it is a finite number of at least 0."""
    if not (isinstance(multiplier, Real) and math.isfinite(multiplier) and float(multiplier) >= 0):
        raise ValueError(f"the learning-rate multiplier must be a finite number of at least 0, got {multiplier!r}")
    return float(multiplier)


def check_every(name: str, every: Any) -> int | None:
    """A number of steps, or None; a ValueError for anything else."""
    if every is not None and (isinstance(every, bool) or not isinstance(every, Integral) or int(every) < 1):
        raise ValueError(f"{name} must be a number of steps of at least 1, or None; got {every!r}")
    return None if every is None else int(every)


def check_parts(**parts: Any) -> None:
    """Raise a TypeError for probes, rules or panels that are no sequence."""
    for name, given in parts.items():
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise TypeError(
                f"{name} must be a sequence, got {_got(given)}: type {name}=(*nnw.DEFAULT_{name.upper()}, mine)."
            )


def check_checks(checks: Any) -> None:
    """Raise a TypeError for checks that are none."""
    check_parts(checks=checks)
    _check_have(
        checks,
        ("name", "heading", "seconds", "run"),
        "a check has name, heading (1 to 5), seconds(subject), run(subject)",
    )


def check_experiments(experiments: Any) -> None:
    """Raise a TypeError for experiments that are none."""
    check_parts(experiments=experiments)
    _check_have(experiments, ("name", "cost", "run"), "an experiment is a dataclass with name, cost(lab) and run(lab)")


def _check_have(parts: Any, names: tuple[str, ...], wanted: str) -> None:
    for each in parts:
        missing = [name for name in names if not hasattr(each, name)]
        if missing or isinstance(each, type):
            hint = (
                f"give an instance, {each.__name__}()" if isinstance(each, type) else f"it lacks {', '.join(missing)}"
            )
            raise TypeError(f"{wanted}; got {_got(each)}: {hint}.")


def _got(value: Any) -> str:
    return f"the function {value.__name__}" if hasattr(value, "__name__") else f"a {type(value).__name__}"
