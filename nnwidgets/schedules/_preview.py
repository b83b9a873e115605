"""What a schedule gives, step by step."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ._arguments import need, whole

# Calls of a schedule that can't be compiled; at some 50 microseconds to 1 ms each, a second at most.
_CALLS = 1000


def preview(schedule: optax.Schedule, steps: int, start: int = 0) -> np.ndarray:
    """The learning rates of ``steps`` steps, all from one compiled call.

    A schedule that branches in Python (``0.1 if step < 100 else 0.01``) can't be compiled. It is called step by step, at 1,000
    evenly spaced steps at most; the steps between two of them then get the value of the one before.

    Args:
        schedule: function from the step to the learning rate, such as an Optax schedule; a number for a constant one.
        steps: how many steps.
        start: the first of them.

    Returns:
        (steps,) float32.

    Example:
        >>> import optax
        >>> from nnwidgets import schedules
        >>> schedules.preview(optax.linear_schedule(0.4, 0.0, 4), 5)
        array([0.4, 0.3, 0.2, 0.1, 0. ], dtype=float32)
    """
    need(whole("steps", steps), whole("start", start, at_least=0))
    return sample(schedule, np.arange(start, start + steps))


def sample(schedule: optax.Schedule, counts: np.ndarray) -> np.ndarray:
    """The learning rates at these steps, (n,) float32; see `preview`."""
    if not callable(schedule):
        return np.full(len(counts), schedule, np.float32)

    def rate(count: Any) -> jax.Array:
        value = jnp.asarray(schedule(count), jnp.float32)
        need(f"a schedule must give one number, got an array of shape {value.shape}" if value.shape else "")
        return value

    try:
        return np.array(jax.jit(jax.vmap(rate))(jnp.asarray(counts, jnp.int32)))
    except (TypeError, IndexError):
        # the errors of JAX for values that aren't known while tracing; an error of the schedule's own comes again below
        every = -(-len(counts) // _CALLS)
        known = np.asarray([rate(int(count)) for count in counts[::every]], np.float32)
        return np.repeat(known, every)[: len(counts)]
