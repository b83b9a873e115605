"""Pictures as a browser gets them: one byte a number, and a list of what the bytes are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nnwidgets.records import Picture

from ._theme import number

# Codes of one byte: 0 to 252 from the smallest to the largest number of an image, then what is no number.
STEPS, MINUS, PLUS, NAN = 252, 253, 254, 255
LIMIT = 900_000
SMALLEST = 48

Pixels = npt.NDArray[np.float32]


def pack(pictures: Sequence[Picture], colours: Sequence[str], limit: int = LIMIT) -> dict[str, Any]:
    """All pictures within `limit` bytes: what is too much is halved in size, then left out, and the label says so.

    Returns:
        ``pixels``, the bytes of all images, and ``rows``, a record for each picture; see images.js.
    """
    share = limit // max(1, sum(1 if each.over is None else 2 for each in pictures))
    chunks: list[npt.NDArray[np.uint8]] = []
    rows: list[dict[str, Any]] = []
    taken = 0

    def put(images: Pixels) -> dict[str, Any]:
        nonlocal taken
        codes, lows, highs = quantise(images)
        place = {
            "offset": taken,
            "height": images.shape[1],
            "width": images.shape[2],
            "color": images.ndim == 4,
            "lows": lows,
            "highs": highs,
        }
        chunks.append(codes)
        taken += codes.size
        return place

    for picture, colour in zip(pictures, colours, strict=True):
        images, left_out = _smaller(np.asarray(picture.images, np.float32), share)
        over = None
        if picture.over is not None:
            over, _ = _smaller(np.asarray(picture.over, np.float32)[None], share)
        row = {**_label(picture, left_out), **put(images), "strip": colour, "count": len(images)}
        rows.append({**row, "titles": list(picture.titles[: len(images)]), "over": None if over is None else put(over)})
    pixels = np.concatenate(chunks).tobytes() if chunks else b""
    return {"pixels": pixels, "rows": rows}


def quantise(images: Pixels) -> tuple[npt.NDArray[np.uint8], list[float], list[float]]:
    """Each image between its own smallest and largest finite number; colours between 0 and 1.

    Returns:
        the codes, flat; and what code 0 and code `STEPS` stand for in each image, 0 where nothing is finite.
    """
    values = images.astype(np.float64).reshape(len(images), -1)
    finite = np.isfinite(values)
    some = finite.any(1)
    if images.ndim == 4:
        low, high = np.zeros(len(images)), np.ones(len(images))
    else:
        low = np.where(some, np.where(finite, values, np.inf).min(1, initial=np.inf), 0.0)
        high = np.where(some, np.where(finite, values, -np.inf).max(1, initial=-np.inf), 0.0)
    wide = np.where(high > low, high - low, 1.0)[:, None]
    scaled = (np.where(finite, values, low[:, None]) - low[:, None]) / wide
    codes = np.rint(STEPS * np.clip(scaled, 0.0, 1.0)).astype(np.uint8)
    codes[np.isneginf(values)], codes[np.isposinf(values)], codes[np.isnan(values)] = MINUS, PLUS, NAN
    return codes.ravel(), low.tolist(), high.tolist()


def _label(picture: Picture, left_out: str) -> dict[str, Any]:
    """What stands above the images, and how they are coloured."""
    values = np.asarray(picture.images, np.float64)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    bad = [
        f"{words}: {many:,} of {values.size:,} numbers"
        for words, many in (("NaN", int(np.isnan(values).sum())), ("infinite", int(np.isinf(values).sum())))
        if many
    ]
    shape = f"({', '.join(map(str, picture.shape))})" if picture.shape else ""
    return {
        "family": picture.family,
        "kind": picture.kind,
        "label": " · ".join(part for part in (picture.kind, picture.layer, shape) if part),
        "words": " · ".join(part for part in (picture.words, left_out) if part),
        "bad": ", ".join(bad),
        "range": f"all {number(low)}" if finite.size and low == high else "",
        "signed": picture.signed,
        "low": low,
        "high": high,
        "ends": [number(low), number(high)] if finite.size else [],
    }


def _smaller(images: Pixels, limit: int) -> tuple[Pixels, str]:
    """The images in at most `limit` numbers, and in words what was left out."""
    every, count = 1, len(images)
    while images.size > limit and max(images.shape[1:3]) > SMALLEST:
        # wide and flat ones become narrower, not flatter
        tall, wide = (2 if size > SMALLEST // 2 else 1 for size in images.shape[1:3])
        images, every = images[:, ::tall, ::wide], 2 * every
    if images.size > limit:
        images = images[: max(1, limit // max(1, images[0].size))]
    words = [f"every {every}th pixel"[: None if every > 2 else 0] or "every 2nd pixel"] if every > 1 else []
    words += [f"the first {len(images)} of {count}"] if len(images) < count else []
    return images, f"shown: {', '.join(words)}" if words else ""
