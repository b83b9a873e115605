import json
import re

import jax.numpy as jnp
import optax
import pytest

from nnwidgets import schedules
from nnwidgets.track.facts._optimizer import describe


def factor(scale):
    return lambda count: scale / (1 + count)


# makers of optimizers, each with arguments that differ from one another in one place
FAMILIES = {
    "sgd": [
        lambda: optax.sgd(0.1),
        lambda: optax.sgd(0.2),
        lambda: optax.sgd(0.1, momentum=0.9),
        lambda: optax.sgd(0.1, momentum=0.8),
        lambda: optax.sgd(0.1, momentum=0.9, nesterov=True),
        lambda: optax.sgd(0.1, momentum=0.9, accumulator_dtype=jnp.bfloat16),
    ],
    "adam": [
        lambda: optax.adam(1e-3),
        lambda: optax.adam(1e-4),
        lambda: optax.adam(1e-3, b1=0.8),
        lambda: optax.adam(1e-3, b2=0.99),
        lambda: optax.adam(1e-3, eps=1e-6),
        lambda: optax.adam(1e-3, eps_root=1e-6),
        lambda: optax.adam(1e-3, mu_dtype=jnp.bfloat16),
        lambda: optax.nadam(1e-3),
    ],
    "adamw": [
        lambda: optax.adamw(1e-3),
        lambda: optax.adamw(1e-3, weight_decay=0.1),
        lambda: optax.adamw(1e-3, mask={"w": True, "b": False}),
        lambda: optax.adamw(1e-3, mask={"w": True, "b": True}),
    ],
    "lion": [lambda: optax.lion(1e-3), lambda: optax.lion(1e-3, b1=0.8), lambda: optax.lion(1e-3, weight_decay=0.0)],
    "rmsprop": [
        lambda: optax.rmsprop(1e-3),
        lambda: optax.rmsprop(1e-3, decay=0.8),
        lambda: optax.rmsprop(1e-3, centered=True),
        lambda: optax.rmsprop(1e-3, momentum=0.5),
        lambda: optax.rmsprop(1e-3, initial_scale=1.0),
    ],
    "adagrad": [lambda: optax.adagrad(0.1), lambda: optax.adagrad(0.1, initial_accumulator_value=0.2)],
    "adadelta": [lambda: optax.adadelta(0.1), lambda: optax.adadelta(0.1, rho=0.8)],
    "adafactor": [lambda: optax.adafactor(1e-3), lambda: optax.adafactor(1e-3, decay_rate=0.7)],
    "adamax": [lambda: optax.adamax(1e-3), lambda: optax.adamax(1e-3, b2=0.99)],
    "adabelief": [lambda: optax.adabelief(1e-3), lambda: optax.adabelief(1e-3, eps=1e-8)],
    "amsgrad": [lambda: optax.amsgrad(1e-3), lambda: optax.amsgrad(1e-3, b1=0.8)],
    "lamb": [lambda: optax.lamb(1e-3), lambda: optax.lamb(1e-3, weight_decay=0.1)],
    "lars": [lambda: optax.lars(1e-3), lambda: optax.lars(1e-3, trust_coefficient=0.01)],
    "novograd": [lambda: optax.novograd(1e-3), lambda: optax.novograd(1e-3, b2=0.5)],
    "radam": [lambda: optax.radam(1e-3), lambda: optax.radam(1e-3, threshold=6.0)],
    "yogi": [lambda: optax.yogi(1e-3), lambda: optax.yogi(1e-3, b1=0.8)],
    "noisy_sgd": [lambda: optax.noisy_sgd(0.1, key=0), lambda: optax.noisy_sgd(0.1, key=1)],
    "lbfgs": [lambda: optax.lbfgs(), lambda: optax.lbfgs(memory_size=5)],
    "fromage": [lambda: optax.fromage(0.1), lambda: optax.fromage(0.2)],
    "sign_sgd": [lambda: optax.sign_sgd(0.1), lambda: optax.sign_sgd(0.2)],
    "muon": [lambda: optax.contrib.muon(1e-3), lambda: optax.contrib.muon(1e-3, ns_steps=4)],
    "schedule_free": [
        lambda: optax.contrib.schedule_free_adamw(1e-3),
        lambda: optax.contrib.schedule_free_adamw(1e-3, b1=0.8),
    ],
    "prodigy": [lambda: optax.contrib.prodigy(), lambda: optax.contrib.prodigy(weight_decay=0.1)],
    "plateau": [
        lambda: optax.contrib.reduce_on_plateau(),
        lambda: optax.contrib.reduce_on_plateau(patience=3),
        lambda: optax.contrib.reduce_on_plateau(cooldown=3),
    ],
    "sam": [
        lambda: optax.contrib.sam(optax.sgd(0.1), optax.sgd(0.01)),
        lambda: optax.contrib.sam(optax.sgd(0.1), optax.sgd(0.02)),
        lambda: optax.contrib.sam(optax.sgd(0.1), optax.sgd(0.01), sync_period=3),
    ],
    "clipping": [
        lambda: optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.1)),
        lambda: optax.chain(optax.clip_by_global_norm(2.0), optax.sgd(0.1)),
        lambda: optax.chain(optax.clip(1.0), optax.sgd(0.1)),
        lambda: optax.chain(optax.sgd(0.1), optax.clip_by_global_norm(1.0)),
    ],
    "named chain": [
        lambda: optax.named_chain(("a", optax.clip(1.0)), ("b", optax.adam(1e-3))),
        lambda: optax.named_chain(("a", optax.clip(1.0)), ("b", optax.adam(1e-4))),
    ],
    "masked": [
        lambda: optax.masked(optax.adam(1e-3), {"w": True, "b": False}),
        lambda: optax.masked(optax.adam(1e-3), {"w": False, "b": True}),
        lambda: optax.masked(optax.adam(1e-4), {"w": True, "b": False}),
        lambda: optax.masked(optax.adam(1e-3), lambda params: params),
        lambda: optax.masked(optax.adam(1e-3), lambda params: not params),
    ],
    "partition": [
        lambda: optax.partition({"a": optax.sgd(0.1), "b": optax.set_to_zero()}, {"w": "a", "b": "b"}),
        lambda: optax.partition({"a": optax.sgd(0.1), "b": optax.set_to_zero()}, {"w": "b", "b": "a"}),
        lambda: optax.partition({"a": optax.sgd(0.2), "b": optax.set_to_zero()}, {"w": "a", "b": "b"}),
    ],
    "lookahead": [
        lambda: optax.lookahead(optax.sgd(0.1), 5, 0.5),
        lambda: optax.lookahead(optax.sgd(0.1), 6, 0.5),
        lambda: optax.lookahead(optax.sgd(0.1), 5, 0.6),
        lambda: optax.lookahead(optax.sgd(0.2), 5, 0.5),
    ],
    "multi steps": [
        lambda: optax.MultiSteps(optax.adam(1e-3), 4),
        lambda: optax.MultiSteps(optax.adam(1e-3), 5),
        lambda: optax.MultiSteps(optax.adam(1e-4), 4),
        lambda: optax.MultiSteps(optax.adam(1e-3), 4, use_grad_mean=False),
    ],
    "inject": [
        lambda: optax.inject_hyperparams(optax.adam)(1e-3),
        lambda: optax.inject_hyperparams(optax.adam)(1e-4),
        lambda: optax.inject_hyperparams(optax.adamw)(1e-3),
        lambda: optax.inject_hyperparams(optax.adam)(optax.linear_schedule(1e-3, 0, 10)),
        lambda: optax.inject_hyperparams(optax.adam)(optax.linear_schedule(1e-3, 0, 20)),
    ],
    "apply if finite": [lambda: optax.apply_if_finite(optax.sgd(0.1), 3), lambda: optax.apply_if_finite(optax.sgd(0.1), 4)],
    "schedules": [
        lambda: optax.sgd(optax.cosine_decay_schedule(0.1, 100)),
        lambda: optax.sgd(optax.cosine_decay_schedule(0.1, 2000)),
        # the same at every step that is looked at
        lambda: optax.sgd(optax.piecewise_constant_schedule(0.1, {2000: 0.1})),
        lambda: optax.sgd(optax.piecewise_constant_schedule(0.1, {3000: 0.1})),
        lambda: optax.sgd(optax.warmup_cosine_decay_schedule(0.0, 0.1, 10, 100)),
        lambda: optax.sgd(optax.warmup_cosine_decay_schedule(0.0, 0.1, 20, 100)),
        lambda: optax.sgd(factor(0.1)),
        lambda: optax.sgd(factor(0.2)),
        lambda: optax.sgd(lambda count: 0.1 * count),
        lambda: optax.sgd(schedules.keras.cosine_decay(0.1, 5000)),
        lambda: optax.sgd(schedules.keras.cosine_decay(0.1, 6000)),
        lambda: optax.sgd(schedules.pytorch.step_lr(0.1, 30, steps_per_epoch=100)),
        lambda: optax.sgd(schedules.pytorch.step_lr(0.1, 30, steps_per_epoch=200)),
        lambda: optax.sgd(schedules.linear_warmup(schedules.constant(0.4), 4)),
    ],
}  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:optax")


