"""The penalty's shares against the gradients of both parts, and L2 and decay against loops that are written out."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.explore.regularization._decay_of import decay_of
from nnwidgets.explore.regularization._regularization import Regularization
from tests.checks._simple import batches, cross_entropy, outputs_of, started

QUICK = Regularization(steps=0, check=False)


def squares(params: Any) -> Any:
    return sum(jnp.sum(params[name]["w"] ** 2) for name in ("hidden0", "head"))


def declared(strength: float) -> Any:
    def loss(params: Any, batch: Any) -> Any:
        penalty = strength / 2 * squares(params)
        return cross_entropy(params, batch) + penalty, {"penalty": penalty}

    return loss


def found_by_itself(params: Any, batch: Any) -> Any:
    return cross_entropy(params, batch) + 0.01 * squares(params)


def session(loss: Any, tx: Any = None, steps: int = 0, params: Any = None) -> nnw.Session:
    objective = nnw.Objective(loss, started() if params is None else params)
    made = nnw.Session(objective, tx or optax.adam(1e-2), batches(), budget=0)
    return made.run(steps) if steps else made


def by_hand(params: Any, given: list[Any], strength: float) -> dict[str, tuple[float, float]]:
    """Norm of the gradient of the data and of the penalty, layer by layer, the mean over the batches of each tensor's."""
    data = [jax.grad(cross_entropy)(params, batch) for batch in given]
    penalty = jax.grad(lambda params: strength / 2 * squares(params))(params)
    found = {}
    for layer in params:
        of_data = [np.mean([np.linalg.norm(each[layer][name]) for each in data]) for name in ("w", "b")]
        found[layer] = float(np.linalg.norm(of_data)), float(np.linalg.norm(penalty[layer]["w"]))
    return found


@pytest.mark.parametrize(("loss", "strength"), [(declared(0.05), 0.05), (found_by_itself, 0.02)])
def test_shares_of_loss_and_gradient(loss: Any, strength: float) -> None:
    run = session(loss, steps=6)
    found = QUICK.run(run.lab())
    coming = [batches()[(6 + k) % 10] for k in range(4)]
    data, penalty = np.mean([cross_entropy(run.params, batch) for batch in coming]), strength / 2 * squares(run.params)
    assert found["data_loss"] == pytest.approx(float(data), rel=1e-4)
    assert found["penalty"] == pytest.approx(float(penalty), rel=1e-4)
    assert found["penalty_share_of_loss"] == pytest.approx(float(penalty / (data + penalty)), rel=1e-4)
    assert found["l2_strength"] == pytest.approx(strength, rel=1e-3)
    norms = by_hand(run.params, coming, strength)
    shares = dict(zip(found["layers"], found["penalty_shares"], strict=True))
    assert shares == {layer: pytest.approx(q / (p + q), rel=1e-3) for layer, (p, q) in norms.items()}
    assert found.verdict == "ok"


def test_shares_along_the_run() -> None:
    run = session(declared(0.05), steps=6)
    found = QUICK.run(run.lab())
    visited, batch = run.lab().visited(), run.lab().batches[0]
    assert found["steps"] == [saved.step for saved in visited]
    for saved, share in zip(visited, found["penalty_shares_along_the_run"], strict=True):
        norms = np.array(list(by_hand(saved.params, [batch], 0.05).values()))
        p, q = np.linalg.norm(norms, axis=0)
        assert share == pytest.approx(q / (p + q), rel=1e-3)


def test_a_penalty_that_rules() -> None:
    found = QUICK.run(session(declared(50.0)).lab())
    assert found.verdict == "wrong"
    assert "The penalty rules" in found.answer
    assert found["penalty_share_of_gradient"] > 0.9


def test_a_penalty_with_the_wrong_sign() -> None:
    found = QUICK.run(session(lambda params, batch: cross_entropy(params, batch) - 0.01 * squares(params)).lab())
    assert found.verdict == "wrong"
    assert "subtracted" in found.answer


def test_a_penalty_that_is_declared_and_not_added() -> None:
    def forgotten(params: Any, batch: Any) -> Any:
        return cross_entropy(params, batch), {"penalty": 0.01 * squares(params)}

    found = QUICK.run(session(forgotten).lab())
    assert found.verdict == "wrong"
    assert "does not come into the loss" in found.answer
    assert found["penalty"] == 0


@jax.custom_vjp
def doubled(x: Any) -> Any:
    return 1 * x


doubled.defvjp(lambda x: (1 * x, None), lambda _, grad: (2 * grad,))


@jax.custom_vjp
def clipped(x: Any) -> Any:
    return x


clipped.defvjp(lambda x: (x, None), lambda _, grad: (jnp.clip(grad, -1e-3, 1e-3),))


def judged(rule: Any) -> Any:
    """What is said of a loss with a penalty, whose logits go through a rule of their own."""

    def loss(params: Any, batch: Any) -> Any:
        logits = rule(outputs_of(params, batch[0]))
        data = optax.softmax_cross_entropy_with_integer_labels(logits, batch[1]).mean()
        return data + 0.01 * squares(params), {"penalty": 0.01 * squares(params)}

    return Regularization(steps=0).run(session(loss).lab())


def test_a_gradient_of_the_data_that_is_another_on_purpose() -> None:
    found = judged(clipped)
    assert found.numbers["data_gradient"] == "surrogate"
    assert "is surrogate: " in repr(found) and "the data's gradient is right" not in repr(found)


