"""Differences of runs that are told, not made: each group in turn, and the words."""

import copy
import html
import json
import subprocess
import sys

import numpy as np
import pytest

from nnwidgets.track.differences._change import flat, short, text_of
from nnwidgets.track.differences._difference import difference
from nnwidgets.track.differences._parted import parted
from nnwidgets.track.facts._fingerprint import Fingerprint


class Told:
    """A run of these facts and losses."""

    def __init__(self, losses=(3.0, 2.0, 1.0), multipliers=(), hashes=(), **facts):
        self.id, self.name, self.state, self.step = 1, "run", "finished", len(losses)
        self.parent = self.branched_at = None
        self._facts = facts
        self._rows = {
            "train/loss": (np.arange(len(losses)), np.array(losses, np.float32)[:, None]),
            "run/multiplier": tuple(np.array(each) for each in zip(*multipliers, strict=True))
            or (np.empty(0, int), []),
            "data/hash": (np.arange(len(hashes)), np.array(hashes, np.int64)[:, None]),
        }

    def facts(self, section):
        return copy.deepcopy(self._facts.get(section, {}))

    def rows(self, name):
        return self._rows.get(name, (np.empty(0, np.int64), np.empty((0, 1), np.float32)))


def with_code(source, **more):
    return {"script": {"path": "/home/me/train.py", "source": source, "argv": []}, **more}


def with_data(batches):
    prints = Fingerprint(held=False)
    hashes = [prints.note(step, batch) for step, batch in enumerate(batches)]
    return {"data": prints.facts(), "hashes": hashes}


def batches(size=4, order=None, change=None):
    rows = np.arange(24, dtype=np.float32).reshape(12, 2)
    rows = rows if order is None else rows[order]
    if change:
        rows[change] += 1
    labels = np.arange(12, dtype=np.int32) % 3
    labels = labels if order is None else labels[order]
    return [{"x": rows[i : i + size], "y": labels[i : i + size]} for i in range(0, 12, size)]


def why(left, right):
    return difference(left, right).why


def test_two_runs_that_are_the_same_have_no_difference():
    told = difference(Told(**with_data(batches())), Told(**with_data(batches())))
    assert told.groups == () and told.diffs == () and told.parted.step is None
    assert told.why == "The losses of all 3 common steps are the same, bit for bit."


def test_losses_that_part_with_nothing_else_on_record_are_put_down_to_the_device():
    found = parted(Told((3.0, 2.0, 1.0)), Told((3.0, 2.0, 1.5)))
    assert found.step == 2 and found.common == 3
    assert found.why.startswith("the losses part at step 2; all recorded inputs are the same")


@pytest.mark.parametrize(
    "left, right, step",
    [
        ((1.0, np.nan, np.nan), (1.0, np.nan, np.nan), None),
        ((1.0, np.nan, 1.0), (1.0, 1.0, 1.0), 1),
        ((0.0, 1.0), (-0.0, 1.0), 0),
        ((1.0, 2.0), (1.0, 2.0, 3.0), None),
        ((1.0, 1.0 + 2**-23), (1.0, 1.0), 1),
    ],
)
def test_losses_are_compared_bit_for_bit_over_the_steps_that_both_made(left, right, step):
    assert parted(Told(left), Told(right)).step == step


def test_runs_without_a_common_step_say_so():
    assert parted(Told(()), Told()).why == "no step of both is on record"


def test_one_changed_row_is_named_with_its_field_and_its_step():
    left, right = Told(**with_data(batches())), Told((3.0, 2.0, 1.5), **with_data(batches(change=(9, 1))))
    told = difference(left, right)
    assert told.why.startswith("Data: 1 of 3 batches differ, first the batch of step 2 (row 1 of field x).")
    assert [row[0] for row in dict(told.groups)["data"]][1:] == ["field x mean", "field x std"]
    assert "the losses part at step 2; data: 1 of 3" in told.parted.why


