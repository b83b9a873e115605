"""Where something stands in a test: by a mark in its source."""

from __future__ import annotations

import inspect
from typing import Any


def line_of(code: Any, text: str) -> str:
    """File and line of the first line of a function or class that holds this text."""
    lines, start = inspect.getsourcelines(code)
    return f"{inspect.getsourcefile(code)}:{start + next(k for k, line in enumerate(lines) if text in line)}"
