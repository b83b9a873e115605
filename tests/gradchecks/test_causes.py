"""Which custom rule, or which stop_gradient, is behind a gradient that differs: by name, file and line."""

from __future__ import annotations

import inspect
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnwidgets.gradchecks import gradcheck
from nnwidgets.records import GradientReport, RuleCheck

X = np.linspace(-1.0, 2.0, 6, dtype=np.float32)


def line_of(function: Any, text: str) -> str:
    """File and line of the first line of a function that holds this text."""
    lines, start = inspect.getsourcelines(function)
    return f"{__file__}:{start + next(k for k, line in enumerate(lines) if text in line)}"


def defined(rule: Any) -> str:
    """File and line of the function that has a rule, as Python counts: from its first decorator."""
    return f"{__file__}:{inspect.unwrap(rule).__code__.co_firstlineno}"


def wrong(report: GradientReport) -> list[RuleCheck]:
    return [rule for rule in report.rules if rule.wrong]


@jax.custom_vjp
def cubed(x: Any) -> Any:
    return x**3


cubed.defvjp(lambda x: (x**3, x), lambda x, g: (2 * x**2 * g,))


@jax.custom_vjp
def squared(x: Any) -> Any:
    return x**2


squared.defvjp(lambda x: (x**2, x), lambda x, g: (2 * x * g,))


@jax.custom_jvp
def rounded(x: Any) -> Any:
    return jnp.round(x)


rounded.defjvps(lambda tangent, answer, x: tangent)


def test_a_wrong_rule_used_twice_is_named_with_both_lines() -> None:
    def loss(x: Any) -> Any:
        first = cubed(x).sum()
        other = squared(x).sum()
        return first + other + cubed(2 * x).sum()

    report = gradcheck(loss, X)
    assert report.verdict("x") == "wrong"
    calls = [line_of(loss, "first ="), line_of(loss, "return")]
    assert sorted(rule.line or "" for rule in wrong(report)) == sorted(calls)
    for rule in wrong(report):
        assert (rule.name, rule.kind, rule.defined) == ("cubed", "custom_vjp", defined(cubed))
        # 2 x² in place of 3 x²
        assert rule.error == pytest.approx(1 / 3, rel=1e-6)
    # the right one was looked at, and is not accused
    (right,) = [rule for rule in report.rules if not rule.wrong]
    assert (right.name, right.line) == ("squared", line_of(loss, "other ="))
    assert right.error is not None and right.error < 1e-12
    words = report.tensors[0].words
    assert all(f"custom_vjp cubed at {call}" in words for call in calls) and "squared" not in words
    assert f"cause: custom_vjp cubed at {calls[0]} (defined at {defined(cubed)}), error 3.3e-01" in repr(report)


def test_right_rules_are_no_cause_of_anything() -> None:
    report = gradcheck(lambda x: squared(x).sum(), X)
    assert report.ok and not wrong(report)


@pytest.mark.parametrize("inside", ["scan", "jit", "cond", "remat", "vmap"])
def test_a_wrong_rule_is_found_inside(inside: str) -> None:
    loss = {
        "scan": lambda x: jax.lax.scan(lambda carry, each: (carry + cubed(each), None), jnp.float32(0), x)[0],
        "jit": lambda x: jax.jit(cubed)(x).sum(),
        "cond": lambda x: jax.lax.cond(x[0] < 0, cubed, jnp.sin, x).sum(),
        "remat": lambda x: jax.checkpoint(lambda y: cubed(y).sum())(x),
        "vmap": lambda x: jax.vmap(cubed)(x).sum(),
    }[inside]
    report = gradcheck(loss, X, tier="quick")
    assert report.verdict("x") == "wrong"
    assert [rule.name for rule in wrong(report)] == ["cubed"]
    assert wrong(report)[0].error == pytest.approx(1 / 3, rel=1e-6)


def test_jaxs_own_rules_are_right() -> None:
    report = gradcheck(lambda x: (cubed(jax.nn.relu(x) + jax.nn.silu(x)) + jax.nn.softplus(x)).sum(), X, tier="quick")
    assert {rule.name for rule in wrong(report)} == {"cubed"}
    assert {"relu", "logaddexp"} <= {rule.name for rule in report.rules}


