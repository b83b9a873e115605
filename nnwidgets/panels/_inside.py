"""One example on its way through the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets

from nnwidgets.records import Command, Finding, History, Look, Notice

from ._canvas import ImagesCanvas
from ._image_pack import pack
from ._look_words import headline
from ._panel import Panel
from ._text import escape
from ._theme import colour_of, layer_colours

ORDERS = ("in order", "wrong first", "most confident wrong first", "largest loss first")
# Views that ask for the causes of one output: the number is that of a class.
_OF_AN_OUTPUT = ("saliency", "grad-cam", "occlusion")
_ALL = ("all layers", "")


class LookInside(Panel):
    """What each layer makes of one example, as images, and what the network answers.

    Grey: from the row's smallest number (black) to its largest (white); blue and orange: below and above zero; red hatching:
    not a number. Tells apart: a layer that passes on what matters from one that is dark for every example (dead) or
    shows the same for all; a prediction that rests on the thing itself from one that rests on the background.
    The wrong ones first: most faults of data and labels show there.

    Attributes:
        send: takes the wish for a look; the dashboard sets it.
        notices: what failed inside the debugger; the dashboard sets it, and a look that failed is told here.
        rules: not used; the dashboard sets it with the notices.
    """

    title = "Look inside"
    wide = True

    def __init__(self) -> None:
        self.send: Callable[[Command], None] = lambda command: None
        self.notices: Sequence[Notice] = ()
        self.rules: Sequence[str] = ()
        self._look: Look | None = None
        # the choices that the controls show, and how many wishes have had no answer yet
        self._wanted: dict[str, Any] = {}
        self._waiting, self._noticed, self._offering = 0, 0, False
        self._failed = ""
        self._build()
        self._connect()

    def update(self, history: History, findings: Sequence[Finding]) -> str | None:
        """Show the newest look."""
        look = history.look
        if self._waiting:
            self._hear_of_failure()
        if look is not None and look is not self._look:
            self._take(look)
            colours = layer_colours(history)
            strips = [colour_of(each.layer, colours) if each.layer else "" for each in look.pictures]
            self._canvas.data = pack(look.pictures, strips)
        self._say()
        return None

    def _build(self) -> None:
        self._start = ipywidgets.Button(
            description="Look inside",
            icon="eye",
            tooltip="Send one example through the network as it is now; makes no step",
        )
        self._previous = ipywidgets.Button(icon="arrow-left", description="Previous", tooltip="The example before")
        self._next = ipywidgets.Button(icon="arrow-right", description="Next", tooltip="The example after")
        self._position = ipywidgets.HTML()
        narrow = {"description_width": "initial"}
        self._order = _choice("examples", [(each, each) for each in ORDERS])
        self._view, self._layer = _choice("view", []), _choice("layer", [_ALL])
        self._unit = ipywidgets.Text(
            description="unit",
            continuous_update=False,
            layout={"width": "11.5em"},
            style=narrow,
            placeholder="predicted",
        )
        self._alone = ipywidgets.Checkbox(
            value=False, description="each image on its own scale", indent=False, layout={"width": "auto"}
        )
        self._headline, self._words = ipywidgets.HTML(), ipywidgets.HTML()
        self._canvas = ImagesCanvas()
        walk = _group(self._start, self._previous, self._position, self._next, self._order)
        self._chosen = _group(self._view, self._layer, self._unit, self._alone)
        bar = ipywidgets.HBox([walk, self._chosen]).add_class("nnw-row")
        images = ipywidgets.Box([self._canvas]).add_class("nnw-images")
        self.widget = ipywidgets.VBox([bar, self._headline, self._words, images])
        for each in (self._previous, self._next, self._order, self._chosen, self._unit):
            each.layout.display = "none"

    def _connect(self) -> None:
        self._start.on_click(lambda _: self._ask({}))
        self._previous.on_click(lambda _: self._go(-1))
        self._next.on_click(lambda _: self._go(1))
        self._canvas.on_msg(self._heard)
        # the number is that of another thing then
        self._observe(self._order, lambda value: {"order": value, "position": 0})
        self._observe(self._view, lambda value: {"view": value, "unit": None})
        self._observe(self._layer, lambda value: {"layer": value, "unit": None})
        self._unit.observe(self._choose_unit, "value")
        self._alone.observe(lambda change: setattr(self._canvas, "alone", bool(change["new"])), "value")

    def _observe(self, control: ipywidgets.Dropdown, change: Callable[[Any], dict[str, Any]]) -> None:
        control.observe(lambda told: None if self._offering else self._ask(change(told["new"])), "value")

    def _choose_unit(self, change: Any) -> None:
        if self._offering:
            return
        text, most = str(change["new"]).strip(), self._most()
        if text and not (text.isdecimal() and (not most or int(text) < most)):
            upto = f" from 0 to {most - 1}" if most else ", 0 or more"
            self._failed = f"{self._unit.description}: a whole number{upto}, or nothing; got {text!r}."
            self._say()
            return
        self._ask({"unit": int(text) if text else None})

    def _heard(self, widget: Any, content: Any, buffers: Any) -> None:
        if isinstance(content, dict) and content.get("kind") == "go" and content.get("by") in (-1, 1):
            self._go(content["by"])

    def _go(self, by: int) -> None:
        position = self._wanted.get("position", 0) + by
        if self._look is not None and 0 <= position < self._look.count:
            self._ask({"position": position})

    def _ask(self, change: dict[str, Any]) -> None:
        """Wish for a look with the choices that are shown and this change."""
        self._wanted = {**self._wanted, **change}
        self._waiting, self._noticed, self._failed = self._waiting + 1, len(self.notices), ""
        self._offer()
        self._say()
        self.send(Command("look", dict(self._wanted)))

    def _take(self, look: Look) -> None:
        """Show the choices of this look, unless it answers an older wish than the last one."""
        self._look, self._failed = look, ""
        answer = _choices(look)
        self._waiting = 0 if answer == self._wanted else max(0, self._waiting - 1)
        if not self._waiting:
            self._wanted = answer
        self._offer()

    def _hear_of_failure(self) -> None:
        news = [each for each in self.notices[self._noticed :] if "look" in each.source.lower()]
        self._noticed = len(self.notices)
        if news:
            self._waiting, self._failed = 0, news[-1].message
            if self._look is not None:
                self._wanted = _choices(self._look)
                self._offer()

    def _offer(self) -> None:
        """Set the controls to what is wanted; that is no choice of the user's."""
        look, wanted = self._look, self._wanted
        if look is None:
            return
        views = [(each, each) for each in dict.fromkeys((*look.views, wanted["view"]))]
        layers = [_ALL, *((each, each) for each in look.layers)]
        orders = [(each, each) for each in dict.fromkeys((*ORDERS, wanted["order"]))]
        self._offering = True
        try:
            _set(self._view, views, wanted["view"])
            _set(self._layer, layers, wanted["layer"] if wanted["layer"] in look.layers else "")
            _set(self._order, orders, wanted["order"])
            self._offer_unit(look, wanted)
        finally:
            self._offering = False
        self._layer.layout.display = "" if look.layers else "none"
        self._start.description = "Look again"
        self._previous.disabled = wanted["position"] <= 0
        self._next.disabled = wanted["position"] >= look.count - 1
        self._position.value = f'<span class="nnw-note">{wanted["position"] + 1:,} of {look.count:,}</span>'
        for each in (self._previous, self._next, self._order, self._chosen):
            each.layout.display = ""

    def _offer_unit(self, look: Look, wanted: dict[str, Any]) -> None:
        view, most = str(wanted["view"]).lower(), self._most()
        of_an_output = view in _OF_AN_OUTPUT
        name = "class" if of_an_output else "unit"
        with self._unit.hold_sync():
            self._unit.description = f"{name} 0 to {most - 1}" if most else name
            self._unit.placeholder = "predicted" if of_an_output else "0" if view == "maximised unit" else "all"
            self._unit.value = "" if wanted["unit"] is None else str(wanted["unit"])
        self._unit.layout.display = "" if of_an_output or view == "maximised unit" or most else "none"

    def _most(self) -> int:
        """How many units there are to choose among, 0 if that is not known."""
        look, wanted = self._look, self._wanted
        same = look is not None and (look.view, look.layer) == (wanted.get("view"), wanted.get("layer"))
        return look.units if look is not None and same else 0

    def _say(self) -> None:
        look = self._look
        if self._waiting:
            self._headline.value = '<span class="nnw-message">looking …</span>'
        elif self._failed:
            self._headline.value = f'<span class="nnw-hint">{escape(self._failed)}</span>'
        elif look is None:
            self._headline.value = (
                '<span class="nnw-note">Waits for a look: one example goes through the network as it is now, and you see '
                "what each layer makes of it, and what the answer rests on. The run is not changed by it.</span>"
            )
        else:
            self._headline.value = headline(look)
        told = () if look is None else tuple(each.words for each in look.pictures)
        words = "" if look is None or look.words in told else look.words
        self._words.value = f'<div class="nnw-note">{escape(words)}</div>' if words else ""


def _choices(look: Look) -> dict[str, Any]:
    names = ("view", "order", "position", "layer", "unit")
    return {name: getattr(look, name) for name in names}


def _choice(description: str, options: list[tuple[str, str]]) -> ipywidgets.Dropdown:
    return ipywidgets.Dropdown(
        options=options, description=description, layout={"width": "auto"}, style={"description_width": "initial"}
    )


def _set(control: ipywidgets.Dropdown, options: list[tuple[str, str]], value: str) -> None:
    with control.hold_sync():
        if list(control.options) != options:
            control.options = options
        if control.value != value:
            control.value = value


def _group(*widgets: ipywidgets.DOMWidget) -> ipywidgets.HBox:
    return ipywidgets.HBox(list(widgets)).add_class("nnw-group")
