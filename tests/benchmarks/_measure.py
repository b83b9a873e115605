"""What every benchmark needs: fair turns, honest intervals, one kind of row."""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

Turn = Callable[[int], object]


@dataclass(frozen=True)
class Row:
    """One line of a benchmark.

    Attributes:
        name: what was measured.
        value: what came out, in `unit`.
        goal: what `value` must not exceed; None where nothing is promised.
        met: whether the promise was kept; None where there is none.
        low: lower end of a 95 % interval of `value`, or None.
        high: its upper end.
        unit: ``"x"`` is a ratio.
        note: how it was judged, or what else was seen.
    """

    name: str
    value: float
    goal: float | None = None
    met: bool | None = None
    low: float | None = None
    high: float | None = None
    unit: str = "x"
    note: str = ""


def take_turns(
    turns: Mapping[str, Turn], *, seconds: float, rounds: int, most: int, base: str
) -> dict[str, list[float]]:
    """Let variants run in turn, each for the same time, in an order that is turned round from round to round.

    Args:
        turns: each runs so many steps, waits for them, and is warm already.
        seconds: of each variant in all rounds together, about; a step that takes longer than a turn is still made.
        rounds: how many turns each has.
        most: steps that the variant `base` makes at most, in all rounds together.
        base: the variant whose speed decides how long a turn is.

    Returns:
        seconds a step, for each variant one entry a round.
    """
    pace = {name: _pace(turn, seconds / rounds / 4) for name, turn in turns.items()}
    turn_seconds = min(seconds, most * pace[base]) / rounds
    steps = {name: max(1, round(turn_seconds / pace[name])) for name in turns}
    found: dict[str, list[float]] = {name: [] for name in turns}
    for each in range(rounds):
        progress(f"  round {each + 1} of {rounds}", end="\r")
        for name in list(turns)[:: 1 if each % 2 else -1]:
            started = time.perf_counter()
            turns[name](steps[name])
            found[name].append((time.perf_counter() - started) / steps[name])
    progress(" " * 24, end="\r")
    return found


def _pace(turn: Turn, enough: float) -> float:
    """Seconds a step, from turns that are doubled until they take long enough."""
    steps = 1
    while True:
        started = time.perf_counter()
        turn(steps)
        seconds = time.perf_counter() - started
        if seconds >= enough:
            return seconds / steps
        steps *= 2


def paired(found: Mapping[str, Sequence[float]], name: str, base: str) -> tuple[float, float, float]:
    """The ratio of two variants: the median of the rounds' ratios, with its `interval`."""
    ratios = [one / other for one, other in zip(found[name], found[base], strict=True)]
    return statistics.median(ratios), *interval(ratios)


def interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """An interval for the median that supposes nothing of the distribution: the sign test turned round.

    Between the k-th smallest and the k-th largest value the median lies with at least this confidence, k the largest for
    which a fair coin shows fewer than k heads in n throws with at most half the remaining probability. With fewer than six
    values there is no such k, and the ends are infinite.

    Returns:
        its lower and upper end.
    """
    ordered, k, tail = sorted(values), 0, 0.0
    while True:
        tail += math.comb(len(ordered), k) / 2 ** len(ordered)
        if tail > (1 - confidence) / 2:
            break
        k += 1
    return (ordered[k - 1], ordered[-k]) if k else (-math.inf, math.inf)


def options(name: str, description: str, quick: str, arguments: Sequence[str] | None) -> argparse.Namespace:
    """What every benchmark is told on the command line: ``quick`` and ``json``.

    Args:
        name: of its module.
        description: in one sentence.
        quick: what is measured then.
        arguments: the command line; that of the process if None.
    """
    parser = argparse.ArgumentParser(prog=f"python -m tests.benchmarks.{name}", description=description)
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output, and nothing else")
    return parser.parse_args(arguments)


def report(rows: Sequence[Row], *, as_json: bool, **about: Any) -> int:
    """Print the rows, as a table or as one JSON object, and give the exit code: 1 if a goal was missed, else 0."""
    if as_json:
        print(json.dumps({"rows": [_plain(asdict(row)) for row in rows], **about}))
    else:
        print("\n".join(f"{name}: {value}" for name, value in about.items()) + "\n")
        width = max(len(row.name) for row in rows)
        print(f"{'':{width}}  {'value':>10}  {'95 % interval':>18}  {'goal':>8}  met")
        for row in rows:
            print(_line(row, width))
    return int(any(row.met is False for row in rows))


def progress(text: str, end: str = "\n") -> None:
    """Tell a person who waits; on standard error, so that the result can be piped."""
    print(text, end=end, file=sys.stderr, flush=True)


def _line(row: Row, width: int) -> str:
    between = "" if row.low is None or row.high is None else f"{row.low:.3f} to {row.high:.3f}"
    goal = "" if row.goal is None else f"{row.goal:.3f}"
    met = {True: "yes", False: "NO", None: ""}[row.met]
    return f"{row.name:{width}}  {row.value:>8.3f} {row.unit:1}  {between:>18}  {goal:>8}  {met:3}  {row.note}".rstrip()


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Non-finite numbers as strings, which JSON has no word for."""
    return {
        name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }
