"""The report of a NaN as plain data and as text."""

from __future__ import annotations

import json
import math

from nnwidgets.records import NanReport, Operand, Origin

FED = Origin("constant", "constant", line="model.py:6", code="jnp.where(m, x, -jnp.inf)", result="-inf")
FORWARD = Origin(
    "operation",
    "sub",
    layer="head",
    line="model.py:7",
    code="p = softmax(x)",
    result="nan",
    count=2,
    size=6,
    index=(1, 0),
    operands=(Operand("0", (2, 3), "float32", ((1, 0),), (-math.inf,)), Operand("1", (), "float32", ((),), (1e30,))),
    iteration=(3, 1),
    rows=(1,),
    fed=FED,
    remedy="a finite mask",
)
REPORT = NanReport(FORWARD, None, math.inf, ("w", "b"), step=7, notes=("a note",), seconds=1.5)


def test_json_and_back() -> None:
    text = json.dumps(REPORT.to_dict(), allow_nan=False)
    assert '"loss": "inf"' in text and '"-inf"' in text
    assert NanReport.from_dict(json.loads(text)) == REPORT
    assert NanReport.from_dict(json.loads(json.dumps(NanReport(loss=0.5).to_dict()))) == NanReport(loss=0.5)
    back = NanReport.from_dict(json.loads(json.dumps(NanReport(FORWARD, loss=math.nan).to_dict(), allow_nan=False)))
    assert back.loss is not None and math.isnan(back.loss) and back.forward == FORWARD


def test_text() -> None:
    assert REPORT.headline == "the loss is inf: sub in head at model.py:7 gave NaN"
    assert repr(REPORT).splitlines() == [
        REPORT.headline,
        "  forward pass: sub in head at model.py:7 gave NaN",
        "    | p = softmax(x)",
        "    result: nan in 2 of 6 elements, first at [1, 0]",
        "    operand 0: float32[2, 3]: [1, 0] = -inf",
        "    operand 1: float32: 1e+30",
        "    in iteration 3, 1 of the loops (outermost first, counted from 0)",
        "    examples of the batch: row 1",
        "    it was fed -inf by: a constant at model.py:6",
        "      | jnp.where(m, x, -jnp.inf)",
        "    remedy: a finite mask",
        "  gradients that are not finite: w, b",
        "  note: a note",
    ]


def test_what_is_finite_and_what_is_not() -> None:
    assert NanReport(loss=1.0).finite and NanReport().finite
    assert not NanReport(loss=math.nan).finite and not NanReport(loss=1.0, results=("w",)).finite
    assert NanReport(loss=1.0, results=("w",)).headline == (
        "the loss is finite, 1 gradient is not; no single operation is to blame"
    )
    assert NanReport(results=("result/0", "result/1")).headline.startswith("result/0, result/1 are not finite")