def test_a_stop_gradient_is_named_with_its_line() -> None:
    def loss(x: Any, y: Any) -> Any:
        target = jax.lax.stop_gradient(x * y)
        return ((x - target) ** 2).sum() + (y**2).sum()

    report = gradcheck(loss, X, X + 3)
    assert [report.verdict("x"), report.verdict("y")] == ["stopped", "stopped"]
    (stop,) = report.rules
    assert (stop.kind, stop.line) == ("stop_gradient", line_of(loss, "target ="))
    assert report.tensors[0].words == f"stop_gradient at {line_of(loss, 'target =')}"


def test_a_stop_gradient_is_named_beside_one_before_a_callback() -> None:
    """A callback has no derivative, so that its own stop_gradient cannot be opened."""

    def loss(x: Any, y: Any) -> Any:
        target = jax.lax.stop_gradient(x * y)
        seen = jax.pure_callback(lambda z: z, jax.ShapeDtypeStruct((), x.dtype), jax.lax.stop_gradient(y[0]))
        return ((x - target) ** 2).sum() + 0.0 * seen

    report = gradcheck(loss, X, X + 3)
    (stop,) = wrong(report)
    assert (stop.kind, stop.line) == ("stop_gradient", line_of(loss, "target ="))
    assert report.tensors[0].verdict == "stopped"


def test_a_stop_gradient_without_effect_is_not_named() -> None:
    """That of a softmax's maximum, and one on a label: only the third one takes something out."""

    def loss(x: Any) -> Any:
        label = jax.lax.stop_gradient(jnp.argmax(x))
        teacher = jax.lax.stop_gradient(jnp.sin(x))
        return (teacher * jax.nn.softmax(x)).sum() - x[label]

    report = gradcheck(loss, X)
    assert report.verdict("x") == "stopped"
    assert [rule.line for rule in report.rules] == [line_of(loss, "teacher =")]


def test_stops_behind_one_another_are_both_named() -> None:
    """A target network whose parameters and output are both stopped: opening one of the two alone changes nothing."""

    def loss(w: Any, x: Any) -> Any:
        teacher = jax.lax.stop_gradient(w)
        target = jax.lax.stop_gradient(jnp.tanh(teacher * x[1]))
        return ((jnp.tanh(w * x[0]) - target) ** 2).sum()

    report = gradcheck(loss, X, np.stack([X, X + 1]), argnums=0)
    assert report.verdict("w") == "stopped"
    assert [rule.line for rule in report.rules] == [line_of(loss, "teacher ="), line_of(loss, "target =")]


def test_the_stops_of_one_line_are_one_cause() -> None:
    def loss(w: Any) -> Any:
        return sum(k * (jax.lax.stop_gradient(w) * w).sum() for k in range(40))

    report = gradcheck(loss, X)
    assert report.verdict("w") == "stopped"
    (stop,) = report.rules
    # as much again as is left
    assert stop.error == pytest.approx(1.0)


def test_a_stop_that_keeps_out_what_is_not_finite_accuses_none() -> None:
    """Opened, it makes all gradients NaN: nothing can be compared."""

    def loss(x: Any) -> Any:
        guarded = jax.lax.stop_gradient(jnp.sqrt(jnp.maximum(x - 100, 0)))
        teacher = jax.lax.stop_gradient(jnp.sin(x))
        return (teacher * jax.nn.softmax(x)).sum() + (guarded * x).sum()

    report = gradcheck(loss, X)
    assert report.verdict("x") == "unsure" and not report.rules


def test_only_what_a_stop_touches_is_stopped() -> None:
    report = gradcheck(lambda x, y: (jax.lax.stop_gradient(x) * x * jnp.sin(y)).sum(), X, X + 3)
    assert [report.verdict("x"), report.verdict("y")] == ["stopped", "ok"]


def test_a_wrong_rule_is_not_excused_by_a_stop() -> None:
    report = gradcheck(lambda x: cubed(x).sum() + (jax.lax.stop_gradient(x) * x).sum(), X)
    assert report.verdict("x") == "wrong"
    assert "cubed" in report.tensors[0].words


