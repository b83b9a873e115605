"""The clipping in an optimizer, found from what it does: gradients that are made larger and larger no longer count for more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import numpy.typing as npt

from nnwidgets.lint import Setup
from nnwidgets.lint._clipping_after_adam import _bound, _is_bounded_by_itself
from nnwidgets.lint._once import once
from nnwidgets.lint._trials import Trials, cosine, norm, trials

Array = npt.NDArray[np.float64]
# How many times the first gradients: far below any bound that is meant, and far above.
_SMALL, _LARGE = (1e-6, 1e-5), (1e4, 1e6)
_CLOSE = 0.02


class Clip(NamedTuple):
    """A clipping.

    Attributes:
        kind: "norm": of the whole; "value": of each coordinate; "tensor": of each tensor, or row of one, by itself.
        bound: of the norm or the coordinates, in the unit of what is clipped; NaN of "tensor".
        place: "gradients": before moments are taken; "updates": behind them.
    """

    kind: str
    bound: float
    place: str


def find_clip(setup: Setup) -> Clip | None:
    """The first clipping in the optimizer; None where there is none, or it can't be told.

    The optimizer, in its fresh state, is given gradients of one direction and of many sizes. What it keeps of them in its
    state (Adam's first or second moments, momentum) or, where it keeps nothing, its update, is at first proportional to
    them, or to their squares; behind a clipping it is the same for all large ones. Where the moments grow and the update
    does not, the clipping stands behind them.
    """
    tried = fresh_trials(setup)
    if tried is None or not tried.period or _is_bounded_by_itself(tried.setup):
        return None
    # where parameters are 0, nothing decays; some bounds are in proportion to them
    zeros: Any = jax.tree.map(np.zeros_like, setup.params)
    found = (_find(tried, params) for params in (zeros, setup.params))
    return next((clip for clip in found if clip is not None), None)


def _find(tried: Trials, params: Any) -> Clip | None:
    moments = moments_of(tried, params)
    clipped = next((each for each in moments if each.is_clipped), None)
    if clipped is not None:
        return clipped.read("gradients")
    if tried.is_normalised:
        found, kinds = _bound(tried), {"norm": "norm", "entry": "value"}
        return None if found is None else Clip(kinds[found[0]], found[1], "updates")
    update = next(_responses(tried, params, kept=False))
    if update is None or not update.is_clipped:
        return None
    clip = update.read("updates", scaled=False) if moments else update.read("gradients")
    # what divides by a sum that it keeps (Adagrad) bounds each coordinate by itself
    return clip if clip.kind == "norm" or moments or not kept_parts(tried, 0.0, params) else None


def moments_of(tried: Trials, params: Any) -> list[Response]:
    """The parts of the optimizer's state that are proportional to small gradients, or to their squares."""
    return [found for found in _responses(tried, params, kept=True) if found is not None]


@once
def fresh_trials(setup: Setup) -> Trials | None:
    """Trials of the optimizer, fresh, at the present parameters; None where it needs more than gradients."""
    return trials(setup.at(setup.params, setup.state, setup.tx.init(setup.params), setup.batches))


class Response(NamedTuple):
    """What one part of the optimizer is for gradients of many sizes.

    Attributes:
        made: the gradients of size 1.
        power: it is proportional to this power of small gradients.
        factor: what it is for small gradients, over that power of them.
        large: for large ones, tensor by tensor.
        is_clipped: whether it is the same for all large ones.
        size: norm of all of the gradients of size 1.
        index: which part of the state it is.
    """

    made: Sequence[Array]
    power: int
    factor: float
    large: Sequence[Array]
    is_clipped: bool
    size: float
    index: int

    def read(self, place: str, *, scaled: bool = True) -> Clip:
        """What it is clipped to; in its own unit, or with `scaled` in that of the gradients."""
        factor = self.factor if scaled else 1.0
        left = [np.sign(g) * np.abs(x / factor) ** (1 / self.power) for x, g in zip(self.large, self.made, strict=True)]
        shares = [float(np.sum(x * g) / np.sum(g**2)) for x, g in zip(left, self.made, strict=True) if np.any(g)]
        same_direction = min(cosine([x], [g]) for x, g in zip(left, self.made, strict=True) if np.any(g)) > 1 - _CLOSE
        if same_direction and max(shares) < (1 + _CLOSE) * min(shares):
            return Clip("norm", float(np.median(shares)) * self.size, place)
        largest = max(float(np.abs(x).max()) for x in left if x.size)
        pinned = np.concatenate([np.abs(x) > (1 - _CLOSE) * largest for x in left])
        if not same_direction and pinned.mean() > 0.8:
            return Clip("value", largest, place)
        return Clip("tensor", float("nan"), place)


def _responses(tried: Trials, params: Any, *, kept: bool) -> Iterator[Response | None]:
    """Of each part of the state that is like the gradients, or of the update; None of one that is not proportional to them."""
    made = tried.sample(tried.made)
    size = float(
        np.sqrt(sum(np.sum(np.square(np.abs(leaf), dtype=np.float64)) for leaf in jax.tree.leaves(tried.made)))
    )
    read = kept_parts if kept else _updates
    zero, *found = (read(tried, scale, params) for scale in (0.0, *_SMALL, *_LARGE))
    for k, still in enumerate(zero):
        tiny, small, large, larger = ([a - b for a, b in zip(each[k], still, strict=True)] for each in found)
        yield _response(made, size, k, tiny, small, large, larger)


def _response(made: Sequence[Array], size: float, index: int, *given: list[Array]) -> Response | None:
    tiny, small, large, larger = given
    for power in (1, 2):
        expected = [leaf**power for leaf in made]
        if norm(tiny) == 0 or abs(cosine(small, expected)) < 1 - _CLOSE:
            continue
        if abs(norm(small) / norm(tiny) / 10**power - 1) > _CLOSE:
            continue
        factor = norm(small) / norm(expected) / _SMALL[1] ** power * np.sign(cosine(small, expected))
        finite = all(np.isfinite(leaf).all() for leaf in larger)
        is_clipped = finite and abs(norm(larger) / norm(large) - 1) < _CLOSE
        return Response(made, power, float(factor), larger, is_clipped, size, index)
    return None


def kept_parts(tried: Trials, scale: float, params: Any) -> list[list[Array]]:
    """The parts of a fresh state that are like the gradients, after made gradients of this size."""
    leaves, shapes = (
        jax.tree.leaves(_once(tried, scale, params)[1]),
        [leaf.shape for leaf in jax.tree.leaves(tried.made)],
    )
    starts = range(len(leaves) - len(shapes) + 1)
    like = [k for k in starts if [np.shape(leaf) for leaf in leaves[k : k + len(shapes)]] == shapes]
    return [tried.sample(leaves[k : k + len(shapes)]) for k in like]


def _updates(tried: Trials, scale: float, params: Any) -> list[list[Array]]:
    return [_once(tried, scale, params)[2]]


def _once(tried: Trials, scale: float, params: Any) -> Any:
    return tried.once(tried.scaled(scale), count=tried.peak, params=params)
