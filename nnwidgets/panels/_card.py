"""A panel in its frame: title, what it waits for, its error."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import ipywidgets

from nnwidgets.records import Finding, History

from ._text import escape, literal
from ._theme import waiting


class Card:
    """One panel with a title that opens and closes it; whatever the panel does, the other cards go on.

    A panel that raises shows the error here, once, and is left alone until its card is closed and opened again.

    Args:
        make: the panel's class, or a panel.
        place: its number in the dashboard.
        opened: called after a click on the title, so that the dashboard draws it.
    """

    def __init__(self, make: Any, place: int, opened: Callable[[], None]) -> None:
        self.open, self.broken = True, False
        self._drawn: Hashable = None
        self._notice = ipywidgets.HTML()
        self.panel: Any = None
        try:
            self.panel = make() if isinstance(make, type) else make
            title, body = str(self.panel.title), self.panel.widget
        except Exception:
            title, body = getattr(make, "title", "") or getattr(make, "__name__", "panel"), ipywidgets.HTML()
            self._fail()
        self._text = literal(title)
        self._title = ipywidgets.Button(description=f"▾ {self._text}", tooltip="Open or close").add_class("nnw-title")
        self._title.on_click(lambda _: self._toggle(opened))
        self._body = ipywidgets.VBox([body], layout={"overflow": "visible", "flex": "0 0 auto"}).add_class("nnw-hidden")
        self.widget = ipywidgets.VBox([self._title, self._notice, self._body])
        self.widget.add_class("nnw-card").add_class(f"nnw-card-{place}")
        if getattr(self.panel, "wide", False):
            self.widget.add_class("nnw-wide")

    def draw(self, history: History, findings: Sequence[Finding], version: Hashable, *, force: bool = False) -> bool:
        """Update the panel if it is open, and something is new or `force` is given; whether it was."""
        if not self.open or self.broken or self.panel is None or (version == self._drawn and not force):
            return False
        try:
            empty = self.panel.update(history, findings)
        except Exception:
            self._fail()
            return True
        self._drawn = version
        self._notice.value = waiting(str(empty)) if empty else ""
        self._show(not empty)
        return True

    def _show(self, shown: bool) -> None:
        if shown:
            self._body.remove_class("nnw-hidden")
        else:
            self._body.add_class("nnw-hidden")

    def _toggle(self, opened: Callable[[], None]) -> None:
        self.open = not self.open
        self._title.description = f"{'▾' if self.open else '▸'} {self._text}"
        if self.open:
            self.widget.remove_class("nnw-closed")
            self.broken, self._drawn = self.panel is None, None
            opened()
        else:
            self.widget.add_class("nnw-closed")
            self._show(False)
            self._notice.value = ""

    def _fail(self) -> None:
        self.broken = True
        text = escape(traceback.format_exc(limit=-4))
        self._notice.value = (
            '<div class="nnw-error"><b>This panel failed; the run and the other panels go on.</b> To try it again, '
            f"close and open it.<details><summary>what went wrong</summary><pre>{text}</pre></details></div>"
        )
