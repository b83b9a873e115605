"""What the browser gets of a script is its code, all of it."""

from __future__ import annotations

import pytest

from nnwidgets.panels._scripts import text_of
from nnwidgets.panels._theme import STATIC


def code_of(text: str) -> list[str]:
    """Lines that are no comment, read one after the other."""
    found, inside = [], False
    for line in map(str.strip, text.splitlines()):
        if inside:
            inside = not line.endswith("*/")
        elif line.startswith("/*") and "*/" not in line:
            inside = True
        elif line and not line.startswith("//") and not (line.startswith("/*") and line.index("*/") == len(line) - 2):
            found.append(line)
    return found


@pytest.mark.parametrize("name", sorted(each.name for each in STATIC.iterdir()))
def test_only_comments_and_indentation_are_left_behind(name: str) -> None:
    text = (STATIC / name).read_text("utf-8")
    assert text_of(name).splitlines() == code_of(text)
    assert len(text_of(name)) < len(text)


def test_scripts_are_joined_in_order() -> None:
    assert text_of("canvas.js", "heatmap.js") == f"{text_of('canvas.js')}\n{text_of('heatmap.js')}"
