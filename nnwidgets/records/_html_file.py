"""Plain pages, and how a page is written: whole or not at all."""

from __future__ import annotations

import html
import os
import uuid
from pathlib import Path

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = (
    "<style>:root{color-scheme:light dark}body{font:14px system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 12px;"
    "overflow-wrap:anywhere}table{border-collapse:collapse;width:100%}td{border-top:1px solid #8884;padding:3px 10px 3px 0;"
    "vertical-align:top}pre{white-space:pre-wrap;border:1px solid #8884;padding:3px 8px}.place{opacity:.75}"
    ".ok td:first-child{color:#2f9e64}.wrong td:first-child,.wrong td:nth-child(2),.problem>h2{color:#e5484d}"
    ".suspicious td:first-child,.warning>h2{color:#c98a12}</style>"
)


def plain_page(title: str, body: str) -> str:
    """A page of text that needs nothing else, in the system's light or dark colours; `body` is HTML."""
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<meta name='viewport' content='width=device-width, initial-scale=1'><title>{html.escape(title)}</title>{_STYLE}{body}"
    )


def write_html(file: str | os.PathLike[str], text: str) -> Path:
    """Write a page beside the file and put it in its place; what stood there before stays until the new one is complete.

    Args:
        file: where to; "~" is the home folder.
        text: the page.

    Returns:
        the file's path.

    Raises:
        IsADirectoryError: `file` is a folder.
        FileNotFoundError: the folder that it would lie in is not there.
        OSError: it cannot be written; nothing is changed then.
    """
    path = Path(file).expanduser()
    if path.is_dir():
        inside = os.fspath(path / "report.html")
        raise IsADirectoryError(f"save_html writes one file, and {os.fspath(file)!r} is a folder: type {inside!r}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"save_html needs a folder that is there, and {os.fspath(path.parent)!r} is none: make it, or name another file."
        )
    beside = path.with_name(f".{path.name[:80]}.{uuid.uuid4().hex[:8]}")
    try:
        # surrogates, as in names of files that are not UTF-8, have no letter of their own
        beside.write_text(text, encoding="utf-8", errors="backslashreplace")
        os.replace(beside, path)
    except OSError as error:
        raise type(error)(
            f"save_html cannot write {os.fspath(path)!r}: {error.strerror or error}. Nothing was changed; name another file."
        ) from error
    finally:
        beside.unlink(missing_ok=True)
    return path
