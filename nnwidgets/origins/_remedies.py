"""What usually helps against a NaN, told by the operation that began it and what went in there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# Beyond, numbers of a network are no numbers of a healthy one.
HUGE = 1e6


@dataclass(frozen=True)
class Case:
    """What a remedy is chosen by.

    Attributes:
        primitive: of the forward pass: the operation, or what it is the derivative of.
        backward: whether it happened in the backward pass.
        result: "nan", "inf" or "-inf".
        values: for each operand a few of the elements that did it.
        sources: primitives that the operands were made by, a few operations back.
        uses: primitives that its result went into, a few operations on.
        functions: names of the library functions that it stands in.
        dtype: of the result.
        looped: whether it ran in a loop.
        masked: whether a constant infinity went in.
    """

    primitive: str
    backward: bool
    result: str
    values: tuple[tuple[float, ...], ...]
    sources: frozenset[str]
    uses: frozenset[str]
    functions: frozenset[str]
    dtype: str
    looped: bool
    masked: bool

    def first(self, operand: int = 0) -> float:
        """The first number of an operand; 1 where it has none."""
        return self.values[operand][0] if operand < len(self.values) and self.values[operand] else 1.0


def remedy(case: Case) -> str:
    """The remedy in words."""
    if case.masked and case.primitive == "mul":
        return (
            "0 times an infinity that was put in is NaN: mask with a large finite number, jnp.finfo(x.dtype).min, or leave out "
            "the terms whose factor is 0, jnp.where(target > 0, target * logs, 0.0)"
        )
    if case.masked:
        return (
            "a row whose entries are all masked has nothing to choose from: mask with a large finite number instead of an "
            "infinity, jnp.where(mask, scores, jnp.finfo(scores.dtype).min), or leave such rows out of the loss"
        )
    rule = _RULES.get(case.primitive)
    words = rule(case) if rule is not None else ""
    return words or _overflow(case) or _DEFAULT


def remedy_of_input(label: str, result: str) -> str:
    """The remedy for an input that is not finite itself."""
    group = label.partition("/")[0]
    if group == "params":
        return (
            "the parameters were spoilt by an earlier update: go back to the last good step (session.rewind), look at what "
            "happened there; lower the learning rate, clip gradients, skip updates that are not finite (optax.apply_if_finite)"
        )
    if group == "state":
        return "the model state was spoilt at an earlier step: go back to the last good one (session.rewind)"
    if group == "opt_state":
        return "the optimizer's state keeps it for ever: go back to the last good step, and skip updates that are not finite"
    if group in ("grads", "gradients", "updates"):
        return "a gradient is not finite already: look where it comes from, nan_origin(loss_fn, params, batch)"
    told = "missing values" if result == "nan" else "infinite values"
    return f"the data has {told}: drop these examples or fill them in, and check what made them (a division, a failed read)"


def _where(guard: str) -> str:
    return (
        f"{guard}. Behind a jnp.where it is computed all the same, and its derivative times 0 is NaN: make the operand safe "
        "first, x = jnp.where(ok, x, 1.0), then choose (the double where)"
    )


def _log(case: Case) -> str:
    if (
        "logistic" in case.sources
        or case.functions & {"sigmoid", "expit"}
        or ({"exp", "div"} <= case.sources and "reduce_sum" not in case.sources)
    ):
        return (
            "the sigmoid has rounded to 0 or 1: work from the logits, jax.nn.log_sigmoid(x) for log(sigmoid(x)), "
            "log_sigmoid(-x) for log(1 - sigmoid(x)), or optax.sigmoid_binary_cross_entropy (BCE with logits)"
        )
    if "exp" in case.sources or case.functions & {"softmax"}:
        return (
            "a probability has rounded to 0: use jax.nn.log_softmax, or jax.nn.logsumexp, on the logits; for p log p "
            "jax.scipy.special.xlogy, or p * log_softmax"
        )
    if case.first() < 0:
        return "the logarithm of a negative number: check what can make it negative; jnp.log(jnp.maximum(x, eps)) bounds it"
    if "mul" in case.uses:
        return _where("0 * log(0) is NaN: use jax.scipy.special.xlogy(x, y), or jnp.log(jnp.maximum(x, eps))")
    return _where("the logarithm of 0: jnp.log(x + eps) or jnp.log(jnp.maximum(x, eps)), eps about 1e-7")


def _sqrt(case: Case) -> str:
    if case.first() < 0 and not case.backward:
        return "the square root of a negative number: rounding, or a wrong sign; jnp.sqrt(jnp.maximum(x, 0.0) + eps)"
    if "std" in case.functions or "_std" in case.functions:
        return "the standard deviation of equal numbers: its slope is infinite; jnp.sqrt(jnp.var(x) + eps)"
    if "norm" in case.functions:
        return (
            "the norm of a zero vector has no slope: optax.safe_norm(x, eps), jnp.sqrt(jnp.sum(x**2) + eps), or the sum of "
            "squares itself where the norm is squared"
        )
    return _where("the square root has an infinite slope at 0: jnp.sqrt(x + eps), or a safe norm (optax.safe_norm)")


def _div(case: Case) -> str:
    if case.dtype == "float16" and case.result != "inf":
        return "a division by 0, and in float16 an eps under 6e-8 is 0: a larger one (optax.adam(..., eps=1e-4)), or float32"
    tail = "add eps to the denominator, or jnp.where(d == 0, 1.0, d) before dividing"
    if "sqrt" in case.sources:
        return (
            f"a division by a norm or standard deviation of 0 (a constant feature, a zero vector, no eps): "
            f"{tail}; jnp.sqrt(var + eps)"
        )
    if "exp" in case.sources and not np.isfinite(np.array([v for each in case.values for v in each])).all():
        return "exponentials have overflowed: use jax.nn.softmax, or subtract the maximum before exp"
    return _where(f"a division by 0: {tail}")


def _exp(case: Case) -> str:
    limit = "11" if case.dtype == "float16" else "88"
    if "log" in case.uses:
        return f"exp overflows above {limit}: use jax.nn.logsumexp, or jax.nn.softplus for log(1 + exp(x))"
    if "div" in case.uses and "select_n" not in case.uses:
        return f"exp overflows above {limit}: use jax.nn.softmax or jax.nn.sigmoid, or subtract the maximum first (x - x.max())"
    return (
        f"exp overflows above {limit}: clamp the exponent, jnp.exp(jnp.minimum(x, {'10.0' if limit == '11' else '80.0'})); "
        "inside a jnp.where clamp it too, for the branch that is not chosen is computed all the same (the double where)"
    )


def _pow(case: Case) -> str:
    if case.first() < 0:
        return "a negative number to a fractional power: jnp.abs(x) ** p * jnp.sign(x), or bound the base, jnp.maximum(x, eps)"
    if case.first() == 0:
        return _where("a power of 0 has an infinite value or slope: bound the base away from it, jnp.maximum(x, eps)")
    return ""


def _angle(case: Case) -> str:
    return (
        "arccos and arcsin have an infinite slope at -1 and 1, and no value beyond: jnp.clip(x, -1 + eps, 1 - eps) eps about "
        "1e-6, or the angle by jnp.arctan2(jnp.linalg.norm(jnp.cross(a, b)), jnp.dot(a, b))"
    )


def _decomposition(case: Case) -> str:
    return (
        "the derivative of singular or eigenvectors divides by differences of the values, and two are equal: add jitter to the "
        "matrix, use only the values, or give it a custom rule"
    )


def _gather(case: Case) -> str:
    return (
        "an index lies outside the array, and jnp.take fills in NaN there: check labels and tokens against the size of the "
        "table, for one that is off by one or a padding of -1"
    )


def _difference(case: Case) -> str:
    return "infinity minus infinity: bound what becomes infinite before" if case.result == "nan" else ""


def _product(case: Case) -> str:
    return "0 times infinity: bound what becomes infinite before" if case.result == "nan" else ""


def _overflow(case: Case) -> str:
    numbers = np.abs([value for each in case.values for value in each])
    if case.dtype == "float16":
        return "float16 ends at 65,504: use bfloat16 or float32 here, sum in float32, scale the loss"
    adds = case.primitive in ("dot_general", "conv_general_dilated", "reduce_sum")
    if (case.result == "nan" and not adds) or not numbers.size or not (numbers > HUGE).any():
        return ""
    if case.looped:
        return (
            "numbers grow from iteration to iteration: a recurrent weight that is too large; orthogonal or smaller initial "
            "weights, gates, a normalization in the loop, a lower learning rate, optax.clip_by_global_norm"
        )
    return (
        "numbers have grown too large to be multiplied: lower the learning rate, clip gradients (optax.clip_by_global_norm), "
        "scale inputs and initial weights"
    )


DECOMPOSITIONS = frozenset(("svd", "eigh", "eig", "qr", "cholesky", "lu"))
"""Operations whose derivatives are made of many others."""

_DEFAULT = "keep its operands inside the range where it is defined and its slope is finite; compute in float32"
_RULES: dict[str, Callable[[Case], str]] = {
    "log": _log,
    "log1p": lambda case: (
        "log1p of -1 or less: jax.nn.log_sigmoid or optax.sigmoid_binary_cross_entropy on logits, or bound x above -1"
    ),
    "sqrt": _sqrt,
    "rsqrt": lambda case: "1 / sqrt(0): jax.lax.rsqrt(var + eps), the eps of a normalization",
    "cbrt": lambda case: _where("the cube root has an infinite slope at 0: bound it away from 0"),
    "div": _div,
    "exp": _exp,
    "exp2": _exp,
    "expm1": _exp,
    "sinh": _exp,
    "cosh": _exp,
    "pow": _pow,
    "integer_pow": lambda case: (
        _where("a negative power of 0: add eps to the base") if case.first() == 0 else _overflow(case)
    ),
    "acos": _angle,
    "asin": _angle,
    "atan2": lambda case: _where("the angle of (0, 0) has no slope: replace both by (0, 1) there before arctan2"),
    "atanh": lambda case: "arctanh is infinite at -1 and 1: jnp.clip(x, -1 + eps, 1 - eps)",
    "acosh": lambda case: "arccosh has an infinite slope at 1, and no value below: jnp.maximum(x, 1 + eps)",
    "erf_inv": lambda case: "erf_inv is infinite at -1 and 1: jnp.clip(x, -1 + eps, 1 - eps)",
    "lgamma": lambda case: "lgamma and digamma are infinite at 0 and negative integers: bound their argument",
    "digamma": lambda case: "lgamma and digamma are infinite at 0 and negative integers: bound their argument",
    "svd": _decomposition,
    "eigh": _decomposition,
    "eig": _decomposition,
    "qr": lambda case: "the derivative of QR needs independent columns: add jitter to the matrix",
    "cholesky": lambda case: "the matrix is not positive definite: add jitter to its diagonal, a + 1e-6 * jnp.eye(n)",
    "triangular_solve": lambda case: "a singular matrix: add jitter to its diagonal, or use jnp.linalg.lstsq",
    "gather": _gather,
    "sub": _difference,
    "add": _difference,
    "mul": _product,
    "reduce_sum": _difference,
    "select_n": lambda case: (
        "a jnp.where chose a constant that is not finite: NaN from jnp.var or jnp.std stands for too few elements"
    ),
}
