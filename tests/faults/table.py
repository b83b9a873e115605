"""How well faults are found: ``python tests/faults/table.py [--quick] [--json] [--only NAME ...] [--fresh]``.

Every faulty case, its healthy twin and the healthy suite are diagnosed in worker processes; each result is a file under
``.artifacts/faults/results``, so that a run that was ended goes on where it stopped. A case is done again when its own file
changes; results of another state of nnwidgets are kept, and that is said, until ``--stale`` or ``--fresh``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
if __name__ == "__main__":
    # started as a file: this folder's modules must not stand in front of others' of the same names
    sys.path[0] = str(ROOT)

from tests.benchmarks._measure import progress, report  # noqa: E402
from tests.faults import _cases, _judge  # noqa: E402

RESULTS = _cases.ARTIFACTS / "results"
JOBS_A_WORKER = 15
QUICK = (
    "b11_softmax_twice", "b33_broadcast", "p063_masked_not_frozen", "p068_no_minus", "p074_horizon_in_epochs",
    "vectors/linen, deep", "vectors/keras, small", "numbers/Poisson", "pictures/cnn, batch norm", "tokens/transformer",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is not done, print the table; the exit code is 1 if a goal is missed or a program could not be diagnosed."""
    options = _parser().parse_args(arguments)
    jobs, source = plan(options.only or QUICK * options.quick, verify=not options.no_verify), source_hash()
    done, waiting = {}, []
    for job in jobs:
        result = None if options.fresh else _read(job, cold=options.cold)
        stale = result is not None and result["source"] != source
        if result is None or (stale and options.stale):
            waiting.append({**job, "source": source, "cold": options.cold})
        else:
            done[job["result"]] = result
    try:
        _work_through(waiting, done, workers=options.workers, limit=options.limit, cold=options.cold)
    except KeyboardInterrupt:
        progress("\nstopped: the same command goes on from here")
    results = [done[job["result"]] for job in jobs if job["result"] in done]
    return _tell(results, missing=len(jobs) - len(results), source=source, as_json=options.json)


def plan(only: Sequence[str], *, verify: bool) -> list[dict[str, Any]]:
    """The programs to be diagnosed: those whose name begins with one of these words, or all.

    Raises:
        SystemExit: there is none.
    """
    suite = json.loads(_suite_names())
    jobs = []
    for case in _cases.find([]):
        about = _judge.About(case)
        jobs.append(("harmless" if about.harmless else "fault", case.name, case.hash))
        if not about.loud:
            jobs.append(("twin", case.name, case.hash))
    jobs += [("suite", name, _text_hash([_suite_file(name)])) for name in suite]
    chosen = [job for job in jobs if not only or any(job[1].startswith(word) for word in only)]
    if not chosen:
        raise SystemExit(f"no case and no healthy run begins with {' or '.join(only)}")
    return [
        {"kind": kind, "name": name, "hash": text, "verify": verify, "result": str(RESULTS / _file_name(kind, name))}
        for kind, name, text in chosen
    ]


def source_hash() -> str:
    """Of all of nnwidgets."""
    return _text_hash(sorted((ROOT / "nnwidgets").rglob("*.py")))


class Worker:
    """One process at a time, made anew after some jobs, after a death and after a job that takes too long."""

    def __init__(self, *, cold: bool) -> None:
        self._cold, self._process, self._made = cold, None, 0

    def do(self, job: dict[str, Any], limit: float) -> dict[str, Any]:
        """The job's result; its "error" says what went wrong."""
        if self._made >= JOBS_A_WORKER:
            self.end()
        process = self._process or self._start()
        self._made += 1
        try:
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            return {**job, "error": self._died()}
        ready, _, _ = select.select([process.stdout], [], [], limit)
        if not ready:
            self.end(kill=True)
            return {**job, "error": f"took longer than {limit:g} s"}
        if not process.stdout.readline():
            return {**job, "error": self._died()}
        return json.loads(Path(job["result"]).read_text(encoding="utf-8"))

    def end(self, *, kill: bool = False) -> None:
        """End the process; the next job starts another one."""
        process, self._process, self._made = self._process, None, 0
        if process is None:
            return
        if kill:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def _start(self) -> subprocess.Popen[str]:
        RESULTS.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, **({"NNWIDGETS_COLD": "1"} if self._cold else {})}
        environment.setdefault("JAX_PLATFORMS", "cpu")
        environment.setdefault("KERAS_BACKEND", "jax")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults._worker"],
            cwd=ROOT, env=environment, text=True, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        return self._process

    def _died(self) -> str:
        process = self._process
        self.end()
        return f"its process ended with code {process.returncode}"


