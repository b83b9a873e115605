"""Arrays on their way into a page: two bytes a number where that is exact enough, as base64; see `unpack` in page.js."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import numpy.typing as npt

from .._text import literal

# Of 16 bits: what was not read or is not finite, and a zero where powers of ten are kept.
_GAP, _ZERO, _MOST = 65535, 65534, 65533


def exact(values: npt.ArrayLike) -> dict[str, Any]:
    """As float32, or whole numbers as int32 where they fit; steps beyond that as float64."""
    array = np.asarray(values)
    kind = "f4"
    if array.dtype.kind in "iu":
        kind = "i4" if int(np.abs(array).max(initial=0)) < 2**31 else "f8"
    return {"kind": kind, "bytes": _text(array.astype(f"<{kind}"))}


def powers(values: npt.ArrayLike) -> dict[str, Any]:
    """Numbers that are not negative, as their log10 in 65,534 equal parts; a relative error of 0.02 % over 12 decades."""
    array = np.asarray(values, np.float64)
    known = np.isfinite(array) & (array > 0)
    logs = np.log10(array, where=known, out=np.zeros_like(array))
    low, high = (float(logs[known].min()), float(logs[known].max())) if known.any() else (0.0, 0.0)
    places = np.round((logs - low) / ((high - low) or 1.0) * _MOST)
    places = np.where(known, places, np.where(array == 0, _ZERO, _GAP))
    return {"kind": "powers", "low": low, "high": high, "bytes": _text(places.astype("<u2"))}


def halves(values: npt.ArrayLike) -> dict[str, Any]:
    """As float16 over their largest size: 3 digits over 8 decades below it, what is smaller less exact; NaN is a gap."""
    array = np.asarray(values, np.float64)
    finite = array[np.isfinite(array)]
    most = float(np.abs(finite).max(initial=0.0)) or 1.0
    with np.errstate(invalid="ignore", under="ignore"):
        scaled = np.where(np.isfinite(array), array, np.nan) / most * 32768.0
    return {"kind": "half", "most": most / 32768.0, "bytes": _text(scaled.astype("<f2"))}


def parts(values: npt.ArrayLike) -> dict[str, Any]:
    """Shares from 0 to 1 in 255 equal parts."""
    return {"kind": "u1", "bytes": _text(np.round(255 * np.clip(np.asarray(values, np.float64), 0, 1)).astype("u1"))}


def bits(flags: npt.ArrayLike) -> dict[str, Any] | None:
    """Yes and no; None where all are no."""
    array = np.asarray(flags, bool)
    return {"kind": "bits", "size": array.size, "bytes": _text(np.packbits(array.reshape(-1)))} if array.any() else None


def in_script(value: Any) -> str:
    """As JSON that may stand in a script element: no text in it ends the element, whatever it holds."""
    text = json.dumps(_literal(value), allow_nan=False, separators=(",", ":"))
    # U+2028 and such are escaped by json itself
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _literal(value: Any) -> Any:
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, dict):
        # what is packed holds no words
        return {str(key): each if key == "bytes" else _literal(each) for key, each in value.items()}
    return [_literal(each) for each in value] if isinstance(value, (list, tuple)) else value


def _text(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
