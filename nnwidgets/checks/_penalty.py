"""Whether a stronger penalty makes the loss higher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import numpy as np

from nnwidgets.lint import Setup
from nnwidgets.lint._parts import before
from nnwidgets.lint._penalties import sizes
from nnwidgets.lint._rewritten import Rewritten
from nnwidgets.lint._terms import find_terms
from nnwidgets.records import Check
from nnwidgets.trace import Value

from ._subject import Subject
from ._told import told


@dataclass(frozen=True)
class Penalty:
    """With a penalty twice as strong the loss must be higher, and larger weights must have a larger penalty.

    A penalty that is subtracted, that is computed and not added, or whose strength is 0 shows here. Source: Stanford
    CS231n, "Neural Networks Part 3": "increasing the regularization strength should increase the loss".

    Attributes:
        least: by which share of the penalty the loss must rise at least.
    """

    least: float = 0.5

    name: ClassVar[str] = "penalty"
    heading: ClassVar[int] = 2

    def seconds(self, subject: Subject) -> float:
        """About how long it takes."""
        return 3.0

    def run(self, subject: Subject) -> Check:
        """The penalty that the loss declares in ``aux["penalty"]``, else its terms of the parameters alone."""
        setup = subject.setup
        declared = next((value for path, value in setup.train.aux if path == ("penalty",)), None)
        terms = [term for term in find_terms(setup) if term.of_parameters]
        # one that is computed twice over, for the loss and for aux, is judged by what the loss holds
        used = declared is not None and declared.op in before(setup.train.program, setup.train.program.outputs[:1])
        if declared is not None and declared.op is not None and (used or not terms):
            return self._declared(setup, declared)
        if not terms:
            return told(self, "no penalty in this loss", "", "unknown", "there is none to check.")
        now, larger, turned = np.sum([sizes(setup, term) for term in terms], axis=0).tolist()
        if not np.isclose(turned, now, rtol=1e-3):
            words = "the terms of the parameters alone change with their sign: that is no penalty on their size."
            return told(self, "no penalty in this loss", "", "unknown", words)
        return self._judged(now, now, larger, terms[0].line)

    def _declared(self, setup: Setup, declared: Value) -> Check:
        """Twice the penalty in the place of the penalty, wherever the loss uses it."""
        rng = jax.random.fold_in(setup.key, 0)
        try:
            doubled = jax.jit(Rewritten(setup.train, [(declared, lambda _, penalty: 2 * penalty)]))
        except ValueError as error:
            return told(self, "can't be measured", "", "unknown", f"{error}.")
        plain = jax.jit(Rewritten(setup.train, noted=[declared]))
        now = plain(setup.params, setup.state, setup.batch, rng)
        risen = float(doubled(setup.params, setup.state, setup.batch, rng).whole) - float(now.whole)
        larger: Any = jax.tree.map(lambda leaf: (1.1 * leaf).astype(leaf.dtype), setup.params)
        more = plain(larger, setup.state, setup.batch, rng)
        return self._judged(
            float(now.noted[0]), risen, float(more.noted[0]), setup.train.line(setup.train.maker(declared))
        )

    def _judged(self, penalty: float, risen: float, larger: float, line: str | None) -> Check:
        measured = (
            f"doubling it changes the loss by {risen:+.4g}, weights 1.1 times as large by {larger - penalty:+.4g}"
        )
        numbers = {"penalty": penalty, "doubled": risen, "larger": larger}
        expected = f"both up, the first by {abs(penalty):.4g}"
        place = f" ({line})" if line else ""
        if penalty == 0:
            words = f"the penalty is 0{place}: its strength is 0, or the parameters that it is taken of are."
            return told(self, measured, expected, "unknown", words, **numbers)
        if abs(risen) < self.least * abs(penalty):
            words = f"the penalty is computed and hardly comes into the loss{place}: add it to what is returned."
            return told(self, measured, expected, "wrong", words, **numbers)
        if risen < 0:
            words = f"a stronger penalty lowers the loss{place}: it is subtracted, or its strength is negative. Add it."
            return told(self, measured, expected, "wrong", words, **numbers)
        if larger <= penalty:
            words = f"larger weights do not have a larger penalty{place}: look at what it is taken of."
            return told(self, measured, expected, "suspicious", words, **numbers)
        return told(self, measured, expected, "ok", "a stronger penalty makes the loss higher.", **numbers)
