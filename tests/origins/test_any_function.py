"""Of any function: optimizers' updates, loops, what only the compiler makes, errors in words."""

from __future__ import annotations

import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.origins._compiled import first_in_compiled
from nnwidgets.origins._record import record
from nnwidgets.records import NanReport

from ._marks import line_of


def update(tx: Any) -> Any:
    def step(params: Any, opt_state: Any, grads: Any) -> Any:
        return tx.update(grads, opt_state, params)  # update

    return step


def test_adam_in_float16_divides_by_an_eps_that_is_zero() -> None:
    tx, params = optax.adam(1e-3), {"w": jnp.ones(3, jnp.float16)}
    fn = update(tx)
    report = nnw.nan_origin(fn, params, tx.init(params), jax.tree.map(jnp.zeros_like, params))
    assert report.forward is not None and report.loss is None and report.backward is None
    assert (report.forward.what, report.forward.line) == ("div", line_of(update, "# update"))
    assert "float16" in report.forward.remedy and report.results == ("result/0/w",)


def test_clipping_to_nothing_divides_zero_by_zero() -> None:
    tx, params = optax.clip_by_global_norm(0.0), {"w": jnp.zeros(3)}
    report = nnw.nan_origin(update(tx), params, tx.init(params), params)
    assert report.forward is not None and report.forward.what == "div"


def test_a_gradient_that_is_not_finite_is_named_before_what_it_spoils() -> None:
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-3))
    params = {"a": jnp.ones(3), "b": jnp.ones(2)}
    grads = {"a": jnp.array([1.0, jnp.nan, 1.0]), "b": jnp.ones(2)}
    report = nnw.nan_origin(update(tx), params, tx.init(params), grads)
    assert report.forward is not None
    assert (report.forward.kind, report.forward.what, report.forward.rows) == ("input", "grads/a", None)
    assert {"result/0/a", "result/0/b"} <= set(report.results)


def test_an_optimizer_state_that_is_spoilt_is_named() -> None:
    tx, params = optax.adam(1e-3), {"w": jnp.ones(3)}
    state = jax.tree.map(lambda leaf: leaf * jnp.nan if leaf.dtype == jnp.float32 else leaf, tx.init(params))
    report = nnw.nan_origin(update(tx), params, state, params)
    assert report.forward is not None and report.forward.what.startswith("opt_state/0/")


def test_the_iteration_of_a_loop_is_named() -> None:
    def loss(w: Any, xs: Any) -> Any:
        def step(total: Any, x: Any) -> Any:
            return total + w / x, None  # step

        return jax.lax.scan(step, 0.0, xs)[0]

    report = nnw.nan_origin(loss, 1.0, jnp.array([3.0, 1.0, 0.0, 2.0, 0.0]))
    assert report.forward is not None and report.backward is not None
    assert (report.forward.iteration, report.forward.line) == ((2,), line_of(loss, "# step"))
    assert report.forward.rows == (2,)
    # in the backward pass the last iteration comes first
    assert report.backward.line == line_of(loss, "# step")
    nested = jax.vmap(lambda w: loss(w, jnp.array([1.0, 0.0])))
    report = nnw.nan_origin(lambda w: nested(w).sum(), jnp.ones(2))
    assert report.forward is not None and report.forward.iteration == (1,)


def test_a_loop_in_a_loop() -> None:
    def loss(w: Any) -> Any:
        def inner(total: Any, k: Any) -> Any:
            return total + jnp.log(w - k), None  # inner

        def outer(total: Any, k: Any) -> Any:
            return jax.lax.scan(inner, total, k + jnp.arange(3.0))[0], None

        return jax.lax.scan(outer, 0.0, jnp.arange(2.0))[0]

    report = nnw.nan_origin(loss, 3.0)
    assert report.forward is not None
    # w - k is 0 for the first time in outer iteration 1 (k from 1), inner iteration 2 (3)
    assert (report.forward.iteration, report.forward.line) == ((1, 2), line_of(loss, "# inner"))


