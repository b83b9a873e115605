"""What a Session and a Monitor show in the same words."""

from __future__ import annotations

import os
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

from nnwidgets.objective import Objective
from nnwidgets.panels import Dashboard
from nnwidgets.records import Command, Finding, GradientReport, History, Notice, Status, write_html

from ._controls import condition
from ._desk import Desk


class Watchable:
    """The readings, findings and dashboard of a run; displaying it shows the dashboard.

    Attributes:
        objective: the loss.
        step: how many steps were made.
    """

    _desk: Desk
    _gradcheck: Any = None
    objective: Objective
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

    def save_html(self, file: str | os.PathLike[str] = "report.html") -> Path:
        """Write the run as it is now as one page: curves that can be zoomed, findings, layers, checks and the set-up.

        The page needs no network and no kernel, and can be mailed. Names and messages in it are text, whatever they hold.

        Args:
            file: where to; a page that was there is replaced once the new one is complete.

        Returns:
            the file's path.

        Raises:
            OSError: it cannot be written; nothing is changed then.
        """
        from nnwidgets.panels.page import page

        told = (self._desk.stated(), self.history, self.findings, self.notices, self.dashboard.rules)
        return write_html(file, page(*told, title=getattr(self, "name", "run"), facts=self._about()))

    def _about(self) -> dict[str, dict[str, Any]]:
        """How the run was set up, for its page."""
        return {}

    def gradcheck(
        self,
        tier: str = "quick",
        *,
        batch: Any = None,
        examples: int | None = 8,
        coordinates: int = 10,
        seed: int = 0,
    ) -> GradientReport:
        """Check every gradient numerically, at the parameters as they are now; the run is not changed.

        Analytic against central differences in float64, whatever the model's precision, with the key of the coming step
        and the model state held fixed. A corner of the loss (ReLU at 0, max-pooling) is told from a fault by looking again
        at a point close by; a wrong gradient is traced to the custom rule or stop_gradient that causes it.

        Args:
            tier: "whole": two directions through all tensors; "quick": one direction a tensor, a verdict for each; "full":
                also single coordinates, which takes ``2 * (2 + coordinates)`` evaluations of the loss a tensor.
            batch: the batch to use; that of the newest step if None.
            examples: only the first so many examples of it; None for all.
            coordinates: how many of each tensor "full" samples.
            seed: of the directions and coordinates.

        Returns:
            the report; it is also kept in ``session.history.gradient_reports`` and drawn.

        Raises:
            ValueError: there is no such tier.
        """
        from nnwidgets.gradchecks import ObjectiveCheck

        if self._gradcheck is None:
            self._gradcheck = ObjectiveCheck(self.objective)
        params, state, newest, rng = self._now()
        try:
            report = self._gradcheck(
                params, state, newest if batch is None else batch, rng,
                examples=examples, tier=tier, coordinates=coordinates, seed=seed,
                told=lambda words: self._desk.show(message=words, force=True),
            )  # fmt: skip
            report = replace(report, step=self.step)
            self.history.add_gradient_report(report)
        finally:
            self._desk.show(message="", force=True)
        return report

    def _check_gradients(self, tier: str) -> None:
        """Where nobody waits for the result: what fails becomes a notice."""
        started = time.perf_counter()
        try:
            self.gradcheck(tier)
        except Exception as error:
            self.notices.append(Notice("gradcheck", str(error), traceback.format_exc()))
            self._desk.show(force=True)
        self._desk.governor.set_aside(time.perf_counter() - started)

    def _now(self) -> tuple[Any, Any, Any, Any]:
        """Parameters, model state, batch and key, as the next step would have them."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return repr(self.dashboard)

    def freeze(self) -> None:
        """Leave a picture in the notebook and no widget; see `Dashboard.freeze`. Displayed again it is live again."""
        self._desk.show(force=True)
        self.dashboard.freeze()

    def _ipython_display_(self) -> None:
        self._desk.show(force=True)
        self.dashboard._ipython_display_()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        self._desk.show(force=True)
        return self.dashboard._repr_mimebundle_(**kwargs)
