"""What a panel is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import ipywidgets

from nnwidgets.records import Finding, History


class Panel:
    """One picture of the records, built once and then changed in place.

    A panel of your own needs only the three names below; deriving from this class adds `redraw`.

    Attributes:
        title: what stands above it.
        wide: whether it gets the whole width of the dashboard.
        beside: whether it stands in the column beside the others.
        widget: any ipywidget; `update` changes its traits and makes no new ones.
        redraw: to be called from the panel's own switches: it draws the panel anew, safely, whatever the run is doing.

    Example:
        >>> class LastLoss:
        ...     title = "The loss now"
        ...
        ...     def __init__(self):
        ...         self.widget = ipywidgets.Label()
        ...
        ...     def update(self, history, findings):
        ...         newest = history.latest("train/loss")
        ...         if newest is None:
        ...             return "Waits for the first loss."
        ...         self.widget.value = f"{newest[1][0]:.4f}"
    """

    title: ClassVar[str] = ""
    wide: ClassVar[bool] = False
    beside: ClassVar[bool] = False
    widget: ipywidgets.DOMWidget
    redraw: Callable[[], None] = staticmethod(lambda: None)

    def update(self, history: History, findings: Sequence[Finding]) -> str | None:
        """Show what `history` holds now.

        Returns:
            None; or, while there is nothing to show, what the panel waits for and what the user can do about it.
        """
        raise NotImplementedError
