"""What an optimizer makes of a gradient, and the edge that follows, against closed forms, simulations and a dense Hessian."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.explore.curvature._edge_of_stability import EdgeOfStability
from nnwidgets.explore.curvature._response import NoResponse, response_of
from nnwidgets.lint import find_nodes, has_fields

from .conftest import small_session
from .test_learning_rates import quadratic

RNG = np.random.default_rng(0)
PARAMS = {"a": jnp.asarray(RNG.normal(size=(4, 3)), jnp.float32), "b": jnp.zeros(5)}


def gradients() -> Any:
    return jax.tree.map(lambda leaf: jnp.asarray(0.1 * RNG.normal(size=leaf.shape) + 0.02, jnp.float32), PARAMS)


def used(tx: Any, steps: int = 30) -> tuple[Any, Any]:
    """Its state after some steps, and the last gradients."""
    tx, grads = optax.with_extra_args_support(tx), gradients()
    state = tx.init(PARAMS)
    for _ in range(steps):
        grads = gradients()
        _, state = tx.update(grads, state, PARAMS, value=jnp.zeros(()))
    return state, grads


def kept(rate: float) -> optax.GradientTransformation:
    """Gradients are added up and never set back to zero."""
    return optax.GradientTransformation(
        lambda params: jax.tree.map(jnp.zeros_like, params),
        lambda grads, state, params=None: (
            jax.tree.map(lambda a, b: -rate * (a + b), state, grads), jax.tree.map(jnp.add, state, grads),
        ),
    )  # fmt: skip


BETA = 0.9
# closed forms of the edge times the learning rate: Cohen et al. 2021, and 2022 for averages
EDGES = {
    "SGD": (optax.sgd(0.1), 2.0),
    "momentum": (optax.sgd(0.1, momentum=BETA), 2 + 2 * BETA),
    "momentum of a half": (optax.sgd(0.1, momentum=0.5), 3.0),
    "Nesterov": (optax.sgd(0.1, momentum=BETA, nesterov=True), (2 + 2 * BETA) / (1 + 2 * BETA)),
    "average": (optax.chain(optax.ema(BETA, debias=False), optax.scale(-0.1)), (2 + 2 * BETA) / (1 - BETA)),
}


@pytest.mark.parametrize("name", EDGES)
def test_edges_of_linear_optimizers_are_the_closed_forms_and_what_happens(name: str) -> None:
    tx, expected = EDGES[name]
    state, grads = used(tx)
    found = response_of(tx, PARAMS, state, grads)
    scale = {float(np.round(each, 5)) for leaf in found.scale for each in leaf.ravel()}
    assert len(scale) == 1
    edge = found.edge / (scale.pop() / 0.1)
    assert edge == pytest.approx(expected, rel=1e-3)
    for share, grows in ((0.99, False), (1.01, True)):
        curvature = share * expected / 0.1
        assert simulated(tx, curvature) is grows


def simulated(tx: Any, curvature: float, steps: int = 4000) -> bool:
    """Whether steps on 0.5 c x^2 leave x larger than at first."""

    def step(carry: Any, _: Any) -> Any:
        x, state = carry
        updates, state = tx.update(curvature * x, state, x)
        return (x + updates, state), None

    start = jnp.ones(())
    (x, _), _ = jax.jit(lambda start: jax.lax.scan(step, (start, tx.init(start)), length=steps))(start)
    return not abs(float(x)) < 1.0


def test_adam_at_any_step_is_its_bias_corrected_formula() -> None:
    tx = optax.adamw(1e-3, weight_decay=0.1)
    for steps in (1, 5, 300):
        state, grads = used(tx, steps)
        adam = state[0]
        found = response_of(tx, PARAMS, state, grads, multiplier=2.0)
        for scale, moment in zip(found.scale, jax.tree.leaves(adam.nu), strict=True):
            root = np.sqrt(np.asarray(moment, np.float64) / (1 - 0.999**steps))
            expected = 2e-3 * (1 - 0.9) / ((1 - 0.9**steps) * (root + 1e-8))
            np.testing.assert_allclose(scale, expected, rtol=2e-3)
        assert found.fading == pytest.approx(0.9, abs=1e-3)
        assert found.edge == pytest.approx(3.8, rel=1e-3)


def test_rmsprop_is_its_formula() -> None:
    tx = optax.rmsprop(1e-3)
    state, grads = used(tx)
    found = response_of(tx, PARAMS, state, grads)
    for scale, moment in zip(found.scale, jax.tree.leaves(state[0].nu), strict=True):
        np.testing.assert_allclose(scale, 1e-3 / np.sqrt(np.asarray(moment, np.float64) + 1e-8), rtol=1e-3)
    assert (found.second, found.fading, found.edge) == (0.0, 0.0, 2.0)


def test_frozen_parameters_schedules_and_bounds() -> None:
    parts = {"move": optax.adam(optax.linear_schedule(0.0, 1e-2, 10)), "rest": optax.set_to_zero()}
    tx = optax.multi_transform(parts, {"a": "move", "b": "rest"})
    state, grads = used(tx, 5)
    found = response_of(tx, PARAMS, state, grads)
    assert found.scale[0].all() and not found.scale[1].any()
    # half-way up the schedule, at the next step
    (adam,) = find_nodes(state, has_fields("nu"))
    root = np.sqrt(np.asarray(adam.nu["a"], np.float64) / (1 - 0.999**5))
    np.testing.assert_allclose(found.scale[0], 5e-3 * 0.1 / (1 - 0.9**5) / root, rtol=2e-3)
    clipped = optax.chain(optax.clip_by_global_norm(0.01), optax.sgd(0.1))
    found = response_of(clipped, PARAMS, clipped.init(PARAMS), grads)
    assert found.bounded
    np.testing.assert_allclose(found.scale[0], 0.1, rtol=1e-4)


@pytest.mark.parametrize(
    ("tx", "words"),
    [
        (optax.lion(1e-4), "does not depend on the size"),
        (optax.sign_sgd(1e-3), "not proportional"),
        (optax.lamb(1e-3), r"depends on the others|not proportional"),
        (optax.MultiSteps(optax.sgd(0.1), 4), "accumulated"),
    ],
)
def test_optimizers_without_an_edge_say_why(tx: Any, words: str) -> None:
    tx = tx.gradient_transformation() if isinstance(tx, optax.MultiSteps) else tx
    state, grads = used(tx, 8)
    with pytest.raises(NoResponse, match=words):
        response_of(tx, PARAMS, state, grads)


@pytest.mark.parametrize("bad", [jnp.zeros_like, lambda leaf: leaf + jnp.nan])
def test_gradients_that_tell_nothing(bad: Any) -> None:
    tx = optax.sgd(0.1)
    with pytest.raises(NoResponse, match=r"zero|not finite"):
        response_of(tx, PARAMS, tx.init(PARAMS), jax.tree.map(bad, PARAMS))


@pytest.mark.parametrize(("rate", "share"), [(0.4, 1.0), (0.1, 0.25)])
def test_on_a_quadratic_the_edge_is_two_over_the_largest_eigenvalue(rate: float, share: float) -> None:
    found = EdgeOfStability(batches=1).run(quadratic(rate).lab())
    assert found["sharpness"] == pytest.approx(5.0, rel=1e-4)
    assert found["edge"] == pytest.approx(2 / rate, rel=1e-4)
    assert found["share"] == pytest.approx(share, rel=1e-4)
    assert found["highest_learning_rate"] == pytest.approx(0.4, rel=1e-4)


@pytest.mark.parametrize(("rate", "verdict"), [(0.39, "ok"), (0.5, "wrong")])
def test_on_a_quadratic_it_is_judged_by_what_happens(rate: float, verdict: str) -> None:
    found = EdgeOfStability(batches=1).run(quadratic(rate).lab())
    assert found.verdict == verdict
    if verdict == "wrong":
        assert "1.2 times too high" in found.answer and "diverges in the next 40 steps" in found.answer
        assert "lower the learning rate 1.2-fold (0.4) or more" in found.answer


def test_momentum_on_a_quadratic() -> None:
    tx = optax.sgd(0.1, momentum=0.9)
    found = EdgeOfStability(batches=1).run(quadratic(0.1, tx=tx).lab())
    assert found["edge"] == pytest.approx(38.0, rel=1e-3)
    assert found["share"] == pytest.approx(5 / 38, rel=1e-3)


def test_adams_edge_is_that_of_the_dense_preconditioned_hessian() -> None:
    session = small_session(optax.adam(1e-2), budget=0)
    session.run(20)
    lab = session.lab()
    found = EdgeOfStability(batches=4, iterations=60).run(lab)
    flat, form = jax.flatten_util.ravel_pytree(lab.params)
    keys = [jax.random.fold_in(lab.key, k) for k in range(4)]

    def loss(flat: Any) -> jax.Array:
        pairs = zip(lab.fresh(4), keys, strict=True)
        return sum(session.objective(form(flat), None, batch, key, True)[0] for batch, key in pairs) / 4

    hessian = np.asarray(jax.jit(jax.hessian(loss))(flat), np.float64)
    adam = lab.opt_state[0]
    moments = np.asarray(jax.flatten_util.ravel_pytree(adam.nu)[0], np.float64)
    preconditioner = (1 - 0.9**20) * (np.sqrt(moments / (1 - 0.999**20)) + 1e-8)
    top = np.linalg.eigvalsh(hessian / np.sqrt(np.outer(preconditioner, preconditioner)))[-1]
    assert found["sharpness"] == pytest.approx(top, rel=3e-3)
    assert found["edge"] == pytest.approx(38 / 1e-2, rel=2e-3)
    assert found["preconditioned"]
    # the bound of the error holds
    assert abs(found["share"] - top / 3800) <= found["share_error"] + 2e-3 * found["share"]


def test_adam_before_its_first_step_is_not_known() -> None:
    found = EdgeOfStability().run(small_session(optax.adam(1e-2)).lab())
    assert found.verdict == "unknown"
    assert "session.run(20)" in found.answer


def test_an_optimizer_that_goes_uphill_or_never_forgets_is_wrong() -> None:
    found = EdgeOfStability().run(small_session(optax.sgd(-0.1)).lab())
    assert (found.verdict, "uphill" in found.answer) == ("wrong", True)
    found = EdgeOfStability().run(small_session(kept(0.01)).lab())
    assert (found.verdict, "never forgets" in found.answer) == ("wrong", True)


def test_lion_and_low_precision_are_not_known(session: nnw.Session) -> None:
    lab = small_session(optax.lion(1e-3)).lab()
    assert EdgeOfStability().run(lab).verdict == "unknown"
    lab = session.lab()
    lab.params = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), lab.params)
    found = EdgeOfStability().run(lab)
    assert (found.verdict, "float32" in found.answer) == ("unknown", True)


def test_along_the_run() -> None:
    session = small_session(optax.sgd(0.05), budget=0)
    session.run(40)
    found = EdgeOfStability(batches=2, along=3).run(session.lab())
    (plot,) = found.pictures
    (line,) = plot.lines
    assert line.x[-1] == 40
    assert len(line.x) >= 2
    assert line.y[-1] == pytest.approx(found["share"])
    assert (plot.guides[0].at, plot.guides[0].axis) == (1.0, "y")


def test_options_that_make_no_sense(session: nnw.Session) -> None:
    with pytest.raises(ValueError, match="got batches=0, steps=40, iterations=1, along=0"):
        EdgeOfStability(batches=0, iterations=1).run(session.lab())
