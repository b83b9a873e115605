"""What drawing a dashboard takes from the run beside it, where browser, server and run share the cores of one machine."""

from __future__ import annotations

import math
import statistics
from collections import deque

# How long a frame may still be drawn after it was sent: so many times what it takes to be acknowledged, within these bounds;
# where nothing is acknowledged, so many seconds.
_ANSWERS, _LEAST, _MOST, _UNKNOWN = 4, 0.2, 2.0, 1.0
# What a measurement takes: frames, and steps made alone, with their seconds.
_FRAMES, _ALONE_STEPS, _ALONE_SECONDS = 5, 5, 0.1
# From one measurement to the next for which frames are held back: so many times as long as they were; at first, and later.
_AT_FIRST, _LATER = 3, 20
# How many measurements count: the newest.
_NEWEST = 5


class DrawingCost:
    """By how much the steps after a frame are longer than those that were made alone, measured in the run itself.

    Frames may come so often that no step is ever made alone: then, once in a while, the next one has to wait for some.

    Attributes:
        seconds: that a frame takes from the run, the median of the newest measurements. Two of 0.0 stand at the beginning, so
            that a single one says nothing.

    Example:
        >>> cost = DrawingCost()
        >>> for frame in range(40):
        ...     cost.sent(float(frame), answer=0.05)
        ...     for step in range(20):
        ...         cost.step(frame + 0.05 * (step + 1), 0.05 if step > 1 else 0.06, usual=0.05)
        >>> round(cost.seconds, 3)
        0.02
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._measured = deque([0.0, 0.0], maxlen=_NEWEST)
        self._drawn_at = self._measured_at = -math.inf
        self._held_since: float | None = None
        self._held = 0.0
        self.begin()

    def begin(self) -> None:
        """Begin a measurement anew: nobody looks, and steps may become others."""
        self._frames, self._held_since = 0, None
        # of steps: their seconds, and how many
        self._alone, self._beside = [0.0, 0.0], [0.0, 0.0]

    def step(self, ended: float, own: float, usual: float) -> None:
        """A step was made.

        Args:
            ended: when.
            own: its seconds, without what is booked otherwise.
            usual: seconds that a step usually takes. One that is longer by more than a frame is drawn has another reason: it
                compiles, or validates.
        """
        if own > usual + _LEAST:
            return
        sums = self._alone if ended - own >= self._drawn_at else self._beside
        sums[0] += own
        sums[1] += 1

    def sent(self, now: float, answer: float, *, running: bool = True) -> None:
        """A frame is sent.

        Args:
            now: the time.
            answer: seconds that the browser takes to draw and acknowledge; infinite where it does not.
            running: whether the run goes on; while it stands still, a frame takes nothing from it.
        """
        if running:
            self._measure(now)
            self._frames += 1
        self._drawn_at = now + (min(max(_LEAST, _ANSWERS * answer), _MOST) if math.isfinite(answer) else _UNKNOWN)

    def rests(self, now: float) -> bool:
        """Whether the next frame has to wait, for steps that are made alone."""
        often = _AT_FIRST if len(self._measured) < _NEWEST else _LATER
        if self._frames < _FRAMES or self._enough or now - self._measured_at < often * self._held:
            return False
        self._held_since = now if self._held_since is None else self._held_since
        return True

    @property
    def _enough(self) -> bool:
        seconds, count = self._alone
        return count >= _ALONE_STEPS and seconds >= _ALONE_SECONDS

    def _measure(self, now: float) -> None:
        if self._frames < _FRAMES or not self._enough:
            return
        (seconds, count), (alone, alone_count) = self._beside, self._alone
        self._measured.append((seconds - count * alone / alone_count) / self._frames)
        self.seconds = max(statistics.median(self._measured), 0.0)
        if self._held_since is not None:
            self._held, self._held_since = now - self._held_since, None
        self._measured_at = now
        self.begin()
