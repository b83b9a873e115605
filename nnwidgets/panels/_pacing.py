"""When the next frame may be sent: only after the browser has drawn the last one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class View:
    """One place where a browser shows the dashboard.

    Attributes:
        shown: whether any of it can be seen: its tab is in front and it is not scrolled away.
        cards: the numbers of the cards that can be seen; None before the browser has said so.
        acked: the newest frame that it has drawn.
        aside: whether it shows where the run stands and no more: JupyterLab's status bar.
    """

    shown: bool = True
    cards: frozenset[int] | None = None
    acked: int = 0
    aside: bool = False


@dataclass
class Pacing:
    """Back-pressure, as a state machine without a clock or a widget of its own.

    A frame that asks for an acknowledgement is outstanding until every view that can be seen has given it. None within
    `patience` means that the browser's messages do not reach the kernel while it is busy, or that nobody looks: then frames go
    out at the fixed rate 1 / `slow`, until an acknowledgement comes after all. A view that alone stays silent is forgotten
    until it speaks. If only views aside can be seen, a frame goes out each `aside`. Of a browser that answered within `prompt`,
    one frame in `one_in` asks: each message to the kernel makes JupyterLab show it as busy and idle again, for which it fetches
    two icons and draws its status anew. Times are seconds of any one steady clock.

    Attributes:
        live: whether acknowledgements come while the kernel is busy; None before it is known.
        frame: the number of the newest frame sent.
        asked: the number of the newest one that asks.
        answer: seconds that the newest one took to be acknowledged, as far as that is known; infinite where none is.
    """

    patience: float = 2.0
    slow: float = 0.5
    aside: float = 1.0
    prompt: float = 0.1
    one_in: int = 10
    live: bool | None = None
    frame: int = 0
    asked: int = 0
    answer: float = float("inf")
    sent_at: float = float("-inf")
    asked_at: float = float("-inf")
    views: dict[str, View] = field(default_factory=dict)
    _heard_any: bool = False
    _present: set[str] = field(default_factory=set)
    _gone: set[str] = field(default_factory=set)
    _expected: bool = False

    @property
    def viewed(self) -> bool:
        """Whether somebody may be looking: a view can be seen, or none has ever spoken."""
        return not self._heard_any or any(view.shown for view in list(self.views.values()))

    @property
    def displayed(self) -> bool:
        """Whether a browser has a view of the dashboard itself, in sight or not."""
        return any(not view.aside for view in list(self.views.values()))

    @property
    def deserted(self) -> bool:
        """Whether no browser holds a view, none is on its way, and none can come back: their outputs were cleared."""
        return self._heard_any and not (self._present or self._gone or self._expected)

    def expect(self) -> None:
        """It is being displayed: a view will come."""
        self._expected = True

    def replaced(self) -> None:
        """Its cell shows something else now: no view that is on its way, or that went, will come."""
        self._heard_any, self._expected = True, False
        self._gone.clear()

    def due(self, now: float, interval: float) -> bool:
        """Whether a frame may be sent now, `interval` seconds after the last one at the earliest."""
        if not self.viewed:
            return False
        since = now - self.sent_at
        if all(view.aside for view in list(self.views.values()) if view.shown) and self.views:
            interval = max(interval, self.aside)
        if self._outstanding():
            if since < (self.slow if self.live is False else self.patience):
                return False
            self._give_up(now)
        return since >= (max(interval, self.slow) if self.live is False else interval)

    def sent(self, now: float) -> int:
        """Count a frame; its number."""
        self.frame += 1
        self.sent_at = now
        if not (self.live and self.answer <= self.prompt) or self.frame - self.asked >= self.one_in:
            self.asked, self.asked_at = self.frame, now
        return self.frame

    def heard(self, message: dict[str, Any], busy: bool = True, now: float = float("inf")) -> None:
        """Take in what a browser said (see echo.js) at this time; `busy`: while a cell was running.

        A view is ``gone`` at once, and it is ``over`` with it some seconds later if its page and notebook are still there:
        after a page was loaded again, its views are new ones.
        """
        self._heard_any = True
        name = str(message["id"])
        aside = bool(message.get("aside", False)) or (name in self.views and self.views[name].aside)
        if message["kind"] in ("gone", "over"):
            self.views.pop(name, None)
            self._present.discard(name)
            if not aside:
                (self._gone.add if message["kind"] == "gone" else self._gone.discard)(name)
            return
        if name not in self._present and not aside:
            self._present.add(name)
            self._gone.clear()
            self._expected = False
        # a view that appears has nothing of the past to acknowledge
        view = self.views.setdefault(name, View(acked=self.asked, aside=aside))
        if message["kind"] == "view":
            view.shown, view.cards = bool(message["shown"]), frozenset(message["cards"])
        elif message["kind"] == "ack":
            view.acked = max(view.acked, int(message["frame"]))
            self.live = True if busy else self.live
            # the last of several views decides
            if message["frame"] == self.asked:
                self.answer = now - self.asked_at

    def sees(self, card: int) -> bool:
        """Whether a card may be on somebody's screen."""
        shown = [view for view in list(self.views.values()) if view.shown]
        return not shown or any(view.cards is None or card in view.cards for view in shown)

    def _outstanding(self) -> bool:
        if not self.frame:
            return False
        shown = [view for view in list(self.views.values()) if view.shown]
        return any(view.acked < self.asked for view in shown) if shown else True

    def _give_up(self, now: float) -> None:
        self.answer = now - self.asked_at if self.live else float("inf")
        shown = {name: view for name, view in self.views.copy().items() if view.shown}
        if any(view.acked >= self.asked for view in shown.values()):
            for name in [name for name, view in shown.items() if view.acked < self.asked]:
                self.views.pop(name, None)
        elif not self.live:
            # a browser that has been heard is slow, and not out of hearing
            self.live = False
