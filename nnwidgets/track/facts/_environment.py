"""What a run ran on: Python, packages, JAX, the variables that change numbers."""

from __future__ import annotations

import os
import platform
import sys
from fnmatch import fnmatchcase
from typing import Any

from ._packages import imported, installed

# Only these are read: anything else may hold a secret, and no list of secrets is ever complete.
_VARIABLES = (
    "XLA_FLAGS",
    "LIBTPU_INIT_ARGS",
    "XLA_PYTHON_CLIENT_*",
    "XLA_CLIENT_*",
    "JAX_*",
    "KERAS_BACKEND",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_LAUNCH_BLOCKING",
    "CUBLAS_WORKSPACE_CONFIG",
    "NVIDIA_TF32_OVERRIDE",
    "NVIDIA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "TF_*DETERMINISTIC*",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
)
# What changes numbers, or what is done with them; the rest of JAX's settings is about caches, logs and messages.
_SETTINGS = (
    "jax_enable_x64",
    "jax_default_matmul_precision",
    "jax_default_prng_impl",
    "jax_threefry_partitionable",
    "jax_random_seed_offset",
    "jax_high_dynamic_range_gumbel",
    "jax_numpy_dtype_promotion",
    "jax_numpy_rank_promotion",
    "jax_softmax_custom_jvp",
    "jax_use_direct_linearize",
    "jax_disable_jit",
    "jax_disable_most_optimizations",
    "jax_optimization_level",
    "jax_exec_time_optimization_effort",
    "jax_memory_fitting_effort",
    "jax_allow_f16_reductions",
    "jax_debug_nans",
    "jax_debug_infs",
    "jax_platforms",
    "jax_default_device",
    "jax_num_cpu_devices",
)


def capture() -> dict[str, Any]:
    """The section "environment" of a run's facts; from any thread, nothing is imported, changed or started.

    Returns:
        dict: ``python``, ``kind`` (of the interpreter: "virtual environment", "conda" or "system"), ``platform``, ``cpus``,
        ``packages`` (name to version, all that are installed), ``imported`` (the names of those in use), ``jax`` (versions,
        backend, devices and the settings that change numbers; empty where JAX isn't loaded) and ``variables``: a fixed list of
        names, and what looks like a secret in their values is masked.

    Example:
        >>> about = capture()
        >>> "numpy" in about["packages"], about["python"].count(".")
        (True, 2)
    """
    return {
        "python": platform.python_version(),
        "kind": _kind(),
        "platform": f"{platform.python_implementation()} on {platform.platform()}",
        "cpus": os.cpu_count(),
        "packages": installed(),
        "imported": imported(),
        "jax": _jax(),
        "variables": _variables(),
    }


def _kind() -> str:
    if os.path.isdir(os.path.join(sys.prefix, "conda-meta")):
        return "conda"
    return "system" if sys.prefix == sys.base_prefix else "virtual environment"


def _jax() -> dict[str, Any]:
    jax = sys.modules.get("jax")
    if jax is None:
        return {}
    found: dict[str, Any] = {"jax": getattr(jax, "__version__", "")}
    found["jaxlib"] = getattr(sys.modules.get("jaxlib"), "__version__", "")
    found |= {name.removeprefix("jax_"): _plain(getattr(jax.config, name, None)) for name in _SETTINGS}
    try:
        found |= {"backend": jax.default_backend(), "devices": _devices(jax.devices())}
    except Exception as error:
        # a backend that can't be started ends the run itself, and says why there
        found |= {"backend": f"none: {error}", "devices": {}}
    return found


def _devices(devices: list[Any]) -> dict[str, int]:
    kinds = [device.device_kind for device in devices]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def _plain(value: Any) -> Any:
    """Settings may be enums, whose repr differs from version to version."""
    value = getattr(value, "value", value)
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _variables() -> dict[str, str]:
    names = sorted(name for name in os.environ if any(fnmatchcase(name, each) for each in _VARIABLES))
    return {name: _masked(os.environ.get(name, "")) for name in names}


def _masked(value: str) -> str:
    try:
        from ..sources._secrets import mask
    except ImportError:
        return value
    return mask(value)
