"""The traced program as one flat list of operations, calls inlined, with what each value depends on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from ._jax import ClosedJaxpr, Frame, call_body, frames, is_literal, is_vmapped, scan_counts

Address = tuple[int, ...]
_LOOPS = ("scan", "while", "cond")


@dataclass(eq=False)
class Value:
    """One array of the program.

    Attributes:
        aval: shape and dtype.
        origins: indices of the parameter leaves that it is made of, where no data is mixed in.
        data: whether it depends on the batch or on random numbers.
        trained: whether it depends on a parameter.
        const: its number, where it is one constant all over.
        op: the operation that made it; None for inputs.
        place: (address of the equation, which of its outputs); None for inputs.
        via: the outer values that it stands for inside a loop or branch.
        uses: indices of the operations that read it.
    """

    aval: Any
    origins: frozenset[int] = frozenset()
    data: bool = False
    trained: bool = False
    const: float | None = None
    op: int | None = None
    place: tuple[Address, int] | None = None
    via: tuple[Value, ...] = ()
    uses: list[int] = field(default_factory=list)


@dataclass(eq=False)
class Op:
    """One operation; a loop or branch comes after the operations of its body.

    Attributes:
        address: where its equation stands: indices of equations, from the outermost program inwards.
        eqn: JAX's equation.
        inputs: what it reads.
        outputs: what it makes.
        vmapped: whether it runs under `jax.vmap`.
        stack: the Python stack, outermost first.
        loops: kind and address of the loops and branches round it.
        body_depth: from which depth of the stack on it is inside the innermost of these.
    """

    address: Address
    eqn: Any
    inputs: list[Value]
    outputs: list[Value]
    vmapped: bool
    stack: tuple[Frame, ...]
    loops: tuple[tuple[str, Address], ...]
    body_depth: int

    @property
    def primitive(self) -> str:
        """The primitive's name."""
        return self.eqn.primitive.name

    @property
    def is_loop(self) -> bool:
        """Whether it is a scan, a while or a cond as a whole."""
        return self.primitive in _LOOPS

    @cached_property
    def functions(self) -> list[int]:
        """For each depth of the stack a number that operations share which stand in one function, called from one place."""
        context: object = tuple(address for _, address in self.loops)
        keys = []
        for frame in self.stack:
            keys.append(hash((context, frame.code)))
            context = hash((context, frame.code, frame.position))
        return keys

    def within(self, depth: int, function: int) -> bool:
        """Whether it stands in the function that has this number at this depth."""
        return depth < len(self.functions) and self.functions[depth] == function


