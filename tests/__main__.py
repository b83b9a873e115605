"""Every check, the quickest first: ``python -m tests``. It stops at the first stage that fails.

Arguments are names of stages: ``python -m tests format lint`` runs these two.
"""

from __future__ import annotations

import functools
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTEST = [sys.executable, "-m", "pytest"]
# a file stays with one process, since its tests share what they compile
PARALLEL = [*PYTEST, "-n", "auto", "--dist", "loadfile", "--durations=12"]
# A rerun takes the linter's own script, which lives beside this Python whether or not the environment is active.
LINT_IMPORTS = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]

STAGES = {
    "format": [sys.executable, "-m", "ruff", "format", "--check", "."],
    "lint": [sys.executable, "-m", "ruff", "check", "."],
    "imports": LINT_IMPORTS,
    # told where the packages lie: it does not look beside the Python that runs it
    "types": [sys.executable, "-m", "pyright", "--pythonpath", sys.executable],
    "tests": [*PARALLEL, "--ignore=tests/train", "--ignore=tests/browser", "--ignore=tests/test_notebooks.py"],
    # what is said to change no bit is compiled as users compile it
    "train": [*PARALLEL, "tests/train"],
    "notebooks": [*PYTEST, "tests/test_notebooks.py"],
    "browser": [*PYTEST, "--durations=12", "tests/browser"],
}

# Under load XLA's thread pool on a CPU was seen to stand still for good: kernels in block_until_ready for minutes, all of
# their threads asleep. Others saw the same, and that it does not come with one thread an operation (PyAutoFit#1530).
_ONE_THREAD = "--xla_cpu_multi_thread_eigen=false"
# Nearly all of the time goes into compiling small programs that run for a few steps: half of it is saved where XLA and LLVM
# optimise less. An environment that says otherwise is kept: JAX_DISABLE_MOST_OPTIMIZATIONS=0 python -m tests tests.
_QUICKLY, _QUICK_FLAG = "JAX_DISABLE_MOST_OPTIMIZATIONS", "--xla_cpu_use_fusion_emitters=false"


@functools.cache
def _known(flag: str) -> bool:
    """Whether this version of XLA knows its flag: at one that it does not know, it ends the process."""
    command = [sys.executable, "-c", "import jax; jax.devices()"]
    alone = os.environ | {"XLA_FLAGS": flag, "JAX_PLATFORMS": "cpu"}
    return subprocess.run(command, env=alone, capture_output=True, check=False).returncode == 0


def environment(stage: str) -> dict[str, str]:
    """The environment in which a stage runs."""
    quick = stage in ("tests", "browser") and _QUICKLY not in os.environ
    flags = [_ONE_THREAD] * (stage in ("notebooks", "browser")) + [_QUICK_FLAG] * quick
    known = [os.environ.get("XLA_FLAGS", ""), *filter(_known, flags)]
    return os.environ | {"XLA_FLAGS": " ".join(known).strip()} | ({_QUICKLY: "1"} if quick else {})


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in STAGES]
    if unknown:
        print(f"no stage {', '.join(unknown)}; the stages are {', '.join(STAGES)}", file=sys.stderr)
        return 2
    for name in names or STAGES:
        print(f"\n=== {name}: {shlex.join(STAGES[name][1:] if name != 'imports' else STAGES[name])}", flush=True)
        started = time.perf_counter()
        run = subprocess.run(STAGES[name], cwd=ROOT, stdin=subprocess.DEVNULL, check=False, env=environment(name))
        if code := run.returncode:
            print(f"=== {name} failed (exit {code})", file=sys.stderr, flush=True)
            return 1
        if name != list(names or STAGES)[-1]:  # the very last lines are pytest's own summary
            print(f"=== {name} passed in {time.perf_counter() - started:.0f} s", flush=True)
    return 0


sys.exit(main(sys.argv[1:]))
