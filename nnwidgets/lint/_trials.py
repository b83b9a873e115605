"""Trials of the optimizer: it is opaque, so it is given made gradients and its updates are looked at."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nnwidgets.trace import as_real

from ._once import once
from ._opt_states import accumulates, at_count, find_nodes, is_adam, is_schedule, replace_nodes

if TYPE_CHECKING:
    from ._setup import Array, Setup

# Counts at which a schedule is looked at.
COUNTS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 100_000)
# Micro-steps that are waited for the first update; gradients are accumulated over fewer.
LONGEST_PERIOD = 64
_SAMPLE = 2048
# How many times the first gradients are given.
_SCALES = (1e-14, 10 * 1e-14, 1e-6, 10 * 1e-6, 1e-4, 1e-2, 0.1, 1.0, 10.0, 100.0, 1e4, 1e6)


class Trials:
    """An optimizer, tried out from its state before the first step, at the peak of its schedule.

    Attributes:
        made: gradients of random direction, each tensor of the size of its first real gradient.
        real: the first real gradients, with zeros for what is not finite.
        period: calls for one update (gradients may be accumulated); 0 if no update came.
    """

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.paths = setup.objective.paths
        transformation = optax.with_extra_args_support(setup.tx)
        value = jnp.asarray(setup.first[0], jnp.float32)

        @jax.jit
        def step(grads: Any, opt_state: Any, params: Any) -> Any:
            # as in the session, for those that take the loss
            updates, opt_state = transformation.update(grads, opt_state, params, value=value)
            # a masked update may leave leaves out
            return updates, opt_state, [_sample(leaf) for leaf in jax.tree.leaves(updates)], _norm(updates)

        self._step = step
        self.real = jax.tree.map(_finite, setup.first[1])
        self.made = _made(self.real)
        self.zeros = jax.tree.map(np.zeros_like, self.real)
        self.period = 1
        self.count = self._first_count()
        self.period = self._find_period()

    def sample(self, tree: Any) -> list[Array]:
        """What is compared of each leaf of a tree: all of it, or an even choice."""
        return [_chosen(np.ravel(as_real(leaf))).astype(np.float64) for leaf in jax.tree.leaves(tree)]

    def once(
        self, grads: Any, *, count: int | None = None, params: Any = None, opt_state: Any = None
    ) -> tuple[Any, Any, list[Array], float]:
        """One update after as many equal gradients as it takes: updates, state, samples of the leaves, norm."""
        params = self.setup.params if params is None else params
        opt_state = self.setup.opt_state if opt_state is None else opt_state
        count = self.count if count is None else count
        updates = samples = norm = None
        calls = max(self.period, 1)
        for call in range(calls):
            updates, opt_state, samples, norm = self._step(grads, at_count(opt_state, count), params)
            if call == 0 and calls > 2 and find_nodes(opt_state, accumulates):
                # on to the last call, as if the same gradients had come in between
                nearly = at_count(self._nearly(opt_state), count)
                updates, opt_state, samples, norm = self._step(grads, nearly, params)
                break
        return updates, opt_state, [np.asarray(leaf, np.float64) for leaf in samples or []], float(norm)

    def _nearly(self, opt_state: Any) -> Any:
        """After the first of several gradients: as it is before the last one, if all are equal."""
        factor = self.period - 1 if self.adds_up else 1

        def change(node: Any) -> Any:
            held = jax.tree.map(lambda leaf: (np.asarray(leaf) * factor).astype(leaf.dtype), node.acc_grads)
            return node._replace(acc_grads=held, mini_step=np.full_like(np.asarray(node.mini_step), self.period - 1))

        return replace_nodes(opt_state, accumulates, change)

    @cached_property
    def adds_up(self) -> bool:
        """Whether the state between two updates holds a sum of gradients where a mean is expected."""
        if find_nodes(self.setup.opt_state, accumulates):
            # one gradient already held, then the same again as the first of a mean: the mean is one of it, the sum two
            # in the accumulator's own dtype, which is real for complex gradients, too
            opt_state = replace_nodes(
                self.setup.opt_state,
                accumulates,
                lambda node: node._replace(acc_grads=jax.tree.map(_cast, self.made, node.acc_grads)),
            )
            calls, factor = 1, 2
        else:
            opt_state, calls, factor = self.setup.opt_state, self.period - 1, self.period - 1
        for _ in range(calls):
            opt_state = self._step(self.made, opt_state, self.setup.params)[1]
        made, held = jax.tree.leaves(self.made), jax.tree.leaves(opt_state)
        starts = range(len(held) - len(made) + 1) if factor > 1 else ()
        return any(_is_multiple(held[k : k + len(made)], made, factor) for k in starts)

    def _first_count(self) -> int:
        """The first of these counts at which an update comes."""
        return next((c for c in (0, 1, 10, 100, 1000) if self.once(self.made, count=c)[3] > 0), 0)

    def _find_period(self) -> int:
        for count in (self.count, 10, 100):
            opt_state = self.setup.opt_state
            for calls in range(1, LONGEST_PERIOD + 1):
                _, opt_state, _, norm = self._step(self.made, at_count(opt_state, count), self.setup.params)
                if float(norm) > 0:
                    self.count = count
                    return calls
        return 0

    @cached_property
    def is_scheduled(self) -> bool:
        """Whether some state counts steps and nothing else, as a schedule's does."""
        return bool(find_nodes(self.setup.opt_state, is_schedule))

    @cached_property
    def sizes(self) -> dict[int, float]:
        """Norm of the update at each of `COUNTS`, for the same gradients, less what zero gradients give."""
        if not self.is_scheduled or not self.period:
            return {}
        return {count: self._moved(self.made, count) for count in COUNTS}

    def size_at(self, count: int) -> float:
        """The same at another count."""
        return self._moved(self.made, count)

    def _moved(self, grads: Any, count: int) -> float:
        found = self.once(grads, count=count)[2]
        without = self.once(self.zeros, count=count)[2] if self._decays else [np.zeros_like(leaf) for leaf in found]
        return norm([a - b for a, b in zip(found, without, strict=True)])

    @cached_property
    def _decays(self) -> bool:
        """Whether zero gradients move anything at all."""
        return self.once(self.zeros)[3] != 0

    @cached_property
    def peak(self) -> int:
        """The count at which updates are largest."""
        sizes = self.sizes
        return max(sizes, key=lambda count: sizes[count]) if sizes else self.count

    @cached_property
    def decay(self) -> list[Array]:
        """The update that zero gradients give, at the peak."""
        return self.once(self.zeros, count=self.peak)[2]

    @cached_property
    def first_updates(self) -> Any:
        """The update that the first real gradients give, at the peak."""
        return self.once(self.real, count=self.peak)[0]

    def scaled(self, scale: float, grads: Any = None) -> Any:
        """Made gradients times a number; in float16 large ones become infinite, which is what the optimizer would get."""

        def times(leaf: Array) -> Array:
            return (leaf.astype(np.promote_types(leaf.dtype, np.float32)) * scale).astype(leaf.dtype)

        with np.errstate(over="ignore"):
            return jax.tree.map(times, self.made if grads is None else grads)

    def response(self, scale: float, grads: Any = None) -> list[Array]:
        """The update to made gradients times a number, from a fresh state at the peak, less what zero gradients give."""
        found = self.once(self.scaled(scale, grads), count=self.peak)[2]
        return [a - b for a, b in zip(found, self.decay, strict=True)]

    @cached_property
    def responses(self) -> dict[float, list[Array]]:
        """`response` for scales from 1e-14 to 1e6."""
        return {scale: self.response(scale) for scale in _SCALES}

    @property
    def course(self) -> list[list[Array]]:
        """Ten updates to the same gradients, the schedule held at its peak, and then ten to zero gradients."""
        return self._course[0]

    @property
    def moments(self) -> list[float]:
        """The size of the first moments in the state after each of these."""
        return self._course[1]

    @cached_property
    def _course(self) -> tuple[list[list[Array]], list[float]]:
        opt_state, found, moments = self.setup.opt_state, [], []
        for grads in [self.made] * 10 + [self.zeros] * 10:
            _, opt_state, samples, _ = self.once(grads, count=self.peak, opt_state=opt_state)
            found.append([a - b for a, b in zip(samples, self.decay, strict=True)])
            moments.append(norm([leaf for node in find_nodes(opt_state, is_adam) for leaf in self.sample(node.mu)]))
        return found, moments

    @cached_property
    def matrices(self) -> list[int]:
        """Indices of the parameters with two or more axes."""
        return [i for i, leaf in enumerate(jax.tree.leaves(self.setup.params)) if leaf.ndim >= 2]

    @cached_property
    def update_ratio(self) -> float:
        """Size of the first real update over that of the parameters, over the weights that have a gradient."""
        return self._ratio(self.sample(self.first_updates), self.sample(self.setup.params))

    def _ratio(self, ours: list[Array], theirs: list[Array]) -> float:
        real = self.sample(self.real)
        chosen = [i for i in self.matrices or range(len(ours)) if np.any(real[i]) and np.any(theirs[i])]
        over = sum(float(np.sum(theirs[i] ** 2)) for i in chosen)
        return (sum(float(np.sum(ours[i] ** 2)) for i in chosen) / over) ** 0.5 if over else float("nan")

    @cached_property
    def is_normalised(self) -> bool:
        """Whether the state holds second moments, as Adam's does."""
        return bool(find_nodes(self.setup.opt_state, lambda node: "nu" in getattr(node, "_fields", ())))


