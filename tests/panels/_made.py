"""Histories and helpers that these tests share."""

from __future__ import annotations

from typing import ClassVar

import ipywidgets
import numpy as np
from comm.base_comm import BaseComm

from nnwidgets.panels._comms import all_widgets
from nnwidgets.records import Finding, Histogram, History, Status

LAYERS = ("Conv_0/bias", "Conv_0/kernel", "Dense_0/bias", "Dense_0/kernel")
FINDING = Finding("NonFinite", "problem", "Dense_0", 7, "<b>bad</b>", "Lower it.", evidence={"loss": float("nan")})


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
    return history


def running(step: int = 1, **changes) -> Status:
    return Status("running", step, target=1000, steps_per_second=50.0, **changes)


def texts(widget: ipywidgets.Widget) -> str:
    """All HTML inside a widget."""
    return "\n".join(part.value for part in all_widgets(widget) if isinstance(part, ipywidgets.HTML))


def alive() -> int:
    """How many widgets there are."""
    from ipywidgets.widgets.widget import _instances

    return len(_instances)
