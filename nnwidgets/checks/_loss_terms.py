"""What each term of the loss contributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nnwidgets.lint._penalties import is_penalty
from nnwidgets.lint._terms import Term, find_terms, values_and_gradients
from nnwidgets.records import Check

from ._subject import Subject
from ._told import told


@dataclass(frozen=True)
class LossTerms:
    """Each term's share of the loss and of the gradient, term by term with its line: none may swamp the others by accident.

    A term with the wrong sign, with a wrong weight or in other units shows here before it shows in the result. Of two
    terms of the data, one with nearly all of the gradient leaves the other without effect: weigh them by the size of
    their gradients. Source: Chen et al., "GradNorm" (2018).

    Attributes:
        most: the share of the gradient from which on a term swamps the others.
    """

    most: float = 0.99

    name: ClassVar[str] = "loss terms"
    heading: ClassVar[int] = 2

    def seconds(self, subject: Subject) -> float:
        """About how long it takes."""
        return 4.0

    def run(self, subject: Subject) -> Check:
        """The terms of the traced loss, and the gradient of each."""
        setup = subject.setup
        terms = find_terms(setup)
        if not terms:
            return told(self, "too many terms to tell apart", "", "unknown", "name them in aux['metrics'].")
        values, norms = values_and_gradients(setup, terms)
        numbers: dict[str, Any] = {
            "terms": [term.name for term in terms],
            "lines": [term.line or "" for term in terms],
            "values": values.tolist(),
            "gradients": norms.tolist(),
        }
        measured = "; ".join(
            f"{term.name} {value:.4g} (gradient {norm:.3g})"
            for term, value, norm in zip(terms, values, norms, strict=True)
        )
        bad = [term for term, *found in zip(terms, values, norms, strict=True) if not np.isfinite(found).all()]
        if bad:
            words = f"not finite: {bad[0].name}, {bad[0].line}. Ask session.nan_origin() for the operation."
            return told(self, measured, "finite terms", "wrong", words, **numbers)
        taken = [term for term in terms if term.subtracted and term.of_parameters and is_penalty(setup, term)]
        if taken:
            words = f"the penalty is subtracted, which makes the weights grow: write + in place of - ({taken[0].line})."
            return told(self, measured, "penalties added", "wrong", words, **numbers)
        if not norms.any():
            words = "no parameter changes the loss: it has no gradient at all. See connections and set-up."
            return told(self, measured, "a gradient", "wrong", words, **numbers)
        if len(terms) == 1:
            return told(self, measured, "one term", "ok", "one term: there is nothing to weigh.", **numbers)
        return self._weighed(terms, norms, measured, numbers)

    def _weighed(self, terms: list[Term], norms: Any, measured: str, numbers: dict[str, Any]) -> Check:
        expected = f"no term of the data with more than {self.most:.0%} of the gradient"
        shares = norms / max(float(norms.sum()), 1e-30)
        largest = int(np.argmax(shares))
        # a small penalty is as it should be
        data = [term for term in terms if term.name != "penalty" and not term.of_parameters]
        rivals = [term for term in data if term is not terms[largest]]
        if shares[largest] > self.most and rivals:
            words = (
                f"{terms[largest].name} ({terms[largest].line}) has {shares[largest]:.1%} of the gradient: the other "
                f"terms ({rivals[0].name}) have no effect. Weigh them so that their gradients are of one size."
            )
            return told(self, measured, expected, "suspicious", words, **numbers)
        return told(self, measured, expected, "ok", "each term has its part in the gradient.", **numbers)
