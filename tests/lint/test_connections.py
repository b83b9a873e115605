"""What reaches the loss and what does not, what is cut, mixed, ignored or out of range."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nnwidgets.lint import (
    CONNECTIONS_AND_LAYERS,
    AttentionMask,
    DisconnectedParameters,
    IndexOutOfRange,
    InputIgnored,
    LossIgnoresParameters,
    NonDifferentiable,
    RowsMixed,
    StoppedGradient,
    SumOverBatch,
)
from nnwidgets.lint._parts import constant
from tests.lint import _layers as made
from tests.models import FRAMEWORKS, make

CONNECTIONS = (LossIgnoresParameters(), DisconnectedParameters(), NonDifferentiable(), StoppedGradient())
STOP = jax.lax.stop_gradient


def outputs(params: Any, inputs: Any) -> Any:
    return made.dense(params["last"], jax.nn.relu(made.dense(params["hidden"], inputs)))


def classify(params: Any, batch: Any) -> Any:
    return made.cross_entropy(outputs(params, batch[0]), batch[1])


def of_outputs(function: Any) -> Any:
    """A loss that is a function of the outputs and the one-hot labels."""
    return lambda params, batch: function(outputs(params, batch[0]), jax.nn.one_hot(batch[1], made.CLASSES))


def squared(outputs: Any, targets: Any) -> Any:
    return jnp.mean((outputs - targets) ** 2)


def names(setup: Any, rules: Any = CONNECTIONS) -> list[tuple[str, str]]:
    return [(each.rule, each.severity) for rule in rules for each in made.found(rule, setup)]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_reference_models_are_left_in_peace(framework: str) -> None:
    objective, batch, _ = make(framework)
    told = names(made.setup(objective, batch, validation=[batch]), CONNECTIONS_AND_LAYERS)
    # the norm of the convolutions takes away their bias
    assert [each for each in told if each != ("BiasBeforeBatchNorm", "note")] == []


def test_a_loss_of_the_labels_alone() -> None:
    setup = made.setup(of_outputs(lambda outputs, targets: optax.softmax_cross_entropy(10 * targets, targets).mean()))
    assert names(setup) == [("LossIgnoresParameters", "problem")]


def test_a_loss_that_reads_parameters_from_outside() -> None:
    setup = made.setup(lambda params, batch: classify(made.PARAMS, batch))
    (finding,) = made.found(LossIgnoresParameters(), setup)
    assert finding.severity == "problem"
    assert "hidden/w" in finding.explanation
    one = made.setup(lambda params, batch: classify({**params, "last": made.PARAMS["last"]}, batch))
    (finding,) = made.found(DisconnectedParameters(), one)
    assert (finding.severity, finding.where) == ("problem", "last")


def test_a_hidden_layer_whose_output_is_dropped() -> None:
    params = {**made.PARAMS, "second": {"b": jnp.zeros(made.WIDTH), "w": jnp.eye(made.WIDTH)}}

    def loss_fn(params: Any, batch: Any, dropped: bool) -> Any:
        first = jax.nn.relu(made.dense(params["hidden"], batch[0]))
        second = jax.nn.relu(made.dense(params["second"], first))
        return made.cross_entropy(made.dense(params["last"], first if dropped else second), batch[1])

    faulty = made.setup(lambda params, batch: loss_fn(params, batch, True), params=params)
    (finding,) = made.found(DisconnectedParameters(), faulty)
    assert (finding.severity, finding.where) == ("problem", "second")
    assert not names(made.setup(lambda params, batch: loss_fn(params, batch, False), params=params))


def test_a_layer_that_is_not_used_is_a_warning_and_a_frozen_one_is_nothing() -> None:
    params = {**made.PARAMS, "spare": {"w": jnp.ones((3, 2))}}
    assert names(made.setup(classify, params=params)) == [("DisconnectedParameters", "warning")]
    label = {"hidden": "train", "last": "train", "spare": "freeze"}
    tx = optax.multi_transform({"train": optax.adam(1e-3), "freeze": optax.set_to_zero()}, label)
    assert not names(made.setup(classify, params=params, tx=tx))


def test_a_second_head_is_a_warning() -> None:
    params = {**made.PARAMS, "value": {"b": jnp.zeros(1), "w": jnp.ones((made.WIDTH, 1))}}

    def loss_fn(params: Any, batch: Any) -> Any:
        hidden = jax.nn.relu(made.dense(params["hidden"], batch[0]))
        made.dense(params["value"], hidden)
        return made.cross_entropy(made.dense(params["last"], hidden), batch[1])

    assert names(made.setup(loss_fn, params=params)) == [("DisconnectedParameters", "warning")]


@pytest.mark.parametrize(
    "step",
    [
        lambda x: jax.nn.one_hot(jnp.argmax(x, -1), made.CLASSES),
        jnp.round,
        lambda x: (x > 0).astype(jnp.float32),
        lambda x: x.astype(jnp.int32),
        jnp.sign,
    ],
    ids=["argmax", "round", "compare", "cast", "sign"],
)
def test_a_step_without_derivative(step: Any) -> None:
    faulty = of_outputs(lambda outputs, targets: squared(step(outputs), targets))
    (finding,) = (each for rule in CONNECTIONS for each in made.found(rule, made.setup(faulty)))
    assert (finding.rule, finding.severity, finding.evidence["largest gradient"]) == (
        "NonDifferentiable",
        "problem",
        0.0,
    )
    assert finding.line is not None
    assert "test_connections" in finding.line
    # straight through, or beside a loss that does have a gradient
    through = of_outputs(lambda outputs, targets: squared(outputs + STOP(step(outputs) - outputs), targets))
    beside = of_outputs(lambda outputs, targets: squared(outputs, targets) + squared(step(outputs), targets))
    assert not names(made.setup(through))
    assert not names(made.setup(beside))


def test_a_penalty_does_not_hide_the_cut() -> None:
    def loss_fn(params: Any, batch: Any) -> Any:
        rounded = squared(jnp.round(outputs(params, batch[0])), jax.nn.one_hot(batch[1], made.CLASSES))
        return rounded + 1e-3 * sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params))

    assert names(made.setup(loss_fn)) == [("NonDifferentiable", "problem")]


def test_a_custom_rule_may_pass_the_gradient() -> None:
    @jax.custom_vjp
    def through(x: Any) -> Any:
        return jnp.where(x > 0, 1.0, -1.0)

    through.defvjp(lambda x: (through(x), None), lambda _, g: (g,))
    assert not names(made.setup(of_outputs(lambda outputs, targets: squared(through(outputs), targets))))


def test_a_hard_gate_never_learns() -> None:
    params = {**made.PARAMS, "gate": {"w": jnp.ones((made.FEATURES, made.WIDTH))}}

    def loss_fn(params: Any, batch: Any) -> Any:
        gate = batch[0] @ params["gate"]["w"] > 0
        hidden = jnp.where(gate, made.dense(params["hidden"], batch[0]), 0)
        return made.cross_entropy(made.dense(params["last"], hidden), batch[1])

    (finding,) = made.found(NonDifferentiable(), made.setup(loss_fn, params=params))
    assert (finding.severity, finding.where) == ("problem", "gate")


def test_a_stop_round_the_prediction() -> None:
    setup = made.setup(of_outputs(lambda outputs, targets: squared(STOP(outputs), targets)))
    assert names(setup) == [("StoppedGradient", "problem")]
    scanned = made.setup(
        of_outputs(lambda o, t: jax.lax.scan(lambda c, x: (c + squared(STOP(x[0]), x[1]), None), 0.0, (o, t))[0])
    )
    assert names(scanned) == [("StoppedGradient", "problem")]


def test_stops_that_are_meant() -> None:
    def backbone(params: Any, batch: Any) -> Any:
        hidden = STOP(jax.nn.relu(made.dense(params["hidden"], batch[0])))
        return made.cross_entropy(made.dense(params["last"], hidden), batch[1])

    def baseline(params: Any, batch: Any) -> Any:
        x = outputs(params, batch[0])
        chosen = jnp.take_along_axis(jax.nn.log_softmax(x), batch[1][:, None], 1)[:, 0]
        return -jnp.mean(chosen * (batch[1] - STOP(x.mean(-1))))

    def quantised(params: Any, batch: Any) -> Any:
        x = made.dense(params["hidden"], batch[0])
        near = jnp.argmin(jnp.sum((x[:, None] - params["last"]["w"].T) ** 2, -1), -1)
        code = params["last"]["w"].T[near]
        return squared(x + STOP(code - x), 1.0) + squared(STOP(x), code) + squared(x, STOP(code))

    weights = {"hidden": made.PARAMS["hidden"], "last": {"w": made.PARAMS["last"]["w"]}}
    assert not names(made.setup(baseline))
    assert not names(made.setup(quantised, params=weights))
    assert names(made.setup(backbone)) == [("StoppedGradient", "warning")]
    label = {"hidden": "freeze", "last": "train"}
    tx = optax.multi_transform({"train": optax.adam(1e-3), "freeze": optax.set_to_zero()}, label)
    assert not names(made.setup(backbone, tx=tx))


def test_rows_torn_by_a_reshape() -> None:
    def loss_fn(params: Any, batch: Any, torn: bool) -> Any:
        x = (
            batch[0].reshape(made.FEATURES, made.ROWS).T
            if torn
            else batch[0].reshape(made.ROWS, 2, -1).reshape(made.ROWS, -1)
        )
        return made.cross_entropy(x := outputs(params, x), batch[1]), {"outputs": x}

    (finding,) = made.found(RowsMixed(), made.setup(lambda params, batch: loss_fn(params, batch, True)))
    assert finding.severity == "problem"
    assert "reshape" in finding.explanation
    assert not made.found(RowsMixed(), made.setup(lambda params, batch: loss_fn(params, batch, False)))


def test_rows_mixed_by_a_mean_are_a_warning_and_similarities_are_nothing() -> None:
    def centred(params: Any, batch: Any) -> Any:
        x = outputs(params, batch[0])
        return made.cross_entropy(x := x - x.mean(0), batch[1]), {"outputs": x}

    def contrast(params: Any, batch: Any) -> Any:
        x = outputs(params, batch[0])
        return made.cross_entropy(x := x @ x.T, jnp.arange(made.ROWS)), {"outputs": x}

    assert made.severities(RowsMixed(), made.setup(centred)) == ["warning"]
    assert not made.found(RowsMixed(), made.setup(contrast))


@pytest.mark.parametrize(
    ("reduce", "expected"),
    [
        (jnp.sum, ["warning"]),
        (jnp.mean, []),
        (lambda x: jnp.sum(x) / made.ROWS, []),
        (lambda x: jnp.sum(x) / x.shape[0], []),
        (lambda x: jnp.sum(x * jnp.ones(x.shape[0])) / jnp.sum(jnp.where(x > -1, 1, 0)), []),
    ],
    ids=["sum", "mean", "fixed", "divided", "weighted"],
)
def test_a_sum_over_the_batch(reduce: Any, expected: list[str]) -> None:
    def loss_fn(params: Any, batch: Any) -> Any:
        x = outputs(params, batch[0])
        return reduce(optax.softmax_cross_entropy_with_integer_labels(x, batch[1])) + 0 * jnp.mean(x)

    assert made.severities(SumOverBatch(), made.setup(loss_fn)) == expected


def test_inputs_that_the_network_never_sees() -> None:
    def loss_fn(params: Any, batch: Any) -> Any:
        x = outputs(params, jnp.ones_like(batch[0]))
        return made.cross_entropy(x, batch[1]), {"outputs": x}

    assert made.severities(InputIgnored(), made.setup(loss_fn)) == ["problem"]
    assert not made.found(InputIgnored(), made.setup(classify))
    # a last layer of zeros says the same of everything at the start, and learns
    zeros = {**made.PARAMS, "last": jax.tree.map(jnp.zeros_like, made.PARAMS["last"])}
    assert not made.found(InputIgnored(), made.setup(classify, params=zeros))


def embed(params: Any, batch: Any) -> Any:
    rows = params["table"][batch[0].astype(jnp.int32)]
    return made.cross_entropy(rows.mean(1) @ params["last"], batch[1])


TABLE = {"table": jnp.asarray(made.RANDOM.normal(size=(11, 4)), jnp.float32), "last": made.PARAMS["last"]["w"]}


def test_real_numbers_as_tokens() -> None:
    shares = np.random.default_rng(0).uniform(0, 0.9, (made.ROWS, 5)).astype(np.float32)
    (finding,) = made.found(InputIgnored(), made.setup(embed, (shares, made.LABELS), params=TABLE))
    assert finding.severity == "problem"
    assert "cast to int32" in finding.explanation
    assert not made.found(InputIgnored(), made.setup(embed, ((10 * shares).round(), made.LABELS), params=TABLE))


@pytest.mark.parametrize(
    ("take", "expected"),
    [
        (lambda table, i: table[i], ["problem"]),
        (lambda table, i: jnp.take(table, i, axis=0), ["problem"]),
        (lambda table, i: table.at[i].get(mode="fill", fill_value=0), []),
        (lambda table, i: table[jnp.minimum(i, 10)], []),
        (lambda table, i: jnp.take(table, i % 11, axis=0), []),
    ],
    ids=["index", "take", "filled", "bounded", "hashed"],
)
def test_an_index_outside_the_table(take: Any, expected: list[str]) -> None:
    tokens = np.random.default_rng(0).integers(-11, 11, (made.ROWS, 5)).astype(np.int32)
    outside = tokens.copy()
    outside[2, 3] = 11

    def loss_fn(params: Any, batch: Any) -> Any:
        return made.cross_entropy(take(params["table"], batch[0]).mean(1) @ params["last"], batch[1])

    findings = made.found(
        IndexOutOfRange(), made.setup(loss_fn, (tokens, made.LABELS), (outside, made.LABELS), params=TABLE)
    )
    assert [each.severity for each in findings] == expected
    for finding in findings:
        assert (finding.evidence["largest index"], finding.evidence["rows"], finding.where) == (11, 11, "table")
    assert not made.found(IndexOutOfRange(), made.setup(loss_fn, (tokens, made.LABELS), params=TABLE))


def test_labels_are_not_its_business() -> None:
    labels = made.LABELS.copy()
    labels[0] = made.CLASSES
    assert not made.found(IndexOutOfRange(), made.setup(classify, (made.INPUTS, labels)))


def attend(blank: float, added: bool = False) -> Any:
    def loss_fn(params: Any, batch: Any) -> Any:
        words = params["table"][batch[0]]
        scores = words.sum(-1)
        padding = batch[0] == 10
        scores = scores + jnp.where(padding, blank, 0) if added else jnp.where(padding, blank, scores)
        return made.cross_entropy(jnp.einsum("bt,btd->bd", jax.nn.softmax(scores), words) @ params["last"], batch[1])

    return loss_fn


@pytest.mark.parametrize("added", [False, True])
def test_a_row_of_padding_alone(added: bool) -> None:
    tokens = np.random.default_rng(0).integers(0, 10, (made.ROWS, 5)).astype(np.int32)
    tokens[:, -1] = 10
    empty = tokens.copy()
    empty[3] = 10
    full, bare = (tokens, made.LABELS), (empty, made.LABELS)
    (finding,) = made.found(AttentionMask(), made.setup(attend(-jnp.inf, added), full, bare, params=TABLE))
    assert (finding.severity, finding.evidence) == ("problem", {"empty rows": 1, "rows": made.ROWS})
    assert not made.found(AttentionMask(), made.setup(attend(-jnp.inf, added), full, params=TABLE))
    assert not made.found(AttentionMask(), made.setup(attend(-1e9, added), full, bare, params=TABLE))


@pytest.mark.parametrize("shifted", ["in the batch", "in the loss"])
@pytest.mark.parametrize("causal", [True, False])
def test_the_future(shifted: str, causal: bool) -> None:
    def loss_fn(params: Any, batch: Any) -> Any:
        given, targets = batch if shifted == "in the batch" else (batch[:, :-1], batch[:, 1:])
        words = params["table"][given]
        scores = jnp.einsum("btd,bsd->bts", words, words)
        length = given.shape[1]
        scores = jnp.where(jnp.tril(jnp.ones((length, length), bool)), scores, -1e9) if causal else scores
        seen = jnp.einsum("bts,bsd->btd", jax.nn.softmax(scores), words)
        return made.cross_entropy(seen @ params["out"], targets)

    text = np.random.default_rng(0).integers(0, 11, (made.ROWS, 7)).astype(np.int32)
    batch = (text[:, :-1], text[:, 1:]) if shifted == "in the batch" else text
    params = {"table": TABLE["table"], "out": jnp.asarray(made.RANDOM.normal(size=(4, 11)), jnp.float32)}
    assert made.severities(AttentionMask(), made.setup(loss_fn, batch, params=params)) == (
        [] if causal else ["problem"]
    )


def test_the_constant_of_plain_arithmetic() -> None:
    setup = made.setup(lambda p, b: classify(p, b) * (jnp.float32(1) - STOP(jnp.float32(0.25))))
    assert constant(setup.train.program, setup.train.program.outputs[0]) is None
    numbers = {constant(setup.train.program, value) for op in setup.train.program.ops for value in op.inputs}
    assert 0.75 in numbers
