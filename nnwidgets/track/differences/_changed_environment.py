"""How the machines, settings and packages of two runs differ."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from ._change import NEVER, Change, pairs, text_of

_SETTING, _FLAGS, _PACKAGE, _MACHINE = 5, 6, 70, 80
# They stop a run or say more; no number is another one.
_HARMLESS_SETTINGS = ("debug_nans", "debug_infs", "numpy_rank_promotion", "platforms")
_HARMLESS_VARIABLES = (
    "JAX_PLATFORMS",
    "XLA_PYTHON_CLIENT_*",
    "XLA_CLIENT_*",
    "JAX_*CACHE*",
    "JAX_*LOG*",
    "JAX_DEBUG_*",
)
_MACHINES = ("backend", "devices", "default_device", "num_cpu_devices")
# Those told among the packages.
_VERSIONS = ("jax", "jaxlib")


def changed_environment(left: dict[str, Any], right: dict[str, Any]) -> list[Change]:
    """Of the sections "environment" of two runs, packages aside."""
    if not left or not right:
        return []
    settings = [
        _setting(*each) for each in pairs(left.get("jax", {}), right.get("jax", {})) if each[0] not in _VERSIONS
    ]
    variables = [_variable(*each) for each in pairs(left.get("variables", {}), right.get("variables", {}))]
    return settings + variables + [_machine(name, left, right) for name in _about(left, right)]


def changed_packages(left: dict[str, Any], right: dict[str, Any]) -> list[Change]:
    """Of the packages of two runs; one that neither has imported is harmless."""
    if not left or not right:
        return []
    used = {*left.get("imported", ()), *right.get("imported", ())}
    return [
        _package(*each, used=each[0] in used) for each in pairs(left.get("packages", {}), right.get("packages", {}))
    ]


def _setting(name: str, left: Any, right: Any) -> Change:
    if name in _MACHINES:
        return Change("environment", f"JAX {name}", text_of(left), text_of(right), _MACHINE)
    acts = NEVER if name in _HARMLESS_SETTINGS else 0
    return Change("environment", f"JAX setting {name}", text_of(left), text_of(right), _SETTING, acts)


def _variable(name: str, left: Any, right: Any) -> Change:
    acts = NEVER if any(fnmatchcase(name, each) for each in _HARMLESS_VARIABLES) else 0
    rank = _FLAGS if name in ("XLA_FLAGS", "NVIDIA_TF32_OVERRIDE", "LIBTPU_INIT_ARGS") else _MACHINE + 2
    return Change("environment", f"variable {name}", text_of(left), text_of(right), rank, acts)


def _about(left: dict[str, Any], right: dict[str, Any]) -> list[str]:
    return [name for name in ("python", "platform", "cpus", "kind") if left.get(name) != right.get(name)]


def _machine(name: str, left: dict[str, Any], right: dict[str, Any]) -> Change:
    what = {"python": "Python version", "cpus": "number of CPUs", "kind": "kind of Python"}.get(name, name)
    acts = NEVER if name == "kind" else 0
    return Change("environment", what, text_of(left.get(name)), text_of(right.get(name)), _MACHINE + 4, acts)


def _package(name: str, left: str | None, right: str | None, used: bool) -> Change:
    found = [f"{name} {version}" if version else f"no {name}" for version in (left, right)]
    words = f"package {found[0]} against {found[1]}" + ("" if used else ", which was not imported")
    return Change("packages", name, left or "", right or "", _PACKAGE, 0 if used else NEVER, words)
