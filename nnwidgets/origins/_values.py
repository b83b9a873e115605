"""Every intermediate value of a program, from one compiled run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.trace import ClosedJaxpr, Replay, call_body

Key = tuple[tuple[int, ...], int]
# Compiled for one run: little is worth optimizing. Operations are done as they are written: log(exp(x)) is not made x, and
# half precision is rounded after each of them.
_OPTIONS: dict[str, Any] = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_use_fusion_emitters": False,
    "xla_disable_hlo_passes": "algsimp",
    "xla_allow_excess_precision": False,
}


def _broadcast(array: np.ndarray, params: dict[str, Any]) -> np.ndarray:
    """A view."""
    shape, kept = params["shape"], [int(axis) for axis in params["broadcast_dimensions"]]
    sizes = dict(zip(kept, array.shape, strict=True))
    return np.broadcast_to(array.reshape([sizes.get(axis, 1) for axis in range(len(shape))]), shape)


MOVED: dict[str, Callable[[np.ndarray, dict[str, Any]], np.ndarray]] = {
    "broadcast_in_dim": _broadcast,
    "reshape": lambda array, params: array.reshape(params["new_sizes"]),
    "squeeze": lambda array, params: np.squeeze(array, tuple(params["dimensions"])),
    "expand_dims": lambda array, params: np.expand_dims(array, tuple(params["dimensions"])),
    "transpose": lambda array, params: np.transpose(array, params["permutation"]),
    "stop_gradient": lambda array, params: array,
    "copy": lambda array, params: array,
}
"""Operations that only move their first operand about: what they make is a view, and need not be kept."""


class Values:
    """What each equation of a program made, calls, scans and branches opened, a while loop as a whole; but for what moves.

    Args:
        arrays: by (address of the equation, which output); inside a scan with the iterations along leading axes.
    """

    def __init__(self, arrays: dict[Key, np.ndarray]) -> None:
        self._arrays = arrays

    def at(self, key: Key, times: tuple[int, ...]) -> np.ndarray:
        """The array in these iterations of the scans round it."""
        return self._arrays[key][times] if times else self._arrays[key]

    def holds(self, key: Key) -> bool:
        """Whether it is known: keys and tokens are not."""
        return key in self._arrays


def evaluate(closed: ClosedJaxpr, inputs: list[Any]) -> Values:
    """Run the program once, and keep everything."""
    return Values(_fetched(compiled(lambda given: _replay(closed, given)[1], inputs)(inputs)))


def evaluate_loop(eqn: Any, inputs: list[Any]) -> tuple[Values, int]:
    """The body of a while loop, all its iterations along a leading axis, and how many there were.

    Args:
        eqn: the loop.
        inputs: its operands.
    """
    tested, constants = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
    for_test, for_body, start = inputs[:tested], inputs[tested : tested + constants], inputs[tested + constants :]
    body, test = eqn.params["body_jaxpr"], eqn.params["cond_jaxpr"]

    def once(carry: list[Any]) -> tuple[list[Any], Any]:
        return _replay(body, [*for_body, *carry])

    def count(start: list[Any]) -> Any:
        return jax.lax.while_loop(
            lambda each: _replay(test, [*for_test, *each[0]])[0][0],
            lambda each: (once(each[0])[0], each[1] + 1),
            (start, jnp.int32(0)),
        )[1]

    start = [jnp.asarray(each) for each in start]
    length = int(compiled(count, start)(start))
    notes = compiled(lambda start: jax.lax.scan(lambda each, _: once(each), start, length=length)[1], start)(start)
    return Values(_fetched(notes)), length


def compiled(function: Any, *inputs: Any) -> Any:
    """Compiled fast rather than well."""
    lowered = jax.jit(function).lower(*inputs)
    try:
        return lowered.compile(compiler_options=_OPTIONS)
    except Exception:  # a backend that has no such options
        return lowered.compile()


def size_in_bytes(closed: ClosedJaxpr) -> int:
    """How much `evaluate` would keep; a while loop as a whole."""
    total = 0
    for eqn in closed.jaxpr.eqns:
        body = call_body(eqn)
        inner = [body] if body is not None else list(eqn.params.get("branches", ()))
        if eqn.primitive.name == "scan":
            total += eqn.params["length"] * size_in_bytes(eqn.params["jaxpr"])
        total += sum(size_in_bytes(each) for each in inner)
        if body is None and eqn.primitive.name not in MOVED:
            total += sum(int(np.prod(v.aval.shape)) * _item_size(v.aval) for v in eqn.outvars if _is_kept(v.aval))
    return total


def _replay(closed: ClosedJaxpr, inputs: list[Any]) -> tuple[list[Any], Any]:
    return Replay(note=_note, opens=lambda eqn, address: eqn.primitive.name != "while")(closed, inputs)


def _note(eqn: Any, address: Any, values: list[Any], outputs: list[Any]) -> dict[Any, Any]:
    if call_body(eqn) is not None or eqn.primitive.name in MOVED:
        return {}
    return {(address, k): jnp.asarray(each) for k, each in enumerate(outputs) if _is_kept(each)}


def _is_kept(value: Any) -> bool:
    return hasattr(value, "dtype") and not jnp.issubdtype(value.dtype, jax.dtypes.extended)


def _item_size(aval: Any) -> int:
    return np.dtype(aval.dtype).itemsize


def _fetched(notes: dict[Any, Any]) -> dict[Any, np.ndarray]:
    return {key: np.asarray(each) for key, each in jax.device_get(notes).items()}
