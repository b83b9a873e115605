"""Training aside from the run, in a compiled loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax

from nnwidgets.trace import conjugated

# With `rate` as its learning rate.
ADAM = conjugated(optax.chain(optax.scale_by_adam(), optax.scale(-1.0)))


@dataclass(frozen=True, eq=False)
class Course:
    """How a training went.

    Attributes:
        params: at its end.
        state: likewise.
        losses: one a step, each before its update.
    """

    params: Any
    state: Any
    losses: npt.NDArray[np.float64]

    @property
    def finite(self) -> bool:
        """Whether it did not blow up."""
        return bool(np.isfinite(self.losses).all())

    def last(self, count: int = 10) -> float:
        """The mean of the last losses."""
        return float(self.losses[-count:].mean())


class Loop:
    """Gradient steps, many of them in one compiled program.

    Args:
        loss: (params, state, batch, rng) -> (loss, state).
        tx: the optimizer; its updates are multiplied by `rate`.
        chunk: steps between two looks at the clock.
    """

    def __init__(self, loss: Callable[..., Any], tx: optax.GradientTransformation, chunk: int = 25) -> None:
        transformation, self._tx, self._chunk = optax.with_extra_args_support(tx), tx, chunk

        def step(carry: Any, number: Any, batches: Any, key: jax.Array, rate: jax.Array) -> Any:
            params, state, opt_state = carry
            count = jax.tree.leaves(batches)[0].shape[0]
            batch = jax.tree.map(lambda leaf: leaf[number % count], batches)
            rng = jax.random.fold_in(key, number)
            (value, new), grads = jax.value_and_grad(loss, has_aux=True)(params, state, batch, rng)
            updates, after = transformation.update(grads, opt_state, params, value=value)
            updates = jax.tree.map(lambda leaf: leaf * rate.astype(leaf.dtype), updates)
            made = optax.apply_updates(params, updates), new, after
            return jax.tree.map(lambda new, old: jnp.asarray(new, jnp.asarray(old).dtype), made, carry), value

        def steps(carry: Any, first: Any, batches: Any, key: jax.Array, rate: jax.Array) -> Any:
            return jax.lax.scan(
                lambda carry, number: step(carry, number, batches, key, rate), carry, first + jnp.arange(chunk)
            )

        self._steps = jax.jit(steps)

    def run(
        self,
        params: Any,
        state: Any,
        batches: Sequence[Any],
        *,
        key: jax.Array,
        steps: int,
        rate: float = 1.0,
        opt_state: Any = None,
        go_on: Callable[[Course], bool] = lambda course: True,
    ) -> Course:
        """Train; the batches, of one shape, come one after another, again and again.

        Args:
            params: to begin with.
            state: likewise.
            batches: as many as memory holds.
            key: of the random numbers.
            steps: at most, rounded up to whole chunks.
            rate: multiplies the updates.
            opt_state: to begin with; a fresh one if None.
            go_on: is asked after each chunk; a loss that is not finite ends it, too.
        """
        carry = params, state, self._tx.init(params) if opt_state is None else opt_state
        carry = jax.tree.map(jnp.asarray, carry)
        stacked = jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *batches)
        found: list[npt.NDArray[Any]] = []
        for first in range(0, steps, self._chunk):
            carry, losses = self._steps(carry, jnp.uint32(first), stacked, key, jnp.float32(rate))
            found.append(np.asarray(losses, np.float64))
            course = Course(carry[0], carry[1], np.concatenate(found))
            if not np.isfinite(found[-1]).all() or not go_on(course):
                return course
        return course