def fixed_point(rule: Any) -> Any:
    """The solution of s = cos(a s) by iteration: JAX has no reverse mode for its while loop."""

    @jax.custom_vjp
    def solve(a: Any) -> Any:
        def go_on(state: Any) -> Any:
            return (jnp.abs(state[0] - state[1]) > 1e-7).any()

        return jax.lax.while_loop(go_on, lambda state: (jnp.cos(a * state[0]), state[0]), (a * 0, a * 0 + 1))[0]

    def forward(a: Any) -> Any:
        solution = solve(a)
        return solution, (a, solution)

    solve.defvjp(forward, rule)
    return solve


def implicit(residuals: Any, g: Any) -> Any:
    a, s = residuals
    return (-g * s * jnp.sin(a * s) / (1 + a * jnp.sin(a * s)),)


def not_implicit(residuals: Any, g: Any) -> Any:
    a, s = residuals
    return (-g * s * jnp.sin(a * s),)


def test_a_rule_round_a_while_loop() -> None:
    a = np.array([0.3, 0.6, 0.9], np.float32)
    right = gradcheck(lambda a: (fixed_point(implicit)(a) ** 2).sum(), a)
    assert right.ok, right
    # neither reverse nor forward mode of the loop's own: differences alone decide
    report = gradcheck(lambda a: (fixed_point(not_implicit)(a) ** 2).sum(), a)
    assert report.verdict("a") == "wrong"
    assert [rule.name for rule in wrong(report)] == ["solve"]


def test_a_wrong_rule_of_several_arguments() -> None:
    """Of three arguments, one an integer; the rule is wrong in the second one only."""

    @jax.custom_vjp
    def scaled(x: Any, y: Any, n: Any) -> Any:
        return x * y**2 + n

    scaled.defvjp(lambda x, y, n: (x * y**2 + n, (x, y)), lambda kept, g: (g * kept[1] ** 2, g * kept[1], None))
    report = gradcheck(lambda x, y: scaled(x, y, jnp.arange(6)).sum(), X + 3, X + 3)
    assert [report.verdict("x"), report.verdict("y")] == ["ok", "wrong"]
    assert [rule.name for rule in wrong(report)] == ["scaled"]


def test_the_cause_outside_of_any_rule_stays_unnamed() -> None:
    report = gradcheck(lambda x: squared(x).sum(), X, grad=lambda x: 3 * x)
    assert report.verdict("x") == "wrong"
    assert not wrong(report) and report.tensors[0].words == ""


def quantized(x: Any, scale: Any) -> Any:
    return jnp.round(x / scale) * scale


learned_step = jax.custom_vjp(quantized)
# straight through for x; for the scale, the slope of the function
learned_step.defvjp(
    lambda x, scale: (quantized(x, scale), (x, scale)),
    lambda kept, g: (g, (g * jnp.round(kept[0] / kept[1])).sum()),
)
halved_step = jax.custom_vjp(quantized)
halved_step.defvjp(
    lambda x, scale: (quantized(x, scale), (x, scale)),
    lambda kept, g: (g, 0.5 * (g * jnp.round(kept[0] / kept[1])).sum()),
)


def test_a_straight_through_estimator_is_a_surrogate() -> None:
    report = gradcheck(lambda x, w: (rounded(jnp.tanh(x) * 7) * w).sum(), X, X[::-1])
    assert [each.verdict for each in report.tensors] == ["surrogate", "ok"]
    (rule,) = wrong(report)
    assert (rule.name, rule.kind, rule.defined, rule.error) == ("rounded", "custom_jvp", defined(rounded), 1.0)
    assert rule.surrogate and "custom_jvp rounded" in report.tensors[0].words
    assert not report.ok and report.suspects == report.tensors[:1]
    assert "1 surrogate" in report.headline


def test_only_the_inputs_along_which_it_is_flat_are_free() -> None:
    def loss(rule: Any) -> Any:
        return lambda x, scale, w: (rule(jnp.tanh(x), scale) * w).sum()

    right = gradcheck(loss(learned_step), X, 0.25, X[::-1])
    assert [each.verdict for each in right.tensors] == ["surrogate", "ok", "ok"]
    wrong = gradcheck(loss(halved_step), X, 0.25, X[::-1])
    assert [each.verdict for each in wrong.tensors] == ["wrong", "wrong", "ok"]
    assert not wrong.rules[0].surrogate