@dataclass
class Program:
    """The flat program.

    Attributes:
        parameters: shape and dtype of each parameter.
        inputs: what goes in: the parameters, the states, the batch, the key.
        ops: in the order in which they run.
        outputs: what the program returns.
        stacked: for each scan the parameters that it slices.
        lengths: for each scan its length.
    """

    parameters: list[Any]
    inputs: list[Value] = field(default_factory=list)
    ops: list[Op] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)
    stacked: dict[Address, frozenset[int]] = field(default_factory=dict)
    lengths: dict[Address, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Context:
    address: Address = ()
    vmapped: bool = False
    stack: tuple[Frame, ...] = ()
    loops: tuple[tuple[str, Address], ...] = ()
    body_depth: int = 0


def flatten(closed: ClosedJaxpr, parameters: int, states: int) -> Program:
    """The flat program of a jaxpr whose first inputs are parameters, then states, then data."""
    inputs = []
    for i, var in enumerate(closed.jaxpr.invars):
        trained = i < parameters
        origins = frozenset((i,)) if trained else frozenset()
        inputs.append(Value(var.aval, origins, data=i >= parameters + states, trained=trained))
    program = Program([value.aval for value in inputs[:parameters]], inputs)
    program.outputs = _walk(program, closed, inputs, _Context())
    for i, op in enumerate(program.ops):
        for value in op.inputs:
            value.uses.append(i)
    return program


def _walk(program: Program, closed: ClosedJaxpr, inputs: list[Value], context: _Context) -> list[Value]:
    env = dict(zip(closed.jaxpr.invars, inputs, strict=True))
    for var, const in zip(closed.jaxpr.constvars, closed.consts, strict=True):
        env[var] = Value(var.aval, const=_number(const))

    def read(atom: Any) -> Value:
        return Value(atom.aval, const=_number(atom.val)) if is_literal(atom) else env[atom]

    for i, eqn in enumerate(closed.jaxpr.eqns):
        values = [read(atom) for atom in eqn.invars]
        here = _Context(
            (*context.address, i),
            context.vmapped or is_vmapped(eqn),
            context.stack + frames(eqn),
            context.loops,
            context.body_depth,
        )
        body = call_body(eqn)
        if body is not None:
            inner = replace(here, address=(*here.address, 0))
            outputs = _walk(program, body, values, inner)
        elif eqn.primitive.name in _LOOPS:
            outputs = _LOOP_WALKS[eqn.primitive.name](program, eqn, values, here)
        else:
            outputs = _append(program, eqn, values, here)
        env.update(zip(eqn.outvars, outputs, strict=True))
    return [read(atom) for atom in closed.jaxpr.outvars]


def _append(program: Program, eqn: Any, values: list[Value], here: _Context, results: tuple = ()) -> list[Value]:
    """One operation at the end of the list; ``results`` are a loop's inner values, which it also depends on."""
    index = len(program.ops)
    everything = [*values, *results]
    data = any(value.data for value in everything)
    origins = frozenset().union(*(value.origins for value in everything)) if not data else frozenset()
    trained = any(value.trained for value in everything)
    const = values[0].const if eqn.primitive.name in ("broadcast_in_dim", "convert_element_type", "reshape") else None
    outputs = [
        Value(var.aval, origins, data, trained, const, index, (here.address, k)) for k, var in enumerate(eqn.outvars)
    ]
    program.ops.append(
        Op(here.address, eqn, everything, outputs, here.vmapped, here.stack, here.loops, here.body_depth)
    )
    return outputs


def _inside(here: _Context, kind: str, which: int) -> _Context:
    loops = (*here.loops, (kind, here.address))
    return _Context((*here.address, which), here.vmapped, here.stack, loops, len(here.stack))


def _stand_in(outer: Value, aval: Any) -> Value:
    return Value(aval, outer.origins, outer.data, outer.trained, via=(outer,))


def _repeat(
    program: Program, body: ClosedJaxpr, consts: list, carry: list, rest: list, context: _Context
) -> list[Value]:
    """The body's results, walked again until what the carried values depend on no longer grows."""
    start = len(program.ops)
    while True:
        results = _walk(program, body, [*consts, *carry, *rest], context)
        grown = False
        for inner, result in zip(carry, results, strict=False):
            grown |= (result.data and not inner.data) or (result.trained and not inner.trained)
            inner.data |= result.data
            inner.trained |= result.trained
            inner.origins = frozenset() if inner.data else inner.origins | result.origins
        if not grown:
            return results
        del program.ops[start:]


def _walk_scan(program: Program, eqn: Any, values: list[Value], here: _Context) -> list[Value]:
    consts, carried = scan_counts(eqn)
    body = eqn.params["jaxpr"]
    inner = [_stand_in(v, var.aval) for v, var in zip(values[consts:], body.jaxpr.invars[consts:], strict=True)]
    program.stacked[here.address] = frozenset().union(*(value.origins for value in inner[carried:]))
    program.lengths[here.address] = eqn.params["length"]
    context = _inside(here, "scan", 0)
    results = _repeat(program, body, values[:consts], inner[:carried], inner[carried:], context)
    return _append(program, eqn, values, here, tuple(results))


def _walk_while(program: Program, eqn: Any, values: list[Value], here: _Context) -> list[Value]:
    skipped = eqn.params["cond_nconsts"]
    consts = values[skipped : skipped + eqn.params["body_nconsts"]]
    carry = [Value(v.aval, v.origins, v.data, v.trained, via=(v,)) for v in values[skipped + len(consts) :]]
    results = _repeat(program, eqn.params["body_jaxpr"], consts, carry, [], _inside(here, "while", 1))
    return _append(program, eqn, values, here, tuple(results))


def _walk_cond(program: Program, eqn: Any, values: list[Value], here: _Context) -> list[Value]:
    results: list[Value] = []
    for k, branch in enumerate(eqn.params["branches"]):
        results += _walk(program, branch, values[1:], _inside(here, "cond", k))
    return _append(program, eqn, values, here, tuple(results))


_LOOP_WALKS = {"scan": _walk_scan, "while": _walk_while, "cond": _walk_cond}


def _number(value: Any) -> float | None:
    if getattr(value, "shape", ()) != ():
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
