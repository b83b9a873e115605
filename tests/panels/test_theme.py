"""The same layer has the same colour everywhere, and colours can be told apart."""

from __future__ import annotations

import itertools

import numpy as np

from nnwidgets.panels._theme import WRONG, colour_of, layer_colours, order_in, palette
from nnwidgets.records import History

from ._made import record


def channels(colour):
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def test_sixty_layers_have_sixty_colours_none_of_them_near_the_accent():
    assert len(set(palette(60))) == 60
    for count in (1, 2, 5, 60):
        for colour in palette(count):
            assert sum(abs(a - b) for a, b in zip(channels(colour), channels(WRONG), strict=True)) > 90


def test_neighbours_differ():
    for one, other in itertools.pairwise(palette(60)):
        assert sum(abs(a - b) for a, b in zip(channels(one), channels(other), strict=True)) > 20


def test_a_layer_its_tensors_and_its_nonlinearity_share_a_colour(healthy):
    colours = layer_colours(healthy)
    assert list(colours) == ["Conv_0", "Dense_0"]
    assert colour_of("Conv_0/kernel", colours) == colour_of("Conv_0/relu", colours) == colours["Conv_0"]


def test_layers_are_in_the_order_in_which_the_network_calls_them(healthy):
    calls = ("Dense_0", "block[0]", "block[1]", "Dense_0 (2)", "Conv_0")
    healthy.add("activation", 121, calls, {"mean": np.zeros(len(calls))})
    assert list(layer_colours(healthy)) == ["Dense_0", "Conv_0"]
    tensors = ("Conv_0/kernel", "Dense_0/bias", "block/scale", "unused/kernel")
    assert [tensors[position] for position in order_in(healthy, tensors)] == [
        "Dense_0/bias",
        "block/scale",
        "Conv_0/kernel",
        "unused/kernel",
    ]


def test_before_the_first_reading_there_are_no_colours():
    assert layer_colours(History()) == {}
    assert layer_colours(record(History(), range(1, 2)))
