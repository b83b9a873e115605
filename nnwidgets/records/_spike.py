"""A loss that jumped: where it began, and what carried it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

OUTSTANDING = 6.0
"""Times the usual spread, from which on a loss above the usual one is a spike."""


@dataclass(frozen=True)
class Spike:
    """One step's loss beside those before it.

    Attributes:
        step: whose loss jumped; the one on the parameters after so many updates.
        loss: of that step.
        usual: the median of those before.
        steps: that were made again, int64 (steps,), the last one is `step`.
        layers: paths of the tensors (tensors,).
        growth: gradient norms of each tensor over its median in the first half of these steps, float32 (steps, tensors).
        first: the tensor whose gradient was the first to grow threefold; None if none did.
        first_step: when that was.
        examples: loss and gradient norm of each example of the batch by itself, float32 (2, examples); None where the loss
            cannot be computed of one example.
        spreads: by how many times the spread of the losses before it the loss is above the usual one.
    """

    step: int
    loss: float
    usual: float
    steps: npt.NDArray[np.int64] = field(repr=False)
    layers: tuple[str, ...] = field(repr=False)
    growth: npt.NDArray[np.float32] = field(repr=False)
    first: str | None
    first_step: int | None
    examples: npt.NDArray[np.float32] | None = field(repr=False)
    spreads: float = float("inf")

    @property
    def stands_out(self) -> bool:
        """Whether the loss jumped, by more than `OUTSTANDING` times the spread."""
        return self.spreads > OUTSTANDING

    @property
    def order(self) -> npt.NDArray[np.int64]:
        """The examples, largest gradient first; what is not finite counts as largest."""
        if self.examples is None:
            return np.empty(0, np.int64)
        return np.argsort(-np.where(np.isfinite(self.examples[1]), self.examples[1], np.inf), kind="stable")

    @property
    def few(self) -> bool:
        """Whether a quarter of the examples, or fewer, carried it."""
        return 0 < len(self.carriers) <= self.batch_size / 4

    @property
    def carriers(self) -> list[int]:
        """The examples that carried it, largest gradient first.

        The fewest that hold half of the sum of gradient norms, and those that are at least half as large as the last of these.
        """
        if self.examples is None:
            return []
        norms, order = np.where(np.isfinite(self.examples[1]), self.examples[1], np.inf), self.order
        if np.isinf(norms).any():
            return order[: int(np.isinf(norms).sum())].tolist()
        held = np.cumsum(norms[order]) / max(float(norms.sum()), 1e-30)
        last = order[min(int(np.searchsorted(held, 0.5)), len(order) - 1)]
        return order[norms[order] >= 0.5 * norms[last]].tolist()

    @property
    def share(self) -> float:
        """What the carriers hold of the sum of gradient norms; NaN where one is not finite."""
        return (
            float("nan")
            if self.examples is None
            else float(self.examples[1, self.carriers].sum() / self.examples[1].sum())
        )

    @property
    def batch_size(self) -> int:
        """Examples that were looked at; 0 where the loss cannot be computed of one."""
        return 0 if self.examples is None else self.examples.shape[1]

    @property
    def sentences(self) -> list[str]:
        """What was found, in words."""
        told = [f"Step {self.step}: the loss is {self.loss:.4g}, {self._beside_the_usual()}"]
        if self.first is not None:
            k = int(np.flatnonzero(self.steps == self.first_step)[0])
            grown = self.growth[k, self.layers.index(self.first)]
            told.append(
                f"The gradient of {self.first} was the first to grow, at step {self.first_step}, to {grown:.3g} times"
            )
        else:
            told.append("No gradient grew threefold before it")
        if self.examples is None:
            return [*told, "Its loss cannot be computed of one example"]
        count, carriers = self.batch_size, self.carriers
        if not self.few:
            return [*told, "No few examples carry it"]
        shown = ", ".join(f"{i} (loss {self.examples[0, i]:.3g})" for i in carriers[:5])
        more = f" and {len(carriers) - 5} more" if len(carriers) > 5 else ""
        if not np.isfinite(self.share):
            return [*told, f"Of its {count} examples these have gradients that are not finite: {shown}{more}"]
        return [*told, f"{self.share:.0%} of the gradient norms of its {count} examples: {shown}{more}"]

    def _beside_the_usual(self) -> str:
        if np.isnan(self.usual):
            return "and there is no step before it"
        if self.loss <= self.usual:
            return f"not above the usual {self.usual:.4g}"
        usual = f"usual before was {self.usual:.4g}"
        return usual if self.stands_out else f"{usual}: no spike, at {self.spreads:.2g} times the usual spread"

    def __repr__(self) -> str:
        return "; ".join(each[0].lower() + each[1:] for each in self.sentences)
