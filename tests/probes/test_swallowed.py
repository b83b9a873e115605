"""Updates that rounding swallows, counted against NumPy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnwidgets.probes import Snapshot, swallowed_updates


def snapshot(parameter: jax.Array, update: jax.Array) -> Snapshot:
    params = {"a": parameter, "b": jnp.ones(3)}
    updates = {"a": update, "b": jnp.full(3, 1e-30)}
    return Snapshot(jnp.float32(1.0), params, params, updates, ("a", "b"))


def test_what_is_below_half_of_the_spacing_is_lost() -> None:
    # numbers between 1 and 2 lie 1/128 apart in bfloat16: up to 1/256 is rounded back, a tie to the even one
    sizes = jnp.asarray([0.0, 1 / 1024, 1 / 512, 1 / 256, 1 / 200, 1 / 64], jnp.bfloat16)
    seen = snapshot(jnp.ones(6, jnp.bfloat16), sizes)
    found = swallowed_updates(seen)["update/unchanged"]
    assert found.layers == ("a",)
    compiled = jax.jit(lambda seen: swallowed_updates(seen)["update/unchanged"].values)(seen)
    for values in (found.values, compiled):
        assert values.dtype == jnp.float32
        np.testing.assert_allclose(values, [3 / 5])


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_no_update_is_no_share(dtype: jnp.dtype) -> None:
    found = swallowed_updates(snapshot(jnp.ones(4, dtype), jnp.zeros(4, dtype)))["update/unchanged"]
    assert np.isnan(found.values).all()


def test_float32_is_not_read() -> None:
    assert swallowed_updates(snapshot(jnp.ones(4), jnp.full(4, 1e-12))) == {}
