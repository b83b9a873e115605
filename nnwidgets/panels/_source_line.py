"""A line of the user's program in a panel; JupyterLab's extension opens it at a click."""

from __future__ import annotations

from ._text import escape


def source_line(line: str, code: object = "") -> str:
    """The place in words, as HTML; a button, so that the keyboard reaches it.

    Args:
        line: ``"file:line"`` or ``"cell [n]:line"``.
        code: the line's text, by which it is found again in a cell that was edited since.

    Example:
        >>> source_line("cell [3]:2", "x = 1")
        '<button type="button" class="nnw-line" data-line="cell [3]:2" data-code="x = 1">cell [3]:2</button>'
    """
    text = str(code or "").strip()
    told = f' data-code="{escape(text)}"' if text and "\n" not in text else ""
    return f'<button type="button" class="nnw-line" data-line="{escape(line)}"{told}>{escape(line)}</button>'
