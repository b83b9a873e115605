"""What all tests share: the environment that must stand before JAX and Keras are imported."""

from __future__ import annotations

import os
import tempfile

# The CPU, unless told otherwise: the same numbers on every machine.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("KERAS_BACKEND", "jax")
# Jupyter's paths as they will be, without its warning about the change.
os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")
# Tests make many runs of few programs: each is compiled once and then read from this folder, which ends with the process.
# A process that another one has started reads from that one's.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    _COMPILED = tempfile.TemporaryDirectory(prefix="nnwidgets-tests-", ignore_cleanup_errors=True)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _COMPILED.name
# JAX does not write an entry whole at once: of processes side by side, each has a folder of its own.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] += f"/{os.environ['PYTEST_XDIST_WORKER']}"
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
# Runs are recorded where a test asks for it, and never into the checkout.
os.environ.setdefault("NNWIDGETS_TRACK", "off")
