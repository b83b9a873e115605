"""Programs that make a NaN or an infinity, each with the line and the operation where it begins.

Marked in the source: ``# forward`` is the line where the loss stops being finite, ``# backward`` the one whose
derivative does, ``# both`` stands for two of them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

F32 = np.float32


@dataclass(frozen=True)
class Planted:
    """A program with its fault.

    Attributes:
        name: of the function.
        fn: the loss.
        args: where it is not finite.
        forward: primitives either of which may be named in the forward pass; none if the loss is finite.
        backward: the same for the backward pass; none if the gradients are finite or have it all from the forward pass.
        lines: where they stand, from the marks.
        rows: the examples that do it, or None where that is not looked at.
        remedy: a word of the remedy.
        argnums: what it is differentiated with respect to.
    """

    name: str
    fn: Callable[..., Any]
    args: tuple[Any, ...]
    forward: tuple[str, ...]
    backward: tuple[str, ...]
    lines: dict[str, str]
    rows: tuple[int, ...] | None
    remedy: str
    argnums: Any = 0


PLANTED: list[Planted] = []


def planted(
    *args: Any,
    forward: str = "",
    backward: str = "",
    rows: Sequence[int] | None = None,
    remedy: str = "",
    marked: Callable[..., Any] | None = None,
    argnums: Any = 0,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a program; marks may also stand in another function."""

    def register(fn: Callable[..., Any]) -> Callable[..., Any]:
        lines: dict[str, str] = {}
        for each in (fn, *([marked] if marked else [])):
            text, start = inspect.getsourcelines(inspect.unwrap(each))
            for k, line in enumerate(text):
                for mark in ("forward", "backward", "both"):
                    if line.rstrip().endswith(f"# {mark}"):
                        for one in ("forward", "backward") if mark == "both" else (mark,):
                            lines[one] = f"{__file__}:{start + k}"
        found = Planted(
            fn.__name__,
            fn,
            args,
            tuple(forward.split()),
            tuple(backward.split()),
            lines,
            None if rows is None else tuple(rows),
            remedy,
            argnums,
        )
        assert bool(forward) == ("forward" in lines) and bool(backward) == ("backward" in lines), fn.__name__
        PLANTED.append(found)
        return fn

    return register


def vector(*numbers: float) -> Any:
    return np.array(numbers, F32)


@planted(vector(1.0, 0.0, 2.0), forward="log", backward="div", remedy="eps")
def log_of_zero(x: Any) -> Any:
    scaled = 2 * x
    logs = jnp.log(scaled)  # both
    return logs.sum()


@planted(vector(1.0, -3.0), forward="log", remedy="negative")
def log_of_a_negative(x: Any) -> Any:
    return jnp.log(x).sum()  # forward


@planted(vector(4.0, 0.0), backward="div", remedy="sqrt(x + eps)")
def square_root_at_zero(x: Any) -> Any:
    root = jnp.sqrt(x)  # backward
    return root.sum()


@planted(vector(0.0, 1.0), forward="div", backward="integer_pow", remedy="denominator")
def zero_by_zero(x: Any) -> Any:
    share = x / (x * x)  # both
    return share.sum()


@planted(np.zeros(3, F32), backward="div", remedy="zero vector")
def norm_of_a_zero_vector(x: Any) -> Any:
    return jnp.linalg.norm(x) ** 2  # backward


@planted(np.ones((4, 2), F32), backward="div", remedy="var")
def standard_deviation_of_a_constant(x: Any) -> Any:
    spread = x.std(axis=0)  # backward
    return spread.sum()


@planted(vector(0.3, 1.0), backward="div rsqrt mul neg", remedy="clip")
def arccos_at_one(x: Any) -> Any:
    angle = jnp.arccos(x)  # backward
    return angle.sum()


@planted(vector(0.3, 1.5), forward="acos", backward="rsqrt", remedy="clip")
def arccos_beyond_one(x: Any) -> Any:
    return jnp.arccos(x).sum()  # both


