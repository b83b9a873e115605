"""Data that can be learned, made from a seed; each maker gives (inputs, targets) for training and for testing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Split(NamedTuple):
    """Training and held-out examples: float32 inputs, and targets of float32 or int32."""

    train: tuple[Array, Array]
    test: tuple[Array, Array]


def blobs(seed: int, classes: int = 4, features: int = 10, count: int = 600, spread: float = 1.0) -> Split:
    """Gaussian clusters about random centres that lie on a sphere of radius 3; labels int32."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, features))
    centres *= 3 / np.linalg.norm(centres, axis=1, keepdims=True)
    labels = rng.integers(0, classes, count + 400).astype(np.int32)
    inputs = (centres[labels] + spread * rng.normal(size=(count + 400, features))).astype(np.float32)
    return _split(inputs, labels, count)


def rings(seed: int, features: int = 2, count: int = 600) -> Split:
    """Two classes, inside and outside a sphere: not linear; labels int32 of 0 and 1, in balance."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(count + 400, features)).astype(np.float32)
    radius = np.linalg.norm(inputs, axis=1)
    return _split(inputs, (radius > np.median(radius)).astype(np.int32), count)


def curve(seed: int, features: int = 5, count: int = 600, noise: float = 0.05) -> Split:
    """A smooth function of a few features, targets of mean 0 and variance 1, shape (n,)."""
    rng = np.random.default_rng(seed)
    inputs = rng.uniform(-1, 1, size=(count + 400, features)).astype(np.float32)
    first, second = rng.normal(size=(2, features))
    targets = np.sin(2 * inputs @ first) + (inputs @ second) ** 2
    targets = (targets - targets.mean()) / targets.std() + noise * rng.normal(size=len(targets))
    return _split(inputs, targets.astype(np.float32), count)


def shapes(seed: int, classes: int = 4, size: int = 12, count: int = 600, scale: float = 1.0) -> Split:
    """Images (n, size, size, 1) of bars and blobs in noise, between 0 and `scale`; the class is the pattern, not its place."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count + 400).astype(np.int32)
    images = 0.15 * rng.uniform(size=(count + 400, size, size))
    patterns = (np.random.default_rng(99).uniform(size=(classes, 5, 5)) > 0.5).astype(float)
    for image, label in zip(images, labels, strict=True):
        top, left = rng.integers(0, size - 5, 2)
        image[top : top + 5, left : left + 5] += 0.8 * patterns[label]
    return _split((scale * images[..., None]).astype(np.float32), labels, count)


def sentences(seed: int, vocabulary: int = 20, length: int = 8, classes: int = 3, count: int = 600) -> Split:
    """Token sequences (n, length) of int32; the label is which of a few marker tokens stands in it."""
    rng = np.random.default_rng(seed)
    tokens = rng.integers(classes, vocabulary, (count + 400, length)).astype(np.int32)
    labels = rng.integers(0, classes, count + 400).astype(np.int32)
    tokens[np.arange(len(tokens)), rng.integers(0, length, len(tokens))] = labels
    return _split(tokens, labels, count)


def batches(examples: tuple[Array, ...], size: int, seed: int = 0, shuffle: bool = True) -> list[tuple[Array, ...]]:
    """One shuffled epoch as a list of batches of equal size; a `nnw.Session` starts it again."""
    order = np.random.default_rng(seed).permutation(len(examples[0])) if shuffle else np.arange(len(examples[0]))
    starts = range(0, len(order) - size + 1, size)
    return [tuple(part[order[start : start + size]] for part in examples) for start in starts]


def epochs(examples: tuple[Array, ...], size: int, seed: int = 0) -> Iterator[tuple[Array, ...]]:
    """Batches without end, in a new order each epoch."""
    epoch = 0
    while True:
        yield from batches(examples, size, seed + 1000 * epoch)
        epoch += 1


def one_hot(labels: Array, classes: int) -> Array:
    """Labels as rows of float32 with a single one."""
    return np.eye(classes, dtype=np.float32)[labels]


def _split(inputs: Array, targets: Array, count: int) -> Split:
    return Split((inputs[:count], targets[:count]), (inputs[count:], targets[count:]))
