"""Arrays become a few small images: what reaches a browser is bounded, and says what it leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nnwidgets.records import Picture

Array = npt.NDArray[Any]


class Bound(NamedTuple):
    """How much of a picture is kept.

    Attributes:
        images: at most so many.
        side: at most so many pixels high and wide.
        row: at most so many pixels in a picture of one row: fewer than in a square of the side.
    """

    images: int = 64
    side: int = 96
    row: int = 1024


FULL, SKETCH = Bound(), Bound(16, 32)


def picture(
    images: Any,
    kind: str,
    family: str,
    layer: str = "",
    *,
    titles: Sequence[str] = (),
    shape: Sequence[int] = (),
    signed: bool = False,
    over: Array | None = None,
    words: str = "",
    each: str = "channels",
    square: bool = True,
    bound: Bound = FULL,
) -> Picture:
    """A picture within bounds; its words say what was left out, and what was made smaller.

    Args:
        images: (count, height, width) or (count, height, width, 3), of any number dtype.
        kind: see `Picture`.
        family: likewise.
        layer: likewise.
        titles: of each image.
        shape: of what was given; that of the images if empty.
        signed: see `Picture`.
        over: likewise; made smaller in the same way.
        words: what the numbers are.
        each: what one image is called, in the plural.
        square: whether height and width are made smaller by the same factor, as a photograph must be.
        bound: how much is kept.
    """
    images = np.asarray(images, np.float32)
    count, height, width = images.shape[:3]
    kept = images[: bound.images]
    said = [words] if words else []
    if count > bound.images:
        said.append(f"{bound.images} of {count} {each}")
    small = smaller(kept, bound, square=square)
    if small.shape[1:3] != (height, width):
        said.append(f"{height}x{width} made {small.shape[1]}x{small.shape[2]}")
    under = None if over is None else smaller(np.asarray(over, np.float32)[None], bound, square=square)[0]
    return Picture(
        kind,
        family,
        layer,
        small,
        tuple(titles[: len(kept)]),
        tuple(shape) or images.shape,
        signed,
        under,
        "; ".join(said),
    )


def smaller(images: Array, bound: Bound = FULL, *, square: bool = True) -> Array:
    """The images with blocks of pixels averaged until they fit; the last block may be smaller. A NaN stays in its block.

    Args:
        images: (count, height, width, ...).
        bound: what they must fit.
        square: whether the blocks are.

    Example:
        >>> smaller(np.ones((1, 224, 200, 3))).shape
        (1, 75, 67, 3)
    """
    height, width = images.shape[1:3]
    across = ceil(width / (bound.row if height == 1 else bound.side))
    down = ceil(height / bound.side)
    if square and height > 1:
        across = down = max(across, down)
    return _averaged(_averaged(images, 1, down), 2, across)


def _averaged(images: Array, axis: int, block: int) -> Array:
    if block == 1:
        return images
    length = images.shape[axis]
    starts = np.arange(0, length, block)
    counts = np.diff(np.append(starts, length)).astype(np.float32)
    sums = np.add.reduceat(images, starts, axis)
    return sums / counts.reshape([-1 if k == axis else 1 for k in range(images.ndim)])


def enlarged(image: Array, height: int, width: int) -> Array:
    """A map stretched to another size, linearly between the centres of its pixels.

    Example:
        >>> enlarged(np.array([[0.0, 1.0]]), 1, 4)
        array([[0.  , 0.25, 0.75, 1.  ]])
    """
    for axis, length in ((0, height), (1, width)):
        size = image.shape[axis]
        at = (np.arange(length) + 0.5) * size / length - 0.5
        low = np.clip(np.floor(at).astype(int), 0, size - 1)
        high = np.minimum(low + 1, size - 1)
        share = np.clip(at - low, 0, 1).reshape((-1, 1) if axis == 0 else (1, -1))
        image = np.take(image, low, axis) * (1 - share) + np.take(image, high, axis) * share
    return image


def colours(images: Array) -> Array:
    """The numbers of colour images between 0 and 1: bytes as shares of 255, others by smallest and largest where needed."""
    if images.dtype == np.uint8:
        return images.astype(np.float32) / 255
    images = np.asarray(images, np.float32)
    finite = images[np.isfinite(images)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if low >= 0 and high <= 1:
        return images
    return (images - low) / ((high - low) or 1.0)


def maps(values: Array, *, spatial: bool) -> Array:
    """What a layer makes of one example, as (count, height, width).

    Args:
        values: (positions ..., units). Of one axis: a row of pixels. Of two: one image, positions by units. Of more: of each
            unit one image; of a volume its middle slices.
        spatial: whether the positions are those of an image; else further axes, such as heads, give one image each.
    """
    values = np.asarray(values)
    if values.ndim < 3:
        return values.reshape(1, *([1] * (2 - values.ndim)), *values.shape)
    if not spatial:
        return np.moveaxis(values, 0, -2).reshape(-1, values.shape[0], values.shape[-1])
    while values.ndim > 3:
        values = values[len(values) // 2]
    return np.moveaxis(values, -1, 0)
