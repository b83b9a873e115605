"""The scripts and styles of the panels, as the browser gets them.

Every widget carries its own copy, and a notebook that keeps the widgets' state keeps each: comments and indentation stay
behind, also within a template literal of several lines, where whitespace must not matter.
"""

from __future__ import annotations

import re
from functools import cache

from ._theme import STATIC

# of whole lines only: none that begins in the middle of one, or ends there
_BLOCK = re.compile(r"^[ \t]*/\*(?:(?!\*/).)*\*/[ \t]*$", re.MULTILINE | re.DOTALL)


@cache
def text_of(*names: str) -> str:
    """These files one after the other, without lines that only comment, and without indentation."""
    whole = "\n".join(_BLOCK.sub("", (STATIC / name).read_text("utf-8")) for name in names)
    lines = (line.strip() for line in whole.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))