@pytest.mark.parametrize("family", FAMILIES)
def test_one_other_argument_is_another_description_and_the_same_is_the_same(family):
    told = [json.dumps(describe(make())) for make in FAMILIES[family]]
    assert len(set(told)) == len(told)
    assert told == [json.dumps(describe(make())) for make in FAMILIES[family]]
    assert not any(re.search(r"0x[0-9a-f]{6}| object at |unknown", each) for each in told)


def test_it_is_the_same_before_and_after_training():
    for make in (FAMILIES["schedules"][0], FAMILIES["inject"][3]):
        tx, params = make(), {"w": jnp.ones(2)}
        before = describe(tx)
        tx.update(params, tx.init(params), params)
        assert describe(tx) == before


def test_the_chain_is_told_step_by_step_with_its_arguments():
    tx = optax.chain(
        optax.clip_by_global_norm(1.0), optax.adamw(optax.linear_schedule(0.1, 0.0, 100), weight_decay=0.01)
    )
    told = describe(tx)
    names = ["clip_by_global_norm", "scale_by_adam", "add_decayed_weights", "scale_by_learning_rate"]
    assert [each["name"] for each in told] == names
    assert told[0]["arguments"] == {"max_norm": 1.0}
    assert told[2]["arguments"]["weight_decay"] == 0.01
    schedule = told[3]["arguments"]["learning_rate"]
    assert schedule["name"] == "polynomial_schedule" and schedule["arguments"]["transition_steps"] == 100
    assert schedule["values"] == pytest.approx({"0": 0.1, "10": 0.09, "100": 0.0, "1000": 0.0}, abs=1e-6)


