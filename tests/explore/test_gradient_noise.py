"""The noise of gradients, on runs whose noise is known."""

from __future__ import annotations

import json
from typing import Any

import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.explore import run_experiment
from nnwidgets.explore.batches._gradient_noise import GradientNoise

SPREAD = np.array([3.0, 2, 1, 1, 0.5, 0.5, 0.1, 0.1], np.float32)
COUNT = 512
NOISE = np.random.default_rng(0).normal(size=(COUNT, 8)).astype(np.float32) * SPREAD


def quadratic(params: Any, batch: Any) -> Any:
    """The gradient of an example is params - example."""
    at = jnp.concatenate([params["first"]["w"], params["second"]["w"]])
    return 0.5 * jnp.mean(jnp.sum((at - batch) ** 2, -1))


def session_at(place: Any, rows: int = 16, loss: Any = quadratic, data: Any = NOISE, **more: Any) -> nnw.Session:
    place = jnp.asarray(place, jnp.float32)
    params = {"first": {"w": place[:3]}, "second": {"w": place[3:]}}
    batches = [data[i : i + rows] for i in range(0, len(data) - rows + 1, rows)]
    return nnw.Session(nnw.Objective(loss, params), optax.sgd(0.01), batches, budget=0, **more)


def place_of(scale: float) -> np.ndarray:
    """Where the noise scale is this."""
    direction = np.ones(8) / np.sqrt(8)
    return direction * np.sqrt(np.sum(SPREAD**2) / scale)


def test_a_quadratic_with_known_noise() -> None:
    place = place_of(40)
    found = GradientNoise().run(session_at(place).lab())
    # by the closed form, and by NumPy on these very examples
    assert found["noise_scale_low"] < 40 < found["noise_scale_high"]
    gradients = place - NOISE.astype(np.float64)
    noise = gradients.var(0, ddof=1).sum()
    signal = np.sum(gradients.mean(0) ** 2) - noise / COUNT
    assert found["noise"] == pytest.approx(noise, rel=1e-4)
    assert found["signal"] == pytest.approx(signal, rel=1e-3)
    assert found["noise_scale"] == pytest.approx(noise / signal, rel=1e-3)
    assert found["signal_to_noise"] == pytest.approx(np.sqrt(16 * signal / noise), rel=1e-3)
    assert found["progress"] == pytest.approx(16 / (16 + noise / signal), rel=1e-3)
    assert found["example_norms"] == pytest.approx(np.linalg.norm(gradients, axis=1).tolist(), rel=1e-4)
    assert (found.verdict, found["batch"], found["examples"], found["group_rows"]) == ("ok", 16, COUNT, 1)
    assert "A batch of 16 is below the noise scale of" in found.answer
    assert "(95 %" in found.answer


def test_each_layer_has_its_own() -> None:
    place = place_of(10)
    found = GradientNoise().run(session_at(place).lab())
    gradients = place - NOISE.astype(np.float64)
    for name, part in (("first", gradients[:, :3]), ("second", gradients[:, 3:])):
        noise = part.var(0, ddof=1).sum()
        scale = noise / (np.sum(part.mean(0) ** 2) - noise / COUNT)
        assert found["layer_noise_scale"][found["layers"].index(name)] == pytest.approx(scale, rel=1e-3)
    assert [row[0] for row in found.rows] == ["all", "first", "second"]
    assert len(found.pictures) == 2


def test_the_norm_test_and_the_inner_product_test() -> None:
    place = place_of(10)
    found = GradientNoise(theta=0.5).run(session_at(place).lab())
    assert found["norm_test_batch"] == pytest.approx(found["noise_scale"] / 0.25)
    gradients = place - NOISE.astype(np.float64)
    # each with the mean of the others
    others = (COUNT * gradients.mean(0) - gradients) / (COUNT - 1)
    along = np.sum(gradients * others, 1).var(ddof=1)
    assert found["inner_product_test_batch"] == pytest.approx(along / found["signal"] ** 2 / 0.25, rel=1e-3)
    # the closed form, as far as so many examples tell it
    assert along == pytest.approx(np.sum((SPREAD * place) ** 2), rel=0.3)
    assert "norm test asks for" in found.answer


def test_a_gradient_that_is_lost_in_the_noise() -> None:
    found = GradientNoise().run(session_at(place_of(5000)).lab())
    assert found["noise_scale_high"] == np.inf
    assert "not told from 0" in found.answer
    assert 20 < found["noise_scale_low"] < 5000
    json.loads(found.to_json())


def test_parameters_that_fit_these_very_examples() -> None:
    found = GradientNoise().run(session_at(NOISE.mean(0)).lab())
    assert found["noise_scale_high"] == np.inf
    # their mean gradient is smaller than chance leaves it: that says nothing of others
    assert 1 < found["noise_scale_low"] <= COUNT


@pytest.mark.parametrize(
    ("rows", "scale", "verdict"), [(1, 2000, "suspicious"), (16, 2000, "ok"), (256, 0.1, "suspicious")]
)
def test_batches_that_are_far_too_small_or_too_large_are_told(rows: int, scale: float, verdict: str) -> None:
    found = GradientNoise().run(session_at(place_of(scale), rows).lab())
    assert found.verdict == verdict, found
    assert ("take 32 or more" in found.answer) == (rows == 1)
    assert ("times cheaper" in found.answer) == (rows == 256)


