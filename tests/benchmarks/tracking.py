"""What keeping a run on record costs: ``python -m tests.benchmarks.tracking [--quick] [--json]``.

The same session with and without its record, in turn, unwatched and watched; the ratio is the median over the rounds, and
the noise is that of a second session without. A turn is one call of ``run``, so that each has a beginning and an end to
write down; what these take by themselves is a row of its own. The accounted share is what the recorder's calls within the
loop took of the time that the steps took; what its threads do meanwhile is in the ratio. Beside it MLflow, if it is
installed: its client logs the loss of every step into its own SQLite file, as its users do.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import optax

import nnwidgets as nnw

from ._measure import Row, Turn, options, paired, progress, report, take_turns
from ._models import MODELS, Reference

GOAL = 1.02
ON, OFF, AGAIN, RIVAL = "recorded", "not recorded", "not recorded again (noise)", "MLflow, a loss a step"


def session(reference: Reference, *, track: bool, budget: float) -> nnw.Session:
    """Warm."""
    made = nnw.Session(reference.objective(), optax.adam(1e-3), reference.batches, budget=budget, track=track)
    return made.run(3)


def cost_rows(reference: Reference, seconds: float, rounds: int, budget: float) -> list[Row]:
    """What the record adds to the steps."""
    sessions = {name: session(reference, track=name == ON, budget=budget) for name in (OFF, AGAIN, ON)}
    turns: dict[str, Turn] = {name: made.run for name, made in sessions.items()}
    spent = _timed(sessions[ON])
    if importlib.util.find_spec("mlflow"):
        turns[RIVAL] = _with_mlflow(session(reference, track=False, budget=budget))
    found = take_turns(turns, seconds=seconds, rounds=rounds, most=20_000, base=OFF)
    step = f"step {1e3 * statistics.median(found[OFF]):.2f} ms"
    kind = f"{reference.name}, {'unwatched' if budget == 0 else 'watched'}"
    rows = []
    for name in turns:
        if name != OFF:
            value, low, high = paired(found, name, OFF)
            goal, met, note = None, None, step
            if name == ON:
                goal, met, note = GOAL, low <= GOAL, f"{step}; missed only if the whole interval is above"
            rows.append(Row(f"{kind}: {name} by {OFF}", value, goal, met, low, high, note=note))
    share = spent[0] / (spent[1] * statistics.median(found[OFF]))
    accounted = Row(f"{kind}: accounted share of the loop", 100 * share, 100 * (GOAL - 1), share <= GOAL - 1, unit="%")
    return [*rows, accounted, _ends(sessions[ON], kind)]


def _timed(recorded: nnw.Session) -> list[float]:
    """Seconds that the recorder's calls take within the loop, and steps, as they add up."""
    recorder, spent = recorded._tracked._recorder, [0.0, 0]

    def timed(call: Callable[..., None], steps: int) -> Callable[..., None]:
        def run(*about: Any) -> None:
            started = time.perf_counter()
            call(*about)
            spent[0] += time.perf_counter() - started
            spent[1] += steps

        return run

    recorder.made = timed(recorder.made, 1)
    recorded.history.listener = timed(recorder._heard, 0)
    return spent


def _ends(recorded: nnw.Session, kind: str) -> Row:
    """Seconds that a call of `run` for one step takes more than its step."""
    found = []
    for _ in range(9):
        started = time.perf_counter()
        recorded.run(1)
        found.append(time.perf_counter() - started)
    return Row(f"{kind}: run(1), beginning and end included", 1e3 * statistics.median(found), unit="ms")


def _with_mlflow(watched: nnw.Session) -> Turn:
    from mlflow.tracking import MlflowClient

    folder = tempfile.mkdtemp(prefix="nnwidgets-mlflow-")
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    run: str = client.create_run(client.create_experiment("benchmark")).info.run_id

    def log(columns: Any, step: int, values: Any) -> None:
        if columns.names == ("train/loss",):
            client.log_metric(run, "loss", float(values[0, 0]), step=step)

    watched.history.listener = log
    watched.run(1)
    return watched.run


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and give the exit code: 1 if a goal was missed."""
    given = options(
        "tracking", "What keeping a run on record costs.", "two small models, in less than a minute", arguments
    )
    seconds, rounds = (6.0, 6) if given.quick else (32.0, 16)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="nnwidgets-runs-", ignore_cleanup_errors=True) as home:
        os.environ.update(NNWIDGETS_HOME=home, NNWIDGETS_TRACK="")
        for name in ("CNN 100k",) if given.quick else ("MLP 17k", "CNN 100k", "MLP 10M"):
            for budget in (0.0, 0.05):
                progress(name)
                rows += cost_rows(MODELS[name](), seconds, rounds, budget)
        taken = sum(path.stat().st_size for path in Path(home).rglob("*") if path.is_file())
    rows.append(Row("store, states included", taken / 1e6, unit="MB"))
    return report(rows, as_json=given.json, jax=f"{jax.__version__} on {jax.default_backend()}")


if __name__ == "__main__":
    sys.exit(main())
