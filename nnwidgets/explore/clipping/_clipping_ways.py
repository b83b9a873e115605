"""A run with its clipping, without it, and with the bound that is suggested."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nnwidgets.records import Guide, History, Line, Plot

from .._lab import Lab
from .._side_by_side import last
from ._clip import Clip
from ._clipped_run import Course, course
from ._over_keys import ends_over_keys, is_certainly_held_back, is_held_back
from ._unclipped import without_clipping

Array = npt.NDArray[np.float64]

KEYS = 5


class Ways:
    """The run as it goes on, without its clipping, and with the bound that is suggested.

    Attributes:
        clip: the run's own clipping, or None.
        own: as it is.
        free: without it; None where there is none, or it can't be taken out.
        bounded: with the suggested bound and no other; None where the norms are not finite.
        suggestion: the 90th percentile of the norms that were met.
        compared: the way in which a bound on coordinates was looked at.
        start: the loss at first.
        over_keys: the loss at the end (keys,) of those ways that were trained under several keys.
    """

    def __init__(self, lab: Lab, clip: Clip | None, steps: int, bound: float | None) -> None:
        self.clip, self._bound, self._lab, self._steps = clip, bound, lab, steps
        self.over_keys = dict[str, Array]()
        by_norm = clip is not None and clip.place == "gradients" and clip.kind == "norm"
        value = clip.bound if clip is not None and clip.place == "gradients" and clip.kind == "value" else np.inf
        wanted = bound or (clip.bound if clip is not None and by_norm else np.inf)
        self.own = course(lab, lab.tx, steps, bound=wanted, value=value)
        finite = self.own.norms[np.isfinite(self.own.norms)]
        self.suggestion = float(np.percentile(finite, 90)) if finite.size else float("nan")
        self.wild = float(finite.max() / np.median(finite)) if finite.size and np.median(finite) > 0 else float("nan")
        tx = without_clipping(lab.tx) if clip is not None else lab.tx
        self.free = course(lab, tx, steps) if clip is not None and tx is not None and not lab.cut else None
        self.bounded = None
        self.limit = bound or self.suggestion
        self._recipes = {"own": (lab.tx, np.inf), "free": (tx, np.inf), "bounded": (tx, self.limit)}
        if tx is not None and self.limit > 0 and not lab.cut:
            self.bounded = course(lab, tx, steps, clip=self.limit, bound=self.limit)
        self.compared = self.own if np.isfinite(wanted) or np.isfinite(value) else self.bounded
        self.start = float(np.mean(self.own.losses[:3]))

    def is_held_back(self, slower: str, quicker: str) -> bool:
        """Whether one way ("own", "free", "bounded") loses a good part of another's progress: here, and for certain.

        Trained under several keys are only ways of which it is so here, where one is as good as another.
        """
        ways = [slower, quicker]
        if not is_held_back(self.start, *(self.end(getattr(self, name)) for name in ways)):
            return False
        missing = {name: self._recipes[name] for name in ways if name not in self.over_keys}
        if missing:
            self.over_keys |= ends_over_keys(self._lab, missing, self._steps, KEYS)
        ends = [self.over_keys[name] for name in ways if name in self.over_keys]
        return len(ends) == 2 and is_certainly_held_back(self.start, *ends)

    def end(self, way: Course) -> float:
        """The mean loss of the last tenth of the steps."""
        return float(last(way.losses))

    @property
    def share(self) -> float | None:
        """Of the steps that the run's own clipping cuts; None where that can't be told."""
        clip = self.clip
        if clip is None or clip.kind == "tensor" or (clip.place == "updates" and clip.kind == "value"):
            return None
        if clip.place == "updates":
            return float(np.mean(self.own.updates >= 0.999 * clip.bound))
        return float(np.mean(self.own.norms > clip.bound if clip.kind == "norm" else self.own.cut > 0))

    @property
    def coordinates(self) -> float:
        """Share that a bound on coordinates cuts, over the steps in which it cuts any."""
        cut = self.compared.cut if self.compared is not None else np.zeros(1)
        return float(cut[cut > 0].mean()) if (cut > 0).any() else 0.0

    @property
    def cosine(self) -> float:
        """Between gradients before and after they are cut by value: the median of the steps in which any is cut."""
        if self.compared is None or not (self.compared.cut > 0).any():
            return 1.0
        return float(np.median(self.compared.cosines[self.compared.cut > 0]))

    @property
    def after(self) -> Array:
        """Norms after the clipping that is looked at."""
        clip = self.clip
        if clip is not None and clip.place == "gradients" and clip.kind == "value" and not self._bound:
            return self.own.left
        limit = self._bound or (clip.bound if clip is not None and clip.place == "gradients" else self.suggestion)
        return np.minimum(self.own.norms, limit if np.isfinite(limit) else self.suggestion)

    @property
    def words(self) -> str:
        """The norms, the suggestion, and what a bound by value would do."""
        norms = self.own.norms[np.isfinite(self.own.norms)]
        said = (
            f"Norms of {len(norms)} steps: median {np.median(norms):.3g}, 90th percentile {self.suggestion:.3g} (the bound to "
            f"start with), largest {norms.max():.3g}."
        )
        if self.compared is None or not (self.compared.cut > 0).any():
            return said
        angle = float(np.degrees(np.arccos(np.clip(self.cosine, -1, 1))))
        values = self.compared.values[self.compared.cut > 0]
        if self.clip is not None and self.clip.kind == "value":
            return f"{said} Cutting by value turns the gradient by {angle:.0f} degrees; by norm it would keep its direction."
        return (
            f"{said} By value, a bound of {np.median(values):.2g} on each coordinate takes as much away: it cuts "
            f"{self.coordinates:.1%} of the coordinates and turns the gradient by {angle:.0f} degrees; by norm it keeps its "
            "direction."
        )

    def rows(self) -> list[tuple[Any, ...]]:
        """One for each way."""
        bound = self.clip.bound if self.clip is not None and np.isfinite(self.clip.bound) else None
        rows = [("as it is", bound, self.share if self.clip is not None else 0.0, self.start, self.end(self.own))]
        if self.free is not None:
            rows.append(("without clipping", None, 0.0, self.start, self.end(self.free)))
        if self.bounded is not None:
            share = float(np.mean(self.bounded.norms > self.limit))
            words = "norm bounded" if self._bound else "norm bounded by its 90th percentile"
            rows.append((words, self.limit, share, self.start, self.end(self.bounded)))
        return rows

    def numbers(self) -> dict[str, Any]:
        """Everything by name."""
        norms = self.own.norms[np.isfinite(self.own.norms)]
        middle, top = (float(np.percentile(norms, q)) if norms.size else float("nan") for q in (50, 99))
        clip = self.clip
        return {
            "kind": clip.kind if clip is not None else "none",
            "bound": clip.bound if clip is not None else None,
            "place": clip.place if clip is not None else "",
            "share_clipped": self.share if clip is not None else 0.0,
            "norm_median": middle,
            "norm_90th_percentile": self.suggestion,
            "norm_99th_percentile": top,
            "largest_over_median": self.wild,
            "suggested_bound": self.suggestion,
            "share_of_coordinates_cut_by_value": self.coordinates,
            "cosine_by_value": self.cosine,
            "loss_at_first": self.start,
            "loss_at_the_end": self.end(self.own),
            "loss_without_clipping": self.end(self.free) if self.free is not None else None,
            "loss_with_the_suggested_bound": self.end(self.bounded) if self.bounded is not None else None,
            **{f"loss_over_keys_{name}": found.tolist() for name, found in self.over_keys.items()},
            "norms": self.own.norms.tolist(),
        }

    def pictures(self, history: History) -> tuple[Plot, ...]:
        """Norms step by step, their distribution before and after, and the losses."""
        clip = self.clip
        guides = [Guide(self.suggestion, "90th percentile", "y")]
        if clip is not None and clip.place == "gradients" and clip.kind == "norm":
            guides.append(Guide(clip.bound, "your bound", "y"))
        steps = np.arange(len(self.own.norms))
        lines = [Line("from here", steps, self.own.norms)]
        if "gradient/norm" in history and len(history["gradient/norm"].steps):
            before = history["gradient/norm"]
            whole = np.sqrt(np.nansum(np.square(before.values.astype(np.float64)), axis=1))
            lines.append(Line("so far", before.steps - before.steps[-1] - 1.0, whole))
        ways = {"as it is": self.own, "without clipping": self.free, "norm bounded": self.bounded}
        courses = [Line(name, np.arange(len(way.losses)), way.losses) for name, way in ways.items() if way is not None]
        return (
            Plot(
                "Gradient norm", "step from here", "norm of the whole gradient", tuple(lines), tuple(guides), log_y=True
            ),
            _histogram(self.own.norms, self.after, self.suggestion),
            Plot("Loss with and without clipping", "step from here", "loss", tuple(courses)),
        )


def _histogram(before: Array, after: Array, suggestion: float) -> Plot:
    """Steps in each of some intervals of the norm, equal on a logarithmic axis."""
    known = [each[np.isfinite(each) & (each > 0)] for each in (before, after)]
    everything = np.concatenate(known)
    lines: list[Line] = []
    if everything.size:
        low, high = everything.min(), everything.max()
        edges = np.geomspace(0.99 * low, 1.01 * high, 25)
        middles = np.sqrt(edges[1:] * edges[:-1])
        lines = [
            Line(name, middles, np.histogram(each, edges)[0])
            for name, each in zip(("before", "after"), known, strict=True)
        ]
    guide = (Guide(suggestion, "90th percentile"),)
    return Plot("Gradient norms before and after clipping", "norm", "steps", tuple(lines), guide, log_x=True)
