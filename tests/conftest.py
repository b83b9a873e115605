"""What all tests share: the environment that must stand before JAX and Keras are imported."""

from __future__ import annotations

import os

# The CPU, unless told otherwise: the same numbers on every machine.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("KERAS_BACKEND", "jax")
# Jupyter's paths as they will be, without its warning about the change.
os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")