def test_another_order_is_told_as_such():
    told = difference(Told(**with_data(batches())), Told(**with_data(batches(order=np.arange(12)[::-1]))))
    assert told.why.startswith("Data: the same examples in another order from step 0 on.")
    # sums in another order
    assert len(dict(told.groups)["data"]) == 1


def test_another_batch_size_comes_before_the_batches_that_follow_from_it():
    facts = [{"hyperparameters": {"batch_size": size}} | with_data(batches(size)) for size in (4, 6)]
    told = why(Told(**facts[0]), Told((2.0, 1.0), **facts[1]))
    assert told.startswith(
        "Batch size: 4 against 6; data: the same examples in the same order, in batches of 4 against 6."
    )


def test_a_run_that_is_only_shorter_read_no_other_data():
    short_one = Told((3.0, 2.0), **with_data(batches()[:2]))
    told = difference(short_one, Told(**with_data(batches())))
    assert [group for group, _ in told.groups] == ["outcome"]
    assert told.why == "The losses of all 2 common steps are the same, bit for bit."


def test_other_data_altogether_is_told():
    told = why(Told(**with_data(batches())), Told((2.0, 1.0, 0.5), **with_data([{"z": np.ones((4, 3))}] * 3)))
    assert told.startswith("Field x dtype: float32 against none; field y dtype: int32 against none; ")


@pytest.mark.parametrize(
    "left, right, words",
    [
        ([("adam", 0.1)], [("adam", 0.2)], "Learning rate: 0.1 against 0.2"),
        ([("adam", 0.1)], [("sgd", 0.1)], "Optimizer: scale_by_adam(b1=0.9) against plain gradient descent"),
        ([("adam", 0.1, 0.8)], [("adam", 0.1, 0.9)], "Optimizer scale_by_adam b1: 0.8 against 0.9"),
    ],
)
def test_an_optimizer_is_told_by_what_differs(left, right, words):
    def steps(kind, rate, b1=0.9):
        rest = [{"name": "scale_by_adam", "arguments": {"b1": b1}}] if kind == "adam" else []
        return [*rest, {"name": "scale_by_learning_rate", "arguments": {"learning_rate": rate}}]

    sides = [{"hyperparameters": {"optimizer": steps(*each[0])}} for each in (left, right)]
    assert why(Told(**sides[0]), Told((3.0, 1.0, 0.5), **sides[1])) == f"{words}. The losses part at step 1."


def test_a_schedule_is_told_by_its_arguments_and_not_by_the_values_that_follow():
    def facts(steps):
        rate = {"name": "cosine", "arguments": {"decay_steps": steps}, "values": {"0": 0.1, "10": 0.1 / steps}}
        step = {"name": "scale_by_learning_rate", "arguments": {"learning_rate": rate}}
        return {"hyperparameters": {"optimizer": [step]}}

    told = difference(Told(**facts(10)), Told(**facts(20)))
    assert dict(told.groups)["hyperparameters"] == (("learning rate decay_steps", "10", "20"),)


def test_what_acts_after_the_losses_part_has_not_parted_them():
    left = Told((3.0, 2.0, 1.0), [(2, 0.1)], environment={"packages": {"numpy": "1"}, "imported": ["numpy"]})
    right = Told((3.0, 2.5, 1.0), environment={"packages": {"numpy": "2"}, "imported": ["numpy"]})
    assert why(left, right).startswith("Package numpy 1 against numpy 2; at step 2 of one run only: learning rate")
    assert "; package numpy" in parted(left, right).why


def test_only_a_later_cause_leaves_the_parting_unexplained():
    told = why(Told((3.0, 2.0, 1.0), [(2, 0.1)]), Told((3.0, 2.5, 1.0)))
    assert "all recorded inputs before it are the same" in told and "Later: at step 2 of one run only" in told


def test_the_slider_is_told_with_its_step():
    told = why(Told((3.0, 2.0, 1.0), [(0, 1.0), (1, 0.1)]), Told((3.0, 2.0, 0.5), [(0, 1.0)]))
    assert told == "At step 1 of one run only: learning rate \u00d7 0.1. The losses part at step 2."


