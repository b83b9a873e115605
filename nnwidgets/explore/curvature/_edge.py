"""How near one state of a run is to the edge of stability."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.lint import find_nodes, is_adam
from nnwidgets.records import Guide, Line, Plot
from nnwidgets.train import Saved

from .._lab import Lab
from .._lanes import stack
from ._response import Response, response_of
from ._training_curvature import training_curvature, training_gradient


class Place(NamedTuple):
    """What was measured at one state.

    Attributes:
        step: updates made before.
        response: of the optimizer.
        top: largest eigenvalue of the Hessian, scaled by the response.
        error: of it, at most.
    """

    step: int
    response: Response
    top: float
    error: float

    @property
    def share(self) -> float:
        """Of the edge that is reached: above 1, steps along the sharpest direction grow."""
        return self.top / self.response.edge

    @property
    def uphill(self) -> bool:
        """Whether updates go along the gradient."""
        return bool(np.median(_moved(self.response)) < 0)

    @property
    def is_plain(self) -> bool:
        """Whether one number scales all gradients, so that the Hessian is the plain one."""
        moved = np.abs(_moved(self.response))
        return bool(moved.max() <= 1.01 * moved.min())

    def unit(self, lab: Lab) -> float | None:
        """What makes the eigenvalue of the scaled Hessian that of the literature's; None where that takes the learning rate.

        The literature's preconditioner has neither the learning rate in it nor, for an average of the gradients such as
        Adam's, the share of the newest one.
        """
        if self.is_plain:
            return float(np.median(_moved(self.response)))
        averages = bool(find_nodes(lab.opt_state, is_adam))
        share = 1 - self.response.fading if averages else 1.0
        return lab.learning_rate * share if lab.learning_rate else None

    def unmoved(self, lab: Lab) -> list[str]:
        """Paths of the parameters that no gradient moves."""
        leaves = zip(lab.objective.paths, self.response.scale, strict=True)
        return [path for path, leaf in leaves if leaf.size and not leaf.any()]


def place_of(lab: Lab, at: Saved, batches: int, iterations: int, *, one: bool = False) -> Place:
    """Measure at a state.

    Args:
        lab: the run.
        at: the state.
        batches: whose mean loss is looked at.
        iterations: Hessian-vector products at most.
        one: look at the first batch alone, by the same program.

    Raises:
        NoResponse: the optimizer's updates are not of a form that has an edge.
    """
    given = lab.fresh(1) * batches if one else lab.fresh(batches)
    places = jnp.zeros(batches, jnp.uint32) if one else jnp.arange(batches, dtype=jnp.uint32)
    keys = jax.vmap(lambda place: jax.random.fold_in(lab.key, place))(places)
    data = (at.params, at.state, stack(given), keys)
    _, grads = training_gradient(lab.objective)(*data)
    response = response_of(lab.tx, at.params, at.opt_state, grads, lab.multiplier)
    roots = [np.sqrt(np.maximum(leaf, 0.0)).astype(np.float32) for leaf in response.scale]
    scale = jax.tree.unflatten(jax.tree.structure(at.params), roots)
    top, error = training_curvature(lab.objective, iterations)(*data, scale)
    return Place(at.step, response, float(top), float(error))


def over_steps(places: list[Place]) -> Plot:
    """The picture of several states."""
    places = sorted(places, key=lambda each: each.step)
    share = np.array([each.share for each in places])
    error = np.array([each.error / each.response.edge for each in places])
    steps = np.array([each.step for each in places])
    line = Line("largest eigenvalue over the edge", steps, share, low=share - error, high=share + error)
    guide = Guide(1.0, "edge of stability", "y")
    title = "How near the run has been to the edge of stability"
    return Plot(title, "step", "share of the edge", (line,), (guide,), log_y=bool((share - error > 0).all()))


def _moved(response: Response) -> np.ndarray:
    return np.concatenate([leaf[leaf != 0] for leaf in response.scale])
