"""A process that diagnoses programs one after another: names come in, results are files.

``python -m tests.faults._worker``: each line on the standard input is a job as JSON; an empty line comes back when it is done.
What the programs print goes to the standard error.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from tests.faults import _cases


def work(job: dict[str, Any]) -> dict[str, Any]:
    """The diagnosis of one program, or its error."""
    kind, name = job["kind"], job["name"]
    if kind == "suite":
        from tests.faults.healthy import HEALTHY, STEPS

        return _diagnose(HEALTHY[name], STEPS, verify=job["verify"])
    module = _cases.Case(name).load()
    form, fault = _cases.form(module), kind != "twin"
    if form == "loud":
        from tests.faults.prove import loud_message

        message = loud_message(module)
        return {"loud": message[:1000], "heard": module.EXPECT in message}
    if form == "run":
        started = time.perf_counter()
        monitor = _cases.monitor_of(module.run(0, fault=fault))
        return {"findings": [_told(each) for each in monitor.findings], "wall": time.perf_counter() - started}
    return _diagnose(lambda seed: module.build(seed, fault=fault), module.STEPS, verify=job["verify"])


def _diagnose(build: Any, steps: int, *, verify: bool) -> dict[str, Any]:
    session = build(0)
    first: list[tuple[float, float]] = []
    advance = session._advance

    def advance_and_note(*arguments: Any) -> Any:
        first.append((time.perf_counter(), time.process_time()))
        session._advance = advance
        return advance(*arguments)

    # what was said before the first step has taken until here
    session._advance = advance_and_note
    started, worked = time.perf_counter(), time.process_time()
    diagnosis = session.diagnose(steps=steps, verify=verify)
    ended = time.perf_counter()
    first.append((ended, time.process_time()))
    return {
        "findings": [_told(each) for each in diagnosis.findings],
        "notices": [each[:300] for each in diagnosis.notices],
        "static": float(diagnosis.static_seconds),
        "static with compiling": first[0][0] - started,
        "static worked": first[0][1] - worked,
        "dynamic": float(diagnosis.seconds),
        "wall": ended - started,
    }


def _told(finding: Any) -> dict[str, Any]:
    found = finding.to_dict()
    kept = ("rule", "severity", "where", "line", "step", "verified", "confirmed", "tried", "follows", "evidence")
    return {key: found[key] for key in kept}


def _speed() -> float:
    """Seconds of a fixed piece of work, to tell a machine that is busy with other things."""
    found = []
    for _ in range(5):
        started = time.perf_counter()
        sum(i * i for i in range(100_000))
        found.append(time.perf_counter() - started)
    return statistics.median(found)


def main() -> None:
    """Until the standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        job = json.loads(line)
        path = Path(job["result"])
        path.unlink(missing_ok=True)
        try:
            result = work(job)
        except BaseException as error:
            told = "".join(traceback.format_exception(error)[-6:])
            result = {"error": f"{type(error).__name__}: {str(error)[:300]}", "traceback": told[-3000:]}
        new = path.with_suffix(".new")
        new.write_text(json.dumps({**job, "speed": _speed(), **result}), encoding="utf-8")
        new.replace(path)
        if "jax" in sys.modules:
            sys.modules["jax"].clear_caches()
        gc.collect()
        print(file=answers, flush=True)


if __name__ == "__main__":
    if not os.environ.get("NNWIDGETS_COLD"):
        _cases.set_environment()
    main()
