"""A batch becomes inputs and targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Field = str | Callable[[Any], Any] | None


def split_batch(batch: Any, inputs: Field, targets: Field) -> tuple[Any, Any]:
    """The inputs and targets of a batch.

    Args:
        batch: a pair ``(inputs, targets)``, or anything when both fields are given.
        inputs: a key of the mapping, or a function of the batch; None: the first of the pair.
        targets: the same for the targets; None: the second of the pair.

    Raises:
        ValueError: the batch is no pair, or lacks a field.

    Example:
        >>> split_batch({"image": 1, "label": 2}, "image", lambda batch: batch["label"] + 1)
        (1, 3)
    """
    problems = []
    values = []
    for position, (name, field) in enumerate((("inputs", inputs), ("targets", targets))):
        if callable(field):
            values.append(field(batch))
        elif field is not None:
            if isinstance(batch, Mapping) and field in batch:
                values.append(batch[field])
            else:
                problems.append(f"{name}={field!r} isn't in the batch: {name}= names one of its fields")
        elif isinstance(batch, (tuple, list)) and len(batch) == 2:
            values.append(batch[position])
        else:
            problems.append(f"wanted a pair (inputs, targets): say {name}= (a field's name or a function of the batch)")
    if problems:
        raise ValueError(f"The batch is {_describe(batch)}; " + "; ".join(problems) + ".")
    return values[0], values[1]


def arguments(inputs: Any) -> tuple[Any, ...]:
    """The positional arguments of the model: a tuple of inputs is spread, anything else is one argument."""
    return inputs if isinstance(inputs, tuple) else (inputs,)


def _describe(batch: Any) -> str:
    if isinstance(batch, Mapping):
        return f"a mapping with the fields {', '.join(map(repr, batch))}"
    if isinstance(batch, (tuple, list)):
        return f"a {type(batch).__name__} of {len(batch)}"
    shape = getattr(batch, "shape", None)
    return f"a {type(batch).__name__}" + (f" of shape {tuple(shape)}" if shape is not None else "")
