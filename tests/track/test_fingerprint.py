import hashlib
import json
import threading
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnwidgets.track.facts._fingerprint import Fingerprint


def batches(count=4, size=8, seed=0):
    random = np.random.default_rng(seed)
    return [
        (random.normal(size=(size, 3)).astype(np.float32), random.integers(0, 4, size).astype(np.int32))
        for _ in range(count)
    ]


def noted(given, held=False):
    prints = Fingerprint(held)
    return prints, [prints.note(step, batch) for step, batch in enumerate(given)]


def test_the_hash_is_that_of_paths_types_shapes_and_bytes():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    part = b"x float32[2, 3]\0" + hashlib.sha256(array.tobytes()).digest()
    wanted = int.from_bytes(hashlib.sha256(part).digest()[:8], "big", signed=True)
    assert noted([{"x": array}])[1] == [wanted]
    for other in ({"y": array}, {"x": array.astype(np.float64)}, {"x": array.reshape(3, 2)}, {"x": array + 1}):
        assert noted([other])[1] != [wanted]
    assert noted([{"x": jnp.asarray(array)}])[1] == noted([{"x": np.asfortranarray(array)}])[1] == [wanted]


@pytest.mark.parametrize("held", [False, True])
def test_the_same_data_is_the_same_and_one_number_makes_another_hash(held):
    prints, hashes = noted(batches(), held)
    again, same = noted(batches(), held)
    assert hashes == same and prints.facts()["hash"] == again.facts()["hash"]
    changed = batches()
    changed[2][0][5, 1] += 1e-6
    other, differing = noted(changed, held)
    assert [a == b for a, b in zip(hashes, differing, strict=True)] == [True, True, False, True]
    one, two = prints.facts(), other.facts()
    assert one["hash"] != two["hash"]
    rows = [[facts["rows"][2][i : i + 8] for i in range(0, 64, 8)] for facts in (one, two)]
    assert [i for i in range(8) if rows[0][i] != rows[1][i]] == [5]
    columns = [[facts["columns"][2][i : i + 8] for i in (0, 8)] for facts in (one, two)]
    assert columns[0][0] != columns[1][0] and columns[0][1] == columns[1][1]


def test_a_row_is_the_checksum_of_all_fields():
    inputs, labels = batches(1)[0]
    rows = noted([(inputs, labels)])[0].facts()["rows"][0]
    assert rows[:8] == f"{zlib.crc32(labels[0].tobytes(), zlib.crc32(inputs[0].tobytes())):08x}"
    assert len(rows) == 8 * len(inputs)


@pytest.mark.parametrize("held", [False, True])
def test_later_passes_add_nothing_but_hashes(held):
    given = batches()
    prints, first = noted(given, held)
    facts = prints.facts()
    assert [prints.note(4 + step, batch) for step, batch in enumerate(given)] == first
    assert {**prints.facts(), "seconds": 0} == {**facts, "seconds": 0}
    shuffled = [(inputs[::-1], labels) for inputs, labels in given]
    later = [prints.note(step, batch, again=True) for step, batch in enumerate(shuffled)]
    assert set(later).isdisjoint(first)
    if not held:
        assert {**prints.facts(), "seconds": 0} == {**facts, "seconds": 0}


def test_a_batch_that_is_held_is_hashed_once():
    given = batches()
    prints, _ = noted(given, held=True)
    spent = prints.seconds
    for step in range(100):
        prints.note(step, given[step % 4])
    assert prints.seconds == spent and prints.facts()["hashed"] == 4


def test_an_empty_bank_leaves_batches_out_and_says_so_and_earning_fills_it():
    prints = Fingerprint(held=True)
    prints.earn(-1.0)
    given = batches()
    assert [prints.note(step, batch) for step, batch in enumerate(given)] == [None] * 4
    facts = prints.facts()
    assert (facts["batches"], facts["hashed"], facts["rows"]) == (4, 0, [""] * 4)
    prints.earn(5.0)
    # the next pass of a list makes good what the first one left out, in its place
    later = [prints.note(step, given[step % 4]) for step in (6, 7, 4, 5)]
    assert None not in later
    whole = noted(given, held=True)[0].facts()
    assert {**prints.facts(), "seconds": 0, "fields": 0} == {**whole, "seconds": 0, "fields": 0}


def test_equal_batches_of_a_list_are_hashed_once_each():
    given = batches(1) + batches(1)
    prints, hashes = noted(given, held=True)
    spent = prints.seconds
    assert [prints.note(step, given[step]) for step in (0, 1)] == hashes and hashes[0] == hashes[1]
    assert prints.seconds == spent and prints.facts()["batches"] == 1