@once
def trials(setup: Setup) -> Trials | None:
    """The optimizer's trials; None where it cannot be called with gradients alone."""
    try:
        return Trials(setup)
    except (TypeError, KeyError):
        # such as a line search, which needs the loss as a function
        return None


def _is_multiple(held: list[Any], made: list[Any], factor: float) -> bool:
    return all(
        np.shape(ours) == grads.shape and np.allclose(ours, factor * grads, rtol=1e-3, atol=0)
        for ours, grads in zip(held, made, strict=True)
    )


def norm(leaves: list[Array]) -> float:
    """The root of the sum of all squares."""
    return float(np.sqrt(sum(np.sum(leaf**2) for leaf in leaves)))


def cosine(ours: list[Array], theirs: list[Array]) -> float:
    """Of the angle between two; 0 where one of them is zero."""
    dot = float(sum(np.sum(a * b) for a, b in zip(ours, theirs, strict=True)))
    size = norm(ours) * norm(theirs)
    return dot / size if size > 0 and np.isfinite(size) else 0.0


def _made(real: Any) -> Any:
    """Gradients of random direction and the real ones' sizes; a tensor whose gradient is zero gets the others' median size."""
    leaves, form = jax.tree.flatten(real)
    sizes = [
        float(np.sqrt(np.mean(np.asarray(as_real(leaf), np.float64) ** 2))) if leaf.size else 0.0 for leaf in leaves
    ]
    known = [size for size in sizes if size > 0 and np.isfinite(size)]
    middle = float(np.median(known)) if known else 1e-3
    rng = np.random.default_rng(0)
    made = []
    for leaf, size in zip(leaves, sizes, strict=True):
        values = rng.normal(size=leaf.shape) * (size if size in known else middle)
        made.append(values.astype(leaf.dtype))
    return jax.tree.unflatten(form, made)


def _cast(leaf: Array, like: Any) -> Array:
    return (leaf if np.iscomplexobj(like) else np.real(leaf)).astype(like.dtype)


def _sample(leaf: Any) -> jax.Array:
    return _chosen(jnp.ravel(as_real(leaf))).astype(jnp.float32)


def _chosen(flat: Any) -> Any:
    return flat if flat.size <= _SAMPLE else flat[:: -(-flat.size // _SAMPLE)]


def _finite(leaf: Any) -> Array:
    array = np.asarray(leaf)
    return np.where(np.isfinite(array), array, 0).astype(array.dtype)


def _norm(tree: Any) -> jax.Array:
    return jnp.sqrt(
        sum((jnp.sum(jnp.square(jnp.abs(leaf).astype(jnp.float32))) for leaf in jax.tree.leaves(tree)), jnp.zeros(()))
    )
