"""Where a NaN or an infinity began: the operation, its line, the numbers that did it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

_STRINGS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


@dataclass(frozen=True)
class Operand:
    """What an operation read, or an input, at the elements that count.

    Attributes:
        name: of an input, ``"batch/image"``; of an operand its position, ``"0"``.
        shape: of the whole array.
        dtype: e.g. ``"float32"``.
        indices: a few of the elements that made the output not finite.
        values: what stood there.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    indices: tuple[tuple[int, ...], ...] = ()
    values: tuple[float, ...] = ()

    def __str__(self) -> str:
        told = [f"[{', '.join(map(str, i))}]" if i else "" for i in self.indices]
        pairs = zip(told, self.values, strict=True)
        shown = ", ".join(f"{of} = {number(value)}" if of else number(value) for of, value in pairs)
        return f"{self.dtype}{list(self.shape)}: {shown}" if self.shape else f"{self.dtype}: {shown}"


@dataclass(frozen=True)
class Origin:
    """The first operation whose operands were finite and whose result was not, or the input that is not finite itself.

    Attributes:
        kind: ``"operation"``, ``"input"``, ``"constant"``, or ``"compiled"`` for an operation whose result is finite by itself,
            but not in a program that the compiler arranges.
        what: the primitive (JAX's name), or the input's path, such as ``"params/Dense_0/kernel"``.
        layer: path of the layer that it is part of, or ``""``.
        derivative_of: in the backward pass, the primitive of the forward pass whose derivative it is part of, or
            ``"custom_vjp name"``, where that is known.
        line: ``"file:line"``, ``"cell [n]:line"`` or None; of an operation in the backward pass, the line that it is the
            derivative of.
        code: the text of this line.
        result: ``"nan"``, ``"inf"`` or ``"-inf"``: what came out first.
        count: how many elements of its result are so.
        size: of how many.
        index: where the first of them stands.
        operands: what went in there.
        iteration: in which iteration of each loop round it, from 0, the outermost loop first.
        rows: the examples of the batch that did it; None where that cannot be told.
        nan: where this infinity became NaN, ``"sub at model.py:7"``; ``""`` where it did not, or at once.
        fed: what handed it an operand that was not finite already: an operation of the forward pass, or a constant such as a
            mask of -inf; None where all its operands were finite.
        remedy: what usually helps, in words.
    """

    kind: str
    what: str
    layer: str = ""
    derivative_of: str = ""
    line: str | None = None
    code: str = ""
    result: str = "nan"
    count: int = 0
    size: int = 0
    index: tuple[int, ...] = ()
    operands: tuple[Operand, ...] = ()
    iteration: tuple[int, ...] = ()
    rows: tuple[int, ...] | None = None
    nan: str = ""
    fed: Origin | None = None
    remedy: str = ""

    def __str__(self) -> str:
        if self.kind == "input":
            return f"{self.what} holds {_named(self.result)}{_rows(self.rows)}"
        inside = f" in {self.layer}" if self.layer else ""
        where = f" at {self.line}" if self.line else ""
        thing = "a constant" if self.kind == "constant" else self.what
        thing += f" in the derivative of {self.derivative_of}" if self.derivative_of else ""
        gave = "is not finite, but only as compiled" if self.kind == "compiled" else f"gave {_named(self.result)}"
        return f"{thing}{inside}{where} {gave}"

    def details(self) -> Iterator[str]:
        """What else there is to say, line by line."""
        if self.code:
            yield f"| {self.code}"
        if self.kind == "operation":
            shape = f" of {self.size:,} elements" if self.size > 1 else ""
            place = f", first at [{', '.join(map(str, self.index))}]" if self.index else ""
            yield f"result: {self.result}{f' in {self.count:,}{shape}{place}' if self.size > 1 else ''}"
        for k, operand in enumerate(self.operands):
            if operand.values:
                yield f"{f'operand {k}' if len(self.operands) > 1 else 'operand'}: {operand}"
        if self.iteration:
            several = len(self.iteration) > 1
            told = "loops (outermost first, counted from 0)" if several else "loop (counted from 0)"
            yield f"in iteration {', '.join(map(str, self.iteration))} of the {told}"
        if self.rows is not None and self.kind != "input":
            yield f"examples of the batch:{_rows(self.rows).removeprefix(' in')}"
        if self.nan:
            yield f"became NaN: {self.nan}"
        if self.fed is not None:
            yield f"it was fed {_named(self.fed.result)} by: {str(self.fed).rpartition(' gave ')[0] or self.fed}"
            if self.fed.code and (self.fed.line, self.fed.code) != (self.line, self.code):
                yield f"  | {self.fed.code}"
        if self.remedy:
            yield f"remedy: {self.remedy}"


