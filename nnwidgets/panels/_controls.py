"""The buttons and fields with which a user steers the run."""

from __future__ import annotations

import functools
import math
import traceback
from collections.abc import Callable
from typing import Any

import ipywidgets

from nnwidgets.records import Command, Status

from ._comms import advice
from ._labels import Labels
from ._status_line import status_line
from ._text import escape

# What a user can ask to pause at: the words, the condition's name, and the value offered first (None: it has none).
CONDITIONS: dict[str, tuple[str, float | None]] = {
    "a step is reached": ("step", 1000.0),
    "the loss is above": ("loss above", 10.0),
    "a number is not finite": ("non-finite", None),
    "something is found": ("finding", None),
}


class Controls:
    """Run controls and the status line. Callbacks queue commands and do nothing else.

    Args:
        send: takes each command; called in whatever thread the callback runs.

    Attributes:
        reading: why nothing can be steered here, in words; "" where it can be.
    """

    def __init__(self, send: Callable[[Command], None]) -> None:
        self._send = send
        self._status = Status()
        self._pending = self.reading = ""
        self._build()
        self._connect()
        self.show(self._status, None)

    def show(self, status: Status, live: bool | None, pending: str = "") -> None:
        """Show where the run stands, and only enable what makes sense there."""
        new_multiplier = status.multiplier != self._status.multiplier
        self._status, self._pending = status, pending
        self._line.value = status_line(status, pending)
        self._labels.tell(status)
        active = status.state in ("running", "paused", "compiling")
        paused = status.state == "paused"
        with self._pause.hold_sync():
            self._pause.description, self._pause.icon = ("Resume", "play") if paused else ("Pause", "pause")
            self._pause.disabled = not active
        self._step.disabled = not paused
        self._run.disabled = not (paused or status.state == "running")
        self._stop.disabled = not active
        if not pending:
            self._show_reach(status)
        self._reset.disabled = status.multiplier == 1.0
        self._forget.disabled = not status.pauses
        self._pauses.value = escape("pauses at: " + ", ".join(status.pauses)) if status.pauses else ""
        hint = self.reading or (advice() if live is False and active else "")
        self._hint.value = f'<div class="nnw-hint">{escape(hint)}</div>' if hint else ""
        if new_multiplier:
            self._show_multiplier(status.multiplier)

    @property
    def can(self) -> list[str]:
        """The commands that make sense now."""
        if self.reading:
            return []
        buttons = {"pause": self._pause, "step": self._step, "back": self._back}
        return [*(name for name, button in buttons.items() if not button.disabled), "check", "gradcheck"]

    def command(self, name: str) -> None:
        """Do what the user asked for elsewhere in the page, as if the button had been clicked.

        Args:
            name: ``"pause"`` (or resume), ``"step"``, ``"back"``, ``"check"`` (all of them) or ``"gradcheck"``; one that makes
                no sense now is left undone, as that of a button that is greyed out.
        """
        ways = {
            "pause": self._pause_or_resume,
            "step": lambda: self._ask("step", "one step"),
            "back": lambda: self._rewind(self._status.step - 1),
            "check": lambda: self._ask("check", "checking", ()),
            "gradcheck": lambda: self._ask("gradcheck", "checking gradients", "quick"),
        }
        if name in ways and name in self.can:
            ways[name]()

    def fail(self, what: str) -> None:
        """Show the exception being handled: what a callback prints or raises is lost otherwise."""
        text = escape(traceback.format_exc(limit=-4))
        self._error.value = f'<div class="nnw-error"><b>{escape(what)} failed.</b><pre>{text}</pre></div>'

    def guarded(self, callback: Callable[..., None], what: str) -> Callable[..., None]:
        """The callback, with its exceptions shown in the dashboard."""

        @functools.wraps(callback)
        def run(*arguments: Any) -> None:
            try:
                callback(*arguments)
            except Exception:
                self.fail(what)

        return run

    def _build(self) -> None:
        def button(text: str, icon: str, tooltip: str, style: str = "") -> ipywidgets.Button:
            return ipywidgets.Button(description=text, icon=icon, tooltip=tooltip, button_style=style)

        def group(*parts: ipywidgets.Widget) -> ipywidgets.HBox:
            return ipywidgets.HBox(parts).add_class("nnw-group")

        self._pause = button("Pause", "pause", "Hold the run between two steps, or let it go on", "primary")
        self._step = button("Step", "step-forward", "Make exactly one step and hold again")
        self._run = button("Run", "fast-forward", "Make this many more steps, then pause")
        self._count = ipywidgets.BoundedIntText(
            100, min=1, max=10**9, tooltip="How many steps", layout={"width": "6.6em"}
        )
        self._stop = button("Stop", "stop", "End the cell; session.run() goes on from here", "danger")
        self._slider = ipywidgets.FloatLogSlider(
            1.0, min=-3, max=2, step=0.05, readout=False, continuous_update=False, layout={"width": "120px"},
            tooltip="Multiplies the learning rate from the next step on",
        )  # fmt: skip
        self._factor = ipywidgets.FloatText(1.0, tooltip="The factor as a number", layout={"width": "6em"})
        self._reset = button("", "undo", "Back to the optimizer's own learning rate (1)")
        self._back = button("", "step-backward", "Go back one step, exactly; with the slider, to any step")
        self._past = ipywidgets.IntSlider(
            0, min=0, max=1, continuous_update=False, layout={"width": "170px"},
            tooltip="Go to this step: every panel shows it. Going on from there starts a branch",
        )  # fmt: skip
        self._condition = ipywidgets.Dropdown(
            options=list(CONDITIONS), tooltip="When to pause", layout={"width": "13em"}
        )
        self._value = ipywidgets.FloatText(1000.0, tooltip="The step, or the loss", layout={"width": "6.6em"})
        self._add = button("Add", "plus", "Pause the run as soon as this holds")
        self._forget = button("Clear", "times", "Forget all these conditions")
        self._pauses, self._line = ipywidgets.HTML(), ipywidgets.HTML()
        self._hint, self._error, self._labels = ipywidgets.HTML(), ipywidgets.HTML(), Labels()
        self._timeline = group(ipywidgets.Label("go to step"), self._back, self._past)
        # JupyterLab's extension shows it and answers its click
        dock = button("Dock", "columns", "Show the dashboard in a place of its own, in sight while cells are edited")
        groups = [
            group(self._pause, self._step),
            group(self._run, self._count, ipywidgets.Label("steps")),
            group(self._stop),
            self._timeline,
            group(ipywidgets.Label("learning rate \u00d7"), self._slider, self._factor, self._reset),
            group(ipywidgets.Label("pause when"), self._condition, self._value, self._add, self._pauses, self._forget),
            group(dock.add_class("nnw-dock")),
        ]
        row = ipywidgets.HBox(groups).add_class("nnw-row").add_class("nnw-command")
        self.widget = ipywidgets.VBox([self._labels, self._line, self._hint, row, self._error]).add_class(
            "nnw-controls"
        )

    def _connect(self) -> None:
        def clicked(button: ipywidgets.Button, callback: Callable[[], None], what: str) -> None:
            button.on_click(self.guarded(lambda _: callback(), what))

        clicked(self._pause, self._pause_or_resume, "Pause")
        clicked(self._step, lambda: self._ask("step", "one step"), "Step")
        clicked(self._run, self._run_steps, "Run")
        clicked(self._stop, lambda: self._ask("stop", "stopping"), "Stop")
        clicked(self._back, lambda: self._rewind(self._status.step - 1), "Going back")
        self._past.observe(self.guarded(lambda change: self._rewind(change["new"]), "The slider"), "value")
        clicked(self._reset, lambda: self._multiply(1.0), "The learning rate's reset")
        clicked(self._add, self._pause_when, "The pause condition")
        clicked(self._forget, lambda: self._ask("forget_pauses", "forgetting the conditions"), "Clear")
        for field in (self._slider, self._factor):
            field.observe(self.guarded(lambda change: self._multiply(change["new"]), "The learning rate"), "value")
        self._condition.observe(self.guarded(self._offer_value, "The pause condition"), "value")

    def _ask(self, name: Any, words: str, value: Any = None) -> None:
        self._error.value = ""
        # seen at once, though the loop may be in the middle of a long step; before it is sent, or it might outlive the answer
        self._pending = f"{words} …"
        self._line.value = status_line(self._status, self._pending)
        self._send(Command(name, value))

    def _pause_or_resume(self) -> None:
        if self._status.state == "paused":
            self._ask("resume", "resuming")
        else:
            self._ask("pause", "pausing after this step")

    def _run_steps(self) -> None:
        self._ask("run", f"{self._count.value:,} steps", int(self._count.value))

    def _rewind(self, step: int) -> None:
        if step != self._status.step:
            self._ask("rewind", f"going to step {step:,}", int(step))

    def _show_reach(self, status: Status) -> None:
        """Moves the slider without asking for anything: its callback sees the step where the run already is."""
        self._timeline.layout.display = "none" if status.reach is None else None
        if status.reach is None:
            self._back.disabled = True
            return
        first, last = status.reach
        with self._past.hold_sync():
            self._past.max, self._past.min = max(last, first + 1), first
            self._past.value = min(max(status.step, first), last)
        still = status.state not in ("running", "compiling")
        self._past.disabled = not still or last == first
        self._back.disabled = not still or status.step <= first

    def _multiply(self, factor: float) -> None:
        if math.isclose(factor, self._status.multiplier, rel_tol=1e-9):
            return
        if not (math.isfinite(factor) and factor >= 0):
            raise ValueError(f"The learning-rate multiplier must be a number of at least 0; got {factor}.")
        self._ask("multiplier", f"learning rate \u00d7 {factor:.3g}", float(factor))
        self._reset.disabled = False

    def _show_multiplier(self, factor: float) -> None:
        self._factor.value = float(f"{factor:.4g}")
        if self._slider.min <= math.log10(max(factor, 1e-30)) <= self._slider.max:
            self._slider.value = factor

    def _offer_value(self, change: dict[str, Any]) -> None:
        value = CONDITIONS[change["new"]][1]
        self._value.disabled = value is None
        if value is not None:
            self._value.value = value

    def _pause_when(self) -> None:
        name, offered = CONDITIONS[str(self._condition.value)]
        value = None if offered is None else int(self._value.value) if name == "step" else float(self._value.value)
        self._ask("pause_when", "condition added", (name, value))
