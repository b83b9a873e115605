"""A timeline saved to a folder and loaded again, also after the process was killed while it saved."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from tests import models

from .test_rewind import BATCHES, SOURCES, bits, forget_most, session, shuffled, states

ROOT = Path(__file__).parents[2]
SAVING = """
import sys
from tests.train.test_rewind import session
run = session()
while True:
    run.run(1)
    run.save(sys.argv[1])
    print(run.step, flush=True)
"""


@pytest.mark.parametrize("source", SOURCES)
def test_a_loaded_session_goes_on_and_back(source: str, tmp_path: Path) -> None:
    wanted = states(lambda: session(SOURCES[source]()), 16)
    run = session(SOURCES[source]()).run(9)
    forget_most(run)
    run.save(tmp_path / "run")
    loaded = session(SOURCES[source]()).load(tmp_path / "run")
    assert bits(loaded) == wanted[9] and loaded.step == 9
    np.testing.assert_array_equal(loaded.history["train/loss"].values, run.history["train/loss"].values)
    assert bits(loaded.rewind(4)) == wanted[4]
    assert bits(loaded.rewind(9).run(7)) == wanted[16]


@pytest.mark.parametrize("framework", ["nnx", "equinox"])
def test_keys_and_model_state_are_saved(framework: str, tmp_path: Path) -> None:
    def make() -> nnw.Session:
        objective, batch, _ = models.make(framework)
        return nnw.Session(objective, optax.adam(1e-2), [batch], budget=0)

    run = make().run(3)
    run.save(tmp_path)
    assert bits(make().load(tmp_path).run(2)) == bits(run.run(2))


def test_bfloat16_and_a_rewound_session(tmp_path: Path) -> None:
    def make() -> nnw.Session:
        objective = nnw.Objective(lambda p, x: jnp.mean((x @ p["w"]) ** 2), {"w": jnp.ones(6, jnp.bfloat16)})
        return nnw.Session(objective, optax.sgd(0.1), BATCHES, budget=0)

    run = make().run(5).rewind(2)
    run.save(tmp_path)
    loaded = make().load(tmp_path)
    assert loaded.step == 2 and loaded.reach == (0, 5) and bits(loaded) == bits(run)
    assert loaded.params["w"].dtype == jnp.bfloat16
    assert bits(loaded.rewind(5)) == bits(run.rewind(5))


def test_what_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no saved timeline"):
        session().load(tmp_path)
    session(shuffled).run(2).save(tmp_path)
    with pytest.raises(ValueError, match="was saved by another session"):
        session(tx=optax.sgd(0.1)).load(tmp_path)
    with pytest.raises(ValueError, match="load wants a new session"):
        session(shuffled).run(1).load(tmp_path)


def test_killed_while_it_saves_nothing_older_is_lost(tmp_path: Path) -> None:
    """Five times, at random moments; what was said to be saved is there, and is what a straight run has."""
    wanted, luck = states(session, 40), random.Random(0)
    folder = tmp_path / "run"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for _ in range(5):
        command = [sys.executable, "-c", SAVING, str(folder)]
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            said = int(process.stdout.readline())
            time.sleep(luck.uniform(0.0, 0.3))
            process.send_signal(signal.SIGKILL)
            said = max([said, *(int(line) for line in process.stdout if line.strip().isdigit())])
        loaded = session().load(folder)
        # a later one may be complete though nobody heard of it
        assert said <= loaded.step <= said + 1
        if loaded.step <= 40:
            assert bits(loaded) == wanted[loaded.step]
        for each in folder.iterdir():
            assert each.name.startswith("timeline-") or each.suffix == ".part"


def test_nothing_of_others_is_touched(tmp_path: Path) -> None:
    (tmp_path / "1000").mkdir()
    (tmp_path / "1000" / "mine").write_text("kept")
    (tmp_path / "other.part").mkdir()
    run = session(shuffled).run(3)
    assert run.save(tmp_path).name == "timeline-000001"
    assert run.save(tmp_path).name == "timeline-000002"
    assert {each.name for each in tmp_path.iterdir()} == {"1000", "other.part", "timeline-000002"}
    assert session(shuffled).load(tmp_path).step == 3


def test_a_refused_folder_leaves_the_session_as_it_was(tmp_path: Path) -> None:
    session(shuffled, seed=3).run(9).save(tmp_path / "seed")
    short = session(iter(BATCHES * 3)).run(9)
    short.save(tmp_path / "short")
    run = session(iter(BATCHES))
    with pytest.raises(ValueError, match="another seed"):
        run.load(tmp_path / "seed")
    with pytest.raises(ValueError, match="data ended after 5 batches"):
        run.load(tmp_path / "short")
    assert run.step == 0 and not run.timeline.losses and not run.timeline.steps


def test_little_memory_and_a_rewound_step(tmp_path: Path) -> None:
    wanted = states(lambda: session(shuffled), 13)[13]
    session(shuffled).run(30).rewind(13).save(tmp_path)
    loaded = session(shuffled, timeline_memory=1000).load(tmp_path)
    assert loaded.step == 13 and bits(loaded) == wanted
    assert loaded.gradcheck("whole").ok
