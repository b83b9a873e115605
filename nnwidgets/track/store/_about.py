"""What a page tells of how a run was set up: tables of names and values, without its code and data."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from nnwidgets.records import duration

if TYPE_CHECKING:
    from ._run import Run

# Packages that make the numbers; the others are in one line.
_NUMBERS = ("nnwidgets", "jax", "jaxlib", "flax", "optax", "equinox", "keras", "numpy", "scipy")
_JAX = ("backend", "devices", "enable_x64", "default_matmul_precision", "default_prng_impl")


def about(run: Run) -> dict[str, dict[str, Any]]:
    """Under each heading, names and values; nested where they are so on record."""
    model, code = run.facts("model"), run.facts("code")
    model = {key: value for key, value in model.items() if key not in ("config", "tensors", "initial")} | {
        "tensors": len(model.get("tensors", ())) or None
    }
    git = code.get("git") or {}
    script = (code.get("script") or {}).get("path")
    cells = len(code.get("cells", ()))
    return {
        "Run": {
            "number": run.id,
            "began": time.strftime("%Y-%m-%d %H:%M", time.localtime(run.created)),
            "took": duration(run.seconds) if run.seconds else None,
            "tags": ", ".join(run.tags),
            "note": run.note,
            "branch of": run.parent and f"{run.parent} at step {run.branched_at or 0:,}",
            "repeats": run.rerun_of,
        },
        "Hyperparameters": _hyperparameters(run.facts("hyperparameters")),
        "Model": model,
        "Data": _data(run.facts("data")),
        "Code": {
            "script": script,
            "cells executed": cells or None,
            "commit": git.get("commit") and f"{git['commit'][:12]} on {git.get('branch', '')}",
            "changed since": "yes" if git.get("dirty") else None,
        },
        "Environment": _environment(run.facts("environment")),
    }


def _hyperparameters(facts: dict[str, Any]) -> dict[str, Any]:
    """The optimizer's chain, a line a link; then the rest."""
    links = {
        f"optimizer {place}": f"{each['name'].removeprefix('scale_by_')}({_arguments(each.get('arguments', {}))})"
        for place, each in enumerate(facts.get("optimizer") or (), 1)
        if isinstance(each, dict) and "name" in each
    }
    return links | {key.replace("_", " "): value for key, value in facts.items() if key != "optimizer"}


def _arguments(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in arguments.items() if value is not None)


def _data(facts: dict[str, Any]) -> dict[str, Any]:
    """How much there was, a line a field, and the hash of all of it."""
    fields = {f"field {name}": _field(field) for name, field in (facts.get("fields") or {}).items()}
    return {
        "examples": facts.get("examples"),
        "batches": facts.get("batches"),
        "batches hashed": facts.get("hashed"),
        "hash": (facts.get("hash") or "")[:16],
        **fields,
    }


def _field(field: dict[str, Any]) -> str:
    words = [f"{field.get('dtype', '')}{list(field.get('shape', ()))}"]
    words += [
        f"{name} {field[name]:.4g}" for name in ("min", "max", "mean", "std") if isinstance(field.get(name), float)
    ]
    words += [f"{field['nonfinite']:,} not finite"] if field.get("nonfinite") else []
    labels = field.get("labels") or {}
    words += [f"{len(labels)} labels"] if labels else []
    return ", ".join(words)


def _environment(facts: dict[str, Any]) -> dict[str, Any]:
    packages = facts.get("packages") or {}
    named = {name: packages[name] for name in _NUMBERS if name in packages}
    others = ", ".join(f"{name} {version}" for name, version in packages.items() if name not in named)
    jax = {f"JAX {name}": (facts.get("jax") or {}).get(name) for name in _JAX}
    rest = {key: value for key, value in facts.items() if key not in ("packages", "imported", "jax")}
    return rest | jax | named | {"other packages": others}
