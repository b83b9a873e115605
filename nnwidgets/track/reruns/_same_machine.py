"""Whether what a run ran on is here now."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from ..facts._environment import _variables as number_variables
from ..facts._packages import installed

_PROBE = "import json, sys, jax; json.dump([d.device_kind for d in jax.devices(sys.argv[1])], sys.stdout)"
# Packages whose versions change numbers; of any other that the run had imported it is enough that it is here.
_NUMBERS = (
    "jax*", "numpy", "scipy", "ml_dtypes", "flax", "optax", "chex", "equinox", "keras*", "orbax*", "grain", "lineax",
    "diffrax", "optimistix", "distrax", "dm?haiku", "tensorflow*", "torch*", "datasets", "pandas", "scikit?learn",
    "pillow", "opencv*", "mlxtend", "nvidia*", "libtpu*",
)  # fmt: skip


def as_recorded(environment: dict[str, Any]) -> dict[str, str]:
    """The variables of this process, those that change numbers as they were on record.

    Args:
        environment: the section of a run's facts.
    """
    recorded, variables = environment.get("variables"), dict(os.environ)
    if recorded is not None:
        for name in number_variables():
            # a masked value is not known
            if "***" not in recorded.get(name, ""):
                variables.pop(name, None)
        variables |= {name: value for name, value in recorded.items() if "***" not in value}
    if (environment.get("jax") or {}).get("backend") == "cpu":
        # a machine with an accelerator takes that by itself
        variables["JAX_PLATFORMS"] = "cpu"
    return variables


def missing(environment: dict[str, Any], variables: Mapping[str, str]) -> list[str]:
    """What of the recorded environment is not here, each with what to type; [] where all is.

    Python counts without its last number; of the packages that the run had imported, the versions of those that compute;
    and whether JAX has the backend and the kind of device.

    Args:
        environment: the section of a run's facts.
        variables: of the process that is asked for JAX's devices.
    """
    problems = _python(environment.get("python")) + _packages(environment)
    return problems or _devices(environment.get("jax") or {}, variables)


def _python(recorded: str | None) -> list[str]:
    here = platform.python_version()
    if not recorded or recorded.split(".")[:2] == here.split(".")[:2]:
        return []
    version = ".".join(recorded.split(".")[:2])
    return [f"Python {recorded} ran it, this is {here}: make an environment of it, python{version} -m venv old"]


def _packages(environment: dict[str, Any]) -> list[str]:
    recorded, used = environment.get("packages") or {}, set(environment.get("imported") or ())
    here = {_same(name): version for name, version in installed().items()}
    other = {}
    for name, version in sorted(recorded.items()):
        now, counts = here.get(_same(name)), any(fnmatchcase(_same(name), each) for each in _NUMBERS)
        if (name in used or not used) and (now is None or (counts and now != version)):
            other[name] = version
    if not other:
        return []
    told = [f"{name} {version} ({_now(here.get(_same(name)))})" for name, version in other.items()]
    wanted = " ".join(f'"{name}=={version}"' for name, version in other.items())
    return [f"it used {', '.join(told)}: pip install {wanted}"]


def _same(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")


def _now(version: str | None) -> str:
    return f"here is {version}" if version else "not installed here"


def _devices(jax: dict[str, Any], variables: Mapping[str, str]) -> list[str]:
    """JAX is asked in a process of its own: here it must not be started."""
    backend, kinds = jax.get("backend", ""), jax.get("devices") or {}
    # the CPU is everywhere, and to ask takes seconds
    if not backend or backend == "cpu" or backend.startswith("none"):
        return []
    try:
        asked = subprocess.run(
            [sys.executable, "-c", _PROBE, backend],
            env=dict(variables),
            capture_output=True,
            text=True,
            timeout=120,
        )
        here = json.loads(asked.stdout) if asked.returncode == 0 else []
    except (OSError, ValueError, subprocess.TimeoutExpired):
        here = []
    if not here:
        return [
            f"it ran on {_told(kinds) or backend}, and JAX has no backend {backend!r} here: run it on such a machine"
        ]
    if kinds and not set(kinds) & set(here):
        return [
            f"it ran on {_told(kinds)}, here is {_told({kind: here.count(kind) for kind in here})}: numbers may differ"
        ]
    return []


def _told(kinds: Mapping[str, int]) -> str:
    return ", ".join(f"{count} x {kind}" for kind, count in kinds.items())