MASK = np.array([[True, True, False], [False, False, False], [True, False, True]])


@planted(np.ones((3, 3), F32), MASK, forward="sub", rows=[1], remedy="finite number")
def softmax_of_a_row_that_is_all_masked(scores: Any, mask: Any) -> Any:
    masked = jnp.where(mask, scores, -jnp.inf)
    weights = jax.nn.softmax(masked, axis=-1)  # forward
    return (weights * scores).sum()


@planted(vector(0.0, 200.0), forward="log", backward="div", remedy="log_softmax")
def entropy_of_an_underflowed_probability(x: Any) -> Any:
    p = jax.nn.softmax(x)
    return -(p * jnp.log(p)).sum()  # both


@planted(vector(-200.0, 1.0), forward="log", backward="div", remedy="log_sigmoid")
def log_of_a_sigmoid(x: Any) -> Any:
    return -jnp.log(jax.nn.sigmoid(x)).mean()  # both


@planted(vector(20.0, 1.0), forward="log", backward="div", remedy="log_sigmoid")
def log_of_one_minus_a_sigmoid(x: Any) -> Any:
    p = jax.nn.sigmoid(x)
    return -jnp.log(1 - p).mean()  # both


@planted(vector(-200.0, 1.0), backward="integer_pow mul exp", remedy="sigmoid")
def sigmoid_by_hand(x: Any) -> Any:
    return (1 / (1 + jnp.exp(-x))).sum()  # backward


@planted(vector(1.0, 100.0), forward="exp", remedy="overflows")
def exp_overflows(x: Any) -> Any:
    grown = jnp.exp(x)  # forward
    return grown.sum()


@planted(vector(100.0), forward="exp", remedy="exponent")
def zero_times_an_overflow(x: Any) -> Any:
    gate = jnp.maximum(-x, 0.0)
    bound = jnp.exp(x)  # forward
    return (gate * bound).sum()


@planted(vector(200.0, -1.0), backward="mul", remedy="clamp")
def elu_by_hand(x: Any) -> Any:
    return jnp.where(x > 0, x, jnp.exp(x) - 1).sum()  # backward


@planted(vector(4.0, 0.0), backward="div mul", remedy="double where")
def square_root_behind_a_where(x: Any) -> Any:
    root = jnp.sqrt(x)  # backward
    return jnp.where(x > 0, root, 0.0).sum()


@planted(vector(-2.0, 3.0), forward="pow", backward="pow", remedy="negative number")
def a_negative_base(x: Any) -> Any:
    return (x**1.5).sum()  # both


@planted(vector(1.0, 0.0), backward="pow", remedy="power of 0")
def a_power_with_an_infinite_slope(x: Any) -> Any:
    return (x**0.3).sum()  # backward


@planted(vector(0.0, 1.0), backward="div", remedy="arctan2")
def the_angle_at_the_origin(x: Any) -> Any:
    angle = jnp.arctan2(x, x)  # backward
    return jnp.where(x > 0, angle, 0.0).sum()


@planted(vector(100.0), forward="exp", remedy="exp overflows")
def infinity_minus_infinity(x: Any) -> Any:
    one = jnp.exp(x)  # forward
    other = jnp.exp(2 * x)
    return (one - other).sum()


@planted(vector(2.0), np.ones((4, 3), F32), forward="div", backward="div integer_pow", remedy="eps")
def division_by_a_batch_statistic(w: Any, batch: Any) -> Any:
    spread = batch - batch.mean(axis=0)
    scaled = w * spread / jnp.abs(spread).max(axis=0)  # both
    return scaled.sum()


@planted(np.array([300.0, 2.0], np.float16), forward="mul", remedy="float16")
def float16_overflows(x: Any) -> Any:
    energy = x * x  # forward
    return energy.sum()


