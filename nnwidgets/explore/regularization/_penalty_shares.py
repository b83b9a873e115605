"""The penalty beside the data, layer by layer, now and along the run."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from nnwidgets.records import Guide, Line, Plot
from nnwidgets.trace import layer_of

from .._lab import Lab
from ._decay_of import Decay
from ._penalty_parts import Sizes, look, strengths

# States along the run, batches of which sizes are averaged, layers in a picture.
VISITED, BATCHES, _SHOWN = 20, 4, 8


class Shares:
    """The penalty beside the data, now and along the run.

    Attributes:
        now: mean over some batches.
        course: (step, sizes) at states along the run.
        factors: lambda of a penalty that is a sum of squares, for each parameter; None if there is none.
        any: whether there is a gradient of a penalty; that of a decay inside the optimizer counts, where it is known.
    """

    def __init__(self, lab: Lab, decay: Decay | None) -> None:
        self._paths, self.course = lab.objective.paths, list[tuple[int, Sizes]]()
        self.layers = [layer_of(path) for path in self._paths]
        self._inside = decay.strengths if decay is not None and decay.place == "inside" else None
        key = jax.random.fold_in(lab.key, np.uint32(lab.step))
        found = [look(lab.setup)(lab.params, lab.state, batch, key) for batch in lab.fresh(BATCHES)]
        both = zip(*found, strict=True)
        now = Sizes(*(np.mean([np.asarray(each, np.float64) for each in parts], axis=0) for parts in both))
        self.factors, self.now = strengths(now), self._with_decay(now)
        self.any = bool(np.any(self.now.penalty_norms))
        if not self.any:
            return
        states = list(lab.visited())
        chosen = sorted({round(i) for i in np.linspace(0, len(states) - 1, min(VISITED, len(states)))})
        for saved in lab.each([states[i] for i in chosen], "states of the run"):
            sizes = look(lab.setup)(saved.params, saved.state, lab.batches[0], key)
            self.course.append((saved.step, self._with_decay(Sizes(*(np.asarray(each, np.float64) for each in sizes)))))

    def _with_decay(self, sizes: Sizes) -> Sizes:
        """With lambda w of a decay inside the optimizer as a gradient of the penalty, where the loss has none."""
        if self._inside is None or np.any(sizes.penalty_norms):
            return sizes
        weights = np.sqrt(sizes.squares)
        penalty = 0.5 * float(self._inside @ sizes.squares)
        return sizes._replace(penalty=np.asarray(penalty), penalty_norms=self._inside * weights)

    @property
    def of_loss(self) -> float:
        """The penalty's share of the loss."""
        whole = abs(float(self.now.data)) + abs(float(self.now.penalty))
        return abs(float(self.now.penalty)) / whole if whole else 0.0

    @property
    def of_gradient(self) -> float:
        """The penalty's share of the whole gradient."""
        return _share(np.linalg.norm(self.now.data_norms), np.linalg.norm(self.now.penalty_norms))

    def _by_layer(self, sizes: Sizes) -> dict[str, tuple[float, float]]:
        found: dict[str, tuple[float, float]] = {}
        for layer in dict.fromkeys(self.layers):
            mine = [i for i, name in enumerate(self.layers) if name == layer]
            data, penalty = (float(np.linalg.norm(norms[mine])) for norms in (sizes.data_norms, sizes.penalty_norms))
            found[layer] = data, penalty
        return found

    @property
    def words(self) -> str:
        """The loss and its penalty."""
        return (
            f"Loss of the data {float(self.now.data):.4g}, penalty {float(self.now.penalty):.4g} ({self.of_loss:.1%} of the "
            f"loss, {self.of_gradient:.1%} of the gradient)."
        )

    def rows(self, decay: Decay | None) -> list[tuple[Any, ...]]:
        """One for each layer."""
        touched = {self.layers[i] for i in decay.touched} if decay is not None else set[str]()
        return [
            (layer, data, penalty, _share(data, penalty), "yes" if layer in touched else "no")
            for layer, (data, penalty) in self._by_layer(self.now).items()
        ]

    def numbers(self) -> dict[str, Any]:
        by_layer = self._by_layer(self.now)
        return {
            "data_loss": float(self.now.data),
            "penalty": float(self.now.penalty),
            "penalty_share_of_loss": self.of_loss,
            "penalty_share_of_gradient": self.of_gradient,
            "layers": list(by_layer),
            "penalty_shares": [_share(*both) for both in by_layer.values()],
            "l2_strength": float(self.factors.max()) if self.factors is not None else None,
            "steps": [step for step, _ in self.course],
            "penalty_shares_along_the_run": [
                _share(np.linalg.norm(sizes.data_norms), np.linalg.norm(sizes.penalty_norms))
                for _, sizes in self.course
            ],
        }

    def pictures(self, most: float) -> list[Plot]:
        """Shares by layer, and both parts of the loss, along the run."""
        if len(self.course) < 2:
            return []
        steps = [step for step, _ in self.course]
        shares = [{layer: _share(*both) for layer, both in self._by_layer(sizes).items()} for _, sizes in self.course]
        largest = sorted(shares[-1], key=lambda layer: -shares[-1][layer])[:_SHOWN]
        lines = tuple(Line(layer, steps, [share[layer] for share in shares]) for layer in largest)
        guides = (Guide(0.5, "balance at the minimum", "y"), Guide(most, "the penalty rules", "y"))
        losses = (
            Line("data", steps, [sizes.data for _, sizes in self.course]),
            Line("penalty", steps, [sizes.penalty for _, sizes in self.course]),
        )
        return [
            Plot("The penalty's share of each layer's gradient", "step", "share", lines, guides),
            Plot("Loss of the data, and penalty", "step", "loss", losses),
        ]


def _share(data: float, penalty: float) -> float:
    whole = float(data) + float(penalty)
    return float(penalty) / whole if whole else 0.0
