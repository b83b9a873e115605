"""The recorded code of a run as one text."""

from __future__ import annotations

import json
import re
from typing import Any

from ._plain_python import commented

_WHAT = ("code", "slice", "loss", "model", "diff", "notebook")


def code(run: Any, what: str = "code") -> str:
    """The code that made a run, or a part of it.

    Args:
        run: it, from a `Store`.
        what: "code" (a notebook's cells as a script in the percent format, magics as comments; a script's source),
            "slice" (the statements that loss and model need), "loss", "model", "diff" (of the working files against the
            commit) or "notebook" (the text of an ``.ipynb`` file).

    Raises:
        ValueError: there is no such part.
        LookupError: it is not on record.
    """
    if what not in _WHAT:
        raise ValueError(f"no part {what!r}: wanted one of {', '.join(_WHAT)}.")
    facts = run.facts("code")
    text = _part(facts, what)
    if text:
        return text
    known = [each for each in _WHAT if _part(facts, each)]
    there = f"there are {', '.join(known)}" if known else "no code was recorded"
    raise LookupError(f"run {run.id} has no {what} on record: {there}.")


def _part(facts: dict[str, Any], what: str) -> str:
    if what in ("loss", "model"):
        return (facts.get(what) or {}).get("source", "")
    if what == "diff":
        return (facts.get("git") or {}).get("diff", "")
    if what == "slice":
        return facts.get("slice") or ""
    cells, script = facts.get("cells") or [], (facts.get("script") or {}).get("source", "")
    if what == "notebook":
        return _notebook(cells or ([{"source": script, "number": None}] if script else []))
    return _percent(cells) if cells else script


def _percent(cells: list[dict[str, Any]]) -> str:
    texts = [f"# %% In [{cell['number']}]{_fate(cell)}\n{commented(cell['source'])}\n" for cell in cells]
    text = "\n".join(texts)
    # the one name that notebooks have and scripts lack
    shows = re.search(r"^[^#\n]*\bdisplay\(", text, re.MULTILINE) and not re.search(r"import[^\n]*\bdisplay\b", text)
    return f"from IPython.display import display\n\n{text}" if shows else text


def _fate(cell: dict[str, Any]) -> str:
    return " ended in an error" if cell.get("failed") else ""


def _notebook(cells: list[dict[str, Any]]) -> str:
    """Version 4.5 of the format, the first one in which cells have ids."""
    if not cells:
        return ""
    ids: set[str] = set()
    written = []
    for place, cell in enumerate(cells):
        known = cell.get("id")
        usable = isinstance(known, str) and re.fullmatch(r"[A-Za-z0-9_-]{1,64}", known) and known not in ids
        ids.add(name := known if usable else f"cell-{place + 1}")
        written.append(
            {
                "cell_type": "code",
                "execution_count": cell.get("number"),
                "id": name,
                "metadata": {},
                "outputs": [],
                "source": cell["source"],
            }
        )
    metadata = {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return json.dumps({"cells": written, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"