def test_a_while_loop_whose_examples_end_at_their_own_times_stands_as_one_operation() -> None:
    """As vmap makes it: unrolled, the examples that have ended would go on, and be blamed."""

    def loss(x: Any) -> Any:
        def steps(each: Any, count: Any) -> Any:
            carry = (0, jax.lax.stop_gradient(each))
            return jax.lax.while_loop(lambda c: c[0] < count, lambda c: (c[0] + 1, jnp.log(c[1])), carry)[1] * each

        return jax.vmap(steps)(x, jnp.array([0, 0, 4])).sum()

    report = nnw.nan_origin(loss, jnp.full(3, 3.0))
    assert report.forward is not None and report.forward.what == "while"
    assert (
        "a loop whose examples end at their own times was not looked into; it stands as one operation" in report.notes
    )


def test_a_while_loop_is_looked_into() -> None:
    def value(x: Any) -> Any:
        def body(carry: Any) -> Any:
            k, y = carry
            return k + 1, y / (y - 3)  # body

        return jax.lax.while_loop(lambda carry: carry[0] < 5, body, (0, x))[1]

    report = nnw.nan_origin(value, 4.5, argnums=None)
    assert report.forward is not None
    # 4.5 / 1.5 = 3, and then 3 / 0
    assert (report.forward.what, report.forward.iteration, report.forward.line) == (
        "div",
        (1,),
        line_of(value, "# body"),
    )
    assert report.forward.operands[0].values == (3.0,)


def test_what_only_the_compiler_makes_is_said_to_be_so() -> None:
    def loss(x: Any) -> Any:
        small = x * 1e-30
        smaller = small * 1e-30
        return jnp.log(smaller).sum()

    x = np.array([1e30], np.float32)
    if np.isfinite(jax.jit(loss)(x)):
        pytest.skip("this XLA does not join the two factors")
    report = nnw.nan_origin(loss, x)
    assert report.loss == -np.inf and not report.finite and report.forward is not None
    assert report.forward.kind == "compiled"
    assert report.forward.line in (line_of(loss, "smaller ="), line_of(loss, "return"))
    assert report.notes and "the compiler" in report.notes[0]
    assert "only as compiled" in report.headline


def test_the_first_operation_that_differs_in_a_compiled_program() -> None:
    """Without a compiler that makes one: the tape is of one point, the compiled program runs at another."""

    def loss(x: Any) -> Any:
        y = x
        for k in range(9):
            y = jnp.sin(y) + (jnp.log(y) if k == 5 else y)
        return y.sum()

    closed = jax.make_jaxpr(loss)(jnp.ones(2))
    tape = record(closed, [jnp.ones(2)], ["x"])
    step = first_in_compiled(closed, [jnp.zeros(2)], tape, 0)
    assert step is not None and step.kind == "log"
    assert first_in_compiled(closed, [jnp.ones(2)], tape, 0) is None


def test_operations_are_those_that_are_written() -> None:
    """XLA makes x of log(exp(x)); operation by operation it overflows."""
    report = nnw.nan_origin(lambda x: jnp.log(jnp.exp(x)).sum(), jnp.array([100.0]))
    assert report.forward is not None and report.forward.what == "exp"


def test_a_forward_value_that_no_one_chose_spoils_the_gradient() -> None:
    def loss(x: Any) -> Any:
        root = jnp.sqrt(x)  # root
        return jnp.where(x > 0, root, x).sum()

    report = nnw.nan_origin(loss, jnp.array([4.0, -1.0]))
    assert report.loss == 1.0 and report.forward is None and report.backward is not None
    assert report.backward.line == line_of(loss, "# root") and report.backward.derivative_of == "sqrt"
    assert report.backward.fed is not None and (report.backward.fed.what, report.backward.fed.result) == ("sqrt", "nan")
    assert "double where" in report.backward.remedy or "jnp.maximum" in report.backward.remedy


def test_a_rule_of_the_users_is_named() -> None:
    @jax.custom_vjp
    def halved(x: Any) -> Any:
        return x / 2

    halved.defvjp(lambda x: (x / 2, x), lambda x, g: (g / (x - x),))

    def loss(x: Any) -> Any:
        return halved(x).sum()  # call

    report = nnw.nan_origin(loss, jnp.ones(2))
    assert report.backward is not None and report.backward.line == line_of(loss, "# call")
    assert report.backward.derivative_of.startswith("custom_vjp ") and "halved" in report.backward.derivative_of