@dataclass(frozen=True)
class NanReport:
    """Where the loss, its gradients or any other result stopped being finite. Its text says it all.

    Attributes:
        forward: where the loss (or whatever the function returns) became non-finite; None where it is finite.
        backward: where the gradients became non-finite in the backward pass; None where they are finite, or have it all from
            the forward pass.
        loss: its value; None for a function that is no scalar.
        results: paths of the results that are not finite: gradients, as the tensors are called, or outputs.
        step: at which step of the run.
        notes: what else should be known.
        seconds: how long it took, compiling included.
    """

    forward: Origin | None = None
    backward: Origin | None = None
    loss: float | None = None
    results: tuple[str, ...] = ()
    step: int | None = None
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def finite(self) -> bool:
        """Whether loss and gradients are finite."""
        return not self.results and (self.loss is None or math.isfinite(self.loss))

    @property
    def origin(self) -> Origin | None:
        """The one to look at first: of the forward pass, else of the backward pass."""
        return self.forward or self.backward

    @property
    def headline(self) -> str:
        """The result in one sentence.

        Example:
            >>> NanReport(loss=0.5).headline
            'everything is finite: no NaN, no infinity'
            >>> NanReport(Origin("operation", "log", line="model.py:7", result="-inf"), loss=float("inf")).headline
            'the loss is inf: log at model.py:7 gave -inf'
        """
        if self.finite:
            return "everything is finite: no NaN, no infinity"
        if self.loss is not None and not math.isfinite(self.loss):
            subject = f"the loss is {number(self.loss)}"
        elif self.loss is not None:
            count = len(self.results)
            subject = (
                f"the loss is finite, {count} gradient{'' if count == 1 else 's'} {'is' if count == 1 else 'are'} not"
            )
        else:
            subject = f"{_some(self.results)} {'is' if len(self.results) == 1 else 'are'} not finite"
        if self.origin is None:
            return f"{subject}; no single operation is to blame"
        return f"{subject}: {self.origin}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values, which `from_dict` reads; non-finite numbers are the strings "nan", "inf", "-inf"."""
        return cast("dict[str, Any]", _plain(asdict(self)))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> NanReport:
        """What `to_dict` gave, also after it was JSON."""
        given: dict[str, Any] = {
            **values,
            **{name: _origin(values[name]) for name in ("forward", "backward")},
            **{name: tuple(values[name]) for name in ("results", "notes")},
            "loss": _float(values["loss"]),
        }
        return cls(**given)

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield self.headline
        for name, origin in (("forward pass", self.forward), ("backward pass", self.backward)):
            if origin is not None:
                yield f"  {name}: {origin}"
                yield from (f"    {line}" for line in origin.details())
        if self.results and self.loss is not None:
            yield f"  gradients that are not finite: {_some(self.results)}"
        yield from (f"  note: {note}" for note in self.notes)


def number(value: float) -> str:
    """A number for a sentence.

    Example:
        >>> number(float("-inf")), number(88.72284), number(0.0)
        ('-inf', '88.7228', '0')
    """
    return _word(value) if not math.isfinite(value) else f"{value:.6g}"


def _word(value: float) -> str:
    return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")


def _named(result: str) -> str:
    return "NaN" if result == "nan" else result


def _rows(rows: tuple[int, ...] | None) -> str:
    if not rows:
        return ""
    more = f" and {len(rows) - 8} more" if len(rows) > 8 else ""
    return f" in row{'' if len(rows) == 1 else 's'} {', '.join(map(str, rows[:8]))}{more}"


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in cast("list[Any]", value)]
    return _word(value) if isinstance(value, float) and not math.isfinite(value) else value


def _float(value: Any) -> Any:
    return _STRINGS.get(value, value) if isinstance(value, str) else value


def _origin(values: Mapping[str, Any] | None) -> Origin | None:
    if values is None:
        return None
    given: dict[str, Any] = {
        **values,
        **{name: tuple(values[name]) for name in ("index", "iteration")},
        "operands": tuple(_operand(each) for each in values["operands"]),
        "rows": None if values["rows"] is None else tuple(values["rows"]),
        "fed": _origin(values["fed"]),
    }
    return Origin(**given)


def _operand(values: Mapping[str, Any]) -> Operand:
    return Operand(
        values["name"],
        tuple(values["shape"]),
        values["dtype"],
        tuple(tuple(each) for each in values["indices"]),
        tuple(_float(each) for each in values["values"]),
    )
