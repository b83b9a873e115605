from __future__ import annotations

import optax

from nnwidgets.lint import UnmaskedUpdates, UpdateSign

from ._data_and_optimizer import classifier, only, silent

MASK = {"hidden": False, "last": True}


def test_what_a_mask_leaves_out_is_red() -> None:
    setup = classifier(optax.masked(optax.adam(1e-3), MASK))
    finding = only(UnmaskedUpdates().check(setup))
    assert finding.severity == "problem" and finding.where == "hidden/b" and finding.evidence["tensors"] == 2
    assert silent(UpdateSign().check(setup))


def test_clipped_before_the_mask_is_red_too() -> None:
    tx = optax.chain(optax.clip_by_global_norm(0.1), optax.masked(optax.sgd(0.1), MASK))
    assert only(UnmaskedUpdates().check(classifier(tx))).severity == "problem"


def test_frozen_and_plain_optimizers_are_silent() -> None:
    frozen = optax.multi_transform(
        {"on": optax.adam(1e-3), "off": optax.set_to_zero()}, {"hidden": "off", "last": "on"}
    )
    for tx in (frozen, optax.sgd(1.0), optax.identity()):
        assert silent(UnmaskedUpdates().check(classifier(tx)))
