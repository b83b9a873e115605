"""Numerical gradient checks: analytic against numeric derivatives in float64, a verdict for each tensor."""

from ._any_function import gradcheck as gradcheck
from ._check import Check as Check
from ._function import Function as Function
from ._function import make_function as make_function
from ._objective import ObjectiveCheck as ObjectiveCheck
from ._own_rules import has_own_rules as has_own_rules
from ._rows import chance_unsampled as chance_unsampled
