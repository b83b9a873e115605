"""What a probe sees of a step."""

from __future__ import annotations

import jax
import numpy as np

from tests.probes._made import VALUES, activated, after, snapshot


def test_new_parameters_are_the_old_and_the_update() -> None:
    np.testing.assert_array_equal(snapshot().new_params["w"], np.float32(1.5 * VALUES))


def test_tensors_come_in_the_order_of_the_paths() -> None:
    step = snapshot()
    assert [leaf.shape for leaf in step.tensors()["update"]] == [(), (2, 3)]
    assert step.paths == ("b", "w")


def test_summaries_are_of_each_of_the_three() -> None:
    largest = {what: found.max[1] for what, found in snapshot().summaries.items()}
    assert largest == {"gradient": 1000.5, "update": 500.25, "parameter": 1000.5}


def test_it_goes_into_a_compiled_program_as_it_is() -> None:
    step = activated((after("relu"), np.float32([[1, 2]])))
    total = jax.jit(lambda step: step.activations["Dense_0/relu"].sum() + step.loss)(step)
    assert float(total) == 4.0


def test_without_a_trace_there_are_no_activations() -> None:
    assert snapshot().activations == {}
