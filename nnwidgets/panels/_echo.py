"""The widget without a picture that asks the browser whether it has drawn."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets

from ._theme import STATIC


class Echo(anywidget.AnyWidget):
    """Sends frame numbers and receives what echo.js says; also brings the dashboard's style sheet.

    Custom messages and not traits: a callback thread and the loop then never write the same trait.

    Attributes:
        cards: how many cards the dashboard has, so that the browser knows when it has found all.
    """

    _esm = STATIC / "echo.js"
    _css = STATIC / "dashboard.css"
    cards = traitlets.Int(0).tag(sync=True)

    def ask(self, frame: int) -> None:
        """Ask for an acknowledgement of this frame; what was sent before is drawn first."""
        self.send({"kind": "frame", "frame": frame})


def is_ours(content: Any) -> bool:
    """Whether a custom message is one of echo.js."""
    return isinstance(content, dict) and content.get("kind") in ("view", "ack", "gone") and "id" in content
