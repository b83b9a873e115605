"""The runs on record as rows of a table: three queries, however many runs there are."""

from __future__ import annotations

import sqlite3
from typing import Any

import numpy as np

from nnwidgets.records import RunRow

from .differences._change import flat, text_of
from .store import _texts
from .store._run import Run
from .store._store import Store

# What says nothing on its own, or stands in every name.
_QUIET = {"validation_every", "gradcheck_every"}
# The newest value of a scalar, without reading what came before it.
_NEWEST = """
SELECT series.run, series.what, substr(chunks.rows, -4) FROM series
JOIN chunks ON chunks.id = (SELECT max(id) FROM chunks WHERE chunks.series = series.id)
WHERE series.what IN ('train', 'validation') AND series.readings = '["loss"]'
"""


def listed(store: Store) -> list[RunRow]:
    """All runs of a store as rows, the newest first."""
    runs = store.runs()
    numbers = {run.uid: run.id for run in runs}
    with store.connect() as connection:
        newest = {(run, what): _number(value) for run, what, value in connection.execute(_NEWEST)}
        settings = _settings(connection)
    differs = _differing(settings)
    return [
        RunRow(
            run.id, run.uid, run.name, run.state, run.created,
            message=why_ended(run), seconds=run.seconds, step=run.step, steps_per_second=run.steps_per_second,
            train_loss=newest.get((run.id, "train")), validation_loss=newest.get((run.id, "validation")),
            tags=run.tags, note=run.note, origin=_origin(run, numbers), differs=differs.get(run.id, ""),
        )
        for run in runs
    ]  # fmt: skip


def why_ended(run: Run) -> str:
    """Why a run is in its state, in words; "" where that needs none."""
    if run.state == "killed":
        return f"its process {run.pid} on {run.host} is gone"
    if run.state == "failed" and run.error:
        return run.error.strip().splitlines()[-1]
    return run.message


def _origin(run: Run, numbers: dict[str, int]) -> str:
    if run.parent is not None:
        return f"branch of {numbers.get(run.parent, 'a run that is gone')} at step {run.branched_at or 0:,}"
    if run.rerun_of:
        return f"repeats {numbers.get(run.rerun_of, run.rerun_of)}"
    return ""


def _number(value: Any) -> float | None:
    return float(np.frombuffer(value, np.float32)[0]) if isinstance(value, bytes) and len(value) == 4 else None


def _settings(connection: sqlite3.Connection) -> dict[int, dict[str, str]]:
    """The hyperparameters of each run as words; those of runs that share them are read once."""
    read: dict[str, dict[str, str]] = {}
    found = {}
    for run, content in connection.execute("SELECT run, content FROM facts WHERE section = 'hyperparameters'"):
        if content not in read:
            read[content] = _words(_texts.read(connection, content))
        found[run] = read[content]
    return found


def _words(facts: dict[str, Any]) -> dict[str, str]:
    chain = facts.get("optimizer") or []
    steps = [each for each in chain if isinstance(each, dict) and "name" in each]
    words = {"optimizer": " + ".join(str(each["name"]).removeprefix("scale_by_") for each in steps)} if steps else {}
    for each in steps:
        # "0.01", and not "optimizer 1 learning_rate"
        words |= {path: text_of(value) for path, value in flat(each.get("arguments", {})).items()}
    others = {name: value for name, value in facts.items() if name not in {"optimizer", *_QUIET}}
    return words | {path: text_of(value) for path, value in flat(others).items()}


def _differing(settings: dict[int, dict[str, str]]) -> dict[int, str]:
    names = dict.fromkeys(name for each in settings.values() for name in each)
    mixed = [name for name in names if len({each.get(name) for each in settings.values()}) > 1]
    return {
        run: ", ".join(each[name] if name == "optimizer" else f"{name} {each[name]}" for name in mixed if name in each)
        for run, each in settings.items()
    }
