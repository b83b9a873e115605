"""Judgements on a History. NumPy only."""

from ._non_finite import NonFinite as NonFinite
from ._wrong_gradient import WrongGradient as WrongGradient

DEFAULT_RULES = (NonFinite(), WrongGradient())
