"""What an optimizer makes of one gradient: at once, and in the steps that follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax

from nnwidgets.lint import at_counts, find_nodes, has_fields
from nnwidgets.lint._opt_states import replace_nodes

Leaves = list[npt.NDArray[np.float64]]
# Steps that the answer is followed.
_STEPS = 6
# An optimizer is linear where half a gradient gives half an update, up to what the moments make of it.
_LINEAR = 0.25
_ALIKE = 0.02
# Count at which no moment is bias-corrected any more.
_LATE = 1_000_000


class Response(NamedTuple):
    r"""The answer to one gradient, the optimizer's second moments held as they are.

    To a gradient g at step 0 the update is :math:`-D g`, at step 1 :math:`-D g\, s`, and from then on each is q times the one
    before: s = q = 0 for SGD; s = q = :math:`\beta` for momentum, and for Adam with :math:`\beta_1`; :math:`s = \beta^2 / (1 +
    \beta)`, q = :math:`\beta` for Nesterov's.

    Attributes:
        scale: D, float64 arrays like the leaves of the parameters; 0 where there is no update, or never was a gradient.
        second: s.
        fading: q.
        bounded: whether the present gradients are held by a bound, as by clipping; D is without it.
    """

    scale: Leaves
    second: float
    fading: float
    bounded: bool

    @property
    def edge(self) -> float:
        r"""The largest eigenvalue of :math:`D^{1/2} H D^{1/2}` at which steps on a quadratic with Hessian H do not grow.

        The roots of :math:`(z - 1)(z - q) + \lambda (z - q + s)` leave the unit circle at -1, or as a pair. This is 2 for SGD,
        :math:`2 + 2 \beta` for momentum, and :math:`2 (1 + \beta)^2 / (1 + 2 \beta)` for Nesterov's, whose D is
        :math:`(1 + \beta) \eta`.
        """
        q, s = self.fading, self.second
        flip = 2 * (1 + q) / (1 + q - s) if s < 1 + q else np.inf
        return min(flip, (1 - q) / (s - q)) if s > q + _ALIKE else flip


class NoResponse(ValueError):
    """The optimizer's answer has no such form; the message says why."""


def response_of(
    tx: optax.GradientTransformation, params: Any, opt_state: Any, grads: Any, multiplier: float = 1.0
) -> Response:
    r"""Try an optimizer, which is opaque, at its present state.

    Two gradients of opposite sign and equal size, :math:`\pm \sqrt \nu` where the state holds second moments, leave these as
    they are: half the difference of the two updates is the answer alone, with bias correction, schedule and clipping
    as they stand, and without weight decay.

    Args:
        tx: the optimizer.
        params: the parameters.
        opt_state: its state.
        grads: present gradients.
        multiplier: of the learning rate.

    Raises:
        NoResponse: it is not linear in the gradient (Lion), mixes the elements of a tensor, or answers in another form.

    Example:
        >>> params = {"w": jnp.ones(2)}
        >>> tx = optax.sgd(0.1, momentum=0.9)
        >>> found = response_of(tx, params, tx.init(params), params)
        >>> [round(float(each), 3) for each in (found.scale[0][0], found.second, found.fading, found.edge)]
        [0.1, 0.9, 0.9, 3.8]
    """
    sizes = _sizes(params, opt_state, grads)
    if not all(np.isfinite(leaf).all() for leaf in sizes):
        raise NoResponse("the gradient is not finite")
    if not any(leaf.any() for leaf in sizes):
        raise NoResponse("the gradient is zero")
    tried = _Tried(tx, params, opt_state)
    bounded, first = False, tried.first(sizes)
    if not _is_half(tried.first([leaf / 2 for leaf in sizes]), first):
        # a bound on the norm lets small ones through
        bounded, sizes = True, [leaf * 1e-3 for leaf in sizes]
        first = tried.first(sizes)
        if not _is_half(tried.first([leaf / 2 for leaf in sizes]), first):
            raise NoResponse("an update is not proportional to its gradient, as with Lion or a sign")
    signs = np.random.default_rng(0)
    turned = [leaf * signs.choice([-1.0, 1.0], leaf.shape) for leaf in sizes]
    if not _alike([a * np.sign(b) for a, b in zip(tried.first(turned), turned, strict=True)], first):
        raise NoResponse("the update of an element depends on the others of its tensor")
    scale = [
        -multiplier * np.divide(update, size, out=np.zeros_like(size), where=size > 0)
        for update, size in zip(first, sizes, strict=True)
    ]
    return Response(scale, *_fading(tried.course(sizes)), bounded)


