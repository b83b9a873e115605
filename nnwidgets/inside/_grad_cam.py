"""Grad-CAM: where a convolution sees what speaks for the score."""

from __future__ import annotations

import numpy as np

from nnwidgets.records import Picture

from ._feature_maps import stages
from ._images import enlarged, picture
from ._score import Case, gradient_at


def grad_cam(case: Case, layer: str = "") -> Picture:
    """``ReLU(sum_k mean_xy(d score / d A_k) A_k)``, enlarged to the input; A_k are the channels of a convolution.

    Args:
        case: which example and score.
        layer: the convolution; "" for the last one.

    Raises:
        ValueError: there is no convolution, or it stands in a loop.

    References:
        R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
        arXiv:1610.02391, equations 1 and 2.
    """
    found = stages(case.network, layer)
    if not found:
        raise ValueError("there is no convolution in this network.")
    name, spot = list(found.items())[-1]
    if spot.in_loop:
        raise ValueError(f"{name} is run in a loop: name a convolution outside.")
    slopes, values = gradient_at(case, spot)
    positions = tuple(range(values.ndim - 1))
    summed = (values * slopes.mean(positions)).sum(-1)
    # np.maximum keeps a NaN
    cam = case.layout.map(np.maximum(summed, 0))[0]
    over = case.layout.over(case.example)
    words = f"what speaks for {case.words} in {name}, {' x '.join(map(str, values.shape[:-1]))} positions"
    if not cam.any():
        words += "; nothing does"
    return picture(
        enlarged(cam, *over.shape[:2])[None], "Grad-CAM", "gradient", name, shape=values.shape, over=over, words=words
    )
