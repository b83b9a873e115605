"""A run that waits for its data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding, History, UnknownReading


@dataclass(frozen=True)
class SlowInput:
    """More than half of each step goes into waiting for the next batch, while the device has nothing to do.

    Compared are the seconds in which the run waits for the data source, those in which it waits for the device, and the
    whole step, over the newest readings. A device that is waited for is busy: then data is made beside it, and slows nothing
    down. Usual causes: decoding or augmentation in the training loop, a callback into Python for each example, many small
    reads of a disk. See TensorFlow's guide "Better performance with the tf.data API", on prefetching.

    Attributes:
        share: of a step that goes into waiting for data, from which on it speaks.
        idle: the most of a step that may go into waiting for the device.
        least: seconds a step below which nobody would notice.
        readings: that are looked at, each of some steps; the first one, in which programs are compiled, is not.
    """

    share: float = 0.5
    idle: float = 0.05
    least: float = 2e-3
    readings: int = 3

    def check(self, history: History) -> Finding | None:
        """Whether the newest readings say so, each by itself.

        Raises:
            UnknownReading: there are too few.
        """
        data, device, step = (history[f"run/{name}"].values[1:, 0] for name in ("data", "device", "step"))
        if len(step) < self.readings:
            raise UnknownReading(f"{self.readings} readings of where the time goes are needed after the first.")
        data, device, step = (each[-self.readings :].astype(np.float64) for each in (data, device, step))
        if not ((data > self.share * step) & (device < self.idle * step) & (data > self.least)).all():
            return None
        waits, whole = float(np.median(data)), float(np.median(step))
        return Finding(
            rule="SlowInput",
            severity="warning",
            where="",
            step=int(history["run/step"].steps[-1]),
            evidence={"seconds a step for data": waits, "seconds a step": whole, "share": waits / whole},
            explanation=f"{100 * waits / whole:.0f} % of each step goes into waiting for the next batch: {1e3 * waits:.3g} of "
            f"{1e3 * whole:.3g} ms, in which nothing is trained.",
            remedy="Make batches ahead in another thread or process (a loader with workers, prefetch), or cache what does not "
            "change from epoch to epoch.",
        )