class _Tried:
    """Differences between two courses of updates, whose first gradients have opposite signs."""

    def __init__(self, tx: optax.GradientTransformation, params: Any, opt_state: Any) -> None:
        self._step, self._params = _step(tx), params
        self._state = opt_state
        self._form = jax.tree.structure(params)

    def first(self, sizes: Leaves) -> Leaves:
        """The answer at once, at the present counts."""
        # the moments' count goes up again in the update: what is measured are the moments as they stand
        at = _moment_counts(self._state, lambda count: np.maximum(np.asarray(count) - 1, 0))
        updates = [self._update(_signed(sizes, sign), at)[0] for sign in (1.0, -1.0)]
        found = self._halves(updates)
        if not any(leaf.any() for leaf in found) and any(leaf.any() for leaf in updates[0]):
            raise NoResponse("the update does not depend on the size of a gradient, as with Lion")
        return found

    def course(self, sizes: Leaves) -> list[Leaves]:
        """The answer at each step, bias corrections aside; gradients of the same size keep the moments as they are."""
        at = [_moment_counts(self._state, lambda count: np.full_like(np.asarray(count), _LATE))] * 2
        found = list[Leaves]()
        for number in range(_STEPS):
            updates = list[Leaves]()
            for side, sign in enumerate((1.0, -1.0)):
                made, at[side] = self._update(_signed(sizes, sign if number == 0 else 1.0), at[side])
                at[side] = at_counts(at[side], self._state)
                updates.append(made)
            found.append(self._halves(updates))
        return found

    def _update(self, leaves: Leaves, opt_state: Any) -> tuple[Leaves, Any]:
        dtypes = [leaf.dtype for leaf in jax.tree.leaves(self._params)]
        grads = jax.tree.unflatten(self._form, [np.asarray(a, b) for a, b in zip(leaves, dtypes, strict=True)])
        updates, opt_state = self._step(grads, opt_state, self._params)
        if jax.tree.structure(updates) != self._form:
            raise NoResponse("it leaves parameters out of its updates")
        return [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(updates)], opt_state

    def _halves(self, both: Sequence[Leaves]) -> Leaves:
        return [(a - b) / 2 for a, b in zip(*both, strict=True)]


@lru_cache(maxsize=32)
def _step(tx: optax.GradientTransformation) -> Callable[[Any, Any, Any], Any]:
    transformation = optax.with_extra_args_support(tx)
    return jax.jit(
        lambda grads, opt_state, params: transformation.update(grads, opt_state, params, value=jnp.zeros(()))
    )


def _signed(sizes: Leaves, sign: float) -> Leaves:
    return [sign * leaf for leaf in sizes]


def _sizes(params: Any, opt_state: Any, grads: Any) -> Leaves:
    """Of the gradients to try: the root of the second moments where there are any, else the present ones."""
    leaves = [np.abs(np.asarray(leaf, np.float64)) for leaf in jax.tree.leaves(grads)]
    usual = float(np.sqrt(np.mean(np.concatenate([leaf.ravel() for leaf in leaves]) ** 2)))
    # an element may be at rest now, and move later
    found = [np.where(leaf > 0, leaf, usual) for leaf in leaves]
    for node in find_nodes(opt_state, has_fields("nu")):
        moments = jax.tree.leaves(node.nu, is_leaf=lambda part: isinstance(part, optax.MaskedNode))
        if len(moments) != len(found):
            continue
        for i, moment in enumerate(moments):
            if np.shape(moment) == found[i].shape and np.any(np.asarray(moment)):
                found[i] = np.sqrt(np.asarray(moment, np.float64))
    return found


def _moment_counts(opt_state: Any, change: Callable[[Any], Any]) -> Any:
    return replace_nodes(opt_state, has_fields("count", "nu"), lambda node: node._replace(count=change(node.count)))


def _fading(course: list[Leaves]) -> tuple[float, float]:
    """What is left of the answer a step later, and from then on, step by step."""
    flat = [np.concatenate([leaf.ravel() for leaf in each]) for each in course]
    moved = np.abs(flat[0]) > 0
    if not moved.any():
        raise NoResponse("no update comes of one gradient, as where gradients are accumulated over several steps")
    ratios = [each[moved] / flat[0][moved] for each in flat[1:]]
    if any(np.quantile(np.abs(each - np.median(each)), 0.95) > _ALIKE for each in ratios):
        raise NoResponse("its momentum is not the same for all parameters")
    left = [float(np.median(each)) for each in ratios]
    if max(map(abs, left)) < 1e-3:
        return 0.0, 0.0
    fading = left[2] / left[1] if left[1] else 0.0
    if abs(left[3] - fading * left[2]) > _ALIKE * abs(left[0]):
        raise NoResponse("what it keeps of a gradient does not fade by the same share each step")
    return left[0], fading


def _is_half(half: Leaves, whole: Leaves) -> bool:
    """Whether updates are half of others, up to what the second moments make of the smaller gradients."""
    return _alike([2 * leaf for leaf in half], whole, _LINEAR)


def _alike(ours: Leaves, theirs: Leaves, share: float = _ALIKE) -> bool:
    a, b = (np.concatenate([leaf.ravel() for leaf in leaves]) for leaves in (ours, theirs))
    return bool(np.linalg.norm(a - b) <= share * np.linalg.norm(b))
