"""What the network makes of each example: prediction, target, its own loss; plain NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnwidgets.records import Example

from ._images import Array

# Numbers that are told of one answer.
_TOLD = 6


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers to a few examples.

    Attributes:
        task: see `Outputs`.
        loss: likewise.
        answered: likewise.
        logits: (examples, positions ..., classes).
        targets: likewise without classes, or with them as shares; None where there are none of such a shape.
    """

    task: str
    loss: str
    answered: str
    logits: Array
    targets: Array | None

    def examples(self, first: int, count: int) -> list[Example]:
        """The first few of them as records, numbered from `first` on."""
        losses = self._losses()
        tell = {"classes": self._class, "labels": self._labels}.get(self.task, self._numbers)
        return [Example(first + k, float(losses[k]), *tell(k)) for k in range(count)]

    def _losses(self) -> Array:
        unknown = np.full(len(self.logits), np.nan)
        if self.targets is None or not self.loss:
            return unknown
        with np.errstate(all="ignore"):
            if self.loss == "softmax cross-entropy" and self.task == "classes":
                logs = log_softmax(self.logits)
                return _mean(-_chosen(logs, self.targets), _counted(logs, self.targets))
            if self.loss == "sigmoid cross-entropy":
                wanted = self.targets.reshape(self.logits.shape)
                return _mean(np.logaddexp(0, self.logits) - self.logits * wanted)
            if self.targets.size == self.logits.size:
                apart = self._outputs() - self.targets.reshape(self.logits.shape)
                return _mean(np.abs(apart) if self.loss == "absolute error" else apart**2)
        return unknown

    def _outputs(self) -> Array:
        if self.answered == "sigmoid":
            return 1 / (1 + np.exp(-self.logits))
        if self.answered == "log_softmax":
            return log_softmax(self.logits)
        return np.exp(log_softmax(self.logits)) if self.answered == "softmax" else self.logits

    def _class(self, k: int) -> tuple[Any, ...]:
        with np.errstate(all="ignore"):
            shares = np.exp(log_softmax(self.logits[k]))
        predicted = shares.argmax(-1)
        sure = float(shares.max(-1).mean())
        if self.targets is None:
            return "", _told(predicted), sure
        wanted, counted = self.targets[k], _counted(shares, self.targets[k])
        wanted = wanted.argmax(-1) if wanted.ndim == shares.ndim else wanted
        right = bool((predicted == wanted)[counted].all()) if counted.any() else None
        return _told(wanted), _told(predicted), sure, right

    def _labels(self, k: int) -> tuple[Any, ...]:
        logits = self.logits[k]
        predicted = (logits > 0).astype(int)
        with np.errstate(all="ignore"):
            share = float(1 / (1 + np.exp(-np.abs(logits)).max())) if logits.size == 1 else None
        if self.targets is None:
            return "", _told(predicted), share
        wanted = (self.targets[k].reshape(logits.shape) > 0.5).astype(int)
        return _told(wanted), _told(predicted), share, bool((predicted == wanted).all())

    def _numbers(self, k: int) -> tuple[Any, ...]:
        same = self.targets is not None and self.targets[k].size == self.logits[k].size
        return _told(self.targets[k]) if same and self.targets is not None else "", _told(self._outputs()[k])


def fitting(task: str, logits: Array, candidates: Sequence[Array]) -> tuple[Array, Array | None]:
    """The first of these that can be the targets of the logits: class numbers, or shares of the same shape.

    Class numbers for fewer positions are those of the first positions, as where each token is to tell the next one.
    """
    for each in candidates:
        if len(each) != len(logits):
            continue
        if task == "classes" and each.dtype.kind in "iub" and logits.ndim > 1:
            positions = logits.shape[1:-1]
            if each.size == logits[..., 0].size:
                return logits, each.reshape(logits.shape[:-1])
            if len(positions) == 1 and each.ndim > 1 and each.size == len(each) * each.shape[1] < logits[..., 0].size:
                return logits[:, : each.shape[1]], each.reshape(each.shape[:2])
        if each.size == logits.size:
            return logits, each.reshape(logits.shape).astype(np.float64)
    return logits, None


def log_softmax(logits: Array) -> Array:
    """Over the last axis."""
    shifted = logits - np.max(logits, -1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def _counted(scores: Array, targets: Array) -> Array:
    """Which targets are classes: -1 and the like stand for positions that are left out."""
    if targets.ndim == scores.ndim:
        return np.ones(scores.shape[:-1], bool)
    return (targets >= 0) & (targets < scores.shape[-1])


def _chosen(logs: Array, targets: Array) -> Array:
    if targets.ndim == logs.ndim:
        return (logs * targets).sum(-1)
    inside = np.clip(targets, 0, logs.shape[-1] - 1)
    return np.take_along_axis(logs, inside[..., None], -1)[..., 0]


def _mean(losses: Array, counted: Array | None = None) -> Array:
    """The mean of each example."""
    flat = losses.reshape(len(losses), -1)
    if counted is None:
        return flat.mean(1)
    kept = counted.reshape(len(losses), -1)
    return np.where(kept, flat, 0).sum(1) / kept.sum(1)


def _told(values: Array) -> str:
    flat = np.asarray(values).reshape(-1)
    text = " ".join(str(int(each)) if flat.dtype.kind in "iub" else f"{each:.4g}" for each in flat[:_TOLD])
    return text + (" ..." if flat.size > _TOLD else "")
