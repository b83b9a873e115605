"""On programs that make a NaN: the right operation on the right line, forward and backward."""

from __future__ import annotations

from pathlib import Path

import pytest

import nnwidgets as nnw

from ._programs import PLANTED, Planted
from ._programs import __file__ as PROGRAMS

SOURCE = Path(PROGRAMS).read_text(encoding="utf-8")


@pytest.mark.parametrize("case", PLANTED, ids=lambda case: case.name)
def test_the_origin_is_the_right_operation_on_the_right_line(case: Planted) -> None:
    report = nnw.nan_origin(case.fn, *case.args, argnums=case.argnums)
    assert not report.finite
    for name, origin, wanted in (
        ("forward", report.forward, case.forward),
        ("backward", report.backward, case.backward),
    ):
        assert (origin is not None) == bool(wanted), f"{name}: {report!r}"
        if origin is not None:
            assert (origin.kind, origin.line) == ("operation", case.lines[name]), repr(report)
            assert origin.what in wanted, repr(report)
            assert origin.code and origin.code in SOURCE
    assert report.origin is not None and case.remedy in report.origin.remedy, repr(report)
    if case.rows is not None:
        assert report.origin.rows == case.rows
    assert report.seconds < 5


def test_there_are_enough_of_them() -> None:
    assert len(PLANTED) >= 25
