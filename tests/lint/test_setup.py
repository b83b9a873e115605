"""A set-up at another state shares the program, and nothing that was worked out of the numbers."""

from __future__ import annotations

import jax
import numpy as np
import optax

from nnwidgets.lint._trials import trials

from ._data_and_optimizer import classifier


def test_another_state_has_trials_of_its_own() -> None:
    setup = classifier(optax.adam(1e-3))
    first = trials(setup)
    assert first is not None and trials(setup) is first and setup.train.closed
    other_params = jax.tree.map(lambda leaf: leaf + 1.0, setup.params)
    other = setup.at(other_params, setup.state, setup.opt_state, setup.batches)
    assert other.train.closed is setup.train.closed
    found = trials(other)
    assert found is not None and found.setup is other
    assert not np.array_equal(jax.tree.leaves(found.real)[0], jax.tree.leaves(first.real)[0])
    assert trials(setup) is first
