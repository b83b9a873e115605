"""Any Python value as plain data that is the same in every process: no memory addresses, no object that JSON can't hold."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import zlib
from types import CodeType
from typing import Any

import numpy as np

from ._leaves import as_bytes, as_numpy

_DEEPEST, _LONGEST = 14, 4000
# What these hold is told by their version; their code is not read.
_LIBRARIES = ("optax", "jax", "jaxlib", "flax", "nnwidgets", "chex", "numpy", "equinox", "keras")


def plain(value: Any, around: tuple[int, ...] = ()) -> Any:
    """Numbers, strings and containers as they are; functions by name and what they close over; arrays by shape and checksum."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (float, np.floating)):
        return _number(float(value))
    if len(around) > _DEEPEST or id(value) in around:
        return "..."
    around = (*around, id(value))
    if isinstance(value, (tuple, list, set, frozenset, dict)):
        return _short(_container(value, around))
    if is_array(value):
        return _array(value)
    if dtype := _dtype(value):
        return dtype
    if callable(value) and not _has_attributes(value):
        return _function(value, around)
    return _told(type(value).__qualname__, arguments_of(value, around))


def arguments_of(value: Any, around: tuple[int, ...] = ()) -> dict[str, Any]:
    """What a function closes over, or what an object holds, by name."""
    found = {name: plain(each, around) for name, each in held_by(value).items()}
    # a module's own function of the user: with its code it can be told from another of that name
    code = getattr(value, "__code__", None)
    if code is not None and _root(value) not in _LIBRARIES:
        found["code"] = f"{_code(code):08x}"
    return found


def held_by(value: Any) -> dict[str, Any]:
    """The same as objects."""
    if isinstance(value, functools.partial):
        by_position = {f"argument {i}": each for i, each in enumerate(value.args)}
        return {"function": value.func, **by_position, **value.keywords}
    if hasattr(value, "__self__") and not hasattr(value, "__code__"):
        return held_by(value.__self__)
    if (code := getattr(value, "__code__", None)) is not None:
        own = getattr(value, "__self__", None)
        return (held_by(own) if own is not None else {}) | _globals(value, code) | _closed_over(value, code)
    if dataclasses.is_dataclass(value):
        return {each.name: getattr(value, each.name, None) for each in dataclasses.fields(value)}
    if hasattr(value, "_fields"):
        return dict(zip(value._fields, value, strict=True))
    return {name: each for name, each in getattr(value, "__dict__", {}).items() if not name.startswith("__")}


def name_of(function: Any) -> str:
    """The name that users know: of the outermost function or class in which it was made."""
    if isinstance(function, functools.partial):
        return name_of(function.func)
    names = getattr(function, "__qualname__", None) or type(function).__qualname__
    outer = names.split(".<locals>")[0]
    if hasattr(function, "__self__") and not isinstance(function.__self__, type(np)):
        return type(function.__self__).__qualname__
    return outer


def is_array(value: Any) -> bool:
    """Whether it has a shape and a dtype."""
    return hasattr(value, "dtype") and hasattr(value, "shape") and not isinstance(value, type)


def _told(name: str, arguments: dict[str, Any]) -> Any:
    return {"name": name, "arguments": arguments} if arguments else name


def _function(value: Any, around: tuple[int, ...]) -> Any:
    wrapped = getattr(value, "__wrapped__", None)
    if wrapped is not None and not getattr(value, "__closure__", None):
        # compiled or otherwise wrapped: what it does is what was wrapped
        return plain(wrapped, around)
    return _told(name_of(value), arguments_of(value, around))


def _has_attributes(value: Any) -> bool:
    """An object that can be called, rather than a function."""
    return bool(getattr(value, "__dict__", None)) and not hasattr(value, "__qualname__")


def _closed_over(function: Any, code: CodeType) -> dict[str, Any]:
    found = {}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            # a name that was not yet set
            continue
    names = code.co_varnames[: code.co_argcount]
    defaults = function.__defaults__ or ()
    return found | dict(zip(names[len(names) - len(defaults) :], defaults, strict=True)) if defaults else found


def _globals(function: Any, code: CodeType) -> dict[str, Any]:
    """The numbers outside of a user's function that it reads."""
    if _root(function) in _LIBRARIES:
        return {}
    known = getattr(function, "__globals__", {})
    read = {name: known[name] for name in code.co_names if name in known}
    return {name: each for name, each in read.items() if isinstance(each, (bool, int, float, str))}


def _root(function: Any) -> str:
    return (getattr(function, "__module__", None) or "").partition(".")[0]


def _code(code: CodeType, checksum: int = 0) -> int:
    """A checksum of what a function does, wherever it stands in its file."""
    checksum = zlib.crc32(code.co_code, checksum)
    for each in code.co_consts:
        checksum = _code(each, checksum) if isinstance(each, CodeType) else zlib.crc32(repr(each).encode(), checksum)
    return zlib.crc32(repr((code.co_names, code.co_varnames)).encode(), checksum)


def _container(value: Any, around: tuple[int, ...]) -> Any:
    if isinstance(value, dict):
        return {str(name): plain(each, around) for name, each in value.items()}
    if hasattr(value, "_fields"):
        return {name: plain(each, around) for name, each in zip(value._fields, value, strict=True)}
    items = [plain(each, around) for each in value]
    return sorted(items, key=str) if isinstance(value, (set, frozenset)) else items


def _short(value: Any) -> Any:
    """A container as it is, or by its checksum where it would fill pages, as a mask of a large model does."""
    text = json.dumps(value)
    if len(text) <= _LONGEST:
        return value
    return {"name": f"{type(value).__name__} of {len(value)}", "arguments": {"sha256": _digest(text.encode())}}


def _array(value: Any) -> Any:
    try:
        array = as_numpy(value)
        if array.ndim == 0 and (array.dtype.kind in "biuf" or array.dtype.name == "bfloat16"):
            return plain(array.item())
        checksum = f" crc32 {zlib.crc32(as_bytes(array)):08x}"
    except Exception:
        # deleted, or on other hosts, too
        checksum = ""
    return f"{value.dtype}{list(value.shape)}{checksum}"


def _dtype(value: Any) -> str:
    if not isinstance(value, (np.dtype, type)) and not hasattr(value, "dtype"):
        return ""
    try:
        return np.dtype(getattr(value, "dtype", value)).name if not _plain_class(value) else ""
    except TypeError:
        return ""


def _plain_class(value: Any) -> bool:
    """A class that is no kind of number: NumPy takes every class for the dtype of objects."""
    return isinstance(value, type) and not issubclass(value, (np.generic, bool, int, float, complex))


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