def _work_through(
    waiting: list[dict[str, Any]], done: dict[str, Any], *, workers: int, limit: float, cold: bool
) -> None:
    """Each result goes into `done` as it comes."""
    todo, total, started, lock = iter(waiting), len(waiting), time.perf_counter(), threading.Lock()
    hands = [Worker(cold=cold) for _ in range(workers)]
    stopped = threading.Event()

    def go_on(hand: Worker) -> None:
        while not stopped.is_set():
            with lock:
                job = next(todo, None)
            if job is None:
                return
            result = hand.do(job, limit)
            with lock:
                done[job["result"]] = result
                made = sum(each["result"] in done for each in waiting)
                words = result["error"] if "error" in result else f"{result.get('wall', 0):.1f} s"
                progress(f"{made}/{total} {job['kind']} {job['name']}: {words} ({time.perf_counter() - started:.0f} s)")

    threads = [threading.Thread(target=go_on, args=(hand,), daemon=True) for hand in hands]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    finally:
        stopped.set()
        for hand in hands:
            hand.end(kill=any(thread.is_alive() for thread in threads))


def _tell(results: list[Any], *, missing: int, source: str, as_json: bool) -> int:
    verdicts = [
        _judge.Verdict(_judge.About(_cases.Case(result["name"])), result)
        for result in results
        if result["kind"] == "fault"
    ]
    healthy = [result for result in results if result["kind"] != "fault" and "error" not in result]
    cold = [result for result in results if result.get("cold")]
    rows = _judge.rows(verdicts, healthy, cold or results)
    lists = {
        **_judge.misses(verdicts),
        "false alarms": [f"{name}: {', '.join(rules)}" for name, rules in _judge.false_alarms(healthy).items()],
        "rules that failed": _judge.failed_rules(results),
        "failed": [f"{each['kind']} {each['name']}: {each['error']}" for each in results if "error" in each],
    }
    if not as_json:
        print(_groups(verdicts))
        for name, items in lists.items():
            if items:
                print(f"\n{name} ({len(items)}):", *(f"  {item}" for item in items), sep="\n")
        print()
    about: dict[str, Any] = {
        "programs": len(results),
        "not run": missing,
        "stale": sum(result["source"] != source for result in results),
        "times": "everything compiled anew" if cold else "compiled programs were there (--cold: not)",
        "slowed": f"{_slowed(results):.1f} x",
    }
    if as_json:
        about["groups"] = {name: _group(each) for name, each in _judge.by_group(verdicts).items()}
    code = report(rows, as_json=as_json, **about, **(lists if as_json else {}))
    return code or int(bool(lists["failed"] or missing))


def _groups(verdicts: list[_judge.Verdict]) -> str:
    groups = _judge.by_group(verdicts)
    found = {**{name: _group(each) for name, each in groups.items()}, "all": _group(verdicts)}
    heads = list(found["all"])
    lines = [f"{'group':12}" + "".join(f"{head:>12}" for head in heads)]
    lines += [f"{name:12}" + "".join(f"{numbers[head]:>12}" for head in heads) for name, numbers in found.items()]
    return "\n".join(lines)


def _group(verdicts: list[_judge.Verdict]) -> dict[str, Any]:
    with_place = [verdict for verdict in verdicts if verdict.about.has_place]
    return {
        "cases": len(verdicts),
        "loud": sum(verdict.about.loud for verdict in verdicts),
        "detected": sum(verdict.detected for verdict in verdicts),
        "first": sum(verdict.first for verdict in verdicts),
        "in three": sum(verdict.among_three for verdict in verdicts),
        "placed": f"{sum(verdict.placed for verdict in with_place)} of {len(with_place)}",
        "verified": sum(verdict.verified for verdict in verdicts),
    }


def _slowed(results: list[Any]) -> float:
    """How much slower the machine was than at its best, in the middle: other programs may have run beside."""
    speeds = sorted(result["speed"] for result in results if "speed" in result)
    return speeds[len(speeds) // 2] / speeds[0] if speeds else 1.0


def _read(job: dict[str, Any], *, cold: bool) -> dict[str, Any] | None:
    """A result that may stand: of the same text, no error, and as cold as wanted."""
    path = Path(job["result"])
    if not path.exists():
        return None
    result = json.loads(path.read_text(encoding="utf-8"))
    good = result["hash"] == job["hash"] and "error" not in result and (result["cold"] or not cold)
    return result if good else None


def _suite_names() -> str:
    """Asked of another process: here nothing needs JAX."""
    code = "from tests.faults import _cases; _cases.set_environment()\n"
    code += "import json; from tests.faults.healthy import HEALTHY; print(json.dumps(list(HEALTHY)))"
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def _suite_file(name: str) -> Path:
    return ROOT / "tests" / "faults" / "programs" / f"_{name.partition('/')[0]}.py"


def _text_hash(paths: Iterable[Path]) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:16]


def _file_name(kind: str, name: str) -> str:
    return f"{kind}_{re.sub(r'[^a-zA-Z0-9]+', '_', name)}.json"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python tests/faults/table.py", description="How well are faults found?")
    parser.add_argument("--quick", action="store_true", help="a few programs, under a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output, and nothing else")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="cases and healthy runs that begin so")
    parser.add_argument("--fresh", action="store_true", help="begin anew")
    parser.add_argument("--stale", action="store_true", help="do those again that another state of nnwidgets gave")
    parser.add_argument("--cold", action="store_true", help="compile everything anew, for times that a user would see")
    parser.add_argument("--no-verify", action="store_true", help="try no remedies")
    parser.add_argument("--limit", type=float, default=180, metavar="SECONDS", help="for one program (%(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="processes at a time (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
