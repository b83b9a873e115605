"""PyTorch's arguments for Optax's reduction of the learning rate on a plateau."""

from __future__ import annotations

import optax

from .._arguments import between, lowest, need, one_of, positive, whole


def reduce_lr_on_plateau(
    lr: float,
    factor: float = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    threshold_mode: str = "rel",
    cooldown: int = 0,
    min_lr: float = 0.0,
    steps_per_epoch: int = 1,
) -> optax.GradientTransformationExtraArgs:
    """Multiply updates by ``factor`` after more than ``patience`` epochs without a better loss: PyTorch's ReduceLROnPlateau.

    This is no schedule: it looks at the loss. It is `optax.contrib.reduce_on_plateau` with PyTorch's arguments, and goes
    **after** the optimizer in a chain, since it scales updates; before Adam, which normalises them, it would do nothing. A
    `Session` hands every optimizer the loss of the step; in a loop of your own, call ``tx.update(..., value=loss)``.

    Args:
        lr: learning rate of the optimizer before it; only ``min_lr`` is measured by it.
        factor: of the rate at each reduction, between 0 and 1.
        patience: epochs without improvement that are borne; the next one leads to a reduction.
        threshold: by how much the loss must fall below the best so far to count as better, above 0.
        threshold_mode: ``"rel"``, as a share of the best (at most 1), or ``"abs"``.
        cooldown: epochs after a reduction in which bad ones don't count.
        min_lr: learning rate below which it never goes, from 0 to that of the optimizer.
        steps_per_epoch: the losses of so many steps are averaged, as an epoch's loss is; with 1, an epoch is one step.

    Returns:
        Gradient transformation. The loss to watch is the one that is handed in, and lower is better (mode ``"min"``).

    Example:
        >>> import optax
        >>> from nnwidgets import schedules
        >>> plateau = schedules.pytorch.reduce_lr_on_plateau(1e-3, factor=0.5, patience=5, steps_per_epoch=100)
        >>> tx = optax.chain(optax.adam(1e-3), plateau)
    """
    relative = threshold_mode == "rel"
    need(
        positive("lr", lr, 1e-3),
        between("factor", factor, 1e-6, 1 - 1e-6, 0.1),
        whole("patience", patience, at_least=0),
        positive("threshold", threshold, 1e-4) or (between("threshold", threshold, 0, 1, 1e-4) if relative else ""),
        one_of("threshold_mode", threshold_mode, ("rel", "abs")),
        whole("cooldown", cooldown, at_least=0),
        whole("steps_per_epoch", steps_per_epoch),
        lowest("min_lr", min_lr, lr),
    )
    # PyTorch reduces once the bad epochs are more than its patience, Optax once they are as many.
    return optax.contrib.reduce_on_plateau(
        factor,
        int(patience) + 1,
        rtol=threshold if relative else 0.0,
        atol=0.0 if relative else threshold,
        cooldown=int(cooldown),
        accumulation_size=int(steps_per_epoch),
        min_scale=min_lr / lr,
    )