def by_rule(function: Any, gradient: Any) -> Any:
    """A loss of a function of x with a rule of its own: (x, cotangent) -> cotangent."""
    ruled = jax.custom_vjp(function)
    ruled.defvjp(lambda x: (function(x), x), lambda x, g: (gradient(x, g),))
    return lambda x, w: (ruled(x) * w).sum()


def by_largest(x: Any) -> Any:
    step = jnp.abs(x).max() / 3.5
    return jnp.round(x / step) * step


MEANT = {
    "rounded": (lambda x: jnp.round(x), lambda x, g: g * (jnp.abs(x) < 1)),
    "steps of the largest": (by_largest, lambda x, g: g),
    "signs times a mean": (lambda x: jnp.abs(x).mean() * jnp.sign(x), lambda x, g: g * (jnp.abs(x) < 1)),
    "reversed": (lambda x: x, lambda x, g: -0.5 * g),
    "clipped in the backward pass": (lambda x: x, lambda x, g: jnp.clip(g, -0.1, 0.1)),
}
UPSIDE_DOWN = {
    "rounded": (lambda x: jnp.round(x), lambda x, g: -g),
    "steps of the largest": (by_largest, lambda x, g: -g),
}


@pytest.mark.parametrize("name", MEANT)
def test_what_rules_are_written_for_on_purpose_is_not_called_wrong(name: str) -> None:
    report = gradcheck(by_rule(*MEANT[name]), 0.9 * X + 0.1, X[::-1] + 0.4)
    assert [each.verdict for each in report.tensors] == ["surrogate", "ok"]
    assert "right if that is meant" in repr(report)


@pytest.mark.parametrize("name", UPSIDE_DOWN)
def test_a_surrogate_that_points_the_other_way_is_wrong(name: str) -> None:
    report = gradcheck(by_rule(*UPSIDE_DOWN[name]), 0.9 * X + 0.1, X[::-1] + 0.4)
    assert [each.verdict for each in report.tensors] == ["wrong", "ok"]


def test_a_surrogate_in_a_branch_that_is_not_taken_each_time() -> None:
    def loss(x: Any) -> Any:
        def step(carry: Any, each: Any) -> Any:
            return carry + jax.lax.cond(each > 0.5, lambda z: rounded(7 * z), jnp.sin, each), None

        return jax.lax.scan(step, jnp.float32(0), x)[0]

    report = gradcheck(loss, X + 0.03)
    assert report.verdict("x") == "surrogate" and all(rule.surrogate for rule in wrong(report))


def test_learned_steps_by_the_rule_of_their_authors() -> None:
    """Esser et al., Learned Step Size Quantization (2020), equation 3: the derivative if rounding had the slope 1."""

    def gradient(kept: Any, g: Any) -> Any:
        x, scale = kept
        return g, (g * (jnp.round(x / scale) - x / scale)).sum()

    ruled = jax.custom_vjp(quantized)
    ruled.defvjp(lambda x, scale: (quantized(x, scale), (x, scale)), gradient)
    report = gradcheck(lambda x, scale, w: (ruled(x, scale) * w).sum(), X, 0.25, X[::-1])
    assert [each.verdict for each in report.tensors] == ["surrogate", "surrogate", "ok"]


def test_a_surrogate_excuses_nothing_else() -> None:
    """A wrong rule before it: not what the surrogate makes of the right one."""
    report = gradcheck(lambda x, w: (rounded(cubed(x) + 0.2) * w).sum(), X, X[::-1])
    assert [each.verdict for each in report.tensors] == ["wrong", "ok"]
    assert "cubed" in report.tensors[0].words and "rounded" not in report.tensors[0].words
    # and the same surrogate beside a wrong rule: each tensor by itself
    both = gradcheck(lambda x, y: rounded(5 * x).sum() + cubed(y).sum(), X, X[::-1])
    assert [each.verdict for each in both.tensors] == ["surrogate", "wrong"]
