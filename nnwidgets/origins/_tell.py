"""Where it began, told with operands, line, layer, examples and remedy."""

from __future__ import annotations

import linecache
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from nnwidgets.records import Operand, Origin
from nnwidgets.trace import Finder, user_source

from ._custom import place_of
from ._depends import Mask, depends
from ._path import Begin, Marks
from ._remedies import DECOMPOSITIONS, Case, remedy, remedy_of_input
from ._rows import rows_behind
from ._tape import MOVES, Step, Tape, Value

# Elements of an operand that are told.
_SHOWN = 3
# Operations that are looked at before and after, for the remedy.
_NEAR = 5


@dataclass(eq=False)
class Teller:
    """Turns what was found into words.

    Attributes:
        tape: what ran.
        forward: for each operation whether it is part of the forward pass.
        batch: the inputs that hold one entry an example.
        layers: (stack, name scopes) -> paths of the layers that stand there, in the order of their calls.
        custom: gives the names of custom rules, by the place where they are called; asked for once, if at all.
    """

    tape: Tape
    forward: np.ndarray
    batch: Sequence[Value] = ()
    layers: Finder = lambda stack, scopes: ()
    custom: Callable[[], Mapping[Any, str]] = dict
    _primitives: dict[Any, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Which primitives of the forward pass stand where."""
        for step, mine in zip(self.tape.steps, self.forward, strict=True):
            if mine:
                self._primitives.setdefault(place_of(step.stack), []).append(step.kind)

    @cached_property
    def _rules(self) -> Mapping[Any, str]:
        return self.custom()

    def origin(self, found: Begin, fed: Origin | None = None) -> Origin:
        """The origin, and what fed it if that is known already."""
        if found.step is None:
            assert found.leaf is not None
            return self._of_leaf(*found.leaf)
        step = found.step
        output, mask = next((o, m) for o, m in zip(step.outputs, found.masks, strict=True) if m is not None)
        assert output.array is not None
        first = np.unravel_index(int(np.flatnonzero(mask)[0]), mask.shape)
        only = np.zeros(mask.shape, bool)
        only[first] = True
        marks = [self._operands(step, [only if o is output else None for o in step.outputs])]
        everything = [(each, m) for _, each, m in self._operands(step, found.masks)]
        operands = tuple(_operand(str(k), each, m) for k, each, m in marks[0])
        result = _word(output.array[first])
        if fed is None and found.leaf is not None:
            fed = self._of_leaf(*found.leaf)
        source = user_source(step.stack)
        primitive, backward = self._differentiated(step)
        case = Case(
            primitive if primitive and " " not in primitive else step.kind,
            backward,
            result,
            tuple(each.values for each in operands),
            self._before(step),
            self._after(step),
            frozenset(frame.function.rpartition(".")[2] for frame in step.stack),
            str(output.array.dtype),
            bool(step.times),
            fed is not None and fed.kind == "constant" and fed.result != "nan",
        )
        return Origin(
            "operation",
            step.kind,
            layer=self._layer(step),
            derivative_of=primitive,
            line=None if source is None else str(source),
            code="" if source is None else linecache.getline(source.file, source.line).strip(),
            result=result,
            count=int(sum(m.sum() for m in found.masks if m is not None)),
            size=int(mask.size),
            index=tuple(int(i) for i in first),
            operands=operands,
            iteration=step.times,
            rows=rows_behind(self.tape, everything, self.batch),
            nan=self._short(found.nan) if found.nan is not None and found.nan is not step else "",
            fed=fed,
            remedy=fed.remedy if fed is not None and fed.remedy else remedy(case),
        )

    def line(self, step: Step) -> str | None:
        """The user's line of an operation."""
        source = user_source(step.stack)
        return None if source is None else str(source)

    def _operands(self, step: Step, masks: Sequence[Mask | None]) -> list[tuple[int, Value, Mask]]:
        found = ((k, each, depends(step, k, masks)) for k, each in enumerate(step.inputs))
        return [(k, each, mask) for k, each, mask in found if mask is not None]

    def _of_leaf(self, value: Value, mask: Mask) -> Origin:
        assert value.array is not None
        operand = _operand(value.label, value, mask)
        result = _word(value.array[tuple(np.argwhere(mask)[0])])
        if not value.label:
            return self._of_constant(value, operand, result, mask)
        is_batch = any(value is each for each in self.batch)
        rows = tuple(int(i) for i in np.flatnonzero(mask.reshape(len(mask), -1).any(axis=1))) if is_batch else None
        return Origin(
            "input",
            value.label,
            layer=value.label.partition("/")[2].rpartition("/")[0] if value.label.startswith("params/") else "",
            result=result,
            count=int(mask.sum()),
            size=int(mask.size),
            index=operand.indices[0],
            operands=(operand,),
            rows=rows,
            remedy=remedy_of_input(value.label, result),
        )

    def _of_constant(self, value: Value, operand: Operand, result: str, mask: Mask) -> Origin:
        """A constant is told by the line that first took it."""
        step = next((each for each in self.tape.steps if any(value is given for given in each.inputs)), None)
        while step is not None and step.outputs[0].fixed:
            moved = step.outputs[0]
            step = next((each for each in self.tape.steps if any(moved is given for given in each.inputs)), None)
        source = None if step is None else user_source(step.stack)
        return Origin(
            "constant",
            "constant",
            line=None if source is None else str(source),
            code="" if source is None else linecache.getline(source.file, source.line).strip(),
            result=result,
            count=int(mask.sum()),
            size=int(mask.size),
            operands=(operand,),
        )

    def _differentiated(self, step: Step) -> tuple[str, bool]:
        """The primitive of the forward pass whose derivative it is part of, where it is clear; and whether it is one."""
        if self.forward[step.outputs[0].step or 0]:
            return "", False
        place = place_of(step.stack)
        if place in self._rules:
            return self._rules[place], True
        known = {each for each in self._primitives.get(place, ()) if each not in MOVES}
        known = known & DECOMPOSITIONS or known
        return (known.pop(), True) if len(known) == 1 else ("", True)

    def _layer(self, step: Step) -> str:
        """Where one line calls several layers, the first of them made the first operations there; in reverse order the last."""
        known = self.layers(step.stack, step.scopes)
        if len(known) < 2:
            return known[0] if known else "/".join(step.scopes)
        place = place_of(step.stack)
        alike = (
            each.address
            for each in self.tape.steps
            if each.kind == step.kind and each.transposed == step.transposed and place_of(each.stack) == place
        )
        addresses = list(dict.fromkeys(alike))
        group = addresses.index(step.address) * len(known) // len(addresses)
        return known[-1 - group if step.transposed else group] if len(addresses) % len(known) == 0 else ""

    def _short(self, step: Step) -> str:
        line = self.line(step)
        return f"{step.kind} at {line}" if line else step.kind

    def _before(self, step: Step) -> frozenset[str]:
        found: set[str] = set()
        ahead = [(each, 0) for each in step.inputs]
        while ahead:
            value, depth = ahead.pop()
            if value.step is None or depth > _NEAR:
                continue
            made = self.tape.steps[value.step]
            found.add(made.kind)
            ahead += [(each, depth + (made.kind not in MOVES)) for each in made.inputs] if len(found) < 64 else []
        return frozenset(found)

    def _after(self, step: Step) -> frozenset[str]:
        found: set[str] = set()
        made, start = {id(each) for each in step.outputs}, step.outputs[0].step or 0
        for each, mine in zip(self.tape.steps[start : start + 40], self.forward[start : start + 40], strict=True):
            if mine and any(id(value) in made for value in each.inputs):
                found.add(each.kind)
                made |= {id(value) for value in each.outputs}
        return frozenset(found)


def _operand(name: str, value: Value, mask: Mask) -> Operand:
    """What stands at these elements; of many, those that are not finite and the largest."""
    assert value.array is not None
    array = value.array
    places = np.argwhere(mask) if array.ndim else np.zeros((1, 0), int)
    numbers = array[mask] if array.ndim else array.reshape(1)
    plain = numbers.astype(np.complex128) if np.iscomplexobj(numbers) else numbers.astype(np.float64)
    if len(places) > _SHOWN:
        sizes = np.abs(plain)
        order = np.argsort(-np.where(np.isfinite(sizes), sizes, np.inf), kind="stable")[:_SHOWN]
        places, plain = places[order], plain[order]
    values = np.abs(plain) if np.iscomplexobj(plain) else plain
    return Operand(
        name,
        tuple(array.shape),
        str(array.dtype),
        tuple(tuple(int(i) for i in place) for place in places),
        tuple(float(each) for each in values),
    )


def _word(value: Any) -> str:
    number = complex(value)
    if np.isnan(number):
        return "nan"
    return "-inf" if number.real == -np.inf else "inf"


def marks_of(values: Sequence[Value]) -> Marks:
    """All elements of these values that are not finite."""
    found = []
    for value in values:
        masks = [each for each in (value.nan, value.inf) if each is not None]
        if masks:
            found.append((value, np.logical_or.reduce(masks)))
    return found