def test_a_branch_in_which_nothing_was_changed_is_harmless():
    right = Told()
    right.parent, right.branched_at = "0123456789", 2
    assert "can't change a number: branch: none against of run 01234567 from step 2 on" in why(Told(), right)


def test_another_layer_comes_before_its_code():
    facts = [{"framework": "linen", "tensors": {"a": "float32[2]"}, "config": "A", "initial": "1" * 64}]
    facts.append({**facts[0], "tensors": {"a": "float32[2]", "b": "float32[3]"}, "config": "AB", "initial": "2" * 64})
    sides = [{"model": facts[i], "code": with_code(f"x = {i}")} for i in (0, 1)]
    told = difference(Told(**sides[0]), Told((9.0, 2.0, 1.0), **sides[1]))
    assert told.why.startswith("Tensor b: none against float32[3]; code of script train.py: x = 0 against x = 1.")
    assert "start" not in dict(told.groups)


def test_other_initial_parameters_are_told():
    facts = [{"framework": "jax", "tensors": {"a": "float32[2]"}, "initial": each * 64} for each in "12"]
    told = why(Told(model=facts[0]), Told((9.0, 2.0, 1.0), model=facts[1]))
    assert told == "The initial parameters have other values, in tensors of the same shapes. The losses part at step 0."


def test_an_option_of_the_model_is_told_by_its_line():
    facts = [{"tensors": {}, "config": f"Dropout(\n  rate={rate},\n)"} for rate in (0.5, 0.3)]
    assert why(Told(model=facts[0]), Told(model=facts[1])).startswith(
        "Configuration of the model: rate=0.5, against rate=0.3,."
    )


def test_code_is_shown_as_a_patch_and_told_by_its_lines():
    sides = [with_code(f"import jax\nx = {i}\ny = 2") for i in (1, 3)]
    told = difference(Told(code=sides[0]), Told((3.0, 2.0, 0.5), code=sides[1]))
    assert told.why == "Code of script train.py: x = 1 against x = 3. The losses part at step 2."
    assert dict(told.groups)["code"] == (("script train.py", "x = 1", "x = 3"),)
    assert "-x = 1\n+x = 3" in dict(told.diffs)["script train.py"]


@pytest.mark.parametrize("other", ["x = 1  # better\n\n\ny = 2\n", "x=1; y = 2", '"""Words."""\nx = 1\ny = 2'])
def test_comments_spaces_and_docstrings_are_harmless(other):
    told = difference(Told(code=with_code("x = 1\ny = 2")), Told(code=with_code(other)))
    assert told.why.endswith("What differs can't change a number: script train.py differs in comments or spaces only.")
    assert told.diffs


def test_code_aside_from_what_the_loss_uses_comes_last_of_code():
    sides = [
        with_code(f"a = {i}", modules={"other.py": f"b = {i}"}, slice="def loss(): pass  # " + str(i)) for i in (1, 2)
    ]
    told = why(Told(code=sides[0]), Told(code=sides[1]))
    assert told.startswith(
        "Code of module other.py: b = 1 against b = 2; code of script train.py: a = 1 against a = 2 (not among"
    )


def test_cells_are_matched_by_identity_by_text_and_by_likeness():
    def cell(number, source, identity=""):
        return {"number": number, "id": identity, "source": source}

    left = [
        cell(1, "import jax"),
        cell(2, "rate = 0.1", "r"),
        cell(3, "def loss(x):\n    return x.mean()"),
        cell(4, "%time 1"),
    ]
    right = [cell(5, "rate = 0.2", "r"), cell(6, "import jax"), cell(7, "def loss(x):\n    return x.sum()")]
    told = difference(Told(code={"cells": left}), Told(code={"cells": right}))
    assert dict(told.groups)["code"] == (
        ("cell 5", "rate = 0.1", "rate = 0.2"),
        ("cell 7", "    return x.mean()", "    return x.sum()"),
        ("cell 4", "%time 1", ""),
    )


