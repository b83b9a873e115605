"""Occlusion: how far the score falls when a part of the input is covered."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Any

import numpy as np

from nnwidgets.records import Picture

from ._data import Data
from ._images import Array, picture
from ._score import Case, answers, score

# Covered places that are tried.
MOST = 400
# Patches along the longer side of an image, where nothing else is said.
_ALONG = 16


def occlusion(case: Case, data: Data, patch: int | None = None) -> Picture:
    """The fall of the score when a patch of an image, a position of a sequence or a feature of a table is covered.

    What is covered is replaced by the mean of the data (of the channel, of the feature), a token by token 0. It is the
    finite form of the gradient: positive where the part speaks for the score.

    Args:
        case: which example and score.
        data: the examples that the mean is taken over.
        patch: side of a patch in pixels, or how many positions or features are covered at once; chosen if None, and made
            larger where more than 400 places would be tried.

    References:
        M. D. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", arXiv:1311.2901, section 4.2.
    """
    layout, example = case.layout, case.example
    if patch is not None and patch < 1:
        raise ValueError(f"a patch must cover at least 1 pixel, got patch={patch}.")
    last = layout.channels_last(example)
    sides = last.shape[:-1] if layout.kind != "table" else last.shape
    patch = _patch(sides, patch, layout.kind)
    counts = [ceil(side / patch) for side in sides]
    # numbers the places, in the form of the positions
    places = np.ravel_multi_index(np.indices(sides) // patch, counts)
    number = int(np.prod(counts))
    usual = _scores(case, case.leaves)[case.row]
    covered = _covered(case, places, _replacement(case, data), number)
    found = usual - np.concatenate([_scores(case, leaves) for leaves in covered])[:number]
    thing = {"image": f"{patch}x{patch} patch", "table": "feature"}.get(layout.kind, "position")
    thing = thing if layout.kind == "image" or patch == 1 else f"{patch} {thing}s"
    by = "token 0" if layout.kind == "tokens" else "the mean of the data"
    return picture(
        layout.map(found[places]),
        "occlusion",
        "gradient",
        shape=example.shape,
        signed=True,
        over=layout.over(example),
        words=f"how far {case.words} falls with each {thing} replaced by {by}",
        each="images",
    )


def _patch(sides: tuple[int, ...], patch: int | None, kind: str) -> int:
    if patch is None:
        patch = ceil(max(sides, default=1) / _ALONG) if kind == "image" else 1
    while np.prod([ceil(side / patch) for side in sides]) > MOST:
        patch += 1
    return patch


def _covered(case: Case, places: Array, filled: Array, number: int) -> Iterator[list[Any]]:
    """What goes into the program, with another place covered in each row; the last rows may repeat."""
    network, layout = case.network, case.layout
    rows = network.examples
    first = network.first_field
    leaves = list(case.leaves)
    for i in range(first, first + len(network.traced.fields)):
        if np.ndim(leaves[i]) and leaves[i].shape[0] == rows:
            leaves[i] = np.broadcast_to(leaves[i][case.row], leaves[i].shape)
    last = layout.channels_last(case.example)
    for start in range(0, number, rows):
        tried = np.minimum(np.arange(start, start + rows), number - 1)
        here = places[None] == tried.reshape(-1, *[1] * places.ndim)
        if last.ndim > places.ndim:
            here = here[..., None]
        made = np.where(here, filled, last[None]).astype(case.example.dtype)
        if layout.channels is not None:
            made = np.moveaxis(made, -1, layout.channels + 1)
        leaves[case.field] = made.reshape(rows, *case.example.shape)
        yield leaves


def _replacement(case: Case, data: Data) -> Array:
    """What covers: one number for each channel, or for each feature of a table."""
    layout = case.layout
    if layout.kind == "tokens":
        return np.zeros(1, case.example.dtype)
    sums, counts = 0.0, 0.0
    for batch in data.field(case.field - case.network.first_field):
        values = np.asarray(batch, np.float64)
        if layout.kind == "table":
            values = values.reshape(len(values), -1)
        elif layout.channels is None:
            values = values.reshape(-1, 1)
        else:
            values = np.moveaxis(values, layout.channels + 1, -1)
            values = values.reshape(-1, values.shape[-1])
        sums, counts = sums + np.nansum(values, 0), counts + (~np.isnan(values)).sum(0)
    means = sums / np.maximum(counts, 1)
    return np.round(means) if case.example.dtype.kind in "iub" else means


def _scores(case: Case, leaves: list[Any]) -> Array:
    """The score of each row."""
    return np.array([score(logits, case.output) for logits in answers(case.network, leaves)[0]], np.float32)
