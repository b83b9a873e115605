"""Numbers and times as people read them."""

from __future__ import annotations

import math


def number(value: float, digits: int = 3) -> str:
    """A number for people: short, and in powers of ten where it is very large or small.

    Example:
        >>> number(0.012345), number(12345.6), number(1.5e-7), number(float("nan")), number(200.0, 2)
        ('0.0123', '12,346', '1.5e-7', 'NaN', '200')
    """
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("∞" if value > 0 else "-∞")
    size = abs(value)
    if 1e3 <= size < 1e7:
        return f"{value:,.0f}"
    if size >= 1e7 or 0 < size < 1e-3:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return f"{value:.0f}" if size >= 10**digits else f"{value:.{digits}g}"


def duration(seconds: float) -> str:
    """A time for people.

    Example:
        >>> duration(0.4), duration(75), duration(7300)
        ('1 s', '1 min 15 s', '2 h 1 min')
    """
    whole = max(1, math.ceil(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
