"""The noise scale of a gradient, from the norms of its parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class NoiseScale:
    r"""How much examples differ, beside what they have in common.

    Attributes:
        signal: :math:`|G|^2` of the true gradient, unbiased: it may be negative where it is lost in the noise.
        noise: :math:`\operatorname{tr} \Sigma`, the trace of the covariance of single examples' gradients.
        inverse: :math:`|G|^2 / \operatorname{tr} \Sigma`, the share of signal; 1 over the noise scale.
        inverse_low: lower end of its 95 % interval.
        inverse_high: upper end.
        groups: that it was measured on.
    """

    signal: float
    noise: float
    inverse: float
    inverse_low: float
    inverse_high: float
    groups: int

    @property
    def inverses(self) -> tuple[float, float, float]:
        """The share of signal with its interval."""
        return self.inverse, self.inverse_low, self.inverse_high

    @property
    def scale(self) -> float:
        """The noise scale in examples; infinite where no signal is seen."""
        return _one_over(self.inverse)

    @property
    def low(self) -> float:
        """Lower end of its 95 % interval."""
        return _one_over(self.inverse_high)

    @property
    def high(self) -> float:
        """Upper end; infinite where the signal is not told from 0."""
        return _one_over(self.inverse_low)

    @property
    def resolved(self) -> bool:
        """Whether the signal is told from 0."""
        return self.inverse_low > 0

    def ratio(self, rows: float) -> tuple[float, float, float]:
        r"""Signal to noise in a batch's gradient, :math:`|G| \sqrt{B / \operatorname{tr} \Sigma}`, with its interval."""
        found, low, high = (float(np.sqrt(max(one, 0.0) * rows)) for one in self.inverses)
        return found, low, high


def noise_scale(squares: Numbers, products: Numbers, rows: int) -> NoiseScale:
    r"""The simple noise scale :math:`B = \operatorname{tr} \Sigma / |G|^2` (McCandlish et al. 2018, section 2.2), unbiased.

    With n gradients :math:`g_i`, each of a group of b examples, and their mean :math:`\bar g`:

    .. math:: \operatorname{tr} \Sigma = \frac{b}{n - 1} \Big(\sum_i |g_i|^2 - n |\bar g|^2\Big), \qquad
        |G|^2 = |\bar g|^2 - \frac{\operatorname{tr} \Sigma}{n b}

    The 95 % interval is that of :math:`r = |G|^2 / \operatorname{tr} \Sigma`, whose denominator is never near 0. Its variance
    is the jackknife's. That variance grows in proportion to :math:`r + 1 / n b`, and so it is taken at each r that the
    interval might hold, as in Wilson's interval, not at the estimate: an r that came out too small would have too small an
    error.

    Args:
        squares: :math:`|g_i|^2`, (n,).
        products: :math:`g_i \cdot \bar g`, (n,); NaN where it was not measured.
        rows: b.
    """
    count = len(squares)
    whole, total = float(np.nanmean(products)), float(squares.sum())
    spread = (total - count * whole) / (count - 1)
    signal = whole - spread / count
    if not spread > 0:
        # examples that are all equal have no noise at all
        sign = np.inf if signal > 0 else 0.0
        return NoiseScale(signal, max(spread, 0.0) * rows, sign, sign, sign, count)
    ratio = signal / spread
    low, high = _interval(ratio, _without_one(squares, products, whole, total), count)
    return NoiseScale(signal, rows * spread, ratio / rows, low / rows, high / rows, count)


def _without_one(squares: Numbers, products: Numbers, whole: float, total: float) -> Numbers:
    """The ratio without each group in turn; of those whose product is known."""
    known = np.isfinite(products)
    squares, products, count = squares[known], products[known], len(squares)
    left = count - 1
    wholes = (count**2 * whole - 2 * count * products + squares) / left**2
    spreads = (total - squares - left * wholes) / (left - 1)
    return (wholes - spreads / left) / spreads


def _interval(ratio: float, others: Numbers, count: int) -> tuple[float, float]:
    variance = (count - 1) * float(np.mean((others - others.mean()) ** 2))
    most = float(stdtrit(count - 1, 0.975)) ** 2
    # (r - ratio)^2 = factor (r + 1/n), solved for r; the factor is at most what noise along the gradient alone makes it
    factor = min(most * variance / max(ratio + 1 / count, np.finfo(float).tiny), 8 * most / count)
    middle = 2 * ratio + factor
    root = float(np.sqrt(max(middle**2 - 4 * (ratio**2 - factor / count), 0.0)))
    high = (middle + root) / 2
    # a mean that is smaller than chance leaves it belongs to parameters that were fitted to these very examples
    fitted = ratio < -0.5 / count
    return (middle - root) / 2, max(high, 1 / count) if fitted else high


def _one_over(value: float) -> float:
    return 1 / value if value > 0 else float("inf")