def test_schedules_of_our_own_have_the_name_that_users_typed():
    rate = describe(optax.sgd(schedules.keras.cosine_decay(0.1, 5000)))[-1]["arguments"]["learning_rate"]
    assert rate["name"] == "cosine_decay" and 5000 in rate["arguments"].values()


def test_hyperparameters_that_a_state_keeps_are_told_as_they_are_now():
    tx = optax.chain(optax.clip(1.0), optax.inject_hyperparams(optax.sgd)(0.5))
    state = tx.init({"w": jnp.ones(2)})
    state[1].hyperparams["learning_rate"] = jnp.asarray(0.25)
    assert describe(tx, state)[-1] == {"name": "hyperparameters now", "arguments": {"learning_rate": 0.25}}


def test_what_is_no_transformation_is_unknown_and_nothing_is_raised():
    assert describe(object()) == [{"name": "unknown: object"}]
    assert describe(None) == [{"name": "unknown: NoneType"}]

    class Broken:
        @property
        def update(self):
            raise RuntimeError

    assert describe(Broken())[0]["name"].startswith("unknown: ")


def test_a_transformation_of_the_users_own_is_told_by_its_closure_and_its_code():
    def make(strength, power):
        def update(updates, state, params=None):
            return updates**power * strength, state

        return optax.GradientTransformation(lambda params: (), update)

    def other(strength, power):
        def update(updates, state, params=None):
            return updates**power + strength, state

        return optax.GradientTransformation(lambda params: (), update)

    told = describe(make(0.5, 2))[0]["arguments"]
    assert told["strength"] == 0.5 and told["power"] == 2
    assert told["code"] != describe(other(0.5, 2))[0]["arguments"]["code"]
