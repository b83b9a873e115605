"""The dashboard: controls on top, panels below, drawn no faster than the browser can show them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ipywidgets

from nnwidgets.records import CheckInfo, Command, ExperimentInfo, Finding, History, Notice, Status

from . import _cells, _comms
from ._card import Card
from ._controls import Controls
from ._defaults import DEFAULT_PANELS
from ._echo import Echo, is_command, is_ours
from ._pacing import Pacing
from ._standing import standing
from ._still_outputs import StillOutputs
from ._summary import summary
from ._text import escape
from ._theme import layer_colours


class Dashboard:
    """What a user sees of a run, and steers it with.

    Nothing is built before `widget` is asked for, so a run that nobody displays needs neither bqplot nor a browser.

    Args:
        history: what the panels draw.
        send: takes each command of the user, in any thread.
        panels: classes of panels (or panels), in the order shown.
        rules: the names of the rules that look at the run, for the panel of findings and for the text.

    Attributes:
        rules: the same; to be changed when one has found what it waited for.
        infos: tells which checks there are; asked once, when the dashboard is built.
        experiments: tells which experiments there are, and what they cost now.
        runs: gives whoever keeps the runs on record, None where nobody does.
        reading: why nothing can be steered here, in words; "" where it can be.
        stills: where a notebook keeps its picture.
        min_interval: seconds between two refreshes, at least.
        seconds_spent: seconds of Python time spent refreshing and polling, in the thread of the loop.
    """

    def __init__(
        self,
        history: History,
        send: Callable[[Command], None],
        panels: Sequence[Any] = DEFAULT_PANELS,
        *,
        rules: Sequence[str] = (),
    ) -> None:
        self.history, self.min_interval, self.seconds_spent = history, 0.1, 0.0
        self._send, self._panels, self.rules = send, panels, tuple(rules)
        self.infos: Callable[[], Sequence[CheckInfo]] = lambda: ()
        self.experiments: Callable[[], Sequence[ExperimentInfo]] = lambda: ()
        self.runs: Callable[[], Any] = lambda: None
        self.reading = ""
        self.stills = StillOutputs(history)
        self._pacing = Pacing()
        self._status = Status()
        self._findings: tuple[Finding, ...] = ()
        self._notices: tuple[Notice, ...] = ()
        self._colours: dict[str, str] = {}
        self._widget: ipywidgets.VBox | None = None
        self._lock = threading.RLock()
        self._clock, self._polled_at = time.perf_counter, float("-inf")
        self._ended_in: int | None = None

    @property
    def widget(self) -> ipywidgets.VBox:
        """The dashboard as an ipywidget, built at the first access."""
        with self._lock:
            if self._widget is None:
                self._build()
            assert self._widget is not None
            return self._widget

    @property
    def live(self) -> bool | None:
        """Whether clicks reach the kernel while a cell runs; None before that is known."""
        return self._pacing.live

    @property
    def viewed(self) -> bool:
        """Whether somebody may be looking at it now."""
        return self._widget is not None and _comms.has_front_end(self._echo) and self._pacing.viewed

    @property
    def answer_seconds(self) -> float:
        """What the browser took to draw and acknowledge, the last time it was asked; infinite where it was not heard."""
        return self._pacing.answer

    def due(self, now: float) -> bool:
        """Whether a refresh would send something; `now` is `time.perf_counter()`."""
        return self.viewed and self._pacing.due(now, max(0.1, self.min_interval))

    def refresh(
        self, status: Status, findings: Sequence[Finding], notices: Sequence[Notice], force: bool = False
    ) -> bool:
        """Show the newest, if the browser has drawn what was sent before; call it as often as you like.

        Args:
            status: where the run stands.
            findings: what the rules found.
            notices: what failed inside the debugger.
            force: send now, even so; for changes of state, such as the last refresh of a run.

        Returns:
            whether something was sent. It never waits for the browser, and never raises: errors show in the dashboard.
        """
        started = self._clock()
        if self._status.state != status.state and status.state in ("finished", "stopped"):
            self._ended_in = _comms.running_cell()
        self._status, self._findings, self._notices = status, tuple(findings), tuple(notices)
        if self._widget is None or not _comms.has_front_end(self._echo) or not (force or self.due(started)):
            return False
        # a forced one may be the last: it lets a callback that draws finish first
        with self._drawing(wait=1.0 if force else 0.0) as free:
            if free:
                self._draw(frame=self._pacing.sent(started))
        self.seconds_spent += self._clock() - started
        return free

    def poll(self) -> None:
        """Let clicks through where the kernel needs to be asked (ipykernel 6); costs nothing elsewhere."""
        now = self._clock()
        # polling takes milliseconds, and people click slowly
        if self._widget is None or now - self._polled_at < 0.05 or not _comms.polls():
            return
        self._polled_at = now
        try:
            _comms.poll()
        except Exception:
            # without jupyter_ui_poll no acknowledgement comes, and the dashboard says what to do
            self._pacing.live = False
        self.seconds_spent += self._clock() - now

    def recorded(self) -> None:
        """What is on record has changed: panels that show it are told, if there is a browser."""
        if self._widget is not None and _comms.has_front_end(self._echo):
            for card in list(self._cards):
                if hasattr(card.panel, "recorded"):
                    card.panel.recorded()

    def close(self) -> None:
        """Close all its widgets, in any thread, also during a run; asking for `widget` builds new ones.

        A panel that was given as an object and not as a class keeps its own: it cannot be built again.
        """
        with self._lock:
            if self._widget is not None:
                given = [
                    panel.widget
                    for panel in self._panels
                    if isinstance(getattr(panel, "widget", None), ipywidgets.Widget)
                ]
                kept = {id(widget) for each in given for widget in _comms.all_widgets(each)}
                # the echo first: see echo.js
                for widget in [self._echo, *_comms.all_widgets(self._widget)]:
                    if id(widget) not in kept:
                        widget.close()
                self._widget, self._cards, self._pacing, self._colours = None, [], Pacing(), {}

    def replaced(self) -> None:
        """The cell that displayed it shows something else now: it is closed, unless it can be seen elsewhere."""
        self._pacing.replaced()
        self.stills.prune()
        if self._pacing.deserted:
            self.close()

    def keep(self, status: Status, findings: Sequence[Finding], notices: Sequence[Notice]) -> bool:
        """Renew the picture that stays in the notebook where it is displayed, if it would be another one; whether it was.

        It takes some 50 milliseconds, and never raises: what fails is shown in the dashboard, and no more pictures are made.
        """
        try:
            return self.stills.renew(status, findings, notices, self.rules)
        except Exception:
            self._fail_to_keep()
            return False

    def _fail_to_keep(self) -> None:
        self.stills = StillOutputs(self.history)
        if self._widget is not None:
            self._controls.fail("The picture that stays in the notebook")

    def freeze(self) -> None:
        """Leave a picture in the notebook and no widget: the live dashboard goes from all its outputs.

        For front ends that keep neither widgets nor a picture of them. What is displayed afterwards is live again.

        Raises:
            RuntimeError: no cell of this notebook shows it.
        """
        if not self.stills.shown:
            raise RuntimeError("there is no output to freeze: display the session in a cell of a notebook first.")
        self.keep(self._status, self._findings, self._notices)
        self.stills.freeze()

    def __repr__(self) -> str:
        return summary(self._status, self.history, self._findings, self._notices, self.rules)

    def _ipython_display_(self) -> None:
        """In a notebook: two outputs, the live dashboard and below it the picture that stays; elsewhere one, as a bundle."""
        if self._up_already or not StillOutputs.possible():
            # IPython asks for the bundle then
            raise NotImplementedError
        live = self._repr_mimebundle_()
        try:
            self.stills.show(live, self._status, self._findings, self._notices, self.rules)
        except Exception:
            # the live output is there: IPython would show a second one
            self._fail_to_keep()

    @property
    def _up_already(self) -> bool:
        # a cell that ends with session.run(...) would show a second dashboard below the first: it gets the text
        if self._ended_in is None or self._ended_in != _comms.running_cell():
            return False
        # where no browser has ever spoken (the notebook is executed without one), an output counts as a view
        return self._pacing.displayed or (self.stills.shown and not self._pacing.views and self._pacing.viewed)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        if self._up_already:
            return {"text/plain": repr(self)}
        _cells.displayed(self)
        with self._lock:
            bundle = self.widget._repr_mimebundle_(**kwargs) or {}
            self._pacing.expect()
        return {**bundle, "text/plain": repr(self)}

    def _build(self) -> None:
        _comms.keep_messages()
        self._controls = Controls(self._steer)
        redraw = self._controls.guarded(self._redraw, "Drawing")
        self._cards = [Card(make, place, redraw) for place, make in enumerate(self._panels)]
        infos = tuple(self.infos())
        for card in self._cards:
            if hasattr(card.panel, "infos"):
                card.panel.infos = infos
            if hasattr(card.panel, "experiments"):
                card.panel.experiments = self.experiments
            if hasattr(card.panel, "runs"):
                card.panel.runs = self.runs
            if hasattr(card.panel, "redraw"):
                card.panel.redraw = self._controls.guarded(self._redraw_one(card), "Drawing")
            if hasattr(card.panel, "send"):
                card.panel.send = self._controls.guarded(self._steer, "The panel's wish")
        self._legend = ipywidgets.HTML()
        root = ipywidgets.VBox().add_class("nnw")
        self._echo = Echo(cards=len(self._cards), root=root.model_id or "")
        self._echo.on_msg(self._controls.guarded(self._heard, "The browser's message"))
        beside = [card.widget for card in self._cards if getattr(card.panel, "beside", False)]
        grid = [card.widget for card in self._cards if card.widget not in beside]
        column = [ipywidgets.VBox(beside).add_class("nnw-column")] if beside else []
        plots = ipywidgets.Box([*column, ipywidgets.Box(grid).add_class("nnw-grid")])
        plots.add_class("nnw-plots")
        root.children = (self._echo, self._controls.widget, self._legend, plots)
        self._widget = root
        if self.reading:
            self._widget.add_class("nnw-reading")
        _comms.reach_busy_kernel(_comms.all_widgets(self._widget))
        # JupyterLab's status bar may have spoken before a view of the cards could
        self._redraw(unseen=True)

    def _steer(self, command: Command) -> None:
        # whoever is heard while a cell runs will be heard again, however late the browser's answers to frames come
        if self._status.state in ("running", "compiling"):
            self._pacing.live = True
        self._send(command)

    def _draw(self, frame: int = 0, unseen: bool = False) -> None:
        try:
            self._controls.reading = self.reading
            self._controls.show(self._status, self.live)
            for place, card in enumerate(self._cards):
                if unseen or self._pacing.sees(place):
                    self._draw_card(card)
            self._show_legend()
            told = standing(self._status, self._findings, self._controls.can)
            self._echo.tell(told, frame, ask=frame == self._pacing.asked)
        except Exception:
            self._controls.fail("A refresh")

    def _draw_card(self, card: Card, *, force: bool = False) -> None:
        if hasattr(card.panel, "notices"):
            card.panel.notices, card.panel.rules = self._notices, self.rules
        version = (self.history.version, *map(id, self._findings), *map(id, self._notices))
        card.draw(self.history, self._findings, version, force=force)

    def _redraw(self, unseen: bool = False) -> None:
        """Draw what is out of date; for callbacks."""
        with self._drawing(wait=1.0) as free:
            if free:
                self._draw(unseen=unseen)

    def _redraw_one(self, card: Card) -> Callable[[], None]:
        def redraw() -> None:
            with self._drawing(wait=1.0) as free:
                if free:
                    self._draw_card(card, force=True)

        return redraw

    def _heard(self, widget: Any, content: Any, buffers: Any) -> None:
        if is_command(content):
            self._controls.command(content["name"])
        if not is_ours(content):
            return
        # an answer given while no cell runs does not say that clicks would arrive while one does
        self._pacing.heard(content, busy=self._status.state in ("running", "compiling"), now=self._clock())
        if content["kind"] == "over" and self._pacing.deserted:
            self.close()
        # the loop draws what came into view; when no loop runs, nobody else would
        if content["kind"] == "view" and content["shown"] and self._status.state not in ("running", "compiling"):
            self._redraw()

    def _show_legend(self) -> None:
        colours = layer_colours(self.history)
        if colours != self._colours:
            self._colours = colours
            chips = (
                f'<span><span class="nnw-chip" style="background:{colour}"></span>{escape(layer)}</span>'
                for layer, colour in colours.items()
            )
            note = '<span class="nnw-note">fainter: biases, scales</span>'
            self._legend.value = f'<div class="nnw-legend">{"".join(chips)}{note}</div>'

    @contextmanager
    def _drawing(self, wait: float) -> Iterator[bool]:
        """One thread draws at a time: the loop never waits, and a callback a moment."""
        free = self._lock.acquire(timeout=wait) if wait else self._lock.acquire(blocking=False)
        try:
            # it may have been closed meanwhile
            yield free and self._widget is not None
        finally:
            if free:
                self._lock.release()
