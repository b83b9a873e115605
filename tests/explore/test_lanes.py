"""A lane trains as a session does, and many are one program."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.explore import Lane, in_lanes, stack, trained
from nnwidgets.train import compiles

from .conftest import small_session


def lane_of(lab: nnw.Lab, steps: int = 8, multiplier: float = 1.0) -> Lane:
    order = np.arange(steps, dtype=np.int32)
    return Lane(lab.params, lab.state, lab.opt_state, lab.key, np.float32(multiplier), order)


def test_a_lane_is_the_run_bit_for_bit() -> None:
    session = small_session()
    lab = session.lab()
    losses, end = jax.jit(trained(session.objective, lab.tx))(lane_of(lab), stack(lab.batches))
    session.run(8)
    np.testing.assert_array_equal(losses, session.timeline.losses)
    jax.tree.map(np.testing.assert_array_equal, end.params, session.params)


def test_lanes_in_chunks_are_the_lanes_one_by_one(session: nnw.Session) -> None:
    lab = session.lab()
    function, batches = trained(session.objective, lab.tx), stack(lab.batches)
    rates = np.geomspace(0.1, 10, 5)
    losses, ends = in_lanes(
        function, stack([lane_of(lab, multiplier=m) for m in rates]), batches, lab, "rates", chunk=2
    )
    assert losses.shape == (5, 8)
    for place, rate in enumerate(rates):
        alone, end = jax.jit(function)(lane_of(lab, multiplier=rate), batches)
        np.testing.assert_allclose(losses[place], alone, rtol=1e-6)
        np.testing.assert_allclose(ends.params["out"][place], end.params["out"], rtol=1e-5, atol=1e-7)


def test_another_count_of_the_same_chunk_compiles_nothing_more(session: nnw.Session) -> None:
    lab = session.lab()
    function, batches = trained(session.objective, lab.tx), stack(lab.batches)
    in_lanes(function, stack([lane_of(lab)] * 4), batches, lab, "rates", chunk=4)
    stacked, before = stack([lane_of(lab)] * 11), compiles().count
    in_lanes(function, stacked, batches, lab, "rates", chunk=4)
    # slicing the lanes is a program, too, and training them is none
    assert compiles().count - before <= 9


def test_a_lane_that_diverges_says_nothing_and_goes_on(session: nnw.Session) -> None:
    lab = session.lab()
    lanes = stack([lane_of(lab, multiplier=m)._replace(opt_state=optax.EmptyState()) for m in (1.0, 1e30)])
    losses, _ = in_lanes(trained(session.objective, optax.scale(-1.0)), lanes, stack(lab.batches), lab, "rates")
    assert np.isfinite(losses[0, 0])
    assert not np.isfinite(losses[1, -1])


def test_stopped_it_has_what_was_made(session: nnw.Session) -> None:
    lab = session.lab()
    lab.stopped = lambda: True
    function = trained(session.objective, lab.tx)
    losses, _ = in_lanes(function, stack([lane_of(lab)] * 6), stack(lab.batches), lab, "rates", chunk=2)
    assert len(losses) == 2
    assert lab.cut


def test_the_time_that_is_left_is_told(session: nnw.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    clock: Iterator[float] = iter(np.arange(0, 1000, 0.5).tolist())
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    lab, told = session.lab(), list[Any]()
    lab.tell = told.append
    assert list(lab.each(range(3), "rates")) == [0, 1, 2]
    assert told == ["rates: 1 of 3, about 2 s left", "rates: 2 of 3, about 1 s left"]
