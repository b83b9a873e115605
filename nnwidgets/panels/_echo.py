"""The widget without a picture: it asks the browser whether it has drawn, and speaks with JupyterLab's extension."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets

from ._scripts import text_of


class Echo(anywidget.AnyWidget):
    """Sends frame numbers and receives what echo.js says; also brings the dashboard's style sheet.

    Custom messages and not traits: a callback thread and the loop then never write the same trait. Where the run stands
    goes with each frame; what of it lasts is a trait, so that a page that was loaded again has it.

    Attributes:
        cards: how many cards the dashboard has, so that the browser knows when it has found all.
        root: the id of the whole dashboard's model, for who makes a view of it beside the notebook.
        standing: where the run stood when more than its step changed; see `standing`.
    """

    _esm = text_of("echo.js")
    _css = text_of("dashboard.css")
    cards = traitlets.Int(0).tag(sync=True)
    root = traitlets.Unicode("").tag(sync=True)
    standing = traitlets.Dict().tag(sync=True)

    def tell(self, standing: dict[str, Any], frame: int, ask: bool = True) -> None:
        """Say where the run stands; unless `frame` is 0, which frame this was, and whether to acknowledge that it is drawn."""
        if {**standing, "step": 0} != {**self.standing, "step": 0} or not frame:
            self.standing = standing
        if frame:
            self.send({"kind": "frame", "frame": frame, "step": standing["step"], "ask": ask})


def is_ours(content: Any) -> bool:
    """Whether a custom message is one of echo.js."""
    return isinstance(content, dict) and content.get("kind") in ("view", "ack", "gone", "over") and "id" in content


def is_command(content: Any) -> bool:
    """Whether it is a command that the user gave elsewhere in the page: in JupyterLab's palette, or by a shortcut."""
    return isinstance(content, dict) and content.get("kind") == "command" and isinstance(content.get("name"), str)
