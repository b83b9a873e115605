"""Folding and laying out a network, as numbers and text."""

from __future__ import annotations

import pytest

from nnwidgets.panels._network_folds import Fold, at_first, boxes, closing, fold, folds, members, opening
from nnwidgets.panels._network_layout import lay_out


def labels(names, opened):
    return [names[box] if isinstance(box, int) else box.label for box in boxes(fold(names), opened)]


BLOCKS = [
    "input",
    *(
        f"encoder/block_{i}/{part}"
        for i in range(12)
        for part in ("norm_0", "attn/query", "attn/key", "attn/value", "attn/out", "norm_1", "mlp/up", "mlp/down")
    ),
    "head",
    "loss",
]


def test_a_small_network_is_shown_whole():
    names = ["input", "Conv_0", "Conv_1", "Dense_0", "loss"]
    tree = fold(names)
    assert labels(names, at_first(tree)) == names


def test_scopes_are_folded_until_forty_boxes_are_left():
    tree = fold(BLOCKS)
    opened = at_first(tree)
    assert labels(BLOCKS, opened) == ["input", *(f"encoder/block_{i}" for i in range(12)), "head", "loss"]
    opened = opening(tree, opened, "encoder/block_3")
    shown = labels(BLOCKS, opened)
    assert shown[4:12] == [name for name in BLOCKS if name.startswith("encoder/block_3/")]
    assert "encoder/block_3/attn" in opened, "small scopes open with the one around them"
    assert labels(BLOCKS, closing(tree, opened, "encoder/block_3")) == labels(BLOCKS, at_first(tree))


@pytest.mark.parametrize("count", [41, 300, 5000])
def test_a_long_run_of_siblings_is_one_box(count):
    names = ["input", *(f"layer_{i}" for i in range(count)), "loss"]
    tree = fold(names)
    opened = at_first(tree)
    assert labels(names, opened) == ["input", f"layer_0 … layer_{count - 1} ({count})", "loss"]
    opened = opening(tree, opened, f"layer_0 … layer_{count - 1}")
    shown = labels(names, opened)
    assert 4 <= len(shown) <= 40
    assert shown[1].startswith("layer_0 … layer_")


@pytest.mark.parametrize("count", [30, 300])
def test_folds_lose_no_layer_and_are_never_wider_than_forty(count):
    for names in (
        [f"{kind}_{i}" for i in range(count) for kind in ("conv", "norm")],
        [f"net/{kind}_{i}/w" for i in range(count) for kind in ("conv", "norm")],
        [f"a{i}{i % 7}/b/c" for i in range(count)],
    ):
        tree = fold(names)
        assert sorted(members(tree)) == list(range(len(names)))
        assert len(boxes(tree, at_first(tree))) <= 40
        assert all(len(each.parts) <= 40 for each in folds(tree))
        keys = [each.key for each in folds(tree)]
        assert len(set(keys)) == len(keys)


def test_one_layer_alone_is_no_fold():
    tree = fold(["encoder/embed/table", "head", "head (2)", "block", "block/a", "block/b"])
    assert [part for part in tree.parts if isinstance(part, Fold)] == [Fold("block", "block", (3, 4, 5))]


def test_what_is_not_known_opens_nothing():
    tree = fold(["a/x", "a/y", "b"])
    assert opening(tree, at_first(tree), "nothing") == closing(tree, at_first(tree), "") == at_first(tree)


def test_a_chain_is_a_column():
    layout = lay_out(4, [(0, 1), (1, 2), (2, 3)], {})
    assert layout.ranks == (0, 1, 2, 3)
    assert layout.lanes == (0, 0, 0, 0)
    assert layout.tops == (6, 80, 154, 228)
    assert layout.tracks == (-1, -1, -1)
    assert (layout.wide, layout.height) == (1, 286)


def test_skip_connections_go_round_the_shorter_inside():
    # two blocks with a skip each, and one over both; the first two can share a way
    edges = [(0, 1), (1, 2), (2, 3), (0, 2), (2, 4), (3, 4), (0, 4)]
    layout = lay_out(5, edges, {})
    assert layout.ranks == (0, 1, 2, 3, 4)
    tracks = dict(zip(edges, layout.tracks, strict=True))
    assert tracks[0, 2] == tracks[0, 4] == 1, "what one box sends round goes one way"
    assert tracks[2, 4] == 0
    assert tracks[0, 1] == -1
    assert lay_out(5, edges[:-1], {}).tracks == (-1, -1, -1, 0, 0, -1)


def test_branches_stand_side_by_side_and_the_rows_are_centred():
    # query, key, value, then the attention, a shortcut with a projection
    layout = lay_out(5, [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)], {})
    assert layout.ranks == (0, 1, 1, 1, 2)
    assert layout.lanes == (1, 0, 1, 2, 1)
    assert layout.wide == 3


def test_an_input_stands_right_before_its_first_use():
    # the labels go into the loss alone
    layout = lay_out(4, [(0, 2), (2, 3), (1, 3)], {})
    assert layout.ranks == (0, 1, 1, 2)
    assert set(layout.tracks) == {-1}
    assert (layout.lanes, layout.wide) == ((0, 1, 0, 0), 2), "and leaves the others in line"


def test_a_way_back_between_folded_boxes_goes_round_and_does_no_harm():
    layout = lay_out(3, [(0, 1), (1, 0), (1, 2)], {})
    assert layout.ranks == (0, 1, 2)
    assert layout.tracks == (-1, 0, -1)


def test_without_edges_the_layers_are_listed():
    assert lay_out(3, [], {}).ranks == (0, 1, 2)
    assert lay_out(0, [], {}).height >= 0


def test_open_folds_have_a_headline_above_their_first_box_and_a_frame_if_it_encloses_nothing_else():
    edges = [(0, 1), (1, 2), (2, 3)]
    inside = {"a": (0, [1, 2]), "a/b": (1, [1])}
    layout = lay_out(4, edges, inside)
    outer, inner = layout.frames
    assert (outer.key, outer.header, outer.top, outer.bottom) == ("a", 64, 118, 236)
    assert inner.header == outer.header + 19
    assert inner.header + 19 <= layout.tops[1]
    assert outer.closed
    assert layout.tops[1] - layout.tops[0] == 44 + 30 + 2 * 19
    # box 2 stands in the row between 1 and 3, which the fold holds
    assert not lay_out(5, [(0, 1), (1, 2), (2, 3), (3, 4)], {"f": (0, [1, 3])}).frames[0].closed
