"""Softmax, sigmoid, logarithms and their like, recognised in a flat program by what they compute, however they are written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nnwidgets.trace import Op, Program, Value

# They change where numbers stand, not the numbers.
SHAPE_ONLY = frozenset(
    {
        "reshape",
        "transpose",
        "squeeze",
        "expand_dims",
        "broadcast_in_dim",
        "copy",
        "stop_gradient",
        "optimization_barrier",
    }
)
_CASTS = frozenset({"convert_element_type", "reduce_precision"})


@dataclass(frozen=True, eq=False)
class Function:
    """One function that the program computes.

    Attributes:
        name: "softmax", "log_softmax", "logsumexp", "normalize" (over its sum), "sigmoid", "softplus" (and so
            log-sigmoid), "tanh", "relu", "clip", "log", "exp", "abs" or "square".
        input: what goes in.
        output: what comes out.
        op: the operation that makes the output.
        axes: over which axes of the input it sums, for the first four.
    """

    name: str
    input: Value
    output: Value
    op: Op
    axes: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """Over how many numbers it sums."""
        size = 1
        for axis in self.axes:
            size *= self.input.aval.shape[axis]
        return size


def find_functions(program: Program) -> list[Function]:
    """All of them, in the order of their outputs; the inner parts of a softmax (its exp, say) are not told again."""
    return list(_Reader(program).functions())


def maker(program: Program, value: Value, through: frozenset[str] = SHAPE_ONLY | _CASTS) -> Op | None:
    """The operation that made a value, not counting those that only change its shape or dtype."""
    value = plain(program, value, through)
    return None if value.op is None else program.ops[value.op]


def plain(program: Program, value: Value, through: frozenset[str] = SHAPE_ONLY | _CASTS) -> Value:
    """What a value was before its shape or dtype was changed; inside a loop, the outer value that it stands for."""
    while True:
        if value.op is None:
            if not value.via:
                return value
            value = value.via[0]
        elif program.ops[value.op].primitive in through:
            value = program.ops[value.op].inputs[0]
        else:
            return value


class _Reader:
    def __init__(self, program: Program) -> None:
        self._program = program
        # what is part of a function that was recognised already
        self._inner: set[int] = set()

    def functions(self) -> Iterator[Function]:
        found = [each for op in self._program.ops if op.outputs and (each := self._read(op)) is not None]
        return (each for each in found if id(each.op) not in self._inner)

    def _read(self, op: Op) -> Function | None:
        reader = _READERS.get(op.primitive)
        return reader(self, op) if reader is not None else None

    def _maker(self, value: Value) -> Op | None:
        return maker(self._program, value)

    def _plain(self, value: Value) -> Value:
        return plain(self._program, value)

    def _same(self, one: Value, other: Value, depth: int = 8) -> bool:
        """Whether they are one value, or are computed alike: what is written twice is computed twice."""
        one, other = self._plain(one), self._plain(other)
        if one is other or (one.const is not None and one.const == other.const):
            return True
        if not depth or one.op is None or other.op is None:
            return False
        made, makes = self._program.ops[one.op], self._program.ops[other.op]
        return (
            made.primitive == makes.primitive
            and one.aval.shape == other.aval.shape
            and len(made.inputs) == len(makes.inputs) > 0
            and all(self._same(a, b, depth - 1) for a, b in zip(made.inputs, makes.inputs, strict=True))
        )

    def _made(
        self, op: Op, name: str, given: Value, axes: Sequence[int] = (), inner: Sequence[Op | None] = ()
    ) -> Function:
        self._inner |= {id(each) for each in inner if each is not None}
        return Function(name, given, op.outputs[0], op, tuple(axes))

    def _single(self, op: Op) -> Function:
        names = {"logistic": "sigmoid", "tanh": "tanh", "log": "log", "abs": "abs", "exp": "exp"}
        return self._made(op, names[op.primitive], op.inputs[0])

    def _unshifted(self, value: Value) -> tuple[Value, Op | None]:
        """The x of ``x - max(x)``."""
        op = self._maker(value)
        if op is not None and op.primitive == "sub" and self._is_max_of(op.inputs[1], op.inputs[0]):
            return op.inputs[0], op
        return value, None

    def _is_max_of(self, value: Value, whole: Value) -> bool:
        op = self._maker(value)
        for _ in range(3):
            # max(-inf, .) and the choice of 0 where it is infinite
            if op is not None and op.primitive in ("max", "select_n") and len(op.inputs) > 1:
                op = next((each for v in op.inputs if (each := self._maker(v)) and each.primitive != "is_finite"), None)
        return op is not None and op.primitive in ("reduce_max", "argmax") and self._same(op.inputs[0], whole)

    def _sum_of_exp(self, value: Value) -> tuple[Op, Op] | None:
        total = self._maker(value)
        while total is not None and total.primitive in ("abs", "sign"):
            total = self._maker(total.inputs[0])
        if total is None or total.primitive != "reduce_sum":
            return None
        power = self._maker(total.inputs[0])
        return (total, power) if power is not None and power.primitive == "exp" else None

    def _div(self, op: Op) -> Function | None:
        above, below = op.inputs
        if self._is(above, 1.0) and (found := self._one_plus_exp(below)) is not None:
            power, sign = found
            if sign is not None:
                return self._made(op, "sigmoid", sign.inputs[0], inner=(power,))
        total = self._maker(below)
        while (
            total is not None and total.primitive in ("add", "max") and any(v.const is not None for v in total.inputs)
        ):
            # a small number that keeps it from zero
            total = next((self._maker(v) for v in total.inputs if v.const is None), None)
        if total is None or total.primitive != "reduce_sum" or not self._same(total.inputs[0], above):
            return None
        power = self._maker(above)
        if power is not None and power.primitive == "exp":
            given, _ = self._unshifted(power.inputs[0])
            return self._made(op, "softmax", given, total.eqn.params["axes"], (power,))
        return self._made(op, "normalize", above, total.eqn.params["axes"])

    def _sub(self, op: Op) -> Function | None:
        """``x - log(sum(exp(x)))``."""
        log = self._maker(op.inputs[1])
        if log is not None and log.primitive == "log" and (found := self._sum_of_exp(log.inputs[0])) is not None:
            total, power = found
            if self._same(power.inputs[0], op.inputs[0]):
                given, _ = self._unshifted(power.inputs[0])
                return self._made(op, "log_softmax", given, total.eqn.params["axes"], (log, power))
        return None

    def _log(self, op: Op) -> Function | None:
        if (found := self._sum_of_exp(op.inputs[0])) is not None:
            total, power = found
            given, _ = self._unshifted(power.inputs[0])
            return self._made(op, "logsumexp", given, total.eqn.params["axes"], (power,))
        if (parts := self._one_plus_exp(op.inputs[0])) is not None:
            power, sign = parts
            return self._made(op, "softplus", sign.inputs[0] if sign is not None else power.inputs[0], inner=(power,))
        return self._single(op)

    def _log1p(self, op: Op) -> Function | None:
        """``log1p(exp(x))``, or ``log1p(exp(-|x|))`` with max(x, 0) added to it."""
        power = self._maker(op.inputs[0])
        if power is None or power.primitive != "exp":
            # log1p(-p), the other half of a binary cross-entropy
            return self._made(op, "log", op.inputs[0])
        given, inner = power.inputs[0], [power]
        for primitive in ("neg", "abs"):
            before = self._maker(given)
            if before is not None and before.primitive == primitive:
                given = before.inputs[0]
                inner.append(before)
        before = self._maker(given)
        if before is not None and before.primitive == "sub" and any(v.const == 0 for v in before.inputs):
            given = next((v for v in before.inputs if v.const is None), given)
        return self._made(op, "softplus", given, inner=inner)

    def _one_plus_exp(self, value: Value) -> tuple[Op, Op | None] | None:
        """The exp, and the neg in it if there is one, of ``1 + exp(x)``."""
        op = self._maker(value)
        if op is None or op.primitive != "add" or not any(self._is(each, 1.0) for each in op.inputs):
            return None
        power = next((each for v in op.inputs if (each := self._maker(v)) and each.primitive == "exp"), None)
        if power is None:
            return None
        sign = self._maker(power.inputs[0])
        return power, sign if sign is not None and sign.primitive == "neg" else None

    def _max(self, op: Op) -> Function | None:
        given = next((v for v in op.inputs if self._const(v) is None), None)
        bound = next((c for v in op.inputs if (c := self._const(v)) is not None), None)
        if given is None or bound is None or bound == float("-inf"):
            return None
        return self._made(op, "relu" if bound == 0 and op.primitive == "max" else "clip", given)

    def _clamp(self, op: Op) -> Function | None:
        return self._made(op, "clip", op.inputs[1])

    def _square(self, op: Op) -> Function | None:
        twice = op.primitive == "mul" and op.inputs[0] is op.inputs[1]
        if twice or op.primitive == "square" or op.eqn.params.get("y") == 2:
            return self._made(op, "square", op.inputs[0])
        return None

    def _is(self, value: Value, number: float) -> bool:
        return self._const(value) == number

    def _const(self, value: Value) -> float | None:
        return value.const if value.const is not None else self._plain(value).const


_READERS = {
    "logistic": _Reader._single,
    "tanh": _Reader._single,
    "abs": _Reader._single,
    "exp": _Reader._single,
    "div": _Reader._div,
    "sub": _Reader._sub,
    "log": _Reader._log,
    "log1p": _Reader._log1p,
    "max": _Reader._max,
    "min": _Reader._max,
    "clamp": _Reader._clamp,
    "mul": _Reader._square,
    "square": _Reader._square,
    "integer_pow": _Reader._square,
}
