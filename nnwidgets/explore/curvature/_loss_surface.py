"""What the loss looks like round the run, and along its path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import numpy as np

from nnwidgets.records import Cost, Exploration, Grid, Guide, Line, Plot
from nnwidgets.train import Saved

from .._lab import Lab
from ._plane import Numbers, Plane, filter_directions, principal_plane
from ._surface import surface

# Saved states that a path is drawn through, at most.
_MOST_POINTS = 40
# How much further than the path its picture reaches.
_MARGIN = 0.25


@dataclass(frozen=True, eq=False)
class _Grid:
    """Points of a plane: two directions, and the coordinates along each."""

    across: Any
    up: Any
    xs: Numbers
    ys: Numbers


@dataclass(frozen=True)
class LossSurface:
    r"""What does the loss look like round my network: a smooth bowl, a ravine, a plateau? And which way did the run come?

    The loss in evaluation (no dropout, batch norms with their running statistics), the mean over some training batches: on a
    plane through the weights along two random directions in which each filter is scaled to the size of the network's own, so
    that 1 means a change as large as the filters; and on the plane in which the saved states of the run lie as
    nearly as possible, with the path drawn in (both: Li et al., "Visualizing the Loss Landscape of Neural Nets", 2018).

    Attributes:
        reach: how far the random directions go, in sizes of the filters.
        points: along each axis, odd.
        batches: whose mean loss is looked at.
        seed: of the random directions.
    """

    reach: float = 1.0
    points: int = 21
    batches: int = 4
    seed: int = 0

    name: ClassVar[str] = "loss surface"

    def cost(self, lab: Lab) -> Cost:
        """A loss takes about a third of a gradient's time."""
        return lab.cost(2 * self.batches * self.points**2 // 3, 1)

    def run(self, lab: Lab) -> Exploration:
        """Both planes, batch by batch: each is one call of one compiled program."""
        if self.points < 5 or self.points % 2 == 0 or self.batches < 1 or not self.reach > 0:
            raise ValueError(
                "loss surface needs an odd number of points, at least 5, at least one batch and a positive reach, got "
                f"points={self.points}, batches={self.batches}, reach={self.reach}."
            )
        first, second = filter_directions(lab.params, 2, self.seed, filters_first=lab.objective.framework == "equinox")
        saved = _visited(lab)
        plane = principal_plane([each.params for each in saved]) if len(saved) > 2 else None
        places = np.linspace(-self.reach, self.reach, self.points)
        ways = [_Grid(first, second, places, places)]
        if plane is not None:
            xs, ys = (_span(values, self.points) for values in plane.path.T)
            ways.append(_Grid(*plane.directions, xs, ys))
        grids = self._losses(lab, ways)
        pictures = list[Plot | Grid](_random_pictures(grids[0], places))
        numbers, answer = _described(grids[0], places, self.reach)
        if plane is not None and len(grids) > 1:
            pictures.append(_path_picture(plane, grids[1], ways[1].xs, ways[1].ys, saved))
            numbers |= _path_numbers(plane, grids[1], saved)
            answer += (
                f" The {len(saved)} saved states of the run lie to {sum(plane.explained):.0%} in one plane, and its picture "
                f"shows the path from step {saved[0].step} to step {saved[-1].step}."
            )
        elif plane is None:
            answer += f" There is no path to show: that takes 3 different saved states, and there are {len(saved)}."
        middle = self.points // 2
        rows = tuple(
            (float(x), float(a), float(b))
            for x, a, b in zip(places, grids[0][middle], grids[0][:, middle], strict=True)
        )
        verdict = "ok" if np.isfinite(grids[0][middle, middle]) else "unknown"
        return Exploration(
            self.name, answer, verdict, columns=("distance", "loss, first direction", "loss, second direction"), rows=rows,
            pictures=tuple(pictures), numbers=numbers, caution=_caution(plane, lab),
        )  # fmt: skip

    def _losses(self, lab: Lab, ways: list[_Grid]) -> list[Numbers]:
        """The mean losses of each plane, over as many batches as there was time for."""
        run, key = surface(lab.objective), jax.random.fold_in(lab.key, np.uint32(lab.step))
        totals, counts = [np.zeros((self.points, self.points)) for _ in ways], [0] * len(ways)
        calls = [(batch, which) for batch in lab.fresh(self.batches) for which in range(len(ways))]
        for batch, which in lab.each(calls, "planes of losses"):
            way = ways[which]
            found = run(lab.params, lab.state, batch, key, way.across, way.up, np.float32(way.xs), np.float32(way.ys))
            totals[which] += np.asarray(found, np.float64)
            counts[which] += 1
        return [total / count for total, count in zip(totals, counts, strict=True) if count]


def _visited(lab: Lab) -> list[Saved]:
    """Saved states up to now, evenly chosen, as many as memory holds; the present one last."""
    most = max(3, min(_MOST_POINTS, lab.room(8 * sum(np.size(leaf) for leaf in jax.tree.leaves(lab.params)))))
    before = [each for each in lab.visited() if each.step < lab.step]
    here = Saved(lab.step, lab.params, lab.state, lab.opt_state)
    if len(before) >= most:
        before = [before[i] for i in np.unique(np.linspace(0, len(before) - 1, most - 1).astype(int))]
    return [*before, here]


def _span(values: Numbers, points: int) -> Numbers:
    """An axis that holds the path with a margin, and the origin, where the run is, as one of its points."""
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    low, high = low - _MARGIN * (high - low), high + _MARGIN * (high - low)
    axis = np.linspace(low, high, points)
    return axis - axis[np.argmin(np.abs(axis))]


def _random_pictures(losses: Numbers, places: Numbers) -> tuple[Plot | Grid, ...]:
    middle = len(places) // 2
    lines = (Line("first direction", places, losses[middle]), Line("second direction", places, losses[:, middle]))
    guide = Guide(0.0, "where the run is")
    across, up = "first random direction (size of the filters)", "second (size of the filters)"
    return (
        Plot("The loss along two random directions", "distance (size of the filters)", "loss", lines, (guide,)),
        Grid(
            "The loss on the plane of both", across, up, "loss", places, places, losses, log=_is_positive(losses),
            path=np.zeros((1, 2)),
        ),
    )  # fmt: skip


def _path_picture(plane: Plane, losses: Numbers, xs: Numbers, ys: Numbers, saved: list[Saved]) -> Grid:
    first, second = plane.explained
    return Grid(
        f"The loss on the plane of the run's path, step {saved[0].step} to {saved[-1].step}",
        f"first principal direction ({first:.0%} of the path)", f"second ({second:.0%})", "loss", xs, ys, losses,
        log=_is_positive(losses), path=plane.path,
    )  # fmt: skip


def _is_positive(losses: Numbers) -> bool:
    finite = losses[np.isfinite(losses)]
    return bool(finite.size) and bool((finite > 0).all())


def _described(losses: Numbers, places: Numbers, reach: float) -> tuple[dict[str, Any], str]:
    """The loss in the middle, the distance at which it has doubled, how many points lie below; and the same in words."""
    middle = len(places) // 2
    here = float(losses[middle, middle])
    lines = (losses[middle], losses[:, middle])
    # a loss that is 0 or below has no double
    doubled = [_reached(line, places, 2 * here) for line in lines] if here > 0 else [float("nan")]
    bent = np.diff(np.stack(lines), 2, axis=1)
    # what float32 leaves of a second difference is no curvature
    downward = float(np.mean(bent < -1e-5 * np.nanmax(np.abs(np.where(np.isfinite(losses), losses, 0.0)))))
    below = float(np.mean(losses < here))
    numbers = {"loss": here, "doubled_at": min(doubled), "lower_share": below, "curved_down_share": downward}
    if not np.isfinite(here):
        return numbers, f"The loss in evaluation is {here} where the run stands."
    nearest = min(doubled)
    shape = "like a bowl" if downward < 0.05 else f"not convex ({downward:.0%} of it curved downwards)"
    low = f"; {below:.0%} of the plane lie lower" if below > 0.02 else ""
    if not here > 0:
        return numbers, f"The loss is {here:.4g}; along two random directions it is {shape}{low}."
    words = f"The loss of {here:.4g} has doubled at a distance of {nearest:.2g} of the filters' size along a random direction"
    if not np.isfinite(nearest):
        words = (
            f"The loss of {here:.4g} nowhere doubles within {reach:g} of the filters' size along two random directions"
        )
    return numbers, f"{words}; along both it is {shape}{low}."


def _reached(line: Numbers, places: Numbers, level: float) -> float:
    """The least distance from the middle at which the loss reaches a level, between the points by a straight line."""
    found, middle = [np.inf], len(places) // 2
    for step in (1, -1):
        values, distances = line[middle::step], np.abs(places[middle::step])
        for i in range(1, len(values)):
            if not values[i] < level:
                rise = values[i] - values[i - 1]
                share = (level - values[i - 1]) / rise if np.isfinite(rise) and rise > 0 else 1.0
                found.append(float(distances[i - 1] + share * (distances[i] - distances[i - 1])))
                break
    return min(found)


def _path_numbers(plane: Plane, losses: Numbers, saved: list[Saved]) -> dict[str, Any]:
    start = float(np.linalg.norm(plane.path[0]))
    return {
        "explained": list(plane.explained), "path": plane.path.tolist(), "path_steps": [each.step for each in saved],
        "path_length": float(plane.lengths.sum()), "start_to_end": start, "lowest_on_plane": float(np.nanmin(losses)),
    }  # fmt: skip


def _caution(plane: Plane | None, lab: Lab) -> str:
    words = (
        "Two directions of very many: a slice may look like a bowl where the loss curves downwards in others, and another "
        "seed shows another slice."
    )
    if plane is not None:
        words += (
            " That most of a path lies in one plane is no sign of simplicity: the path of a random walk does, too (Antognini "
            "and Sohl-Dickstein 2018)."
        )
    if jax.tree.leaves(lab.state):
        words += " The model's state, such as running statistics, is the present one everywhere."
    return words
