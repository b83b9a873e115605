"""The dashboard: controls on top, panels below, drawn no faster than the browser can show them."""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ipywidgets

from nnwidgets.records import CheckInfo, Command, ExperimentInfo, Finding, History, Notice, Status

from . import _comms
from ._card import Card
from ._controls import Controls
from ._defaults import DEFAULT_PANELS
from ._echo import Echo, is_ours
from ._pacing import Pacing
from ._summary import summary
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
            for card in self._cards:
                if hasattr(card.panel, "recorded"):
                    card.panel.recorded()

    def close(self) -> None:
        """Close all its widgets; asking for `widget` builds new ones."""
        if self._widget is not None:
            for widget in _comms.all_widgets(self._widget):
                widget.close()
            self._widget, self._pacing, self._colours = None, Pacing(), {}

    def __repr__(self) -> str:
        return summary(self._status, self.history, self._findings, self._notices, self.rules)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        # a cell that ends with session.run(...) would show a second dashboard below the first: it gets the text
        if self._pacing.views and self._ended_in is not None and self._ended_in == _comms.running_cell():
            return {"text/plain": repr(self)}
        return {**(self.widget._repr_mimebundle_(**kwargs) or {}), "text/plain": repr(self)}

    def _build(self) -> None:
        self._controls = Controls(self._send)
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
                card.panel.send = self._controls.guarded(self._send, "The panel's wish")
        self._legend = ipywidgets.HTML()
        self._echo = Echo(cards=len(self._cards))
        self._echo.on_msg(self._controls.guarded(self._heard, "The browser's message"))
        beside = [card.widget for card in self._cards if getattr(card.panel, "beside", False)]
        grid = [card.widget for card in self._cards if card.widget not in beside]
        column = [ipywidgets.VBox(beside).add_class("nnw-column")] if beside else []
        plots = ipywidgets.Box([*column, ipywidgets.Box(grid).add_class("nnw-grid")])
        plots.add_class("nnw-plots")
        self._widget = ipywidgets.VBox([self._echo, self._controls.widget, self._legend, plots]).add_class("nnw")
        if self.reading:
            self._widget.add_class("nnw-reading")
        _comms.reach_busy_kernel(_comms.all_widgets(self._widget))
        self._redraw()

    def _draw(self, frame: int = 0) -> None:
        try:
            self._controls.reading = self.reading
            self._controls.show(self._status, self.live)
            for place, card in enumerate(self._cards):
                if self._pacing.sees(place):
                    self._draw_card(card)
            self._show_legend()
            if frame:
                self._echo.ask(frame)
        except Exception:
            self._controls.fail("A refresh")

    def _draw_card(self, card: Card, *, force: bool = False) -> None:
        if hasattr(card.panel, "notices"):
            card.panel.notices, card.panel.rules = self._notices, self.rules
        version = (self.history.version, *map(id, self._findings), *map(id, self._notices))
        card.draw(self.history, self._findings, version, force=force)

    def _redraw(self) -> None:
        """Draw what is out of date; for callbacks."""
        with self._drawing(wait=1.0) as free:
            if free:
                self._draw()

    def _redraw_one(self, card: Card) -> Callable[[], None]:
        def redraw() -> None:
            with self._drawing(wait=1.0) as free:
                if free:
                    self._draw_card(card, force=True)

        return redraw

    def _heard(self, widget: Any, content: Any, buffers: Any) -> None:
        if not is_ours(content):
            return
        # an answer given while no cell runs does not say that clicks would arrive while one does
        self._pacing.heard(content, busy=self._status.state in ("running", "compiling"))
        # the loop draws what came into view; when no loop runs, nobody else would
        if content["kind"] == "view" and content["shown"] and self._status.state not in ("running", "compiling"):
            self._redraw()

    def _show_legend(self) -> None:
        colours = layer_colours(self.history)
        if colours != self._colours:
            self._colours = colours
            chips = (
                f'<span><span class="nnw-chip" style="background:{colour}"></span>{html.escape(layer)}</span>'
                for layer, colour in colours.items()
            )
            note = '<span class="nnw-note">fainter: biases, scales</span>'
            self._legend.value = f'<div class="nnw-legend">{"".join(chips)}{note}</div>'

    @contextmanager
    def _drawing(self, wait: float) -> Iterator[bool]:
        """One thread draws at a time: the loop never waits, and a callback a moment."""
        free = self._lock.acquire(timeout=wait) if wait else self._lock.acquire(blocking=False)
        try:
            yield free
        finally:
            if free:
                self._lock.release()
