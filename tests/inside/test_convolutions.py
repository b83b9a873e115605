"""Pictures of convolutional networks are what is computed by hand, channels first or last."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnwidgets.inside import Inside
from nnwidgets.inside._images import enlarged
from tests.inside._networks import CNN, EQUINOX, IMAGES, LABELS, TALL, VARIABLES, equinox_cnn, linen_cnn


@pytest.fixture(scope="module")
def linen() -> Inside:
    return linen_cnn()


@pytest.fixture(scope="module")
def equinox() -> Inside:
    return equinox_cnn()


@jax.jit
def linen_stage(x: Any) -> Any:
    return CNN.apply(VARIABLES, x, method="stage")


@jax.jit
def linen_answer(maps: Any) -> Any:
    return CNN.apply(VARIABLES, maps, method="answer")


def cam(maps: Any, slopes: Any) -> np.ndarray:
    """Of maps with the channels last."""
    return np.maximum((np.asarray(maps) * np.asarray(slopes).mean((0, 1))).sum(-1), 0)


def same(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_inputs_are_seen_as_images(linen: Inside, equinox: Inside) -> None:
    colour, grey = linen.input(1), equinox.input(1)
    assert colour.images.shape == (1, 8, 8, 3)
    scaled = (IMAGES[1] - IMAGES[1].min()) / (IMAGES[1].max() - IMAGES[1].min())
    same(colour.images[0], scaled)
    same(grey.images, TALL[1])


def test_feature_maps(linen: Inside, equinox: Inside) -> None:
    first, second = linen.feature_maps(2)
    assert (first.layer, second.layer, second.titles[5]) == ("first", "second", "5")
    kernel, bias = VARIABLES["params"]["first"]["kernel"], VARIABLES["params"]["first"]["bias"]
    plain = jax.lax.conv_general_dilated(IMAGES, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    same(first.images, np.moveaxis(np.maximum(plain + bias, 0)[2], -1, 0))
    same(second.images, np.moveaxis(linen_stage(IMAGES)[2], -1, 0))
    (only,) = linen.feature_maps(2, "second", 4)
    assert only.titles == ("4",)
    same(only.images, second.images[4:5])
    (maps,) = equinox.feature_maps(3)
    same(maps.images, EQUINOX.stage(TALL[3]))


def test_saliency(linen: Inside, equinox: Inside) -> None:
    slopes = jax.jit(jax.grad(lambda x, output: CNN.apply(VARIABLES, x)[0, output]))
    predicted = int(np.argmax(linen_answer(linen_stage(IMAGES))[0]))
    found = linen.saliency(0)
    same(found.images[0], np.abs(slopes(IMAGES, predicted)[0]).max(-1))
    assert f"class {predicted}" in found.words
    assert found.over is not None and found.over.shape == (8, 8, 3)
    other = (predicted + 1) % 3
    same(linen.saliency(0, other).images[0], np.abs(slopes(IMAGES, other)[0]).max(-1))
    found = equinox.saliency(1, 2)
    same(found.images[0], np.abs(jax.jit(jax.grad(lambda x: EQUINOX(x)[2]))(TALL[1])).max(0))
    assert found.over is not None and found.over.shape == (8, 6)


def test_grad_cam(linen: Inside, equinox: Inside) -> None:
    maps = linen_stage(IMAGES)
    slopes = jax.jit(jax.grad(lambda maps: linen_answer(maps)[3, 2]))(maps)
    found = linen.grad_cam(3, output=2)
    same(found.images[0], enlarged(cam(maps[3], slopes[3]), 8, 8))
    assert (found.layer, found.shape) == ("second", (4, 4, 6))
    maps = jnp.asarray(EQUINOX.stage(TALL[0]))
    slopes = jax.jit(jax.grad(lambda maps: EQUINOX.answer(maps)[1]))(maps)
    wanted = cam(jnp.moveaxis(maps, 0, -1), jnp.moveaxis(slopes, 0, -1))
    assert wanted.any()
    same(equinox.grad_cam(0, "conv", 1).images[0], enlarged(wanted, 8, 6))


def test_occlusion(linen: Inside) -> None:
    mean, usual = IMAGES.mean((0, 1, 2)), linen_answer(linen_stage(IMAGES))[2, 1]
    wanted = np.zeros((8, 8))
    for y in range(0, 8, 4):
        for x in range(0, 8, 4):
            covered = IMAGES[2:3].copy()
            covered[0, y : y + 4, x : x + 4] = mean
            wanted[y : y + 4, x : x + 4] = usual - linen_answer(linen_stage(covered))[0, 1]
    found = linen.occlusion(2, 4, 1)
    same(found.images[0], wanted)
    assert found.signed and "4x4 patch" in found.words


def test_occlusion_with_channels_first(equinox: Inside) -> None:
    covered = TALL[1].copy()
    covered[:, 4:8, 0:4] = TALL.mean((0, 2, 3))[:, None, None]
    fall = EQUINOX(jnp.asarray(TALL[1]))[0] - EQUINOX(jnp.asarray(covered))[0]
    same(equinox.occlusion(1, 4, 0).images[0, 4:8, 0:4], np.full((4, 4), fall))


def test_filters_and_weights(linen: Inside, equinox: Inside) -> None:
    kernel = np.asarray(VARIABLES["params"]["first"]["kernel"])
    colours = linen.filters("first")
    assert colours.images.shape == (5, 3, 3, 3)
    same(colours.images[4], (kernel[..., 4] - kernel.min()) / (kernel.max() - kernel.min()))
    kernel = np.asarray(VARIABLES["params"]["second"]["kernel"])
    grey = linen.filters("second")
    strongest = int(np.square(kernel[..., 2]).sum((0, 1)).argmax())
    assert grey.titles[2] == f"2 from {strongest}" and "strongest of 5 input channels" in grey.words
    same(grey.images[2], kernel[:, :, strongest, 2])
    same(linen.filters("second", 3).images, np.moveaxis(kernel[..., 3], -1, 0))
    same(linen.weights("last").images[0], np.asarray(VARIABLES["params"]["last"]["kernel"]))
    same(equinox.weights("last").images[0], np.asarray(EQUINOX.last.weight).T)
    same(equinox.filters("conv", 1).images, np.asarray(EQUINOX.conv.weight)[1])
    with pytest.raises(ValueError, match="last is no convolution: those are first, second"):
        linen.filters("last")


def test_an_example_is_found_in_a_batch_of_another_size() -> None:
    """Three rows more, in a batch of fewer rows than were traced, give the same pictures; nothing is compiled again."""
    inside = linen_cnn()
    first = inside.feature_maps(1, "second")[0].images
    ragged = inside.at(VARIABLES["params"], {}, [(IMAGES, LABELS), (IMAGES[:3], LABELS[:3])])
    assert ragged.count == 7
    same(ragged.feature_maps(5, "second")[0].images, first)
    network = inside._network
    assert [each._cache_size() for each in network._compiled.values()] == [1]  # pyright: ignore[reportFunctionMemberAccess]


def test_other_parameters_give_other_pictures_of_the_same_programs(linen: Inside) -> None:
    before = linen.feature_maps(0, "second")[0].images
    other = linen.at(jax.tree.map(lambda leaf: 2 * leaf, VARIABLES["params"]), {})
    assert not np.allclose(other.feature_maps(0, "second")[0].images, before)
    same(linen.feature_maps(0, "second")[0].images, before)
