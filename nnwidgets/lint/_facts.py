"""What the rules that look at the run are told of the loss and the data."""

from __future__ import annotations

from math import e, log

import numpy as np

from nnwidgets.records import Facts

from ._setup import Array, Setup
from ._twice import SoftmaxTwice


def facts_of(setup: Setup) -> Facts:
    """The loss's kind, the named values that it can get stuck at, and what else is known before the first step."""
    head = setup.train.head
    classes, levels = _levels(setup)
    # an entropy, or the logarithm of a variance, may take the loss below zero
    more = {"softmax cross-entropy": ("softmax", "softplus"), "sigmoid cross-entropy": ("softmax",)}
    logarithms = ("log", "softplus", "logsumexp", "log_softmax")
    bounded = head.loss != "" and not head.kinds(*more.get(head.loss, logarithms))
    bounded |= head.loss == "softmax cross-entropy" and not head.kinds("log_softmax", "logsumexp", "softplus")
    dtypes = tuple((path, str(leaf.dtype)) for path, leaf in setup.named(setup.params).items())
    return Facts(
        loss=head.loss,
        levels=levels,
        least=0.0 if bounded else None,
        classes=classes,
        batch_size=setup.rows,
        dtypes=dtypes,
        head=tuple(path for path in setup.objective.paths for layer in head.layers if path.startswith(layer)),
    )


def _levels(setup: Setup) -> tuple[int | None, tuple[tuple[str, float], ...]]:
    head = setup.train.head
    if head.loss == "softmax cross-entropy":
        sizes = [f.size for f in head.kinds("log_softmax", "logsumexp", "softmax") if f.size > 1]
        if not sizes:
            return None, ()
        classes = sizes[-1]
        levels = [("ln C: every class equally likely", log(classes))]
        shares = _shares(setup, classes)
        if shares is not None:
            entropy = float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum())
            levels.append(("the entropy of the labels: only their shares were learned", entropy))
        if SoftmaxTwice().check(setup) is not None:
            levels.append(("ln(e + C - 1) - 1: the floor of a softmax applied twice", log(e + classes - 1) - 1))
        return classes, tuple(levels)
    targets = _real_targets(setup)
    if targets is None:
        return None, ()
    if head.loss == "sigmoid cross-entropy":
        p = float(np.clip(targets.mean(), 1e-7, 1 - 1e-7))
        return 2, (
            ("ln 2: probability one half for everything", log(2)),
            ("the entropy of the base rate: only the share of ones was learned", -p * log(p) - (1 - p) * log(1 - p)),
        )
    # optax.l2_loss is half the squared error
    if head.loss == "squared error":
        variance = float(targets.var(0).mean())
        return None, (
            ("var(y): the mean of the targets for every example", variance),
            ("var(y) / 2: the mean of the targets for every example", variance / 2),
        )
    if head.loss == "absolute error":
        spread = float(np.abs(targets - np.median(targets, 0)).mean())
        return None, (("the mean distance from the median of the targets", spread),)
    return None, ()


def _shares(setup: Setup, classes: int) -> Array | None:
    """How often each class comes in the first batches."""
    for label in setup.train.head.labels():
        values = np.concatenate([np.ravel(setup.train.values([label.value], batch)[0]) for batch in setup.batches])
        counts = np.bincount(values.astype(np.int64).clip(0, classes - 1), minlength=classes)
        return counts / counts.sum()
    for field in setup.fields:
        if field.is_target and not field.is_input and len(field.shape) >= 2 and field.shape[-1] == classes:
            rows = np.asarray(field.values, np.float64).reshape(-1, classes)
            return rows.mean(0) if (rows >= 0).all() and np.allclose(rows.sum(-1), 1) else None
    return None


def _real_targets(setup: Setup) -> Array | None:
    """The targets of all first batches, one example a row, where they have as many numbers as the outputs."""
    head = setup.train.head
    size = head.logits.aval.size if head.logits is not None else None
    for field in setup.fields:
        if field.is_target and len(field.shape) >= 1 and size == int(np.prod(field.shape)):
            values = np.asarray(field.values, np.float64)
            return values.reshape(len(values), -1) if np.isfinite(values).all() else None
    return None
