"""Which custom rule, or which stop_gradient, makes a gradient differ from the slope of the loss."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.interpreters.partial_eval import dce_jaxpr

from nnwidgets.records import GradientReport, RuleCheck, TensorCheck
from nnwidgets.trace import Replay, as_given, as_real, bind, call_body, custom_rule_name, is_literal, source_of

from ._by_tensor import gaps, norm
from ._float64 import Float64
from ._function import Function, equations, open_stops
from ._judge import Tolerance
from ._own_rules import CUSTOM
from ._point import Point
from ._programs import Programs

_ROUNDING = ("round", "floor", "ceil", "sign")
# Cosine from which on the rule of a function that rounds stands in for the slope that it would have without.
_ALIKE = 0.5


@dataclass(frozen=True)
class Derivatives:
    """How to check one custom rule by itself, traced in the precision of its inputs.

    Attributes:
        floats: the positions of its differentiable inputs.
        outputs: the positions of its differentiable outputs.
        own: (inputs, cotangents) -> the rule's cotangents of these inputs.
        exact: the same by the derivative of the function itself; None where JAX has none in reverse mode.
        tangent: (inputs, tangents) -> tangents of the function itself; None where JAX has none in forward mode.
        flat: for each of `floats`, whether the function's slope along it is zero everywhere: it rounds, or compares.
        straight: like `exact`, of a function that rounds, as if it did not; None for one that does not round.
    """

    floats: tuple[int, ...]
    outputs: tuple[int, ...]
    own: Any
    exact: Any
    tangent: Any
    flat: tuple[bool, ...]
    straight: Any


class Causes:
    """Looks for the causes of a gradient that differs; compiles at the first suspicion, once.

    Args:
        function: what is checked.
        programs: its programs.
    """

    def __init__(self, function: Function, programs: Programs) -> None:
        self._function, self._programs = function, programs
        self._calls: dict[Any, Any] = {}
        self._meant: dict[int, Any] = {}

    def explain(self, report: GradientReport, point: Point, tolerance: Tolerance) -> GradientReport:
        """The report with custom rules that are wrong, and stop_gradients that take something out."""
        rules = self.rules(point, tolerance)
        stopped, stops = self._stopped(point, tolerance)
        meant = self._surrogates(rules, point, tolerance)
        tensors = [_explained(each, t in stopped, t in meant, rules, stops) for t, each in enumerate(report.tensors)]
        return replace(report, tensors=tuple(tensors), rules=(*report.rules, *rules, *stops))

    def rules(self, point: Point, tolerance: Tolerance) -> tuple[RuleCheck, ...]:
        """Every custom rule of the loss, by itself, at the values that it sees at this point; the worst of equal calls.

        A rule is compared with the derivative of its own function, all coordinates of it, for one random cotangent; where
        that function has no reverse mode, with its forward mode along one random tangent; else with a central
        difference. Call it inside ``jax.enable_x64(True)``.
        """
        found: dict[tuple, RuleCheck] = {}
        self._meant.clear()
        errors = self._errors(point.inputs)
        for address, error in errors.items():
            eqn, known = self._calls[address]
            check = _rule_check(eqn, known, np.asarray(error), tolerance)
            if check.surrogate:
                self._meant[id(eqn)] = eqn
            same = (check.name, check.kind, check.line, check.defined)
            if same not in found or (check.error or 0.0) > (found[same].error or 0.0):
                found[same] = check
        return tuple(found.values())

    @cached_property
    def _errors(self) -> Any:
        """Inputs -> for the address of each call of a custom rule, its error, one for each iteration of the loops round it."""
        function, float64 = self._function, self._programs.float64
        with function.own_precision():
            eqns = [eqn for eqn in equations(function.forward) if eqn.primitive.name in CUSTOM]
            known = {id(eqn): _derivatives(eqn) for eqn in eqns}

        def note(eqn: Any, address: Any, values: list[Any], outputs: list[Any]) -> dict[Any, Any]:
            derivatives = known.get(id(eqn))
            if derivatives is None:
                return {}
            self._calls[address] = eqn, derivatives
            return {address: _local_error(eqn, derivatives, values, outputs, float64)}

        replay = float64.noting(note)
        return jax.jit(lambda inputs: replay(function.forward, inputs)[1])

    def _stopped(self, point: Point, tolerance: Tolerance) -> tuple[set[int], tuple[RuleCheck, ...]]:
        """The tensors whose gradient is that of the loss with its stop_gradients, and what each line of these takes out."""
        stops = self._function.stops
        if not stops or self._function.gradient_through_stops is None:
            return set(), ()
        lines = np.array([str(source_of(eqn) or "") for eqn in stops])
        closed, through = (self._through_stops(point, np.full(len(stops), one)) for one in (False, True))
        size, checks = norm(closed.ravel()) or 1.0, []
        seen = tolerance.forward * np.fmax(size, norm(through.ravel()))
        for line in dict.fromkeys(lines.tolist()):
            # closed alone, and not opened alone: what lies behind two of them would not pass the other
            with np.errstate(invalid="ignore"):
                effect = norm((through - self._through_stops(point, lines != line)).ravel())
            if effect > seen:
                checks.append(RuleCheck("stop_gradient", "stop_gradient", line or None, None, effect / size, True))
        # where no stop takes anything out, an equal gradient says nothing
        return _same(point, closed, tolerance) if checks else set(), tuple(checks)

    def _surrogates(self, rules: tuple[RuleCheck, ...], point: Point, tolerance: Tolerance) -> set[int]:
        """The tensors whose gradient is that of the loss with its surrogates, and nothing else."""
        if not any(rule.surrogate for rule in rules):
            return set()
        kept = self._function.gradient_keeping(self._meant.values())
        if kept is None:
            return set()
        with_them = jax.jit(lambda inputs: self._programs.gradients(kept, inputs)[1])(point.inputs)
        return _same(point, np.asarray(with_them), tolerance)

    def _through_stops(self, point: Point, opened: np.ndarray) -> np.ndarray:
        """The gradients (parts, numbers) with each stop_gradient open (1) or closed (0)."""
        return np.asarray(self._opening(point.inputs, opened.astype(np.float64)))

    @cached_property
    def _opening(self) -> Any:
        gradient = self._function.gradient_through_stops
        return jax.jit(lambda inputs, opened: self._programs.gradients(gradient, inputs, opened)[1])


def _same(point: Point, gradients: np.ndarray, tolerance: Tolerance) -> set[int]:
    """The tensors whose analytic gradient is this one (parts, numbers)."""
    apart = gaps(point.gradients, gradients, point.offsets)
    return set(np.flatnonzero((apart <= tolerance.forward * point.scale).all(axis=0)).tolist())


def _explained(
    tensor: TensorCheck,
    is_stopped: bool,
    is_surrogate: bool,
    rules: tuple[RuleCheck, ...],
    stops: tuple[RuleCheck, ...],
) -> TensorCheck:
    if tensor.verdict not in ("wrong", "unsure"):
        return tensor
    if is_stopped:
        lines = ", ".join(each.line or "an unknown line" for each in stops)
        return replace(tensor, verdict="stopped", words=f"stop_gradient at {lines}" if lines else "by stop_gradient")
    if is_surrogate:
        return replace(tensor, verdict="surrogate", words=_names(each for each in rules if each.surrogate))
    wrong = [each for each in rules if each.wrong and not each.surrogate]
    if tensor.verdict == "wrong" and wrong:
        return replace(tensor, words=_names(wrong))
    return tensor


def _names(rules: Iterable[RuleCheck]) -> str:
    return ", ".join(dict.fromkeys(f"{each.kind} {each.name} at {each.line or each.defined}" for each in rules))


def _derivatives(eqn: Any) -> Derivatives | None:
    """None where the rule has nothing to differentiate, or cannot be traced by itself."""
    floats = tuple(i for i, atom in enumerate(eqn.invars) if jnp.issubdtype(atom.aval.dtype, jnp.inexact))
    outputs = tuple(i for i, var in enumerate(eqn.outvars) if jnp.issubdtype(var.aval.dtype, jnp.inexact))
    body = call_body(eqn)
    inputs = [_shape(atom.aval) for atom in eqn.invars]
    tangents, cotangents = [inputs[i] for i in floats], [_shape(eqn.outvars[i].aval) for i in outputs]

    def function(run: Any) -> Any:
        def reverse(inputs: list[Any], cotangents: list[Any]) -> Any:
            return jax.vjp(lambda moved: chosen(run, inputs, moved), [inputs[i] for i in floats])[1](cotangents)[0]

        return reverse

    def chosen(run: Any, inputs: list[Any], moved: list[Any]) -> list[Any]:
        given = dict(zip(floats, moved, strict=True))
        results = run([given.get(i, value) for i, value in enumerate(inputs)])
        return [results[i] for i in outputs]

    def as_written(values: list[Any]) -> list[Any]:
        return Replay(open_stops)(body, values)[0]  # pyright: ignore[reportArgumentType]

    def unrounded(values: list[Any]) -> list[Any]:
        return Replay(_unrounded)(body, values)[0]  # pyright: ignore[reportArgumentType]

    def forward(inputs: list[Any], tangents: list[Any]) -> Any:
        primals = [inputs[i] for i in floats]
        return jax.jvp(lambda moved: chosen(as_written, inputs, moved), (primals,), (tangents,))[1]

    if not floats or not outputs or body is None:
        return None
    own = _traced(function(lambda values: bind(eqn, values)), inputs, cotangents)
    exact = _traced(function(as_written), inputs, cotangents)
    tangent = _traced(forward, inputs, tangents)
    rounds = any(each.primitive.name in _ROUNDING for each in equations(body))
    straight = _traced(function(unrounded), inputs, cotangents) if rounds else None
    return own and Derivatives(floats, outputs, own, exact, tangent, _flat(tangent, len(floats)), straight)


def _unrounded(eqn: Any, values: list[Any]) -> list[Any]:
    """For `Replay.run`: what rounds has the slope 1, as a straight-through estimator gives it."""
    outputs = open_stops(eqn, values)
    if eqn.primitive.name not in _ROUNDING:
        return outputs
    return [values[0] + jax.lax.stop_gradient(outputs[0] - values[0])]


def _flat(tangent: Any, count: int) -> tuple[bool, ...]:
    """For each of the last so many inputs, whether nothing depends on it."""
    if tangent is None:
        return (False,) * count
    _, used = dce_jaxpr(tangent.jaxpr, [True] * len(tangent.jaxpr.outvars))
    return tuple(not each for each in used[len(used) - count :])


def _traced(function: Any, *arguments: Any) -> Any:
    try:
        return jax.make_jaxpr(function)(*arguments)
    except Exception:
        return None


def _local_error(eqn: Any, known: Derivatives, values: list[Any], outputs: list[Any], float64: Float64) -> Any:
    """How one rule compares with the derivative of its function, for a random cotangent (inputs, 5), NaN what is not known.

    Relative error of all inputs together; then for each input relative error and cosine of the angle to the derivative, and
    both to the derivative of a function that rounds as if it did not.
    """
    keys = iter(jax.random.split(jax.random.key(len(values)), len(known.floats) + len(known.outputs)))
    cotangents = [_random(next(keys), outputs[i]) for i in known.outputs]
    own = float64(known.own, [*values, *cotangents])
    unknown = len(own) * [2 * [jnp.float64(jnp.nan)]]
    if known.exact is not None:
        exact, straight = (
            derivative and float64(derivative, [*values, *cotangents]) for derivative in (known.exact, known.straight)
        )
        whole = _apart(own, exact)
        from_exact, from_straight = (
            [[_apart([a], [b]), _cosine(a, b)] for a, b in zip(own, other, strict=True)] if other else unknown
            for other in (exact, straight)
        )
    else:
        tangents = [_random(next(keys), values[i]) for i in known.floats]
        if known.tangent is not None:
            slopes = float64(known.tangent, [*values, *tangents])
        else:
            slopes = _slopes(eqn, known, values, tangents, float64)
        whole, from_exact, from_straight = _apart([_dot(own, tangents)], [_dot(cotangents, slopes)]), unknown, unknown
    rows = zip(from_exact, from_straight, strict=True)
    return jnp.stack([jnp.stack([whole, *one, *other]) for one, other in rows])


def _random(key: Any, like: Any) -> Any:
    """Of either sign and never near zero: no coordinate of a rule is left out."""
    signs, sizes = jax.random.split(key)
    shape = jnp.shape(as_real(like))
    drawn = jax.random.rademacher(signs, shape, jnp.float64) * jax.random.uniform(sizes, shape, jnp.float64, 0.5, 1.5)
    return as_given(drawn, like)


def _slopes(eqn: Any, known: Derivatives, values: list[Any], tangents: list[Any], float64: Float64) -> list[Any]:
    def moved(step: float) -> list[Any]:
        along = dict(zip(known.floats, tangents, strict=True))
        given = [value + step * along[i] if i in along else value for i, value in enumerate(values)]
        results = float64(call_body(eqn), given)  # pyright: ignore[reportArgumentType]
        return [results[i] for i in known.outputs]

    return [(right - left) / 2e-5 for right, left in zip(moved(1e-5), moved(-1e-5), strict=True)]


def _dot(one: list[Any], other: list[Any]) -> Any:
    # not vdot: JAX transposes complex numbers without conjugating them
    return sum((jnp.sum(a * b) for a, b in zip(one, other, strict=True)), start=jnp.float64(0))


def _cosine(one: Any, other: Any) -> Any:
    """Of the angle between two arrays; 0 where one of them is zero."""
    one, other = as_real(one), as_real(other)
    size = jnp.sqrt(jnp.sum(one**2) * jnp.sum(other**2))
    return jnp.where(size > 0, jnp.sum(one * other) / jnp.where(size > 0, size, 1.0), 0.0)


def _apart(own: list[Any], exact: list[Any]) -> Any:
    def largest(arrays: list[Any]) -> Any:
        return jnp.max(jnp.stack([jnp.max(jnp.abs(each), initial=0.0) for each in arrays]))

    scale = jnp.maximum(largest(own), largest(exact))
    gap = largest([a - b for a, b in zip(own, exact, strict=True)])
    return jnp.where(scale > 0, gap / jnp.where(scale > 0, scale, 1.0), 0.0)


def _rule_check(eqn: Any, known: Derivatives, numbers: np.ndarray, tolerance: Tolerance) -> RuleCheck:
    # (..., inputs, 5), one for each iteration of the loops round it; NaN in a branch that was not taken
    numbers, least = numbers.reshape(-1, *numbers.shape[-2:]), 10 * tolerance.forward
    numbers = numbers[np.isfinite(numbers[:, 0, 0])]
    error = float(numbers[:, 0, 0].max()) if len(numbers) else None
    wrong = error is not None and error > least
    defined = getattr(call_body(eqn).jaxpr.debug_info, "func_src_info", None)  # pyright: ignore[reportOptionalMemberAccess]
    source = source_of(eqn)
    return RuleCheck(
        name=custom_rule_name(eqn),
        kind="custom_jvp" if "jvp" in eqn.primitive.name else "custom_vjp",
        line=None if source is None else str(source),
        defined=defined.partition(" at ")[2] if defined else None,
        error=error,
        wrong=wrong,
        surrogate=wrong
        and (
            _is_identity(eqn)
            or all(_is_meant(each, flat, least) for row in numbers for each, flat in zip(row, known.flat, strict=True))
        ),
    )


def _is_meant(numbers: np.ndarray, flat: bool, least: float) -> bool:
    """Whether what a rule gives for one input is right, or stands in for a slope that its function does not have.

    That does what points where the function would rise without its rounding; a multiple of the slope that there is, is wrong.
    """
    _, apart, along, apart_straight, along_straight = numbers
    if apart <= least or apart_straight <= least:
        return True
    if flat:
        return not along_straight < 0
    return along_straight > _ALIKE and not abs(along) > 0.99


def _is_identity(eqn: Any) -> bool:
    """Whether it gives back what it is given: then it is there for its rule alone, which turns round, scales or clips."""
    program = call_body(eqn).jaxpr  # pyright: ignore[reportOptionalMemberAccess]
    return all(not is_literal(out) and out in program.invars for out in program.outvars)


def _shape(aval: Any) -> Any:
    return jax.ShapeDtypeStruct(aval.shape, aval.dtype)