def test_a_cell_that_was_executed_again_is_no_other_code():
    cell = {"number": 1, "id": None, "source": "session.run(3)"}
    assert difference(Told(code={"cells": [cell]}), Told(code={"cells": [cell, {**cell, "number": 2}]})).groups == ()


def test_in_an_interpreter_the_loss_itself_is_compared():
    sides = [{"kind": "interactive", "loss": {"name": "loss", "source": f"def loss(): return {i}"}} for i in (1, 2)]
    assert why(Told(code=sides[0]), Told(code=sides[1])).startswith(
        "Code of loss: def loss(): return 1 against def loss()"
    )


def test_arguments_of_the_script_and_its_commit_are_told():
    left, right = (with_code("x = 1", git={"commit": each * 40}) for each in "ab")
    right["script"]["argv"] = ["--fast"]
    told = difference(Told(code=left), Told(code=right))
    assert told.why.startswith("Arguments of the script: none against --fast. Yet the losses")
    assert ("git commit", "a" * 12, "b" * 12) in dict(told.groups)["code"]


@pytest.mark.parametrize(
    "left, right, words",
    [
        ({"jax": {"enable_x64": False}}, {"jax": {"enable_x64": True}}, "JAX setting enable_x64: False against True"),
        ({"variables": {}}, {"variables": {"XLA_FLAGS": "--a"}}, "Variable XLA_FLAGS: none against --a"),
        ({"jax": {"backend": "cpu"}}, {"jax": {"backend": "gpu"}}, "JAX backend: cpu against gpu"),
        ({"python": "3.11.1"}, {"python": "3.12.0"}, "Python version: 3.11.1 against 3.12.0"),
    ],
)
def test_the_environment_is_told(left, right, words):
    assert why(Told(environment=left), Told(environment=right)).startswith(words)


def test_a_package_that_nothing_imported_is_harmless():
    sides = [{"packages": {"flask": each}, "imported": []} for each in ("1.0", "2.0")]
    told = why(Told(environment=sides[0]), Told(environment=sides[1]))
    assert "can't change a number: package flask 1.0 against flask 2.0, which was not imported." in told


def test_how_often_it_is_validated_is_harmless():
    sides = [{"validation_every": each, "optimizer": []} for each in (10, 20)]
    assert "can't change a number: validation every: 10 against 20" in why(
        *(Told(hyperparameters=each) for each in sides)
    )


def test_many_causes_are_counted():
    sides = [{"jax": dict.fromkeys("abcde", i)} for i in (1, 2)]
    assert "; and 2 more" in why(Told(environment=sides[0]), Told(environment=sides[1]))


def test_it_is_plain_data_readable_text_and_escaped_html():
    left = Told(code=with_code("x = '<script>alert(1)</script>'\ny = 1"))
    right = Told((3.0, 2.0, 0.5), code=with_code("x = '<b>'\ny = 2"))
    left.name = "<i>"
    told = difference(left, right)
    data = json.loads(json.dumps(told.to_dict()))
    assert data["why"] == told.why and data["parted"]["step"] == 2
    assert data["groups"]["code"][0][0] == "script train.py"
    text = repr(told)
    assert text.startswith("run 1 (<i>) and run 1 (run)\n  Code of script train.py") and "+y = 2" in text
    page = told._repr_html_()
    assert "<script>" not in page and "<i>" not in page and html.escape("<script>") in page


def test_runs_of_which_nothing_is_known_can_be_compared():
    assert difference(Told(()), Told(())).why == "No step of both is on record."


def test_comparing_needs_no_jax():
    code = "import sys, nnwidgets.track.differences._difference; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_values_are_told_as_they_would_be_typed():
    schedule = {"name": "cosine", "arguments": {"init_value": 0.1, "decay_steps": 10}}
    assert text_of(schedule) == "cosine(init_value=0.1, decay_steps=10)"
    assert text_of([None, 1, {"a": 2.5}]) == "none, 1, a: 2.5"
    assert flat({"rate": schedule}) == {"rate": "cosine", "rate init_value": 0.1, "rate decay_steps": 10}
    assert len(short("word " * 100)) == 80
