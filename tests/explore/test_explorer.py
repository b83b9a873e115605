"""Experiments as methods of a session, on its dashboard, stopped, failed, one's own."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import pytest

import nnwidgets as nnw
from nnwidgets.records import Command, Cost, Exploration
from nnwidgets.train import compiles

from .conftest import small_session


@dataclass(frozen=True)
class Counting:
    """How far does it count?

    It counts to see whether it is stopped.

    Attributes:
        to: where it ends.
        seconds: for each number.
    """

    to: int = 3
    seconds: float = 0.0

    name: ClassVar[str] = "counting far"

    def cost(self, lab: nnw.Lab) -> Cost:
        """As many steps."""
        return lab.cost(self.to)

    def run(self, lab: nnw.Lab) -> Exploration:
        """Counts."""
        if self.to < 1:
            raise ValueError(f"to must be at least 1, got {self.to}: type session.explore.counting_far(to=3).")
        counted = [time.sleep(self.seconds) or number for number in lab.each(range(self.to), "numbers")]
        return Exploration(self.name, f"to {len(counted)}", numbers={"counted": len(counted)})


@pytest.fixture
def session() -> nnw.Session:
    return small_session(experiments=[Counting()])


def test_an_experiment_is_a_method_with_options(session: nnw.Session) -> None:
    assert dir(session.explore) == ["counting_far"]
    assert session.explore.counting_far.__doc__ == Counting.__doc__
    found = session.explore.counting_far(to=5)
    assert found["counted"] == 5
    assert found.complete
    assert found.cost.steps == 5
    assert found.at > 0
    assert session.history.explorations == (found,)


def test_displayed_it_lists_what_there_is(session: nnw.Session) -> None:
    told = repr(session.explore)
    assert "session.explore.counting_far()   [3 steps, 1 program to compile]" in told
    assert "How far does it count?" in told
    assert "stopped" not in told


def test_mistakes_are_told_with_what_there_is(session: nnw.Session) -> None:
    with pytest.raises(AttributeError, match=r"no experiment 'countin'; there are counting_far"):
        session.explore.countin()
    with pytest.raises(TypeError, match=r"counting_far has no option upto; its options are to, seconds"):
        session.explore.counting_far(upto=3)
    with pytest.raises(ValueError, match=r"got 0: type session.explore.counting_far\(to=3\)"):
        session.explore.counting_far(to=0)
    with pytest.raises(TypeError, match=r"an experiment is a dataclass with name, cost\(lab\) and run\(lab\)"):
        small_session(experiments=[Counting])


def test_stopped_it_tells_what_it_has(session: nnw.Session) -> None:
    found: list[Exploration] = []
    thread = threading.Thread(target=lambda: found.append(session.explore.counting_far(to=1000, seconds=0.01)))
    thread.start()
    time.sleep(0.2)
    session.dashboard._send(Command("halt"))
    thread.join(60)
    assert 1 <= found[0]["counted"] < 1000
    assert not found[0].complete
    assert session.explore.counting_far()["counted"] == 3, "the next one is not stopped"


def test_the_button_runs_it_and_a_mistake_is_a_notice(session: nnw.Session) -> None:
    session.dashboard._send(Command("explore", "counting far"))
    session.dashboard._send(Command("explore", "no such"))
    deadline = time.monotonic() + 60
    while not (session.history.explorations and session.notices) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert session.history.explorations[0]["counted"] == 3
    assert [(each.source, each.message) for each in session.notices] == [
        ("explore", "there is no experiment named 'no such'; there are counting far.")
    ]


def test_a_program_is_told_to_cost_what_the_slowest_so_far_did() -> None:
    session = small_session()
    jax.jit(lambda x: jnp.sin(x) + 13.0)(1.0).block_until_ready()
    lab = session.lab()
    lab.step_seconds = 0.5
    assert lab.cost(4, programs=3).seconds == pytest.approx(2 + 3 * compiles().slowest)
    assert compiles().slowest > 0


def test_the_run_is_not_changed_by_any_of_the_default_ones() -> None:
    """What they cost is told without tracing or compiling anything."""
    session = small_session()
    for experiment in session.experiments:
        assert experiment.cost(session.lab()).steps >= 0
    assert session._set_up is None
