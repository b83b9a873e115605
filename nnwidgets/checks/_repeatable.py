"""Whether a step can be made again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import numpy as np

from nnwidgets.records import Check
from nnwidgets.trace import is_key

from ._subject import Subject
from ._told import told

_STEPS = 3


@dataclass(frozen=True)
class Repeatable:
    """The first steps made twice from one state must give the same bits, and the newest step the same loss as the first time.

    Without that neither a rewind nor a rerun means anything: seed what is random by ``rng``, give data that can be read
    again. Source: Pineau et al., "Improving reproducibility in machine learning research" (arXiv:2003.12206).
    """

    name: ClassVar[str] = "repeatable"
    heading: ClassVar[int] = 5

    def seconds(self, subject: Subject) -> float:
        """About how long it takes."""
        return 1.0 + 2 * _STEPS * subject.step_seconds

    def run(self, subject: Subject) -> Check:
        """Three steps, twice; and the newest again."""
        expected = "the same bits"
        one, other = self._steps(subject), self._steps(subject)
        parts = [i for i, (a, b) in enumerate(zip(one, other, strict=True)) if not _same(a, b)]
        if parts:
            words = (
                f"step {parts[0]} made twice from one state gives two results: the loss holds randomness of its own (a call "
                "of NumPy inside it, a callback), or the device adds up in another order each time."
            )
            return told(self, f"step {parts[0]} differs", expected, "wrong", words)
        why = subject.again()
        if why:
            return told(self, "the data differs", expected, "wrong", why)
        made = f"{len(one)} steps twice" + (f", step {subject.step - 1} again" if subject.step else "")
        return told(self, f"the same: {made}", expected, "ok", "a rewind and a rerun give this run again.")

    def _steps(self, subject: Subject) -> list[Any]:
        bench, made = subject.bench, []
        params, state, opt_state = bench.start.params, bench.start.state, bench.start.opt_state
        for step, batch in enumerate(bench.batches[:_STEPS], bench.start.step):
            _, loss, grads, state = bench.programs.gradient(params, state, batch, bench.key, np.uint32(step))
            params, opt_state, _ = bench.programs.update(params, opt_state, grads, np.float32(1.0), loss)
            made.append((loss, params, state))
        return made


def _same(one: Any, other: Any) -> bool:
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(_bits(a) == _bits(b) for a, b in pairs)


def _bits(leaf: Any) -> bytes:
    return np.asarray(jax.random.key_data(leaf) if is_key(leaf) else leaf).tobytes()
