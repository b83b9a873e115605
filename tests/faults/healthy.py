"""The healthy suite: runs in which nothing is wrong, so that whatever turns red is a false alarm.

``python -m tests.faults.healthy [NAME ...]`` checks that each learns on seed 0 and writes that into ``healthy.json``; runs that
are recorded there are left out unless they are named.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults import _cases

if __name__ == "__main__":
    _cases.set_environment()

from tests.faults.programs import HEALTHY_PARTS

if TYPE_CHECKING:
    import nnwidgets as nnw

STEPS = 200
HEALTHY: dict[str, Callable[[int], nnw.Session]] = {
    f"{part}/{name}": make for part, runs in HEALTHY_PARTS.items() for name, make in runs.items()
}
RECORD = Path(__file__).resolve().parent / "healthy.json"


def learned(losses: Sequence[float]) -> bool:
    """Whether a loss has clearly fallen: by a sixth of its size, and by far more than its noise of late."""
    if not all(map(math.isfinite, losses)):
        return False
    first, last = statistics.mean(losses[:5]), statistics.mean(losses[-20:])
    noise = statistics.stdev(losses[-20:]) * (1 / math.sqrt(5) + 1 / math.sqrt(20))
    return first - last > max(abs(first) / 6, 3 * noise)


def main(arguments: Sequence[str] | None = None) -> int:
    """One line for each run; the exit code is 1 if one does not learn."""
    from tests.faults.prove import quiet

    parser = argparse.ArgumentParser(prog="python -m tests.faults.healthy", description="Do the healthy runs learn?")
    parser.add_argument("names", nargs="*", metavar="NAME", help="the beginning of a name; all if none is given")
    parser.add_argument("--seconds", type=float, default=math.inf, help="stop after so many; the next call goes on")
    options = parser.parse_args(arguments)
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    record = {name: found for name, found in record.items() if name in HEALTHY}
    wanted = [name for name in HEALTHY if any(name.startswith(each) for each in options.names)]
    started = time.perf_counter()
    for name in wanted or [name for name in HEALTHY if not record.get(name, {}).get("learned")]:
        if time.perf_counter() - started > options.seconds:
            print("the time is over")
            break
        try:
            losses = list(quiet(HEALTHY[name](0)).run(STEPS).timeline.losses)
        except Exception as error:
            print(f"{name:44} FAILED  {type(error).__name__}: {str(error)[:400]}", flush=True)
            record.pop(name, None)
            continue
        first, last = statistics.mean(losses[:5]), statistics.mean(losses[-20:])
        record[name] = {"first": float(f"{first:.4g}"), "last": float(f"{last:.4g}"), "learned": learned(losses)}
        print(f"{name:44} {first:8.4g} -> {last:8.4g}  {'' if learned(losses) else 'DOES NOT LEARN'}", flush=True)
        lines = (f"{json.dumps(each)}: {json.dumps(record[each])}" for each in HEALTHY if each in record)
        RECORD.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    left = [name for name in HEALTHY if not record.get(name, {}).get("learned")]
    print(f"{len(HEALTHY) - len(left)} of {len(HEALTHY)} learn; not (yet): {', '.join(left[:40]) or 'none'}")
    return int(bool(left))


if __name__ == "__main__":
    sys.exit(main())
