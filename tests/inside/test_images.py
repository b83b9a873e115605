"""Arrays become small images."""

from __future__ import annotations

import numpy as np

from nnwidgets.inside._images import SKETCH, colours, maps, picture, smaller


def test_blocks_are_averaged_and_said() -> None:
    image = np.arange(224 * 200, dtype=np.float32).reshape(1, 224, 200)
    found = picture(image, "input", "activation")
    assert found.images.shape == (1, 75, 67)
    np.testing.assert_allclose(found.images[0, 1, 2], image[0, 3:6, 6:9].mean(), rtol=1e-6)
    # the last block has two rows and two columns
    np.testing.assert_allclose(found.images[0, -1, -1], image[0, 222:, 198:].mean(), rtol=1e-6)
    assert (found.words, found.shape) == ("224x200 made 75x67", (1, 224, 200))


def test_images_are_left_out_and_said() -> None:
    found = picture(
        np.ones((512, 4, 4)), "activations", "activation", titles=[str(i) for i in range(512)], words="here"
    )
    assert len(found.images) == len(found.titles) == 64
    assert found.words == "here; 64 of 512 channels"
    assert len(picture(np.ones((512, 4, 4)), "activations", "activation", bound=SKETCH).images) == 16


def test_a_matrix_is_made_smaller_along_each_side_by_itself() -> None:
    assert smaller(np.ones((1, 10, 5000)), square=False).shape == (1, 10, 95)
    assert smaller(np.ones((1, 1, 1000))).shape == (1, 1, 1000)
    assert smaller(np.ones((1, 1, 5000))).shape == (1, 1, 1000)


def test_nan_stays_where_it_is() -> None:
    image = np.ones((1, 200, 200), np.float32)
    image[0, 4, 7] = np.nan
    found = smaller(image)
    assert np.argwhere(np.isnan(found)).tolist() == [[0, 1, 2]]


def test_colours_are_between_0_and_1() -> None:
    np.testing.assert_allclose(colours(np.array([0, 51, 255], np.uint8)), [0, 0.2, 1])
    np.testing.assert_allclose(colours(np.array([0.25, 0.5])), [0.25, 0.5])
    np.testing.assert_allclose(colours(np.array([-1.0, 1.0, np.nan])), [0, 1, np.nan])


def test_maps_of_units() -> None:
    assert maps(np.ones(7), spatial=True).shape == (1, 1, 7)
    assert maps(np.ones((5, 7)), spatial=True).shape == (1, 5, 7)
    assert maps(np.ones((5, 6, 7)), spatial=True).shape == (7, 5, 6)
    # heads: of each one image, positions by units
    heads = np.arange(5 * 2 * 7).reshape(5, 2, 7)
    np.testing.assert_array_equal(maps(heads, spatial=False)[1], heads[:, 1])
    assert maps(np.float32(3.0), spatial=True).shape == (1, 1, 1)