@planted(vector(1.0, 2.0, 3.0), np.ones((2, 3), F32), forward="div", remedy="eps")
def layer_norm_without_eps(scale: Any, x: Any) -> Any:
    centred = x - x.mean(axis=-1, keepdims=True)
    normed = centred / jnp.sqrt((centred**2).mean(axis=-1, keepdims=True))  # forward
    return (scale * normed).sum()


@planted(
    np.eye(3, dtype=F32),
    np.array([[1, 0, 0], [0, 0, 0], [0, 2, 0]], F32),
    forward="div",
    backward="div integer_pow",
    rows=[1],
    remedy="eps",
)
def cosine_similarity_of_zeros(w: Any, x: Any) -> Any:
    y = x @ w
    cosine = (x * y).sum(-1) / (jnp.linalg.norm(x, axis=-1) * jnp.linalg.norm(y, axis=-1))  # both
    return cosine.mean()


@planted(vector(1.0, 100.0), forward="exp", remedy="logsumexp")
def logsumexp_by_hand(x: Any) -> Any:
    total = jnp.exp(x).sum()  # forward
    return jnp.log(total)


WEIGHTS = np.random.default_rng(0).normal(size=(16, 16)).astype(F32) * 4


@planted(WEIGHTS, np.ones(16, F32), forward="dot_general", remedy="iteration")
def a_recurrence_explodes(w: Any, start: Any) -> Any:
    def step(h: Any, _: Any) -> Any:
        h = w @ h  # forward
        return h, h.sum()

    h, _ = jax.lax.scan(step, start, None, length=60)
    return (h**2).sum()


@planted(vector(1.0, 3.0), forward="log", backward="div", remedy="eps")
def in_a_branch(x: Any) -> Any:
    def taken(x: Any) -> Any:
        return jnp.log(x - 1).sum()  # both

    return jax.lax.cond(x[0] > 0, taken, lambda x: x.sum(), x)


@planted(vector(0.0, 1.0), backward="div mul", remedy="sqrt")
def in_a_remat(x: Any) -> Any:
    @jax.checkpoint
    def inner(x: Any) -> Any:
        root = jnp.sqrt(x)  # backward
        return jnp.sin(root)

    return inner(x).sum()


@jax.custom_vjp
def reciprocal(x: Any) -> Any:
    return x * x


def _pull_back(x: Any, g: Any) -> Any:
    return (g / x,)


reciprocal.defvjp(lambda x: (x * x, x), _pull_back)


@planted(vector(0.0, 2.0), backward="div", remedy="denominator")
def in_the_backward_rule_of_a_custom_vjp(x: Any) -> Any:
    return reciprocal(x).sum()  # backward


@jax.custom_jvp
def logged(x: Any) -> Any:
    return jnp.log(x)  # forward


logged.defjvps(lambda tangent, answer, x: tangent / jnp.maximum(x, 1e-6))


@planted(vector(0.0, 2.0), forward="log", remedy="eps", marked=logged.__wrapped__)
def in_a_custom_jvp(x: Any) -> Any:
    return logged(x).sum()


@planted(np.diag(vector(1.0, 1.0, 2.0)), backward="div", remedy="equal")
def svd_of_equal_values(a: Any) -> Any:
    u, s, _ = jnp.linalg.svd(a)  # backward
    return u[0, 1] + s.sum()


@planted(np.eye(3, dtype=F32), backward="div integer_pow", remedy="equal")
def eigh_of_equal_values(a: Any) -> Any:
    values, vectors = jnp.linalg.eigh(a)  # backward
    return (vectors**3).sum() + values.sum()


@planted(-np.eye(3, dtype=F32), forward="cholesky", remedy="positive definite")
def cholesky_of_an_indefinite_matrix(a: Any) -> Any:
    return jnp.linalg.cholesky(a).sum()  # forward


