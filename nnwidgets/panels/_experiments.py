"""Experiments about the parameters of training, on a button."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets

from nnwidgets.records import Command, ExperimentInfo, Exploration, Finding, History, Notice, exploration_html

from ._panel import Panel
from ._text import escape, literal


class Experiments(Panel):
    """What batch size, learning rate, optimizer, clipping, dropout, batch norm and regularization do to this very run.

    An experiment is chosen, its question and its cost stand below, Run tries it on copies of the run's state (a run that
    is going on holds meanwhile), and Stop ends it with what it has. Tells apart: a parameter that is where it should be
    from one that a change would pay for, and both from what this model does not let be measured.

    Attributes:
        experiments: tells which there are, and what they cost now; the dashboard hands it over.
        notices: what failed; a wish that was refused is not waited for any longer.
        send: takes the wishes; the dashboard sets it.
    """

    title = "Diagnose parameters"
    wide = True

    def __init__(self) -> None:
        self.experiments: Callable[[], Sequence[ExperimentInfo]] = lambda: ()
        self.notices: Sequence[Notice] = ()
        self.send: Callable[[Command], None] = lambda command: None
        self._infos: dict[str, ExperimentInfo] = {}
        self._shown: Exploration | None = None
        self._waits_for, self._refused, self._filling = "", 0, False
        self._chosen = ipywidgets.Dropdown(options=[], tooltip="Which experiment", layout={"width": "18em"})
        self._chosen.observe(lambda change: None if self._filling else self.redraw(), "value")
        self._run = ipywidgets.Button(description="Run", icon="flask", tooltip="Try it on copies of the run's state")
        self._stop = ipywidgets.Button(description="Stop", icon="stop", tooltip="End it, and show what it has")
        self._stop.disabled = True
        self._run.on_click(lambda _: self._ask())
        self._stop.on_click(lambda _: self.send(Command("halt")))
        self._about, self._result = ipywidgets.HTML(), ipywidgets.HTML()
        bar = ipywidgets.HBox([self._chosen, self._run, self._stop]).add_class("nnw-row")
        self.widget = ipywidgets.VBox([bar, self._about, self._result])

    def update(self, history: History, findings: Sequence[Finding]) -> str | None:
        """Show what the chosen experiment asks, costs and found."""
        self._infos = {info.name: info for info in self.experiments()}
        found = {each.name: each for each in history.explorations}
        names = tuple(dict.fromkeys((*self._infos, *found)))
        if not names:
            self._set(self._about, '<div class="nnw-note">Waits for a run that can be repeated: an nnw.Session.</div>')
            return None
        self._choose(str(self._chosen.value) if self._chosen.value in names else names[0], names)
        self._end_wait(found)
        chosen = str(self._chosen.value)
        self._set(self._about, _about(self._infos.get(chosen), self._waits_for == chosen))
        self._set(self._result, literal(exploration_html(found[chosen])) if chosen in found else "")
        self._run.disabled = bool(self._waits_for) or chosen not in self._infos
        self._stop.disabled = not self._waits_for
        return None

    def _choose(self, name: str, names: tuple[str, ...]) -> None:
        """Fill the list, or choose another; that is no choice of the user's."""
        self._filling = True
        with self._chosen.hold_sync():
            if self._chosen.options != names:
                self._chosen.options = names
            if self._chosen.value != name:
                self._chosen.value = name
        self._filling = False

    def _end_wait(self, found: dict[str, Exploration]) -> None:
        newest = list(found.values())[-1] if found else None
        refused = sum(notice.source == "explore" for notice in self.notices)
        if newest is not None and newest is not self._shown:
            # also one that was tried from a cell
            self._choose(newest.name, self._chosen.options)
        if newest is not self._shown or refused > self._refused:
            self._waits_for = ""
        self._shown, self._refused = newest, refused

    def _ask(self) -> None:
        self._waits_for = str(self._chosen.value)
        self.redraw()
        self.send(Command("explore", self._waits_for))

    @staticmethod
    def _set(widget: Any, value: str) -> None:
        if widget.value != value:
            widget.value = value


def _about(info: ExperimentInfo | None, waits: bool) -> str:
    if waits:
        return '<span class="nnw-message">trying it \u2026 the line above tells how far it is</span>'
    if info is None:
        return ""
    return f'<div>{escape(info.about)}</div><div class="nnw-note">costs {escape(str(info.cost))}</div>'
