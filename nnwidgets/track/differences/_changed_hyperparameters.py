"""How the optimizer, the seed and the settings of two runs differ."""

from __future__ import annotations

from typing import Any

from ._change import NEVER, Change, flat, pairs, text_of

_OPTIMIZER, _RATE, _SEED, _BATCH_SIZE, _OTHER = 20, 21, 24, 19, 28
# They say when it is looked, not what is done.
_LOOKING = (
    "validation_every", "budget", "timeline_memory", "gradcheck_every", "pause_on_nan", "name", "probes", "rules", "lints",
    "panels", "checks", "experiments", "track",
)  # fmt: skip
_RATE_STEP = "scale_by_learning_rate"


def changed_hyperparameters(left: dict[str, Any], right: dict[str, Any]) -> list[Change]:
    """Of the sections "hyperparameters" of two runs."""
    if not left or not right:
        return []
    rest = [each for each in pairs(left, right) if each[0] != "optimizer"]
    found = [_setting(*each) for each in rest]
    return found + _optimizer(left.get("optimizer", []), right.get("optimizer", []))


def _setting(name: str, left: Any, right: Any) -> Change:
    what = name.replace("_", " ")
    ranks = {"seed": _SEED, "batch_size": _BATCH_SIZE}
    acts = NEVER if name in _LOOKING else 0
    return Change("hyperparameters", what, text_of(left), text_of(right), ranks.get(name, _OTHER), acts)


def _optimizer(left: list[dict[str, Any]], right: list[dict[str, Any]]) -> list[Change]:
    names = [[step["name"] for step in steps] for steps in (left, right)]
    if names[0] != names[1]:
        # the steps with their arguments, or a step that was given other ones could hide behind one that was added
        told = [_told(steps) for steps in (left, right)]
        return [_change("optimizer", told[0], told[1], _OPTIMIZER), *_rate(left, right)]
    found = []
    for one, other in zip(left, right, strict=True):
        if one["name"] != _RATE_STEP and one != other:
            found += [_argument(one["name"], *each) for each in pairs(flat(one), flat(other))]
    return found + _rate(left, right)


def _told(steps: list[dict[str, Any]]) -> str:
    return " → ".join(text_of(step) for step in steps if step["name"] != _RATE_STEP) or "plain gradient descent"


def _argument(step: str, name: str, left: Any, right: Any) -> Change:
    return _change(f"optimizer {step} {name}".strip(), text_of(left), text_of(right), _OPTIMIZER)


def _rate(left: list[dict[str, Any]], right: list[dict[str, Any]]) -> list[Change]:
    """The learning rates, where both have one."""
    rates = [
        [step["arguments"].get("learning_rate") for step in steps if step["name"] == _RATE_STEP]
        for steps in (left, right)
    ]
    if rates[0] == rates[1] or not (rates[0] and rates[1]):
        return []
    if len(rates[0]) > 1 or len(rates[1]) > 1:
        return [_change("learning rates", text_of(rates[0]), text_of(rates[1]), _RATE)]
    one, other = rates[0][0], rates[1][0]
    both = [each["name"] for each in (one, other) if isinstance(each, dict)]
    if len(both) < 2 or both[0] != both[1]:
        return [_change("learning rate", text_of(one), text_of(other), _RATE)]
    changed = pairs(flat(one), flat(other))
    # its values follow from its arguments
    given = [each for each in changed if " at step " not in each[0]] or changed
    return [_change(f"learning rate {name}".strip(), text_of(a), text_of(b), _RATE) for name, a, b in given]


def _change(what: str, left: str, right: str, rank: int) -> Change:
    # the loss of step 0 is that of the initial parameters
    return Change("hyperparameters", what, left, right, rank, acts=1)