def test_a_sum_has_the_noise_scale_of_the_mean() -> None:
    mean, total = (
        GradientNoise().run(session_at(place_of(40), loss=loss).lab())
        for loss in (quadratic, lambda params, batch: len(batch) * quadratic(params, batch))
    )
    assert total["noise_scale"] == pytest.approx(mean["noise_scale"], rel=1e-3)
    assert total["loss_is_sum"]
    assert "a sum over the batch" in total.caution
    assert "sum" not in mean.caution


def test_examples_that_influence_each_other_are_taken_by_batches() -> None:
    def centred(params: Any, batch: Any, *, train: bool) -> Any:
        moved = batch + 0.5 * (batch.mean(0) ** 2 if train else 0.0)
        return quadratic(params, moved)

    found = GradientNoise().run(session_at(place_of(5), loss=centred).lab())
    assert (found["group_rows"], found["groups"], found["examples"]) == (16, 32, 512)
    assert "influence each other: whole batches were compared" in found.caution
    # the mean of a batch moves, and so more than the examples' own noise is measured
    batches = NOISE.astype(np.float64).reshape(32, 16, 8).mean(1)
    gradients = place_of(5) - batches - 0.5 * batches**2
    noise = 16 * gradients.var(0, ddof=1).sum()
    assert found["noise"] == pytest.approx(noise, rel=1e-3)


def test_dropout_is_part_of_the_noise() -> None:
    def dropped(params: Any, batch: Any, *, rng: Any, train: bool) -> Any:
        kept = jax.random.bernoulli(rng, 0.5, batch.shape) * 2 if train else 1.0
        return quadratic(params, batch * kept)

    found = GradientNoise().run(session_at(place_of(5), loss=dropped).lab())
    # a mask of 0 or 2 doubles the mean square of what has mean 0
    assert found["group_rows"] == 1
    assert found["noise"] == pytest.approx(2 * np.sum(SPREAD**2), rel=0.15)


def test_it_ends_where_the_user_stops_it_and_tells_what_it_has() -> None:
    session = session_at(place_of(40))
    lab = session.lab()
    asked = []
    lab.stopped = lambda: len(asked) > 3 or asked.append(1)
    found = run_experiment(GradientNoise(), lab)
    assert not found.complete
    assert 8 <= found["examples"] < COUNT
    assert found["noise"] == pytest.approx(np.sum(SPREAD**2), rel=0.3)
    assert session.step == 0


@pytest.mark.parametrize("options", [{"examples": 4}, {"batches": 2}, {"theta": 1.0}])
def test_bad_options_are_named(options: Any) -> None:
    with pytest.raises(ValueError, match="needs examples and batches of 8 or more and 0 < theta < 1, got examples="):
        GradientNoise(**options).run(session_at(place_of(5)).lab())


def test_what_can_not_be_measured_is_told() -> None:
    nothing = GradientNoise().run(session_at([np.nan] * 8).lab())
    assert nothing.verdict == "unknown"
    assert "not finite" in nothing.answer
    still = GradientNoise().run(session_at(place_of(5), loss=lambda params, batch: 0 * quadratic(params, batch)).lab())
    assert (still.verdict, "gradients are all 0" in still.answer) == ("unknown", True)
    few = GradientNoise().run(session_at(place_of(5), 4, data=NOISE[:4]).lab())
    assert "at least 8 different examples, and the data has 4" in few.answer


class Normed(linen.Module):
    """A network with a batch norm and dropout."""

    @linen.compact
    def __call__(self, x: Any, train: bool) -> Any:
        x = linen.BatchNorm(use_running_average=not train)(linen.Dense(6)(x))
        return linen.Dense(1)(linen.Dropout(0.3, deterministic=not train)(linen.relu(x)))[:, 0]


def test_a_network_with_batch_norm_and_dropout() -> None:
    model = Normed()
    batches = [(NOISE[i : i + 16], NOISE[i : i + 16, 0]) for i in range(0, 256, 16)]
    variables = model.init(jax.random.key(0), batches[0][0], True)
    objective = nnw.from_linen(model, variables, lambda outputs, targets: jnp.mean((outputs - targets) ** 2))
    lab = nnw.Session(objective, optax.sgd(0.01), batches, budget=0).run(1).lab()
    found = GradientNoise().run(lab)
    assert "batch norms let the examples of a batch influence each other: whole batches were compared" in found.caution
    assert (found["groups"], found["group_rows"]) == (16, 16)
    # a plain loop over the batches, with the same keys
    keys = jax.random.split(jax.random.fold_in(lab.key, np.uint32(1)), 16)
    gradient = jax.jit(jax.grad(lambda params, batch, key: objective(params, lab.state, batch, key, True)[0]))
    flat = [jax.tree.leaves(gradient(lab.params, batch, key)) for batch, key in zip(lab.batches, keys, strict=False)]
    gradients = np.stack([np.concatenate([np.ravel(leaf) for leaf in each]) for each in flat[:16]]).astype(np.float64)
    noise = 16 * gradients.var(0, ddof=1).sum()
    assert found["noise"] == pytest.approx(noise, rel=1e-3)
    assert found["signal"] == pytest.approx(np.sum(gradients.mean(0) ** 2) - noise / 256, rel=1e-3)
