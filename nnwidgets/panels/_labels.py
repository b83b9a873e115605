"""The widget without a picture that speaks to who does not see the others."""

from __future__ import annotations

import anywidget
import traitlets

from nnwidgets.records import Status

from ._scripts import text_of
from ._status_line import news


class Labels(anywidget.AnyWidget):
    """Names controls, figures and cards for screen readers (see labels.js), and says aloud how the run's state changes.

    Attributes:
        said: the newest sentence; one a state and not one a step.
    """

    _esm = text_of("labels.js")
    said = traitlets.Unicode("").tag(sync=True)

    def tell(self, status: Status) -> None:
        """Say what the state is if it has changed since the last time."""
        words = news(status)
        # where a run stands still its step is news; while it goes on only its beginning is
        if status.state in ("running", "compiling"):
            said = status.state
        else:
            said = f"{status.state} at step {status.step:,}" + (f": {words}" if words else "")
        if said != self.said:
            self.said = said
