"""Pictures as one page of PNG images: what stays in a saved notebook, and shows without a kernel."""

from __future__ import annotations

import base64
import html
import io
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ._svg_axes import SIZE

if TYPE_CHECKING:
    from ._pictures import Look, Picture

_BLUE, _MIDDLE, _ORANGE = ((25, 92, 172), (242, 242, 242), (217, 116, 11))
_EDGE = 64
_SHOWN = 32
# A row of pixels would be a hair's breadth.
_ROW = 12


def page(look: Look) -> str:
    """The pictures of a look, one labelled row each, as HTML that needs nothing else."""
    about = html.escape(look.title)
    rows = "".join(_row(picture) for picture in look.pictures)
    words = f"<div>{html.escape(look.words)}</div>" if look.words else ""
    return f"<div><b>{html.escape(look.view)}</b> {about}</div>{words}{rows}"


def pixels(picture: Picture) -> npt.NDArray[np.uint8]:
    """The images in colours, uint8 (count, height, width, 3): grey, or blue to orange around zero; magenta where not finite.

    All images of a picture have one scale.
    """
    values = np.asarray(picture.images, np.float64)
    finite = np.isfinite(values)
    values = np.where(finite, values, 0.0)
    if values.ndim == 4:
        coloured = 255 * np.clip(values, 0.0, 1.0)
        return np.where(finite.all(-1, keepdims=True), coloured, (214, 0, 214)).astype(np.uint8)
    if picture.signed:
        share = (values / (np.abs(values).max(initial=0.0) or 1.0))[..., None]
        coloured = np.where(share < 0, _mix(_BLUE, -share), _mix(_ORANGE, share))
    else:
        low = float(values[finite].min(initial=np.inf)) if finite.any() else 0.0
        grey = (values - low) / ((values[finite].max(initial=low) - low) or 1.0)
        coloured = np.repeat(255 * np.clip(grey, 0.0, 1.0)[..., None], 3, axis=-1)
    return np.where(finite[..., None], coloured, (214, 0, 214)).astype(np.uint8)


def _mix(colour: tuple[int, int, int], share: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(_MIDDLE, np.float64) + (np.asarray(colour, np.float64) - np.asarray(_MIDDLE, np.float64)) * share


def _row(picture: Picture) -> str:
    coloured = pixels(picture)[:_SHOWN]
    label = " · ".join(part for part in (picture.kind, picture.layer, picture.words) if part)
    left_out = len(picture.images) - len(coloured)
    more = f" (and {left_out} more)" if left_out > 0 else ""
    images = "".join(
        _image(each, picture.titles[k] if k < len(picture.titles) else "") for k, each in enumerate(coloured)
    )
    if picture.over is not None:
        images += _image(_over(picture, coloured[0]), "over the input")
    return f'<div style="font-size:{SIZE};margin-top:4px">{html.escape(label + more)}</div><div>{images}</div>'


def _over(picture: Picture, map_: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The first map over the input in grey, the more of its colour the stronger it is; the input at the map's size."""
    given = np.asarray(picture.over, np.float64)
    grey = given.mean(-1) if given.ndim == 3 else given
    tall, wide = map_.shape[:2]
    rows = np.linspace(0, len(grey), tall, endpoint=False, dtype=np.int64)
    columns = np.linspace(0, grey.shape[1], wide, endpoint=False, dtype=np.int64)
    grey = grey[rows[:, None], columns]
    grey = (grey - grey.min()) / ((grey.max() - grey.min()) or 1.0) * 200
    values = np.nan_to_num(np.asarray(picture.images[0], np.float64), posinf=0.0, neginf=0.0)
    low = 0.0 if picture.signed else float(values.min())
    share = np.abs(values - low) / (float(np.abs(values - low).max()) or 1.0)
    colour = np.where(values[..., None] < low, np.asarray(_BLUE), np.asarray(_ORANGE))
    return ((1 - share[..., None]) * grey[..., None] + share[..., None] * colour).astype(np.uint8)


def _image(image: npt.NDArray[np.uint8], title: str) -> str:
    from PIL import Image

    tall, wide = image.shape[:2]
    factor = max(1, _EDGE // max(tall, wide))
    height = _ROW if tall == 1 else tall * factor
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    return (
        f'<img src="data:image/png;base64,{data}" alt="{html.escape(title or "image")}" title="{html.escape(title)}" '
        f'width="{wide * factor}" height="{height}" style="display:inline-block;image-rendering:pixelated;margin:2px">'
    )