def test_bfloat16_and_complex_numbers() -> None:
    report = nnw.nan_origin(lambda x: jnp.log(x).sum(), jnp.zeros(3, jnp.bfloat16))
    assert report.forward is not None and report.forward.operands[0].dtype == "bfloat16"
    report = nnw.nan_origin(lambda x: jnp.abs(1 / (x * (1 + 1j))).sum(), jnp.zeros(2))
    assert report.forward is not None and report.forward.what == "div"


def test_several_arguments_and_pytrees() -> None:
    report = nnw.nan_origin(
        lambda params, x, scale: jnp.log(params["w"] * x * scale["s"]).sum(),
        {"w": jnp.ones(2)},
        jnp.ones(2),
        {"s": jnp.zeros(2)},
        argnums=(0, 2),
    )
    assert report.results == ("params/w", "scale/s")


@pytest.mark.parametrize(
    ("args", "keywords", "words"),
    [
        (("no function", 1.0), {}, r"fn must be a function, got a str"),
        ((lambda x: x, np.arange(3)), {}, None),
        ((lambda x: x.sum(), np.arange(3)), {"argnums": None}, r"fn must return a floating array"),
        (
            (lambda x: 1.0 * x.sum(), np.arange(3)),
            {},
            r"nothing to differentiate: x holds no floating arrays; say argnums=",
        ),
        (
            (lambda x: x.sum(), np.ones(3)),
            {"argnums": 1},
            r"argnums must be positions from 0 to 0, got 1: there are \['x'\]",
        ),
        (
            (lambda x, name: x.sum(), np.ones(3), "w"),
            {},
            r"fn must take arrays, got name \(str\): bind everything else",
        ),
    ],
)
def test_errors_say_what_to_type(args: Any, keywords: Any, words: str | None) -> None:
    with pytest.raises(ValueError, match=words or "must return a floating array"):
        nnw.nan_origin(*args, **keywords)


def test_a_loop_without_a_gradient_says_how_to_look_at_its_value() -> None:
    def value(x: Any) -> Any:
        return jax.lax.while_loop(lambda y: y < 3, lambda y: y + 1, x)

    with pytest.raises(ValueError) as error:
        nnw.nan_origin(value, 1.0)
    assert any("argnums=None" in note for note in error.value.__notes__)


def test_the_text_says_it_all() -> None:
    def loss(w: Any, x: Any) -> Any:
        distance = jnp.sqrt(jnp.sum((x - w) ** 2, axis=-1))  # distance
        return jnp.mean(distance)

    report = nnw.nan_origin(loss, jnp.ones(3), jnp.array([[0.0, 2.0, 1.0], [1.0, 1.0, 1.0]]))
    text = repr(report)
    assert text.startswith("the loss is finite, 1 gradient is not: div in the derivative of sqrt at ")
    for words in (
        line_of(loss, "# distance"),
        "| distance = jnp.sqrt(jnp.sum((x - w) ** 2, axis=-1))",
        "result: inf in 1 of 2 elements, first at [1]",
        "operand 1: float32[2]: [1] = 0",
        "examples of the batch: row 1",
        "became NaN: mul at ",
        "remedy: the square root has an infinite slope at 0",
        "gradients that are not finite: w",
    ):
        assert words in text, text
    assert NanReport.from_dict(json.loads(json.dumps(report.to_dict(), allow_nan=False))) == report


def test_it_looks_on_where_jax_was_told_to_raise() -> None:
    with jax.debug_nans(True), jax.debug_infs(True):
        report = nnw.nan_origin(lambda x: jnp.log(x).sum(), jnp.zeros(3))
    assert report.forward is not None and report.forward.what == "log"


def test_a_loop_too_long_to_unroll_stands_as_one_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnwidgets.origins._record._MOST", 50)

    def loss(x: Any) -> Any:
        return jax.lax.scan(lambda y, _: (jnp.log(y), None), x, None, length=100)[0]  # loop

    report = nnw.nan_origin(loss, 3.0)
    assert report.forward is not None and (report.forward.what, report.forward.line) == (
        "scan",
        line_of(loss, "# loop"),
    )
    assert report.notes == ("a loop was too long to be looked into; it stands as one operation",)
