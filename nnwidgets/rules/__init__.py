"""Judgements on a History. NumPy only."""

from ._non_finite import NonFinite as NonFinite

DEFAULT_RULES = (NonFinite(),)
