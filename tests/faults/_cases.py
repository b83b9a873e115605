"""The cases as files in a folder: which there are, how one is loaded, when it has changed."""

from __future__ import annotations

import hashlib
import importlib
import os
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = Path(__file__).resolve().parent / "cases"
ARTIFACTS = ROOT / ".artifacts" / "faults"


@dataclass(frozen=True)
class Case:
    """One file of ``tests/faults/cases``; see `form`."""

    name: str

    @property
    def path(self) -> Path:
        """Its file."""
        return FOLDER / f"{self.name}.py"

    @property
    def hash(self) -> str:
        """Of its text."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()[:16]

    def load(self) -> ModuleType:
        """The module; what it raises goes to the caller."""
        return importlib.import_module(f"tests.faults.cases.{self.name}")


def form(module: ModuleType) -> str:
    """ "build": a session; "run": a loop of the user's own with a Monitor; "loud": a fault that raises."""
    forms = [name for name in ("build", "run", "loud") if callable(getattr(module, name, None))]
    if len(forms) != 1:
        raise ValueError(f"{module.__name__} defines {' and '.join(forms) or 'nothing'}: wanted build, run or loud.")
    return forms[0]


def monitor_of(result: Any) -> Any:
    """The monitor in what a case's ``run`` returned: itself, or ``(monitor, error)``."""
    return result[0] if isinstance(result, tuple) else result


def find(words: list[str]) -> list[Case]:
    """The cases whose file begins with one of these words; all of them if there is no word.

    Raises:
        ValueError: a word fits none.
    """
    names = sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))
    words = [Path(word).stem for word in words]
    unknown = [word for word in words if not any(name.startswith(word) for name in names)]
    if unknown:
        raise ValueError(f"no case begins with {', '.join(unknown)}; look into {FOLDER}.")
    return [Case(name) for name in names if not words or any(name.startswith(word) for word in words)]


def set_environment() -> None:
    """Before JAX is imported: the CPU, one thread (cores are shared), and programs that are compiled once and then read."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("KERAS_BACKEND", "jax")
    os.environ.setdefault("NNWIDGETS_TRACK", "off")
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ARTIFACTS / "compiled"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