def test_of_a_source_too_fast_to_hash_two_runs_hash_the_same_steps():
    def steps(earned):
        prints = Fingerprint(held=False)
        prints.earn(-1.0)
        found = []
        for step, batch in enumerate(batches(64)):
            prints.earn(earned)
            if prints.note(step, batch) is not None:
                found.append(step)
                prints.earn(-10 * earned)
        return prints.facts(), found

    (facts, one), (_, other) = steps(1e-3), steps(2e-3)
    assert len(set(one) & set(other)) >= 2 and max(len(one), len(other)) < 16
    assert facts["batches"] == 64 and facts["hashed"] == len(one)


def test_statistics_are_those_of_all_examples():
    given = batches(5)
    inputs, labels = (np.concatenate(each) for each in zip(*given, strict=True))
    facts = noted(given)[0].facts()
    assert facts["examples"] == 40
    field = facts["fields"]["0"]
    assert field["shape"] == [8, 3] and field["dtype"] == "float32" and field["nonfinite"] == 0
    wanted = inputs.astype(np.float64)
    assert (field["min"], field["max"]) == (wanted.min(), wanted.max())
    assert field["mean"] == pytest.approx(wanted.mean()) and field["std"] == pytest.approx(wanted.std())
    assert facts["fields"]["1"]["labels"] == {str(k): int((labels == k).sum()) for k in sorted(set(labels.tolist()))}


def test_labels_are_counted_in_one_hot_rows_and_not_in_pixels_or_words():
    one_hot = np.eye(3, dtype=np.float32)[[0, 2, 2, 1]]
    pixels = np.zeros((4, 28, 28), np.uint8)
    words = np.arange(4 * 500).reshape(4, 500)
    fields = noted([{"a": one_hot, "b": pixels, "c": words, "d": one_hot + 0.5, "e": np.array([True, False] * 2)}])[
        0
    ].facts()["fields"]
    assert fields["a"]["labels"] == {"0": 1, "1": 1, "2": 2}
    assert fields["e"]["labels"] == {"False": 2, "True": 2}
    assert not any("labels" in fields[name] for name in "bcd")


def test_numbers_that_are_not_finite_are_counted_and_left_out():
    array = np.array([[1.0, np.nan], [np.inf, 3.0]], np.float32)
    field = noted([array])[0].facts()["fields"][""]
    assert (field["nonfinite"], field["mean"], field["std"]) == (2, 2.0, 1.0)
    assert "mean" not in noted([np.full((2, 2), np.nan)])[0].facts()["fields"][""]
    huge = noted([np.full(4, 1e308)])[0].facts()["fields"][""]
    assert huge["nonfinite"] == 0 and huge["max"] == 1e308


def test_what_holds_no_numbers_is_hashed_by_its_repr():
    class Odd:
        def __repr__(self):
            return "<Odd at 0x7f00aa>"

    batch = {
        "text": "words", "object": Odd(), "array": np.array([Odd()], object), "none": None, "number": 3,
        "bfloat16": jnp.ones((2, 3), jnp.bfloat16), "key": jax.random.key(1), "strings": np.array(["a", "bc"]),
        "empty": np.zeros((0, 3), np.float32),
    }  # fmt: skip
    prints, hashes = noted([batch])
    assert hashes == noted([batch | {"object": Odd()}])[1] != noted([batch | {"text": "others"}])[1]
    facts = prints.facts()
    json.dumps(facts)
    assert facts["fields"]["object"]["dtype"] == "not numbers" and facts["fields"]["bfloat16"]["mean"] == 1.0


def test_a_deleted_array_is_no_error():
    array = jnp.ones((2, 3))
    array.delete()
    assert isinstance(noted([(array, np.ones(2))])[1][0], int)


def test_facts_may_be_asked_for_while_batches_are_noted():
    prints, wrong, over = Fingerprint(False), [], threading.Event()

    def ask():
        while not over.is_set():
            facts = prints.facts()
            if not len(facts["rows"]) == len(facts["digests"]) == facts["batches"] == facts["hashed"]:
                wrong.append(facts)

    thread = threading.Thread(target=ask)
    thread.start()
    for step, batch in enumerate(batches(200)):
        prints.note(step, batch)
    over.set()
    thread.join()
    assert not wrong and prints.facts()["batches"] == 200


def test_rows_and_batches_are_kept_within_bounds(monkeypatch):
    monkeypatch.setattr("nnwidgets.track.facts._fingerprint._MOST_ROWS", 20)
    monkeypatch.setattr("nnwidgets.track.facts._fingerprint._MOST_BATCHES", 3)
    prints, hashes = noted(batches(5))
    facts = prints.facts()
    assert None not in hashes and facts["batches"] == 5 and facts["examples"] == 40
    assert [len(each) for each in facts["rows"]] == [64, 64, 0]