def test_a_gradient_of_the_data_that_is_wrong() -> None:
    found = judged(doubled)
    assert found.verdict == "wrong", found
    assert "Without the penalty the gradient of" in found.answer


def trained(run: nnw.Session, step: Any, steps: int = 20) -> tuple[float, float]:
    """Loss of the data over the last tenth of the steps, and norm of the parameters: `step` gives updates and state."""
    params, opt_state, losses = run.params, run.opt_state, []
    gradient, update = jax.jit(jax.value_and_grad(cross_entropy)), jax.jit(step)
    for k in range(steps):
        value, grads = gradient(params, batches()[(run.step + k) % 10])
        updates, opt_state = update(grads, opt_state, params)
        params = optax.apply_updates(params, updates)
        losses.append(float(value))
    return float(np.mean(losses[-2:])), float(optax.tree.norm(params))


def test_l2_beside_decay_with_adam() -> None:
    run, adam, strength = session(declared(0.1), optax.adam(1e-2), steps=3), optax.adam(1e-2), 0.1
    found = Regularization(steps=20, keys=1, check=False).run(run.lab())

    def weights(params: Any) -> Any:
        return {layer: {"w": each["w"], "b": 0 * each["b"]} for layer, each in params.items()}

    def l2(grads: Any, opt_state: Any, params: Any) -> Any:
        return adam.update(jax.tree.map(lambda g, w: g + strength * w, grads, weights(params)), opt_state, params)

    def decoupled(grads: Any, opt_state: Any, params: Any) -> Any:
        updates, opt_state = adam.update(grads, opt_state, params)
        return jax.tree.map(lambda u, w: u - 1e-2 * strength * w, updates, weights(params)), opt_state

    assert found["compared_strength"] == pytest.approx(strength, rel=1e-3)
    for name, step in (("l2", l2), ("decoupled", decoupled), ("unregularized", adam.update)):
        loss, norm = trained(run, step)
        assert found[f"data_loss_{name}"] == pytest.approx(loss, rel=1e-3)
        if name != "unregularized":
            assert found[f"weight_norm_{name}"] == pytest.approx(norm, rel=1e-3)
    assert abs(found["data_loss_l2"] - found["data_loss_decoupled"]) > 1e-3


def test_with_sgd_both_are_the_same() -> None:
    found = Regularization(steps=20, keys=2, check=False).run(session(declared(0.05), optax.sgd(0.1)).lab())
    assert "the same thing here" in found.answer
    assert found["weight_norm_l2"] == pytest.approx(found["weight_norm_decoupled"], rel=1e-4)


def test_a_penalty_that_is_no_sum_of_squares() -> None:
    def absolute(params: Any, batch: Any) -> Any:
        penalty = 0.01 * jnp.sum(jnp.abs(params["head"]["w"]))
        return cross_entropy(params, batch) + penalty, {"penalty": penalty}

    found = Regularization(steps=10, keys=1, check=False).run(session(absolute).lab())
    assert "no sum of squares" in found.answer
    assert "data_loss_l2" not in found.numbers


WEIGHTS = jax.tree.map(lambda leaf: leaf.ndim > 1, started())
DECAYS = {
    "adamw": (optax.adamw(1e-2, weight_decay=0.03), "decoupled", 0.03, 4),
    "masked": (optax.adamw(1e-2, weight_decay=0.03, mask=WEIGHTS), "decoupled", 0.03, 2),
    "inside adam": (optax.chain(optax.add_decayed_weights(0.03), optax.adam(1e-2)), "inside", 0.03, 4),
    "inside momentum": (optax.chain(optax.add_decayed_weights(0.03), optax.sgd(0.1, momentum=0.9)), "inside", 0.03, 4),
    "beside sgd": (optax.chain(optax.add_decayed_weights(0.03), optax.sgd(0.1)), "decoupled", 0.03, 4),
}


@pytest.mark.parametrize("name", list(DECAYS))
def test_the_decay_of_an_optimizer(name: str) -> None:
    tx, place, strength, touched = DECAYS[name]
    lab = session(cross_entropy, tx, steps=2).lab()
    found = decay_of(lab.setup, lab.learning_rate)
    assert found is not None
    assert (found.place, len(found.touched)) == (place, touched)
    assert found.strengths is not None
    assert found.strengths.max() == pytest.approx(strength, rel=1e-2)


def test_what_a_decay_touches() -> None:
    tx = optax.adamw(1e-2, weight_decay=0.01)
    found = Regularization(steps=10, keys=2).run(session(cross_entropy, tx).lab())
    assert found.verdict == "ok", found
    assert found["decayed_biases_and_scales"] == ["head/b", "hidden0/b"]
    assert "also pulls at biases" in found.answer
    assert {row[-1] for row in found.rows} == {"yes"}


def test_nothing_to_regularize_with() -> None:
    found = Regularization().run(session(cross_entropy).lab())
    assert found.verdict == "ok"
    assert found.answer == "There is no penalty in the loss and no weight decay in the optimizer."


@pytest.mark.parametrize("options", [{"steps": -1}, {"keys": 0}, {"most": 1.0}])
def test_options_out_of_range(options: Any) -> None:
    with pytest.raises(ValueError, match="steps must be 0 or more"):
        Regularization(**options).run(session(cross_entropy).lab())
