"""`gradcheck` of any function: what may go in, what comes out, and what its errors say."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnwidgets.gradchecks import gradcheck

X = np.linspace(-1.0, 2.0, 4, dtype=np.float32)
Y = np.linspace(3.0, 5.0, 4, dtype=np.float32)


def product(x: Any, y: Any) -> Any:
    return (jnp.sin(x) * y).sum()


def test_derivatives_are_those_of_numpy() -> None:
    report = gradcheck(product, X, Y)
    assert [each.path for each in report.tensors] == ["x", "y"]
    wanted = {"x": np.cos(np.float64(X)) * Y, "y": np.sin(np.float64(X))}
    for each in report.tensors:
        assert each.verdict == "ok" and each.error is not None and each.error < 1e-7
        sampled = {int(index): k for k, index in enumerate(each.sampled) if index != "direction"}
        assert sorted(sampled) == [0, 1, 2, 3] and each.sampled.count("direction") == 2
        exact = [each.analytic[sampled[i]] for i in range(4)]
        np.testing.assert_allclose(exact, wanted[each.path], rtol=1e-12)
        np.testing.assert_allclose(each.numeric, each.analytic, rtol=1e-6)
    assert report.loss == {"loss": pytest.approx(float((np.sin(np.float64(X)) * Y).sum()), rel=1e-12)}


def test_quick_evaluates_the_loss_twice_a_tensor_and_full_as_often_as_it_samples() -> None:
    assert gradcheck(product, X, Y, tier="quick").evaluations == 4
    # two directions and three coordinates, both sides, two tensors
    assert gradcheck(product, X, Y, coordinates=3).evaluations == 20
    assert gradcheck(product, X, Y, tier="whole").evaluations == 4


Z = (X + 1j * Y).astype(np.complex64)


@jax.custom_vjp
def turned(z: Any) -> Any:
    """z times i; its rule leaves out the i."""
    return 1j * z


turned.defvjp(lambda z: (1j * z, None), lambda _, g: (g,))


def test_complex_arguments_and_results() -> None:
    report = gradcheck(lambda z, x: jnp.fft.fft(z * x**2), Z, X)
    assert [each.verdict for each in report.tensors] == ["ok", "ok"]
    wrong = gradcheck(lambda z: jnp.sum(jnp.abs(turned(z) + 1) ** 2), Z)
    assert wrong.verdict("z") == "wrong" and wrong.rules[0].name == "turned" and wrong.rules[0].wrong


def test_a_complex_gradient_by_hand_is_as_jax_gives_it() -> None:
    """The conjugate of the direction in which it rises most."""

    def loss(z: Any) -> Any:
        return jnp.sum(jnp.abs(z) ** 2)

    assert gradcheck(loss, Z, grad=lambda z: 2 * jnp.conj(z)).ok
    turned_round = gradcheck(loss, Z, grad=lambda z: 2 * z)
    assert turned_round.verdict("z") == "wrong"
    assert turned_round.notes == ("it is the conjugate of what jax.grad gives, dL/dx - i dL/dy",)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"coordinates": -1}, "coordinates must be a whole number of at least 0, got -1"),
        ({"coordinates": 2.5}, "coordinates must be a whole number of at least 0, got 2.5"),
        ({"seed": "x"}, "seed must be a whole number of at least 0, got 'x'"),
    ],
)
def test_numbers_that_are_none(options: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        gradcheck(product, X, Y, **options)


def test_a_gradient_by_hand_that_jax_cannot_trace() -> None:
    with pytest.raises(TypeError, match=r"grad must be written with jax\.numpy"):
        gradcheck(product, X, Y, argnums=0, grad=lambda x, y: np.cos(np.asarray(x)) * y)
    with pytest.raises(TypeError, match="grad must be a function of the same arguments as fn, got int"):
        gradcheck(product, X, Y, argnums=0, grad=3)  # pyright: ignore[reportArgumentType]


def looped(x: Any, y: Any) -> Any:
    """x² y by a loop that has no reverse mode."""
    carry = (0, jnp.zeros(()))
    return jax.lax.while_loop(lambda c: c[0] < 1, lambda c: (c[0] + 1, (x**2 * y).sum()), carry)[1]


@pytest.mark.parametrize(
    "function", [looped, lambda x, y: ((x**2 * y).sum(), jnp.int32(1))], ids=["no reverse mode", "two results"]
)
def test_a_gradient_by_hand_is_judged_where_the_other_argument_has_none(function: Any) -> None:
    assert gradcheck(function, X, Y, argnums=0, grad=lambda x, y: 2 * x * y).ok
    assert gradcheck(function, X, Y, argnums=0, grad=lambda x, y: 3 * x * y).verdict("x") == "wrong"


def test_pytrees_scalars_and_empty_arrays() -> None:
    def loss(tree: Any, scale: Any) -> Any:
        return scale * (tree["layers"][0] ** 2).sum() + tree["bias"] * scale**2 + tree["none"].sum()

    tree = {"layers": [X], "bias": np.float32(2), "none": np.zeros((0, 3), np.float32)}
    report = gradcheck(loss, tree, 3.0)
    found = {each.path: (each.verdict, each.words) for each in report.tensors}
    assert found == {
        "tree/bias": ("ok", ""),
        "tree/layers/0": ("ok", ""),
        "tree/none": ("skipped", "it is empty"),
        "scale": ("ok", ""),
    }


@pytest.mark.parametrize("seed", range(4))
def test_a_wrong_derivative_of_a_scalar_is_found(seed: int) -> None:
    """For any seed, by one direction: a scalar has no other. No exact gradient helps behind a while loop."""

    @jax.custom_vjp
    def root(a: Any) -> Any:
        return jax.lax.while_loop(lambda s: jnp.abs(s * s - a) > 1e-6, lambda s: (s + a / s) / 2, a)

    root.defvjp(lambda a: (root(a), a), lambda a, g: (g / jnp.sqrt(a),))
    assert gradcheck(root, 2.0, tier="quick", seed=seed).verdict("a") == "wrong"


def test_several_outputs_are_contracted_with_random_numbers() -> None:
    @jax.custom_vjp
    def pair(x: Any) -> Any:
        return x**2, {"sum": x.sum(), "count": jnp.int32(3)}

    # right for the first output, forgets the second
    pair.defvjp(lambda x: (pair(x), x), lambda x, g: (2 * x * g[0],))
    assert gradcheck(pair, X, tier="quick").verdict("x") == "wrong"
    assert gradcheck(lambda x: pair(x)[0], X, tier="quick").verdict("x") == "ok"


def test_integer_arguments_are_named() -> None:
    report = gradcheck(lambda x, i: x[i], X, 2, argnums=(0, 1))
    assert report.verdict("x") == "ok" and len(report.tensors) == 1
    assert report.notes == ("no derivative with respect to i (int32)",)
    inside = gradcheck(lambda x: x["w"].sum() * x["step"], {"w": X, "step": 3}, tier="quick")
    assert inside.notes == ("no derivative with respect to step (int32)",)
    with pytest.raises(ValueError, match=r"nothing to differentiate: wanted floating arguments, got i \(int32\)\.$"):
        gradcheck(lambda i: i + 1, 3)


def test_labels_of_numpys_default_integer() -> None:
    labels = np.array([0, 2])
    report = gradcheck(lambda x, labels: jax.nn.logsumexp(x) - x[labels].sum(), X, labels, tier="quick")
    assert report.ok and [each.path for each in report.tensors] == ["x"]


def test_a_gradient_by_hand() -> None:
    right = gradcheck(product, X, Y, grad=lambda x, y: jnp.cos(x) * y, argnums=0, tier="quick")
    assert right.verdict("x") == "ok"
    wrong = gradcheck(product, X, Y, grad=lambda x, y: -jnp.cos(x) * y, argnums=0, tier="quick")
    assert wrong.verdict("x") == "wrong" and wrong.tensors[0].error == pytest.approx(2.0)
    both = gradcheck(product, X, Y, grad=lambda x, y: (jnp.cos(x) * y, 1.01 * jnp.sin(x)), tier="quick")
    assert [both.verdict("x"), both.verdict("y")] == ["ok", "wrong"]
    assert both.tensors[1].error == pytest.approx(0.01 / 1.01, rel=1e-5)


def test_a_gradient_by_hand_in_numpy() -> None:
    """What people check first: their own backward pass, written in NumPy."""

    def loss(x: Any) -> Any:
        return (jnp.sin(x) * Y).sum()

    def by_hand(x: Any) -> Any:
        return jax.pure_callback(lambda x: (np.cos(x) * Y).astype(x.dtype), jax.ShapeDtypeStruct((4,), X.dtype), x)

    assert gradcheck(loss, X, grad=by_hand).verdict("x") == "ok"
    assert gradcheck(loss, X, grad=lambda x: 1.1 * by_hand(x)).verdict("x") == "wrong"


def test_the_gradient_of_another_argument_is_said_in_words() -> None:
    report = gradcheck(product, X, Y, grad=lambda x, y: jnp.sin(x), argnums=0, tier="quick")
    assert report.verdict("x") == "wrong"
    assert report.notes == ("it is the gradient with respect to 'y', not to 'x': type argnums=1",)
    # neither the one nor the other
    assert not gradcheck(product, X, Y, grad=lambda x, y: x, argnums=0, tier="quick").notes


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"grad": lambda x, y: jnp.ones(3), "argnums": 0},
            r"grad must return the gradient with respect to 'x', wanted \['\[4\]'\], got \['\[3\]'\]; return one array",
        ),
        (
            {"grad": lambda x, y: jnp.ones((2, 2)), "argnums": 0},
            r"wanted \['\[4\]'\], got \['\[2, 2\]'\]; it has the shape of 'y': type argnums=1\.$",
        ),
        ({"grad": lambda x, y: x}, r"with respect to 'x', 'y', wanted \['\[4\]', '\[2, 2\]'\], got \['\[4\]'\]"),
        ({"argnums": 2}, r"argnums must be positions from 0 to 1, got 2: there are \['x', 'y'\]\.$"),
        ({"argnums": (0, "y")}, r"argnums must be positions from 0 to 1, got \(0, 'y'\)"),
        ({"tier": "fast"}, r"tier must be one of whole, quick, full; got 'fast'\.$"),
    ],
)
def test_errors_say_what_to_type(options: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        gradcheck(lambda x, y: x.sum() * y.sum(), X, np.ones((2, 2), np.float32), **options)


def test_a_function_without_a_floating_result() -> None:
    with pytest.raises(
        ValueError, match=r"fn must return a floating array, got ShapeDtypeStruct\(shape=\(\), dtype=int32"
    ):
        gradcheck(lambda x: (x > 0).sum(), X)
    with pytest.raises(
        ValueError, match=r"grad= needs a function that returns one scalar; leave it out to check reverse mode"
    ):
        gradcheck(lambda x: x**2, X, grad=lambda x: 2 * x)


def test_what_cannot_be_differentiated_says_what_to_type() -> None:
    with pytest.raises(
        TypeError, match=r"fn must be a function of arrays, got int: type nnw\.gradcheck\(fn, \*args\), and"
    ):
        gradcheck(3, X)  # pyright: ignore[reportArgumentType]

    def doubled(x: jax.Array) -> jax.Array:
        return jax.lax.while_loop(lambda y: y.sum() < 100, lambda y: 2 * y, x).sum()

    with pytest.raises(
        ValueError, match=r"^fn has no gradient in reverse mode; one .* is checked as grad=\. JAX says: Rev"
    ):
        gradcheck(doubled, np.ones(4, np.float32))
    assert gradcheck(doubled, np.ones(4, np.float32), grad=lambda x: 32 * jnp.ones(4)).verdict("x") == "ok"
    with pytest.raises(ValueError, match=r"^fn's own"):
        gradcheck(lambda x: jax.lax.cond(x.sum() > 0, lambda: own(), lambda: 0.0), X)


def own() -> float:
    raise ValueError("fn's own")


def test_the_text_holds_what_is_known() -> None:
    """Where rounding hides the differences, what forward mode says; nothing where nothing was compared."""
    report = gradcheck(lambda x, unused: 1e8 + 1e-6 * x[0] + 0 * x.sum(), np.ones(4, np.float64), Y)
    assert [each.verdict for each in report.tensors] == ["ok", "unreached"]
    first, other = (line.split() for line in str(report).splitlines()[1:3])
    assert first[:4] == ["x", "ok", "forward", "mode"] and "error" not in first and other == ["unused", "unreached"]


def test_arguments_without_a_name_have_numbers() -> None:
    report = gradcheck(lambda *arrays: sum(each.sum() for each in arrays), X, Y, tier="quick")
    assert [each.path for each in report.tensors] == ["0", "1"]


@pytest.mark.parametrize("function", [jnp.log, jnp.sqrt], ids=["log", "sqrt"])
def test_a_loss_or_gradient_that_is_not_finite(function: Any) -> None:
    """log(0) and log of a negative number; at 0 a square root is finite, and its slope is not."""
    x = np.array([0.0, -1.0, 2.0], np.float32) if function is jnp.log else np.array([0.0, 1.0], np.float32)
    report = gradcheck(lambda x, y, unused: function(x).sum() + y.sum(), x, Y, Y, tier="quick")
    assert report.verdict("x") == "non-finite" and report.verdict("unused") == "unreached"
    # of numbers that are not there, none is in the user's own precision
    assert all(each.own_error is None for each in report.tensors)
    if function is jnp.log:
        assert report.verdict("y") == "non-finite"
        assert report.tensors[0].words == "the loss itself is NaN or infinite"
    else:
        assert report.verdict("y") == "unsure" and report.tensors[0].words == ""
        assert report.tensors[1].words == "not looked at: another gradient is NaN or infinite"


def test_a_function_that_is_constant_here() -> None:
    report = gradcheck(lambda x, y: jnp.round(x).sum() + y.sum(), X + 0.2, Y, tier="quick")
    assert report.verdict("x") == "ok"
    assert report.tensors[0].words == "its gradient is zero at this point"


def test_corners() -> None:
    """|x| at 0 has the slopes -1 and 1 along any direction, and JAX says 1: that is a corner, not a fault."""
    report = gradcheck(lambda x, y: jnp.abs(x).sum() + (y**2).sum(), np.zeros(3, np.float32), Y)
    assert [report.verdict("x"), report.verdict("y")] == ["kink", "ok"] and report.ok
    left, right = report.tensors[0].slopes or (0, 0)
    assert left < 0 < right and right == pytest.approx(-left, rel=1e-6)
    assert report.tensors[1].slopes is None
    wrong = gradcheck(lambda x: jnp.abs(x).sum(), np.zeros(3, np.float32), grad=lambda x: 2 * jnp.sign(x) + 1)
    assert wrong.verdict("x") == "wrong"


def test_a_host_that_draws_its_own_random_numbers() -> None:
    """Not deterministic for a fixed key: no verdict, and the reason."""
    random = np.random.default_rng(0)

    def noise() -> Any:
        return np.float32(1 + 1e-2 * random.random())

    def loss(x: Any) -> Any:
        return (x**2).sum() * jax.pure_callback(noise, jax.ShapeDtypeStruct((), jnp.float32))

    report = gradcheck(loss, X, tier="quick")
    assert report.verdict("x") == "unsure"
    assert report.notes == ("the loss is not deterministic for a fixed key: differences of it are noise",)


def test_random_numbers_drawn_while_tracing() -> None:
    """np.random in the loss: each tracing draws anew, so that loss and gradient belong to different functions."""
    random = np.random.default_rng(0)
    report = gradcheck(lambda x: ((x + np.float32(random.standard_normal())) ** 2).sum(), X, tier="quick")
    assert report.verdict("x") == "unsure"
    assert "it draws random numbers outside of its key" in report.notes[0]


def test_float16_whose_gradient_underflows() -> None:
    """1e-4 · 1e-4 is nothing in float16: the mathematics is right, the run's own gradient is not."""

    def loss(x: Any) -> Any:
        return (x.astype(jnp.float16) * jnp.float16(1e-4) * jnp.float16(1e-4)).sum().astype(jnp.float32)

    report = gradcheck(loss, X, tier="quick")
    (tensor,) = report.tensors
    assert tensor.verdict == "ok"
    assert tensor.own_error is not None and tensor.own_error > 0.5
    # in float32 there is nothing to see
    assert (gradcheck(lambda x: (x * 1e-8).sum(), X, tier="quick").tensors[0].own_error or 0) < 1e-6


