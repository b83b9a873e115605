"""The one question that a panel asks: which view, of which example, layer and unit; answered in a `Look`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnwidgets.records import Example, Look, Picture

if TYPE_CHECKING:
    from ._inside import Inside

# What shows the network, whatever the example.
_OF_THE_NETWORK = ("filters", "weights", "maximised unit")
# What asks for the causes of one output.
_OF_AN_OUTPUT = ("saliency", "occlusion", "Grad-CAM")
# What is wrong with the question, not with us.
_SAID = (ValueError, TypeError, NotImplementedError)


def look(inside: Inside, view: str, order: str, position: int, layer: str, unit: int | None) -> Look:
    """The pictures of a view, that of the input first; what can't be shown is said in words, never raised."""
    example, pictures, words, units, layers = None, (), "", 0, ()
    count = inside.count
    position = min(max(position, 0), count - 1)
    try:
        example = inside.examples(order)[position]
        layers = inside.layers_of(view)
        layer = _chosen(inside, view, layer, layers)
        units = _units(inside, view, layer)
        pictures = (inside.input(example.index),)
        pictures += _pictures(inside, view, example, layer, unit)
        if view == "maximised unit" and unit is None:
            unit = 0
        words = _left_out(inside, view, layer, pictures)
    except _SAID as error:
        words = str(error)
    return Look(view, order, position, count, example, pictures, inside.views, layers, layer, unit, units, words=words)


def _chosen(inside: Inside, view: str, layer: str, layers: tuple[str, ...]) -> str:
    """The layer that is shown: another view's choice that this one does not have gives way to its own first choice."""
    if layer and layer not in inside.layers:
        raise ValueError(f"there is no layer {layer!r}: the layers are {', '.join(inside.layers) or 'none'}.")
    if layer in layers:
        return layer
    if not layers or view in ("activations", "feature maps"):
        return ""
    return layers[-1] if view in ("Grad-CAM", "maximised unit") else layers[0]


def _units(inside: Inside, view: str, layer: str) -> int:
    if view in _OF_AN_OUTPUT:
        return inside.outputs
    return inside.units(layer) if layer and view != "weights" else 0


def _pictures(inside: Inside, view: str, example: Example, layer: str, unit: int | None) -> tuple[Picture, ...]:
    i = example.index
    shown = {
        "activations": lambda: inside.activations(i, layer),
        "feature maps": lambda: inside.feature_maps(i, layer, unit),
        "filters": lambda: (inside.filters(layer, unit),),
        "weights": lambda: (inside.weights(layer),),
        "saliency": lambda: (inside.saliency(i, unit),),
        "occlusion": lambda: (inside.occlusion(i, None, unit),),
        "Grad-CAM": lambda: (inside.grad_cam(i, layer, unit),),
        "maximised unit": lambda: (inside.maximise(layer, unit or 0),),
        "attention": lambda: inside.attention(i),
    }
    if view not in inside.views:
        known = "this network has no such view" if view in shown else "there is no such view"
        raise ValueError(f"{view}: {known}; it has {', '.join(inside.views)}.")
    return shown[view]()


def _left_out(inside: Inside, view: str, layer: str, pictures: tuple[Picture, ...]) -> str:
    shown, there = len(pictures) - 1, len(inside.opened(layer))
    if view == "activations" and shown < there:
        return f"{shown} of {there} layers and nonlinearities: choose a layer to see others."
    return pictures[-1].words if shown == 1 else ""