@planted(np.ones((5, 4), F32), np.array([1, 4, 7]), forward="gather", rows=[2], remedy="index")
def embedding_out_of_range(table: Any, tokens: Any) -> Any:
    rows = jnp.take(table, tokens, axis=0)  # forward
    return (rows**2).mean()


@planted(vector(0.0, 3.0), np.array([0, 1]), forward="mul", remedy="0 times an infinity")
def target_zero_times_a_masked_logit(logits: Any, targets: Any) -> Any:
    masked = jnp.where(targets == 0, -jnp.inf, logits)
    logs = jax.nn.log_softmax(masked)
    return -(targets * logs).sum()  # forward


@planted(np.array([0.0, 1.0], F32), forward="rsqrt", remedy="eps")
def rsqrt_of_zero(x: Any) -> Any:
    return jax.lax.rsqrt(x).sum()  # forward


@planted(vector(1.0), forward="div", backward="div integer_pow", remedy="denominator")
def under_vmap(w: Any) -> Any:
    def one(x: Any) -> Any:
        return w[0] / x  # both

    return jax.vmap(one)(jnp.arange(3.0)).sum()


@planted(vector(3.0), forward="log", remedy="negative", argnums=None)
def in_a_while_loop(x: Any) -> Any:
    def step(carry: Any) -> Any:
        k, y = carry
        return k + 1, jnp.log(y)  # forward

    return jax.lax.while_loop(lambda carry: carry[0] < 4, step, (0, x.sum()))[1]


@planted(vector(1.0), vector(3.0, 1.0, 0.0, 2.0), forward="div", backward="div integer_pow", remedy="denominator")
def in_one_iteration_of_a_scan(w: Any, xs: Any) -> Any:
    def step(total: Any, x: Any) -> Any:
        share = w / x  # both
        return total + share, None

    return jax.lax.scan(step, jnp.zeros(1), xs)[0].sum()


@planted(np.ones((3, 2), F32) * 1e20, forward="square integer_pow mul", remedy="learning rate")
def parameters_that_are_huge(w: Any) -> Any:
    return (w**2).sum()  # forward


@planted(vector(2.0), forward="select_n", backward="div", remedy="too few")
def variance_of_one_number(x: Any) -> Any:
    return jnp.var(x, ddof=1)  # both


@planted(vector(-30.0, 1.0), vector(1.0, 1.0), forward="log", backward="div", remedy="log_sigmoid")
def cross_entropy_of_probabilities(logits: Any, targets: Any) -> Any:
    p = 1 / (1 + jnp.exp(-4 * logits))
    return -(targets * jnp.log(p) + (1 - targets) * jnp.log(1 - p)).mean()  # both


@planted(vector(1.0, 1.0), forward="atanh", backward="div", remedy="clip")
def arctanh_at_one(x: Any) -> Any:
    return jnp.arctanh(x).sum()  # both


@planted(np.array([[1.0, 2.0], [0.0, 3.0]], F32), np.array([0, 5]), forward="gather", rows=[1], remedy="index")
def a_label_that_is_no_class(logits: Any, labels: Any) -> Any:
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()  # forward


@planted(vector(1.0, 2.0), forward="log", remedy="eps")
def beside_infinities_that_are_meant(x: Any) -> Any:
    largest = jnp.max(jnp.where(x > 5, x, -jnp.inf), initial=0.0)
    shifted = jnp.where(x > 1.5, jnp.log(jnp.where(x > 1.5, x - 1, 1.0)), 0.0)
    return jnp.log(largest).sum() + shifted.sum()  # forward


@planted(
    np.zeros((2, 3), F32),
    np.array([[1.0, 0.0, 2.0], [0.0, 1.0, 0.0]], F32),
    backward="div",
    rows=[0, 1],
    remedy="slope at 0",
)
def pairwise_distances(w: Any, x: Any) -> Any:
    y = x @ w.T
    apart = ((y[:, None] - y[None]) ** 2).sum(-1)
    return jnp.sqrt(apart).sum()  # backward
