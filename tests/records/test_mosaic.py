"""Pictures as a page of PNG images."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
from PIL import Image

from nnwidgets.records import Example, Look, Picture
from nnwidgets.records._mosaic import _over, pixels


def look_of(*pictures: Picture) -> Look:
    example = Example(7, 0.5, "4", "9", 0.75, False)
    return Look("saliency", "wrong first", 0, 20, example, pictures, step=300, words="of class 9")


def picture_of(images: object, **more: object) -> Picture:
    return Picture("saliency", "gradient", "", np.asarray(images, np.float32), **more)


def test_grey_between_the_smallest_and_the_largest() -> None:
    found = pixels(picture_of([[[0.0, 1.0], [2.0, 4.0]]]))
    assert found[0, :, :, 0].tolist() == [[0, 63], [127, 255]]


def test_two_colours_around_zero() -> None:
    found = pixels(picture_of([[[-2.0, 0.0, 1.0]]], signed=True))
    # -2 is all blue, 0 nearly white, 1 half way to orange: (242 + 217) / 2 = 229
    assert found[0, 0].tolist() == [[25, 92, 172], [242, 242, 242], [229, 179, 126]]


def test_what_is_not_finite_has_a_colour_of_its_own() -> None:
    found = pixels(picture_of([[[np.nan, 0.0, np.inf]]]))
    assert found[0, 0].tolist() == [[214, 0, 214], [0, 0, 0], [214, 0, 214]]
    assert pixels(picture_of(np.full((1, 1, 2), np.nan)))[0, 0].tolist() == [[214, 0, 214]] * 2


def test_the_page_holds_the_images() -> None:
    shown = look_of(
        picture_of(np.eye(4)[None], over=np.ones((8, 8))), picture_of(np.zeros((40, 2, 2)), titles=("<a>",))
    )
    text = shown._repr_html_()
    assert "example 7, target 4, prediction 9 (75%), wrong, step 300" in text
    assert "(and 8 more)" in text and "&lt;a&gt;" in text
    images = [Image.open(io.BytesIO(base64.b64decode(data))) for data in re.findall(r"base64,([^\"]+)", text)]
    assert len(images) == 2 + 32
    assert np.asarray(images[0])[:, :, 0].tolist() == (255 * np.eye(4)).astype(int).tolist()
    assert repr(shown) == "saliency of example 7, target 4, prediction 9 (75%), wrong, step 300: saliency; of class 9"


def test_over_the_input_what_is_strong_is_coloured() -> None:
    # nothing lets the input through, the strongest covers it: orange above zero, blue below
    signed = picture_of([[[0.0, 2.0, -2.0]]], signed=True, over=np.asarray([[0.5, 0.5, 0.5]], np.float32))
    assert _over(signed, pixels(signed)[0])[0].tolist() == [[0, 0, 0], [217, 116, 11], [25, 92, 172]]
    plain = picture_of([[[1.0, 3.0]]], over=np.asarray([[0.0, 1.0]], np.float32))
    assert _over(plain, pixels(plain)[0])[0].tolist() == [[0, 0, 0], [217, 116, 11]]
