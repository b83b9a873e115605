"""Where an axis has its ticks, and what stands at them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ._words import number

SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def ticks_between(low: float, high: float, *, whole: bool = False, count: int = 6) -> list[float]:
    """Round numbers between two ends, about `count` of them; only whole ones if asked, where there are two.

    Example:
        >>> ticks_between(0, 1000, whole=True), ticks_between(0.11, 0.14)
        ([0.0, 200.0, 400.0, 600.0, 800.0, 1000.0], [0.11, 0.115, 0.12, 0.125, 0.13, 0.135, 0.14])
    """
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    spacing = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    if whole and math.floor(high) - math.ceil(low) >= 1:
        spacing = max(1.0, spacing)
    first = math.ceil(low / spacing - 1e-9)
    ticks = [
        round(spacing * step, 12) + 0.0 for step in range(first, first + 4 * count) if spacing * step <= high + 1e-9
    ]
    return ticks or [round((low + high) / 2, 12)]


def log_ticks(low: float, high: float) -> list[float]:
    """log10 of round numbers between two powers of ten: the powers; 1, 2, 5 where those are few; else what is round.

    Example:
        >>> log_ticks(-3.2, 1.1), [round(tick, 2) for tick in log_ticks(-0.1, 1.1)]
        ([-3.0, -2.0, -1.0, 0.0, 1.0], [0.0, 0.3, 0.7, 1.0])
    """
    if high - low > 2.5:
        return ticks_between(low, high, whole=True)
    if high - low > 0.9:
        decades = range(math.floor(low), math.ceil(high) + 1)
        # rounded: the browser finds a tick's label by its number as text
        ticks = [round(decade + math.log10(digit), 10) for decade in decades for digit in (1, 2, 5)]
        return [tick for tick in ticks if low <= tick <= high]
    ticks = [round(math.log10(tick), 10) for tick in ticks_between(10.0**low, 10.0**high, count=5) if tick > 0]
    return ticks or [(low + high) / 2]


def tick_words(ticks: Sequence[float], log: bool, whole: bool) -> list[str]:
    """What stands at the ticks: all as numbers, or all as powers of ten.

    Example:
        >>> tick_words([-3, -2], log=True, whole=False), tick_words([-4, -2], log=True, whole=False)
        (['0.001', '0.01'], ['10⁻⁴', '10⁻²'])
    """
    if not log:
        return [number(tick, 6 if whole else 3) for tick in ticks]
    if all(tick == round(tick) for tick in ticks) and max(abs(tick) for tick in ticks) > 3:
        return ["10" + str(int(tick)).translate(SUPERSCRIPT) for tick in ticks]
    return [number(10.0**tick, 2) for tick in ticks]