@pytest.mark.parametrize("tier", ["quick", "full"])
def test_many_tensors(tier: str) -> None:
    """One fault among many tensors is found, and nothing else; XLA takes its time with so many small operations."""
    count, faulty = 100, 70
    tensors = [np.full(2, 0.1 + k / count, np.float32) for k in range(count)]

    @jax.custom_vjp
    def thrice(x: Any) -> Any:
        return 3 * x

    thrice.defvjp(lambda x: (3 * x, None), lambda _, g: (4 * g,))

    def loss(tensors: Any) -> Any:
        squares = [(each**2).sum() for each in tensors[:faulty] + tensors[faulty + 1 :]]
        return jnp.stack(squares).sum() + thrice(tensors[faulty]).sum()

    report = gradcheck(loss, tensors, tier=tier)
    assert [(each.path, each.verdict) for each in report.suspects] == [("70", "wrong")]
    assert report.headline == f"gradient check ({tier}, float64): 1 wrong of 100 tensors"
    assert "and 60 more" in repr(report)


@pytest.mark.parametrize("fault", [1.0, 1.01])
def test_thousands_of_tensors_are_not_compiled(fault: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would take XLA minutes goes operation by operation; here 6 tensors count as thousands."""
    monkeypatch.setattr("nnwidgets.gradchecks._programs.MANY", 5)
    tensors = [np.full(2, 0.1 + k / 9, np.float32) for k in range(6)]

    @jax.custom_vjp
    def thrice(x: Any) -> Any:
        return 3 * x

    thrice.defvjp(lambda x: (3 * x, None), lambda _, g: (3 * fault * g,))

    def loss(tensors: Any) -> Any:
        return sum((each**2).sum() for each in tensors[1:]) + thrice(tensors[0]).sum()

    report = gradcheck(loss, tensors)
    assert [each.path for each in report.suspects] == ([] if fault == 1.0 else ["0"])
    assert report.tier == "whole" and "operation by operation" in report.notes[-1]
    assert len(report.tensors) == 6 and all(each.sensitivity is not None for each in report.tensors)
