"""What a Session and a Monitor show in the same words."""

from __future__ import annotations

from typing import Any

from nnwidgets.panels import Dashboard
from nnwidgets.records import Command, Finding, History, Notice, Status

from ._controls import condition
from ._desk import Desk


class Watchable:
    """The readings, findings and dashboard of a run; displaying it shows the dashboard.

    Attributes:
        step: how many steps were made.
    """

    _desk: Desk
    step: int

    @property
    def history(self) -> History:
        """Everything that was read."""
        return self._desk.history

    @property
    def dashboard(self) -> Dashboard:
        """The panels and controls."""
        return self._desk.dashboard

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the rules say of the history as it is now."""
        return self._desk.findings

    @property
    def notices(self) -> list[Notice]:
        """What failed or was refused inside the debugger, while the run went on."""
        return self._desk.notices

    @property
    def status(self) -> Status:
        """Where the run stands."""
        return self._desk.status

    def pause_when(self, when: Any) -> None:
        """Pause the run as soon as a condition holds; it holds once and is then forgotten.

        Args:
            when: a step (int), ``"non-finite"``, ``"finding"``, ``("loss above", x)``, or a function of the newest readings
                such as ``lambda readings: readings["train/loss"] > 3`` or ``readings["gradient/norm"].max() > 100``.

        Raises:
            ValueError: if it is none of these.
        """
        condition(when)  # a wrong one raises here, not later in the loop
        self._desk.receive(Command("pause_when", when))

    def log(self, step: int | None = None, **scalars: float) -> None:
        """Record numbers of your own under ``log/<name>``, at this step unless told otherwise."""
        for name, value in scalars.items():
            self.history.add_scalar(f"log/{name}", self.step if step is None else step, float(value))

    def __repr__(self) -> str:
        return repr(self.dashboard)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        self._desk.show(force=True)
        return self.dashboard._repr_mimebundle_(**kwargs)
