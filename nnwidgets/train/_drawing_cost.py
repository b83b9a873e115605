"""What drawing a dashboard takes from the run beside it, where browser, server and run share the cores of one machine."""

from __future__ import annotations

import math
import statistics
from collections import deque

# How long a frame may still be drawn after it was sent: seconds, or so many times what it takes to be acknowledged.
_DRAWN, _ANSWERS = 0.2, 4
# Frames, and seconds of steps made alone, that a measurement takes.
_FRAMES, _ALONE = 5, 0.1
# Seconds between two measurements for which frames are held back, and without a frame after which one begins anew.
_EVERY, _LONG = 5.0, 5.0


class DrawingCost:
    """By how much the steps after a frame are longer than those that were made alone, measured in the run itself.

    Frames may come so often that no step is ever made alone: then, every five seconds, the next one has to wait for some.

    Attributes:
        seconds: that a frame takes from the run, the median of the newest measurements; 0.0 before the first.

    Example:
        >>> cost = DrawingCost()
        >>> for frame in range(6):
        ...     cost.sent(float(frame))
        ...     for step in range(20):
        ...         cost.step(frame + 0.05 * (step + 1), 0.05 if step > 1 else 0.06)
        >>> round(cost.seconds, 3)
        0.02
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._measured: deque[float] = deque(maxlen=5)
        self._drawn_at = self._measured_at = -math.inf
        self._begin()

    def sent(self, now: float, answer: float = math.inf, *, running: bool = True) -> None:
        """A frame is sent.

        Args:
            now: the time.
            answer: seconds that the browser takes to draw and acknowledge, as far as that is known; else infinite.
            running: whether the run goes on; while it stands still, a frame takes nothing from it.
        """
        if now - self._drawn_at > _LONG:
            # nobody looked, and steps may have become others
            self._begin()
        if running:
            self._measure(now)
            self._frames += 1
        self._drawn_at = now + (max(_DRAWN, _ANSWERS * answer) if math.isfinite(answer) else _DRAWN)

    def step(self, ended: float, own: float) -> None:
        """A step ended at this time that took so many seconds of the run's own."""
        sums = self._alone if ended - own >= self._drawn_at else self._beside
        sums[0] += own
        sums[1] += 1

    def rests(self, now: float) -> bool:
        """Whether the next frame has to wait, for steps that are made alone."""
        return self._frames >= _FRAMES and self._alone[0] < _ALONE and now - self._measured_at >= _EVERY

    def _measure(self, now: float) -> None:
        if self._frames < _FRAMES or self._alone[0] < _ALONE:
            return
        seconds, count = self._beside
        self._measured.append((seconds - count * self._alone[0] / self._alone[1]) / self._frames)
        self.seconds = max(statistics.median(self._measured), 0.0)
        self._measured_at = now
        self._begin()

    def _begin(self) -> None:
        self._frames = 0
        # steps: their seconds, and how many
        self._alone, self._beside = [0.0, 0.0], [0.0, 0.0]
