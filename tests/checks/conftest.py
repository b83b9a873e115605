"""What the tests of the checks share: how a run becomes what a check looks at."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import nnwidgets as nnw
from nnwidgets.checks import Subject


@pytest.fixture(scope="session")
def subject_of() -> Callable[[nnw.Session], Subject]:
    """The subject of a session as it stands."""
    return lambda session: session._subject()
