"""What is told about a run in words, as a tracking system takes it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from ..store._run import Run

# One entry a batch or an example: they stay in the store, which compares runs by them.
_KEPT_BACK = ("rows", "columns", "digests")


def parameters(run: Run) -> dict[str, str]:
    """The hyperparameters, each under its path: ``optimizer.0.scale_by_adam.b1``.

    Args:
        run: whose.
    """
    facts, model = run.facts("hyperparameters"), run.facts("model")
    transforms = facts.get("optimizer")
    if isinstance(transforms, list):
        named = {f"{i}.{each['name']}": each.get("arguments") or "" for i, each in enumerate(transforms)}
        facts = {**facts, "optimizer": named}
    about = {key: model[key] for key in ("framework", "parameters") if key in model}
    return dict(_flat({**facts, **({"model": about} if about else {})}))


def tags(run: Run, parent: str | None = None) -> dict[str, str]:
    """A few words by which the run is found.

    Args:
        run: whose.
        parent: what the run that it branched off is called there, or None.
    """
    code = run.facts("code")
    git, script = code.get("git") or {}, code.get("script") or {}
    kind = code.get("kind", "")
    words = {
        "uid": run.uid,
        "id": str(run.id),
        "state": run.state,
        "host": run.host,
        "note": run.note,
        "tags": ", ".join(run.tags),
        "parent": parent,
        "parent_uid": run.parent,
        "branched_at": run.branched_at,
        "rerun_of": run.rerun_of,
        "commit": git.get("commit"),
        "branch": git.get("branch"),
        "dirty": git.get("dirty"),
        "source": script.get("path") or code.get("folder"),
        "source_type": {"notebook": "NOTEBOOK"}.get(kind, "LOCAL" if kind else None),
        "data_hash": run.facts("data").get("hash"),
    }
    return {key: str(value) for key, value in words.items() if value is not None}


def documents(run: Run) -> dict[str, str]:
    """Texts by path: the facts as JSON, and beside it what people read as files of their own.

    Args:
        run: whose.
    """
    facts = {name: run.facts(name) for name in ("hyperparameters", "model", "code", "data", "environment")}
    facts["data"] = {key: value for key, value in facts["data"].items() if key not in _KEPT_BACK}
    found = {f"{name}.json": _json(content) for name, content in facts.items() if content}
    found["findings.json"] = _json([each.to_dict() for each in run.findings])
    found["error.txt"] = run.error
    found["model.txt"] = _text(facts["model"].get("config"))
    packages = facts["environment"].get("packages") or {}
    found["requirements.txt"] = "".join(f"{name}=={version}\n" for name, version in sorted(packages.items()))
    found |= _code(facts["code"])
    return {name: text for name, text in found.items() if text}


def _code(code: Mapping[str, Any]) -> dict[str, str]:
    found = {"code/slice.py": _text(code.get("slice")), "code/git.diff": _text((code.get("git") or {}).get("diff"))}
    for part in ("loss", "model"):
        found[f"code/{part}.py"] = _text((code.get(part) or {}).get("source"))
    script = code.get("script") or {}
    if script.get("source"):
        found[f"code/{PurePosixPath(_slashes(str(script.get('path') or 'script.py'))).name}"] = _text(script["source"])
    cells = [f"# %% [{each.get('number')}]\n{each.get('source', '')}\n" for each in code.get("cells") or ()]
    found["code/cells.py"] = "\n".join(cells)
    for path, source in (code.get("modules") or {}).items():
        # a path must not lead out of the folder
        parts = [part for part in PurePosixPath(_slashes(str(path))).parts if part not in ("..", "/")]
        found["/".join(("code", "modules", *parts))] = _text(source)
    return found


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Leaves by their paths; a list of plain values is one leaf."""
    if isinstance(value, Mapping) and value:
        for key, each in value.items():
            yield from _flat(each, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        yield from _flat({str(i): each for i, each in enumerate(value)}, path)
    else:
        yield path, value if isinstance(value, str) else json.dumps(value)


def _slashes(path: str) -> str:
    return path.replace("\\", "/").replace(":", "")


def _text(value: Any) -> str:
    """As it is, or as JSON where it is more than a text."""
    return value if isinstance(value, str) else _json(value) if value else ""


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, default=str)
