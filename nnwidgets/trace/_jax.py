"""What is read off JAX's own equations: stack frames, transformations, bodies. The one place that knows their form."""

from __future__ import annotations

import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
from jax.extend import core

# from JAX 0.12 on another name for Jaxpr
ClosedJaxpr = core.ClosedJaxpr  # pyright: ignore[reportPrivateImportUsage]

# Where a traced function's own frames end, in versions of JAX whose tracebacks go on to the caller.
_BOUNDARIES = ("trace_to_jaxpr", "trace_to_subjaxpr", "_trace_to_jaxpr", "_initial_style_jaxpr")
_JAX = str(Path(jax.__file__).parent) + "/"
_HERE = str(Path(__file__).parent.parent) + "/"
_STDLIB = sysconfig.get_path("stdlib")
_PACKAGES = ("/site-packages/", "/dist-packages/")


@dataclass(frozen=True)
class Frame:
    """One entry of the Python stack: ``key`` is the same for the same instruction of the same function."""

    file: str
    function: str
    line: int
    code: int
    position: int

    @property
    def in_jax(self) -> bool:
        """Whether it's JAX's own."""
        return self.file.startswith(_JAX)

    @property
    def in_nnwidgets(self) -> bool:
        """Whether it is this package's own."""
        return self.file.startswith(_HERE)

    @property
    def in_library(self) -> bool:
        """Whether it is anything but the user's: an installed package, the standard library, this package."""
        return is_library(self.file)


def is_library(file: str) -> bool:
    """Whether a file is an installed package's, the standard library's or this package's; "<string>" is nobody's."""
    if file.startswith("<"):
        return not file.startswith("<ipython-input-")
    return file.startswith((_JAX, _HERE, _STDLIB)) or any(part in file for part in _PACKAGES)


def frames(eqn: Any) -> tuple[Frame, ...]:
    """The Python stack of an equation, outermost first, from the function that was traced inwards."""
    traceback = eqn.source_info.traceback
    if traceback is None:
        return ()
    codes, positions = traceback.raw_frames()
    found = []
    for frame, code, position in zip(traceback.frames, codes, positions, strict=True):
        if frame.function_name.rpartition(".")[2].startswith(_BOUNDARIES):
            break
        found.append(Frame(frame.file_name, frame.function_name, frame.line_num, id(code), position))
    return tuple(reversed(found))


def is_vmapped(eqn: Any) -> bool:
    """Whether `jax.vmap` made this equation."""
    return any(
        entry.name == "vmap" for entry in eqn.source_info.name_stack.stack if type(entry).__name__ == "Transform"
    )


def is_transposed(eqn: Any) -> bool:
    """Whether it is part of a backward pass in reverse order; what it takes along from the forward pass is not."""
    return any(
        entry.name == "transpose" for entry in eqn.source_info.name_stack.stack if type(entry).__name__ == "Transform"
    )


def scopes(eqn: Any) -> tuple[str, ...]:
    """The name scopes of an equation, outermost first; what JAX adds of its own is left out."""
    entries = (entry for entry in eqn.source_info.name_stack.stack if type(entry).__name__ == "Scope")
    return tuple(entry.name for entry in entries if entry.name not in ("checkpoint", "rematted_computation"))


def call_body(eqn: Any) -> ClosedJaxpr | None:
    """The program inside an equation that just runs it (jit, remat, custom derivatives), else None."""
    if eqn.primitive.name in ("scan", "while", "cond"):
        return None
    for name in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        body = eqn.params.get(name)
        closed = body if hasattr(body, "consts") else None
        if closed is None and hasattr(body, "eqns") and not body.constvars:
            closed = ClosedJaxpr(body, ())
        if closed is not None and len(closed.jaxpr.invars) == len(eqn.invars) and _is_call(eqn):
            return closed
    return None


def _is_call(eqn: Any) -> bool:
    return eqn.primitive.name.startswith(("jit", "pjit", "closed_call", "core_call", "custom_", "remat", "checkpoint"))


def ends_by_example(loop: Any) -> bool:
    """Whether a while loop has a condition for each example, as vmap makes it: those that have ended stay as they are."""
    return bool(loop.params["cond_jaxpr"].out_avals[0].shape)


def inner_programs(eqn: Any) -> list[Any]:
    """The jaxprs among the parameters of an equation."""
    values = [inner for each in eqn.params.values() for inner in (each if isinstance(each, (tuple, list)) else (each,))]
    jaxprs = (getattr(each, "jaxpr", each) for each in values)
    return [each for each in jaxprs if hasattr(each, "eqns")]


def custom_rule_name(eqn: Any) -> str:
    """What the function is called whose custom derivative this equation calls."""
    defined = getattr(getattr(call_body(eqn), "jaxpr", None), "debug_info", None)
    given = eqn.params.get("name") or getattr(defined, "func_src_info", None) or "unnamed"
    return str(given).partition(" at ")[0]


def is_key(value: Any) -> bool:
    """Whether it is a JAX key, or the shape of one."""
    return hasattr(value, "dtype") and jax.numpy.issubdtype(value.dtype, jax.dtypes.prng_key)


def scan_counts(eqn: Any) -> tuple[int, int]:
    """How many of a scan's inputs are constants, and how many are carried."""
    if "num_consts" in eqn.params:
        return eqn.params["num_consts"], eqn.params["num_carry"]
    # From JAX 0.12 on the counts are the lengths of a partitioned list.
    consts, carry, _ = eqn.params["ft_in"].unpack()
    return len(consts), len(carry)


def bind(eqn: Any, values: list[Any], params: dict[str, Any] | None = None) -> list[Any]:
    """Runs one equation on these values, with its own parameters unless others are given."""
    bound: Any = eqn.primitive.get_bind_params(eqn.params if params is None else params)
    # A pair before JAX 0.10, one dict since.
    functions, given = bound if isinstance(bound, tuple) else ((), bound)
    outputs = eqn.primitive.bind(*functions, *values, **given)
    return list(outputs) if eqn.primitive.multiple_results else [outputs]


def is_literal(atom: Any) -> bool:
    """Whether an equation's input is a constant that stands in the program."""
    return isinstance(atom, core.Literal)


def running_kernel() -> Any:
    """The IPython shell when there is one, else None."""
    module = sys.modules.get("IPython")
    return module.get_ipython() if module is not None else None
