"""Healthy programs of every kind, each a function of a seed; `tests.faults.healthy` has them all."""

from ._likeness import HEALTHY as LIKENESS
from ._numbers import HEALTHY as NUMBERS
from ._pictures import HEALTHY as PICTURES
from ._tokens import HEALTHY as TOKENS
from ._vectors import HEALTHY as VECTORS

HEALTHY_PARTS = {
    "likeness": LIKENESS,
    "numbers": NUMBERS,
    "pictures": PICTURES,
    "tokens": TOKENS,
    "vectors": VECTORS,
}
