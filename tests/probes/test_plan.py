"""Probes sorted into programs, and what they gave put where it belongs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnwidgets.probes import PerLayer, Plan, Snapshot, dead_units, histograms, make_plan, norms, statistics
from nnwidgets.records import History
from tests.probes._made import activated, after, snapshot

STEP = activated((after("relu"), np.float32([[0, 1]])))


def sign(snapshot: Snapshot) -> Mapping[str, Any]:
    return {"gradient/sign": dict.fromkeys(snapshot.paths, 0.25)}


def loudness(snapshot: Snapshot) -> Mapping[str, Any]:
    return {"run/loudness": 2 * snapshot.loss, "activation/first": snapshot.activations["Dense_0/relu"][0, 1]}


def read(plan: Plan, step: Snapshot, number: int = 3) -> History:
    history = History()
    plan.write(history, number, np.asarray(plan.packed(step)))
    return history


def test_kinds_are_found_by_a_dry_run() -> None:
    plans, notices = make_plan((norms, loudness, histograms, statistics, dead_units), STEP)
    assert notices == ()
    assert {plan.kind: [probe.__name__ for probe in plan.probes] for plan in plans} == {  # pyright: ignore
        "statistics": ["norms", "statistics"],
        "activations": ["loudness", "dead_units"],
        "histograms": ["histograms"],
    }


def test_the_dry_run_computes_nothing() -> None:
    shapes = jax.eval_shape(lambda step: step, snapshot())
    (plan,), notices = make_plan((norms,), shapes)
    assert (plan.kind, notices) == ("statistics", ())


def test_a_probe_with_nothing_to_read_is_left_out_in_silence() -> None:
    assert make_plan((dead_units,), snapshot()) == ((), ())


def test_a_packed_vector_finds_its_way_back() -> None:
    (plan,), _ = make_plan((norms, statistics), snapshot())
    assert plan.packed(snapshot()).shape == (3 * 7 * 2,)
    history = read(plan, snapshot())
    assert history["gradient/max"].values.tolist() == [[0.0, 1000.5]]
    assert history["update/min"].values.tolist() == [[0.0, -1.0]]
    assert history["gradient/norm"].steps.tolist() == [3]
    assert history["parameter/norm"].layers == ("b", "w")


def test_histograms_find_their_way_back_and_are_copied() -> None:
    (plan,), _ = make_plan((histograms,), snapshot())
    packed, history = np.array(plan.packed(snapshot())), History()
    plan.write(history, 5, packed)
    packed[:] = -1
    found = history.histogram("update/histogram")
    assert found is not None
    assert (found.step, found.layers) == (5, ("b", "w"))
    assert (found.low.tolist(), found.high.tolist()) == ([0.0, -1.0], [0.0, 500.25])
    assert found.counts.sum(1).tolist() == [1, 6]


def test_what_a_probe_may_give() -> None:
    def several(snapshot: Snapshot) -> Mapping[str, Any]:
        return {
            "mine/scalar": snapshot.loss,
            "mine/number": 7,
            "mine/one": jnp.ones((1, 1)),
            "mine/layers": {"b": snapshot.grads["b"], "w": jnp.max(snapshot.grads["w"])},
            "mine/rows": PerLayer(snapshot.paths, jnp.bfloat16([1.5, 2.5])),
            "deep/er/name": PerLayer(("x",), jnp.ones(1)),
        }

    (plan,), notices = make_plan((several, sign), snapshot())
    assert notices == ()
    history = read(plan, snapshot())
    assert {name: history[name].values.tolist() for name in history.names()} == {
        "mine/scalar": [[1.0]],
        "mine/number": [[7.0]],
        "mine/one": [[1.0]],
        "mine/layers": [[0.0, 1000.5]],
        "mine/rows": [[1.5, 2.5]],
        "deep/er/name": [[1.0]],
        "gradient/sign": [[0.25, 0.25]],
    }
    assert (history["mine/scalar"].layers, history["mine/layers"].layers) == (("",), ("b", "w"))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (3.0, r"wanted a mapping such as .* got float"),
        ({"sign": 1.0}, r"'<what>/<reading>', such as 'gradient/sign'; got 'sign'"),
        ({"/sign": 1.0}, r"got '/sign'"),
        ({5: 1.0}, r"got 5"),
        ({"a/b": jnp.ones(3)}, r"'a/b' is an array of shape \(3,\): wanted a scalar, or PerLayer"),
        ({"a/b": PerLayer(("x",), jnp.ones(2))}, r"'a/b' has 1 layers, so wanted values of shape \(1,\); got \(2,\)"),
        ({"a/b": PerLayer(("x", "x"), jnp.ones(2))}, r"'a/b' names a layer twice: x, x"),
        (
            {"a/histogram": PerLayer(("x",), jnp.ones((1, 2)))},
            r"shape \(1, 2 \+ bins\): low, high, counts; got \(1, 2\)",
        ),
        ({"a/b": PerLayer(("x",), jnp.ones((1, 5)))}, r"wanted values of shape \(1,\); got \(1, 5\)"),
    ],
)
def test_a_wrong_return_says_what_was_wanted(given: Any, text: str) -> None:
    def wrong(snapshot: Snapshot) -> Any:
        return given

    plans, (notice,) = make_plan((wrong, sign), snapshot())
    assert [plan.probes for plan in plans] == [(sign,)]
    assert notice.source == "wrong"
    with pytest.raises(AssertionError, match=f"the probe was left out: .*{text}"):
        raise AssertionError(notice.message)


def test_a_probe_that_raises_is_left_out_with_its_error() -> None:
    def broken(snapshot: Snapshot) -> Any:
        return {"a/b": snapshot.grads["no such layer"]}

    plans, (notice,) = make_plan((broken, norms), snapshot())
    assert [plan.probes for plan in plans] == [(norms,)]
    assert (notice.source, notice.message) == ("broken", "the probe was left out: 'no such layer'")
    assert "KeyError" in str(notice.details)


def test_a_name_that_is_taken_is_refused() -> None:
    def again(snapshot: Snapshot) -> Mapping[str, Any]:
        return {"gradient/norm": 1.0, "gradient/other": 2.0}

    (plan,), (notice,) = make_plan((norms, again), snapshot())
    assert plan.probes == (norms,)
    assert "'gradient/norm', which norms gives already; choose another name" in notice.message
