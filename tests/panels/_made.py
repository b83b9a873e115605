"""Histories and helpers that these tests share."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import ipywidgets
import numpy as np
from comm.base_comm import BaseComm

from nnwidgets.panels._comms import all_widgets
from nnwidgets.records import (
    Example,
    Exploration,
    Finding,
    GradientReport,
    Histogram,
    History,
    Line,
    Look,
    NetworkGraph,
    Node,
    Picture,
    Plot,
    RuleCheck,
    Status,
    TensorCheck,
)

LAYERS = ("Conv_0/bias", "Conv_0/kernel", "Dense_0/bias", "Dense_0/kernel")
FINDING = Finding("NonFinite", "problem", "Dense_0", 7, "<b>bad</b>", "Lower it.", evidence={"loss": float("nan")})
GRAPH = NetworkGraph(
    (
        Node("input", "input", (32, 6, 6, 1)),
        Node("Conv_0", "convolution", (32, 6, 6, 4), 40, LAYERS[:2], ("relu",), "model.py:3"),
        Node("Dense_0", "dense", (32, 2), 12, LAYERS[2:]),
        Node("loss", "loss"),
    ),
    ((0, 1), (1, 2), (2, 3)),
)


class RecordingComm(BaseComm):
    """Stands for a kernel's comm: keeps what would go to the browser."""

    messages: ClassVar[list[tuple[str, str, dict]]] = []

    def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
        RecordingComm.messages.append((msg_type, self.comm_id, data))


def record(history: History, steps: range, *, scale: float = 1.0) -> History:
    """Readings like those of a training run; `scale` multiplies all of them (NaN: none is a number)."""
    random = np.random.default_rng(steps[0])
    norms = history.table("gradient", ("norm", "mean"), LAYERS)
    updates = history.table("update", ("norm", "ratio"), LAYERS)
    for step in steps:
        history.add_scalar("train/loss", step, scale * (0.1 + float(np.exp(-step / 50))))
        history.add_scalar("train/accuracy", step, scale * 0.5)
        values = np.exp(0.1 * random.normal(size=(2, len(LAYERS)))).astype(np.float32)
        norms.add(step, np.float32(scale) * values)
        updates.add(step, np.float32(scale * 1e-3) * values)
        history.add("activation", step, ("Conv_0", "Dense_0"), {"std": scale * np.ones(2)})
        history.add("activation", step, ("Conv_0/relu",), {"dead": np.array([scale * 0.25])})
        if step % 10 == 0:
            history.add_scalar("validation/loss", step, scale * 0.3)
    counts = np.ones((len(LAYERS), 8), np.float32)
    edge = np.full(len(LAYERS), scale, np.float32)
    for kind in ("gradient", "activation"):
        history.add_histogram(Histogram(f"{kind}/histogram", steps[-1], LAYERS, -edge, edge, counts))
    history.add_gradient_report(gradient_report(scale, step=steps[-1]))
    history.graph = GRAPH
    history.add_look(look(scale, step=steps[-1]))
    curve = Line("loss", [1e-3, 1e-2, 1e-1], [scale, 0.5 * scale, scale])
    plot = Plot("Loss", "learning rate", "loss", (curve,), log_x=True, log_y=True)
    history.add_exploration(Exploration("learning rate", f"of step {steps[-1]}", pictures=(plot,)))
    return history


def look(scale: float = 1.0, *, step: int = 7, **changes) -> Look:
    """A look at the third example of 256: the input and four feature maps, one of them with a map over the input."""
    random = np.random.default_rng(step)
    with np.errstate(all="ignore"):
        image, maps = np.float32(scale) * random.random((1, 6, 6)), np.float32(scale) * random.normal(size=(4, 6, 6))
    image, maps = image.astype(np.float32), maps.astype(np.float32)
    pictures = (
        Picture("input", "structure", "", image, shape=(6, 6)),
        Picture("activations", "activation", "Conv_0", maps, tuple("abcd"), (6, 6, 4), signed=True, words="4 channels"),
        Picture("Grad-CAM", "gradient", "Conv_0", maps[:1, :3, :3], over=image[0], words="for class 1"),
    )
    example = Example(17, 2.5 * scale, "7", "1", 0.93, right=False)
    views, layers = ("activations", "Grad-CAM", "maximised unit"), ("Conv_0", "Dense_0")
    made = Look("activations", "wrong first", 2, 256, example, pictures, views, layers, step=step, seconds=0.2)
    return replace(made, **changes)


def gradient_report(scale: float = 1.0, *, step: int = 7) -> GradientReport:
    """A check with a tensor of each kind: right, at a corner, wrong, without a gradient."""
    conv_bias, conv, dense_bias, dense = LAYERS
    tensors = (
        TensorCheck(
            conv_bias, (4,), "kink", 3e-8 * scale, slopes=(0.25 * scale, 0.5 * scale),
            analytic=(scale,), numeric=(1.4 * scale,), sampled=("direction",),
        ),
        TensorCheck(
            conv, (3, 3, 1, 4), "wrong", 0.5 * scale, own_error=1e-6, sensitivity=2e-6, words="custom_vjp <f> at model.py:3",
            analytic=(scale, 0.2 * scale), numeric=(2 * scale, 0.4 * scale), sampled=("direction", "17"),
        ),
        TensorCheck(dense_bias, (2,), "unreached"),
        TensorCheck(dense, (5, 2), "ok", 1e-10 * scale, shares={"data": 0.25, "penalty": 0.75}),
    )  # fmt: skip
    rules = (RuleCheck("<f>", "custom_vjp", "model.py:3", None, 0.5, wrong=True),)
    return GradientReport(tensors, rules, step=step, examples=8, evaluations=26, seconds=1.5, notes=("x < y",))


def running(step: int = 1, **changes) -> Status:
    return Status("running", step, target=1000, steps_per_second=50.0, **changes)


def texts(widget: ipywidgets.Widget) -> str:
    """All HTML inside a widget."""
    return "\n".join(part.value for part in all_widgets(widget) if isinstance(part, ipywidgets.HTML))


def alive() -> int:
    """How many widgets there are."""
    from ipywidgets.widgets.widget import _instances

    return len(_instances)
