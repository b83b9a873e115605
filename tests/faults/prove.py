"""Whether the faults hurt: ``python -m tests.faults.prove [CASE ...] [--seeds 5]``.

Each case is trained with its fault and without it, over seeds, and the true errors of both go into ``proof.json``. A case is
named by the beginning of its file's name. Cases whose file has not changed since are not run again.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import math
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.faults import _cases

PROOF = Path(__file__).resolve().parent / "proof.json"
LOCK = _cases.ARTIFACTS / "proof.lock"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove the cases, one line each; the exit code is 1 if one does not hurt (and does not say so) or cannot be run."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.prove", description="Do the faults hurt?")
    parser.add_argument("cases", nargs="*", metavar="CASE", help="the beginning of a file's name; all if none is given")
    parser.add_argument("--seeds", type=int, default=5, help="how many, from 0 on (%(default)s)")
    parser.add_argument("--fresh", action="store_true", help="also those whose file has not changed")
    options = parser.parse_args(arguments)
    try:
        cases = _cases.find(options.cases)
    except ValueError as error:
        parser.error(str(error))
    if not options.cases:
        forget_lost_ones({case.name for case in cases})
    known = {} if options.fresh else read()
    failed = 0
    for case in cases:
        started, proof = time.perf_counter(), known.get(case.name, {})
        enough = "loud" in proof or len(proof.get("fixed", ())) >= options.seeds
        if made := not (enough and proof["hash"] == case.hash):
            try:
                proof = {**prove(case.load(), options.seeds), "hash": case.hash}
            except Exception as error:
                print(f"{case.name:34} FAILED  {type(error).__name__}: {str(error)[:300]}", flush=True)
                traceback.print_exc(limit=-3)
                failed += 1
                continue
            write(case.name, proof)
        good = proof["hurts"] != proof.get("harmless", False)
        failed += not good
        told = f"{time.perf_counter() - started:.0f} s" if made else "unchanged"
        print(f"{case.name:34} {_words(proof, good)}  ({told})", flush=True)
    return int(bool(failed))


def prove(module: ModuleType, seeds: int) -> dict[str, Any]:
    """What both programs of a case come to; a loud case has nothing but its message."""
    form = _cases.form(module)
    if form == "loud":
        message = loud_message(module)
        return {"loud": message[:500], "hurts": module.EXPECT in message}
    found: dict[str, list[float]] = {"faulty": [], "fixed": []}
    for seed in range(seeds):
        for name, errors in found.items():
            errors.append(float(_error(module, form, seed, fault=name == "faulty")))
    proof = {"steps": module.STEPS, **{name: [_written(each) for each in errors] for name, errors in found.items()}}
    proof["hurts"] = hurts(**found)
    return {**proof, "harmless": True} if getattr(module, "HARMLESS", False) else proof


def hurts(faulty: Sequence[float], fixed: Sequence[float]) -> bool:
    """Whether the fault costs something on every seed: the best faulty error is a tenth above the worst fixed one, or is not
    finite, while every fixed one is finite.
    """
    worst = max(fixed)
    return all(map(math.isfinite, fixed)) and all(
        not math.isfinite(error) or error > 1.1 * worst + 0.002 for error in faulty
    )


def loud_message(module: ModuleType) -> str:
    """What a loud case raises, with its notes; "" if it raises nothing."""
    try:
        module.loud()
    except Exception as error:
        return "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])
    return ""


def quiet(session: Any) -> Any:
    """The session without its watching: nothing is read or validated, and a NaN does not stop it."""
    session._desk.governor.budget = 0.0
    session._validation = None
    session._pauses_on_nan = False
    return session


def read() -> dict[str, Any]:
    """All that was proved so far."""
    return json.loads(PROOF.read_text(encoding="utf-8")) if PROOF.exists() else {}


def write(name: str, proof: dict[str, Any]) -> None:
    """Put one case's proof among the others, of which another process may write one meanwhile."""
    with _changing() as proofs:
        proofs[name] = proof


def forget_lost_ones(names: set[str]) -> None:
    """Leave out the proofs of cases that are no more."""
    with _changing() as proofs:
        for name in set(proofs) - names:
            del proofs[name]


@contextmanager
def _changing() -> Iterator[dict[str, Any]]:
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        proofs = read()
        yield proofs
        lines = (f"{json.dumps(name)}: {json.dumps(proofs[name], allow_nan=False)}" for name in sorted(proofs))
        new = PROOF.with_suffix(".new")
        new.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
        # in one go: others read it without the lock
        new.replace(PROOF)


def _error(module: ModuleType, form: str, seed: int, *, fault: bool) -> float:
    if form == "build":
        return module.error(quiet(module.build(seed, fault=fault)).run(module.STEPS))
    result = module.run(seed, fault=fault)
    return module.error(result) if hasattr(module, "error") else result[1]


def _written(error: float) -> float | str:
    return float(f"{error:.4g}") if math.isfinite(error) else str(error)


def _words(proof: dict[str, Any], good: bool) -> str:
    if "loud" in proof:
        return f"raises {proof['loud'].splitlines()[0][:70]!r}" if good else "DOES NOT RAISE what it has to"
    ways = [f"{name} {_between([float(each) for each in proof[name]])}" for name in ("faulty", "fixed")]
    verdict = "hurts" if proof["hurts"] else "does not hurt"
    return "  ".join([*ways, verdict if good else f"{verdict.upper()}{' (is said to be HARMLESS)' * proof['hurts']}"])


def _between(errors: list[float]) -> str:
    finite = [error for error in errors if math.isfinite(error)]
    rest = f" ({len(errors) - len(finite)} not finite)" if len(finite) < len(errors) else ""
    return (f"{min(finite):.3g}..{max(finite):.3g}" if finite else "none") + rest


if __name__ == "__main__":
    _cases.set_environment()
    sys.exit(main())
