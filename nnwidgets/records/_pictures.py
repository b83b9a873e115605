"""Pictures of a network, as plain numbers: its graph, and what its layers do with one example."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

# The families by which the literature sorts pictures of networks.
FAMILIES = ("structure", "activation", "gradient")


@dataclass(frozen=True, eq=False)
class Picture:
    """A row of images of one kind, small enough to be sent to a browser.

    Attributes:
        kind: "input", "activations", "filters", "weights", "saliency", "Grad-CAM", "occlusion", "maximised unit", "attention".
        family: one of `FAMILIES`.
        layer: the layer that it is of, else "".
        images: float32, (count, height, width), or (count, height, width, 3) for colours between 0 and 1. A vector is one
            row of pixels. NaN and infinities stay.
        titles: of each image, or empty.
        shape: what was given, before images were left out or made smaller.
        signed: whether the numbers are shown around zero, in two colours.
        over: for a map that lies over the input: the input, (height, width) or (height, width, 3); else None.
        words: one line about it: what is left out, over which class, what the numbers are.
    """

    kind: str
    family: str
    layer: str
    images: npt.NDArray[np.float32]
    titles: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    signed: bool = False
    over: npt.NDArray[np.float32] | None = None
    words: str = ""


@dataclass(frozen=True)
class Example:
    """One example and what the network makes of it.

    Attributes:
        index: its number among those looked at.
        loss: its own loss; NaN where it can't be told apart from the batch's.
        target: in words or a number, "" where it is not known.
        prediction: likewise.
        confidence: the probability of the predicted class; None for other tasks.
        right: whether the prediction is the target; None where that is no question.
    """

    index: int
    loss: float
    target: str = ""
    prediction: str = ""
    confidence: float | None = None
    right: bool | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Look:
    """What was asked for when looking inside.

    Attributes:
        view: one of the views that the network has: see `views`.
        order: how the examples are sorted.
        position: of the example in that order, from 0.
        count: examples that were looked at.
        example: the one shown.
        pictures: what there is to see; that of the input first.
        views: what can be asked for.
        layers: layers that can be opened, in the order in which they are called.
        layer: the one that was chosen, "" for all.
        unit: the unit, channel or class that was chosen; None for none.
        units: how many there are to choose among.
        step: updates that the run had made.
        seconds: that it took.
        words: what to know about this view, or why there is nothing to see.
    """

    view: str
    order: str
    position: int
    count: int
    example: Example | None
    pictures: tuple[Picture, ...]
    views: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    layer: str = ""
    unit: int | None = None
    units: int = 0
    step: int = 0
    seconds: float = 0.0
    words: str = ""

    @property
    def title(self) -> str:
        """The example in words."""
        if self.example is None:
            return f"step {self.step}"
        example = self.example
        parts = [f"example {example.index}"]
        parts += [f"target {example.target}"] if example.target else []
        if example.prediction:
            sure = f" ({example.confidence:.0%})" if example.confidence is not None else ""
            wrong = {True: ", right", False: ", wrong", None: ""}[example.right]
            parts.append(f"prediction {example.prediction}{sure}{wrong}")
        return ", ".join([*parts, f"step {self.step}"])

    def __repr__(self) -> str:
        shown = ", ".join(dict.fromkeys(f"{each.kind} {each.layer}".strip() for each in self.pictures))
        return f"{self.view} of {self.title}: {shown or 'nothing to see'}" + (f"; {self.words}" if self.words else "")

    def _repr_html_(self) -> str:
        from ._mosaic import page

        return page(self)


@dataclass(frozen=True)
class Node:
    """One layer in the graph of a network.

    Attributes:
        name: the layer's path, or "input", "loss", or the name of an array of the batch.
        kind: "input", "convolution", "dense", "norm", "embedding", "attention", "recurrent", "layer", "loss".
        shape: of what leaves it, with the batch.
        parameters: how many numbers it learns.
        tensors: paths of its parameters.
        functions: nonlinearities that follow it.
        line: the user's line that calls it, or "".
    """

    name: str
    kind: str
    shape: tuple[int, ...] = ()
    parameters: int = 0
    tensors: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    line: str = ""


@dataclass(frozen=True)
class NetworkGraph:
    """The network's layers and what flows from which into which.

    Attributes:
        nodes: inputs first, then layers in the order in which they are called, the loss last.
        edges: pairs of positions in `nodes`, from and to.
    """

    nodes: tuple[Node, ...]
    edges: tuple[tuple[int, int], ...] = field(default=())
