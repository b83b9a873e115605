"""Facts as JSON, with each long text kept once, however many runs share it."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from typing import Any

from nnwidgets.records import plain

# Characters from which on a text is kept apart.
_LONG = 200
_KEY = "$text"


def write(connection: sqlite3.Connection, facts: Any) -> str:
    """JSON of facts; their long texts go into the table ``texts``."""

    def apart(value: Any) -> Any:
        if isinstance(value, str) and len(value) > _LONG:
            data = value.encode("utf-8", "surrogatepass")
            key = hashlib.sha256(data).hexdigest()[:32]
            connection.execute("INSERT OR IGNORE INTO texts VALUES (?, ?)", (key, zlib.compress(data)))
            return {_KEY: key}
        if isinstance(value, dict):
            return {str(name): apart(each) for name, each in value.items()}
        return [apart(each) for each in value] if isinstance(value, list) else value

    return json.dumps(apart(plain(facts)), allow_nan=False)


def read(connection: sqlite3.Connection, content: str) -> Any:
    """What `write` was given, non-finite numbers as the strings "nan", "inf", "-inf"."""

    def together(value: Any) -> Any:
        if isinstance(value, dict):
            if value.keys() == {_KEY}:
                row = connection.execute("SELECT content FROM texts WHERE hash = ?", (value[_KEY],)).fetchone()
                return zlib.decompress(row[0]).decode("utf-8", "surrogatepass") if row else ""
            return {name: together(each) for name, each in value.items()}
        return [together(each) for each in value] if isinstance(value, list) else value

    return together(json.loads(content))
