"""The first layers of a network with a fresh linear output, as programs that can be trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.lint import Setup
from nnwidgets.lint._parts import before
from nnwidgets.lint._rewritten import Rewritten
from nnwidgets.lint._rows import rows_of
from nnwidgets.trace import Value

from ._subject import Subject
from ._tail import Tail
from ._training import ADAM, Loop

_MOST = 4096


@dataclass(frozen=True, eq=False)
class Rung:
    """One depth.

    Attributes:
        layer: path of the last layer that is part of it.
        value: its output.
        tail: where a fresh output is put in.
        width: numbers that it hands on, for each example (and position).
        features: from the value to what the fresh output sees, rows first.
    """

    layer: str
    value: Value
    tail: Tail
    width: int
    features: Callable[[jax.Array], jax.Array]


def find_rungs(subject: Subject, most: int) -> list[Rung]:
    """Up to so many depths, spread evenly over the layers before the last one.

    Raises:
        Unplaced: no fresh output can be put into this loss.
    """
    traced = subject.setup.train
    tail = Tail(subject.setup, traced)
    used = before(traced.program, [tail.logits])
    found: dict[str, Rung] = {}
    for call in traced.calls:
        value = call.output
        op = traced.maker(value)
        inside = op is not None and not op.loops and value.op in used and value is not tail.logits
        if inside and value.aval.shape and (rung := _rung(subject, tail, call.layer, value)) is not None:
            found[call.layer] = rung
    rungs = [each for each in found.values() if each.layer not in traced.head.layers]
    if len(rungs) <= most:
        return rungs
    return [rungs[i] for i in sorted({round(x) for x in np.linspace(0, len(rungs) - 1, most)})]


def _rung(subject: Subject, tail: Tail, layer: str, value: Value) -> Rung | None:
    axis, shape = rows_of(subject.setup.train).of(value), value.aval.shape
    if axis is None or axis.outer != 1 or (axis.inner != 1 and axis.axis != 0):
        return None
    rest = [length for i, length in enumerate(shape) if i != axis.axis]
    rest = [axis.inner, *rest] if axis.inner > 1 else rest
    places = tail.shape[:-1]
    kept = len(places) if places and tuple(rest[: len(places)]) == places else 0
    if places and not kept and prod(tail.shape) * min(prod(rest), _MOST) > 4_000_000:
        return None

    def features(array: jax.Array) -> jax.Array:
        rows = jnp.moveaxis(array, axis.axis, 0).reshape(tail.rows, *rest)
        wide = prod(rest[kept:])
        if wide > _MOST and len(rest) > kept + 1:
            # the mean over what lies between examples and channels
            return rows.mean(tuple(range(1 + kept, rows.ndim - 1)))
        return rows.reshape(*rows.shape[: 1 + kept], -1)

    made = jax.eval_shape(features, jax.ShapeDtypeStruct(shape, jnp.float32))
    return Rung(layer, value, tail, made.shape[-1], features) if made.shape[-1] <= 4 * _MOST else None


class Climb:
    """Trains depth after depth from the run's first state, on the batches of its first steps."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._loops: dict[str, tuple[Loop, Any]] = {}

    def train(self, rung: Rung, steps: int, rate: float) -> tuple[float, float]:
        """The loss at the start, the same for all depths, and after so many steps; infinite where it blew up."""
        subject, start = self._subject, self._subject.bench.start
        if rung.layer not in self._loops:
            self._loops[rung.layer] = self._loop(rung, subject.setup)
        loop, head = self._loops[rung.layer]
        course = loop.run(
            {"network": start.params, "head": head}, start.state, subject.batches, key=subject.key, steps=steps, rate=rate,
            go_on=lambda course: not subject.late,
        )  # fmt: skip
        return float(course.losses[: len(subject.batches)][:4].mean()), course.last(20) if course.finite else float(
            "inf"
        )

    def _loop(self, rung: Rung, setup: Setup) -> tuple[Loop, Any]:
        tail = rung.tail
        shift, scale = tail.scale()
        outputs = self._outputs(rung)
        head = {"w": jnp.zeros((rung.width, outputs)), "b": jnp.zeros(outputs)}

        def loss(params: Any, state: Any, batch: Any, rng: Any) -> Any:
            seen: list[jax.Array] = []

            def note(_: Any, old: Any) -> Any:
                seen.append(old)
                return old

            def answer() -> jax.Array:
                features = rung.features(seen[-1]).astype(jnp.float32)
                made = features @ params["head"]["w"] + params["head"]["b"]
                return made.reshape(tail.rows, *tail.shape) * scale + shift

            changes = [(rung.value, note), tail.placing(answer)]
            found = Rewritten(setup.train, changes)(params["network"], state, batch, rng)
            return found.loss, found.state

        return Loop(loss, ADAM), head

    def _outputs(self, rung: Rung) -> int:
        """Numbers that the fresh output gives where it stands: for one position, or for an example as a whole."""
        shape = jax.eval_shape(rung.features, jax.ShapeDtypeStruct(rung.value.aval.shape, jnp.float32)).shape
        return prod(rung.tail.shape[len(shape) - 2 :])
