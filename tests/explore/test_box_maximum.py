"""The highest loss in a box, against all points of a fine grid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnwidgets.explore.curvature._box_maximum import box_maximum

AT = jnp.array([0.7, -0.2])


def saddle(x: Any) -> Any:
    # rises most along one of two diagonals, not where the gradient points
    return 2 + (x[0] - 0.7) * 0.01 + 3 * (x[0] - 0.7) ** 2 - 2 * (x[1] + 0.2) ** 2 + 4 * (x[0] - 0.7) * (x[1] + 0.2)


def hill(x: Any) -> Any:
    # the top lies inside the box
    return 1 - (x[0] - 0.75) ** 2 - 2 * (x[1] + 0.25) ** 2


def waves(x: Any) -> Any:
    return jnp.sin(30 * x[0]) + jnp.cos(20 * x[1]) * x[0]


def bowl(x: Any) -> Any:
    # the gradient in the middle is exactly 0
    return (x[0] - AT[0]) ** 2 + 5 * (x[1] - AT[1]) ** 2


def _highest(loss: Callable[[Any], Any], epsilon: float) -> float:
    sides = [np.linspace(-1, 1, 401) * epsilon * (abs(float(x)) + 1) + float(x) for x in AT]
    grid = np.stack(np.meshgrid(*sides), -1).reshape(-1, 2).astype(np.float32)
    return float(jax.vmap(loss)(grid).max())


def _found(loss: Callable[[Any], Any], epsilon: float, **options: Any) -> Any:
    run = jax.jit(lambda at, key: box_maximum(loss, jax.value_and_grad(loss), at, key, epsilon=epsilon, **options))
    return run(AT, jax.random.key(0))


@pytest.mark.parametrize(("loss", "epsilon"), [(saddle, 0.05), (hill, 0.1), (waves, 0.02), (bowl, 0.01), (saddle, 0.5)])
def test_it_is_the_highest_point_of_the_box(loss: Any, epsilon: float) -> None:
    found, highest = _found(loss, epsilon, starts=6, steps=40), _highest(loss, epsilon)
    start = float(loss(AT))
    assert found.start == pytest.approx(start)
    assert found.highest - start == pytest.approx(highest - start, rel=0.01, abs=1e-6)
    assert found.percent == pytest.approx(100 * (highest - start) / (1 + start), rel=0.01, abs=1e-4)
    # and it is reached there, in the box
    assert loss(AT + found.where) == pytest.approx(float(found.highest))
    assert (jnp.abs(found.where) <= epsilon * (jnp.abs(AT) + 1) * 1.0001).all()


def test_a_direction_leads_where_no_random_start_does() -> None:
    # flat but for a narrow ridge from the middle to two corners of the box, on which the loss rises outwards
    def ridge(x: Any) -> Any:
        first, second = (x - AT) / (jnp.abs(AT) + 1)
        return jnp.where(jnp.abs(first - second) < 1e-3, first**2, 0.0)

    without = _found(ridge, 0.01, starts=0, steps=2)
    assert without.highest == 0
    found = _found(ridge, 0.01, starts=0, steps=2, direction=jnp.array([1.0, 1.0]) / 2**0.5)
    assert found.highest > 0


def test_the_middle_may_be_the_highest_point() -> None:
    found = _found(lambda x: -bowl(x), 0.01)
    assert found.highest == found.start == 0
    assert found.where.tolist() == [0, 0]


def test_losses_that_are_not_finite_do_not_hide_those_that_are() -> None:
    def cliff(x: Any) -> Any:
        return jnp.where(x[0] > AT[0] + 0.005, jnp.nan, x[0])

    found = _found(cliff, 0.01)
    assert AT[0] < found.highest <= AT[0] + 0.005
