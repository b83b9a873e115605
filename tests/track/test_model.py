import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from flax import nnx

import nnwidgets as nnw
from nnwidgets.track.facts._model import describe


def mean_square(outputs, targets):
    return jnp.mean((outputs - targets) ** 2)


class Linen(nn.Module):
    width: int = 4

    @nn.compact
    def __call__(self, inputs):
        return nn.Dense(1)(nn.relu(nn.Dense(self.width)(inputs)))


class Nnx(nnx.Module):
    def __init__(self, rngs, rate=0.5):
        self.hidden, self.norm = nnx.Linear(3, 4, rngs=rngs), nnx.BatchNorm(4, rngs=rngs)
        self.dropout, self.out = nnx.Dropout(rate, rngs=rngs), nnx.Linear(4, 1, rngs=rngs)

    def __call__(self, inputs):
        return self.out(self.dropout(nnx.relu(self.norm(self.hidden(inputs)))))


def linen(width=4, seed=0):
    model = Linen(width)
    return nnw.from_linen(model, model.init(jax.random.key(seed), jnp.ones((1, 3))), mean_square)


def from_nnx(rate=0.5, seed=0):
    return nnw.from_nnx(Nnx(nnx.Rngs(seed), rate), mean_square)


def equinox(width=4, seed=0):
    eqx = pytest.importorskip("equinox")
    return nnw.from_equinox(eqx.nn.MLP(3, 1, width, 2, key=jax.random.key(seed)), mean_square)


def from_keras(width=4, seed=0):
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((3,)), keras.layers.Dense(width, "relu"), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    return nnw.from_keras(keras.Sequential(layers), mean_square)


def plain(width=4, seed=0):
    model = Linen(width)
    params = model.init(jax.random.key(seed), jnp.ones((1, 3)))["params"]

    def loss_fn(params, batch):
        return mean_square(model.apply({"params": params}, batch[0]), batch[1])

    return nnw.Objective(loss_fn, params)


@pytest.mark.parametrize("make", [linen, from_nnx, equinox, from_keras, plain])
def test_a_model_built_again_is_the_same_and_another_start_or_size_is_not(make):
    about = describe(make())
    json.dumps(about)
    assert about == describe(make()) and len(about["initial"]) == 64
    assert about["config"] and "0x" not in about["config"] and "Array(" not in about["config"]
    elsewhere = describe(make(seed=1))
    assert elsewhere["initial"] != about["initial"]
    assert {**elsewhere, "initial": ""} == {**about, "initial": ""}
    other = describe(make(0.25 if make is from_nnx else 5))
    assert other["config"] != about["config"]
    assert (other["tensors"] != about["tensors"]) == (make is not from_nnx)


def test_parameters_are_counted_and_tensors_have_paths_types_and_shapes():
    about = describe(linen())
    assert about["framework"] == "linen" and about["parameters"] == 3 * 4 + 4 + 4 + 1
    assert about["tensors"]["Dense_0/kernel"] in ("float32[3,4]", "float32[4,1]")


def test_the_hash_covers_bfloat16_typed_keys_and_the_state():
    def make(value=1.0, seed=0, dtype=jnp.bfloat16):
        state = {"key": jax.random.key(seed), "count": jnp.zeros((), jnp.int32)}
        return nnw.Objective(
            lambda params, batch, *, state: (jnp.sum(params["w"]), {"state": state}),
            {"w": jnp.full(3, value, dtype)}, state,
        )  # fmt: skip

    hashes = [describe(each)["initial"] for each in (make(), make(value=1.5), make(seed=1), make(dtype=jnp.float16))]
    assert len(set(hashes)) == 4 and hashes[0] == describe(make())["initial"]


def test_a_donated_parameter_leaves_the_hash_empty():
    objective = linen()
    jax.tree.leaves(objective.params)[0].delete()
    assert describe(objective)["initial"] == ""


def test_a_model_whose_repr_fails_or_is_long_has_a_text_all_the_same():
    class Broken(Linen):
        def __repr__(self):
            raise RuntimeError

    class Long(Linen):
        def __repr__(self):
            return "x" * 100_000

    for kind, size in ((Broken, 0), (Long, 20_000)):
        model = kind()
        params = model.init(jax.random.key(0), jnp.ones((1, 3)))
        assert size <= len(describe(nnw.from_linen(model, params, mean_square))["config"]) < size + 100
