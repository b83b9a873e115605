"""A change that was tried beside the unchanged run."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Fork:
    """The same steps with and without a change, from the same state, with the same keys and batches.

    Attributes:
        step: from which on.
        change: in words.
        unchanged: the session's loss at each step, float32 (keys, steps).
        changed: the same with the change; also where the change is another loss, it is the session's own that is told.
        difference: changed less unchanged, in the loss's unit: mean over the keys of the mean over the last tenth of the steps.
        low: lower end of its 95 % interval over the keys (Student's t, paired); -inf of a single key.
        high: upper end.

    Example:
        >>> curves = np.ones((3, 10), np.float32)
        >>> Fork(5, "learning rate x 2", curves, 0.5 * curves, difference=-0.5, low=-0.6, high=-0.4)
        learning rate x 2, from step 5 on for 10 steps: the loss is 0.5 lower (95 % interval 0.4 to 0.6, 3 keys)
    """

    step: int
    change: str
    unchanged: npt.NDArray[np.float32] = field(repr=False)
    changed: npt.NDArray[np.float32] = field(repr=False)
    difference: float
    low: float
    high: float

    @property
    def ends(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Of the unchanged and of the changed run: the mean loss of the last tenth of the steps, float64 (keys,)."""
        last = max(1, self.changed.shape[1] // 10)
        unchanged, changed = (
            curves[:, -last:].astype(np.float64).mean(axis=1) for curves in (self.unchanged, self.changed)
        )
        return unchanged, changed

    @property
    def better(self) -> bool | None:
        """Whether the change lowers the loss; None where the interval holds zero, or no number came out."""
        return True if self.high < 0 else False if self.low > 0 else None

    def __repr__(self) -> str:
        keys, steps = self.changed.shape
        told = f"{self.change}, from step {self.step} on for {steps} steps: "
        if not np.isfinite(self.difference):
            ended = [name for name in ("unchanged", "changed") if not np.isfinite(getattr(self, name)[:, -1]).all()]
            return told + f"the loss of the {' and the '.join(ended)} run is not finite at the end"
        if self.better is None:
            between = f"{self.low:.3g} to {self.high:.3g}" if keys > 1 else "unknown, of one key"
            return (
                told + f"no difference that is certain: {self.difference:+.3g} (95 % interval {between}, {keys} keys)"
            )
        low, high = sorted((abs(self.low), abs(self.high)))
        way = "lower" if self.better else "higher"
        return (
            told + f"the loss is {abs(self.difference):.3g} {way} (95 % interval {low:.3g} to {high:.3g}, {keys} keys)"
        )
