"""What is known of a run before its first step."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Facts:
    """What the traced loss and the first batches say, for the rules that look at the run.

    Attributes:
        loss: "softmax cross-entropy", "sigmoid cross-entropy", "squared error", "absolute error", "" where it is not known.
        levels: named values that this loss can get stuck at, e.g. ``("ln C, every class equally likely", 2.303)``.
        least: the lowest value that the loss can have; None where it is not known.
        classes: number of classes, None where there are none.
        batch_size: examples in a batch, None where it is not known.
        steps_per_epoch: batches before the data begins again, None where it is not known.
        learning_rate: what Optax's ``inject_hyperparams`` or the size of the first update tells; None where it is not known.
        dtypes: the dtype of each parameter by path.
        head: paths of the parameters of the layer that makes the outputs.
        data_ended: whether the run is over because its data ended.
    """

    loss: str = ""
    levels: tuple[tuple[str, float], ...] = ()
    least: float | None = None
    classes: int | None = None
    batch_size: int | None = None
    steps_per_epoch: int | None = None
    learning_rate: float | None = None
    dtypes: tuple[tuple[str, str], ...] = ()
    head: tuple[str, ...] = ()
    data_ended: bool = False
