"""Keras's arguments for Optax's reduction of the learning rate on a plateau."""

from __future__ import annotations

import optax

from ._arguments import between, lowest, need, positive, whole


def reduce_lr_on_plateau(
    learning_rate: float,
    factor: float = 0.1,
    patience: int = 10,
    min_delta: float = 1e-4,
    cooldown: int = 0,
    min_lr: float = 0.0,
    steps_per_epoch: int = 1,
) -> optax.GradientTransformationExtraArgs:
    """Multiply the updates by ``factor`` once the loss has not fallen for ``patience`` epochs, as Keras's ReduceLROnPlateau.

    This is no schedule: it looks at the loss. It is `optax.contrib.reduce_on_plateau` with Keras's arguments, and goes
    **after** the optimizer in a chain, since it scales updates; before Adam, which normalises them, it would do nothing. A
    `Session` hands every optimizer the loss of the step; in a loop of your own, call ``tx.update(..., value=loss)``.

    Args:
        learning_rate: of the optimizer before it; only ``min_lr`` is measured by it.
        factor: of the rate at each reduction, between 0 and 1.
        patience: epochs without improvement that lead to one.
        min_delta: by how much the loss must fall below the best so far to count as better, above 0.
        cooldown: epochs after a reduction before bad ones count again; as in Keras, the last of them counts.
        min_lr: learning rate below which it never goes, from 0 to that of the optimizer.
        steps_per_epoch: the losses of so many steps are averaged, as an epoch's loss is; with 1, an epoch is one step.

    Returns:
        Gradient transformation. The loss to watch is the one that is handed in, and lower is better.

    Example:
        >>> import optax
        >>> from nnwidgets import schedules
        >>> plateau = schedules.keras.reduce_lr_on_plateau(1e-3, factor=0.5, patience=5, steps_per_epoch=100)
        >>> tx = optax.chain(optax.adam(1e-3), plateau)
    """
    need(
        positive("learning_rate", learning_rate, 1e-3),
        between("factor", factor, 1e-6, 1 - 1e-6, 0.1),
        whole("patience", patience, at_least=0),
        positive("min_delta", min_delta, 1e-4),
        whole("cooldown", cooldown, at_least=0),
        whole("steps_per_epoch", steps_per_epoch),
        lowest("min_lr", min_lr, learning_rate),
    )
    # Keras reduces at the first bad epoch with a patience of 0 and with one of 1; Optax, with 0, at every good one, too.
    return optax.contrib.reduce_on_plateau(
        factor,
        max(int(patience), 1),
        rtol=0.0,
        atol=min_delta,
        cooldown=max(int(cooldown) - 1, 0),
        accumulation_size=int(steps_per_epoch),
        min_scale=min_lr / learning_rate,
    )
