"""Names that Keras numbers through a process: the same model built again gets other ones."""

from __future__ import annotations

import re
from collections.abc import Iterable

_NUMBERED = re.compile(r"^(.*?)(?:_(\d+))?$")


def renumbered(names: Iterable[str]) -> dict[str, str]:
    """Each name as the first model of a process would have it.

    Example:
        >>> renumbered(["dense_7", "dense_12", "flatten_3"])
        {'dense_7': 'dense', 'dense_12': 'dense_1', 'flatten_3': 'flatten'}
    """
    parts = {name: _parts(name) for name in names}
    seen: dict[str, int] = {}
    found = {}
    for name in sorted(parts, key=lambda each: (parts[each][1], each)):
        base = parts[name][0]
        found[name] = f"{base}_{seen[base]}" if base in seen else base
        seen[base] = seen.get(base, 0) + 1
    return {name: found[name] for name in parts}


def renumbered_paths(paths: Iterable[str]) -> list[str]:
    """The same for the parts of paths."""
    split = [path.split("/") for path in paths]
    names = renumbered({name: None for path in split for name in path})
    return ["/".join(names[name] for name in path) for path in split]


def renumbered_text(text: str) -> str:
    """The same for the names in a configuration, and wherever it refers to them."""
    names = renumbered(dict.fromkeys(re.findall(r'"name": "([^"]+)"', text)))
    return re.sub(r'"([^"]+)"', lambda found: f'"{names.get(found[1], found[1])}"', text)


def _parts(name: str) -> tuple[str, int]:
    base, number = _NUMBERED.match(name).groups()  # type: ignore[union-attr]
    return base, int(number or 0)
