"""What is told of the noise of gradients."""

from __future__ import annotations

import numpy as np

from nnwidgets.records import Guide, Line, Plot

from ._groups import Groups
from ._noise_scale import NoiseScale

# A step has hardly any signal below this share of progress in a batch this small; one this many times the noise scale wastes.
_LITTLE, _SMALL, _MANY_TIMES, _LARGE = 0.02, 4, 20, 256


def judged(whole: NoiseScale, rows: int, most: float) -> tuple[str, str]:
    """The answer and the verdict.

    Args:
        whole: of the whole gradient.
        rows: examples in a batch of the run.
        most: upper end of the share of progress.
    """
    share = share_of(whole.inverse * rows)
    if not whole.resolved:
        words = (
            f"The noise scale is above {count_of(whole.low)} examples (95 %), how far above can't be said: the mean of the "
            f"{whole.groups} gradients that were measured is not told from 0"
        )
        side = "below it" if rows < whole.low else "perhaps below it"
        words += f". A batch of {rows} is {side}: a step makes at most {most:.0%} of the progress of one without noise."
    else:
        between = f"95 % {count_of(whole.low)} to {count_of(whole.high)}"
        side = "below" if rows < whole.low else "above" if rows > whole.high else "about"
        words = f"A batch of {rows} is {side} the noise scale of {count_of(whole.scale)} examples ({between}): a step makes "
        words += f"{share:.0%} of the progress of one without noise"
        words += {
            "below": ", and larger batches pay, up to about the noise scale.",
            "above": ", so that larger batches hardly help, and smaller ones take steps that are almost as good for less.",
            "about": ", a fair trade between steps and examples.",
        }[side]
    if rows <= _SMALL and most < _LITTLE:
        return f"{words} So small a batch is nearly all noise: take 32 or more.", "suspicious"
    if rows >= _LARGE and rows > _MANY_TIMES * whole.high:
        smaller = max(32, 2 ** round(np.log2(4 * whole.high)))
        return (
            f"{words} Here batches of {smaller} would take nearly the same steps, each {rows // smaller} times cheaper.",
            "suspicious",
        )
    return words, "ok"


def share_of(signal: float) -> float:
    """Share of progress b / (b + B), from b / B."""
    signal = max(signal, 0.0)
    return 1.0 if np.isinf(signal) else signal / (1 + signal)


def count_of(examples: float) -> str:
    """A number of examples in words, to two figures.

    Example:
        >>> count_of(412.3), count_of(3.2), count_of(float("inf"))
        ('410', '3.2', 'infinitely many')
    """
    if not np.isfinite(examples):
        return "infinitely many"
    return f"{examples:.2g}" if examples < 10 else f"{float(f'{examples:.2g}'):,.0f}"


def progress_picture(whole: NoiseScale, rows: int) -> Plot:
    """The share of progress over the batch size."""
    middle = whole.scale if whole.resolved else whole.low
    sizes = np.logspace(0, np.log10(max(100.0, 10 * rows, 30 * middle if np.isfinite(middle) else 0.0)), 60)
    each = [np.array([share_of(size * inverse) for size in sizes]) for inverse in whole.inverses]
    guides = [Guide(rows, f"your batch, {rows}")]
    if whole.resolved:
        guides.append(Guide(whole.scale, f"noise scale, {count_of(whole.scale)}"))
    line = Line("share of progress", sizes, each[0], each[1], each[2])
    return Plot(
        "How far a step gets, beside one without noise", "batch size (examples)", "share of the progress", (line,),
        tuple(guides), log_x=True,
    )  # fmt: skip


def layers_picture(layers: dict[str, NoiseScale], rows: int) -> Plot:
    """The ratio of signal to noise, layer by layer."""
    found = np.array([each.ratio(rows) for each in layers.values()]).T
    seen = found[0][found[0] > 0]
    # what is not told from 0 has no place on a logarithmic axis
    least = 0.1 * min(1.0, float(seen.min()) if seen.size else 0.1)
    middle, low, high = np.maximum(found, least)
    dots = Line("layers", np.arange(1.0, len(middle) + 1), middle, low, high, dots=True)
    title = f"Signal to noise in a batch of {rows}, layer by layer"
    guide = Guide(1.0, "as much signal as noise", "y")
    return Plot(title, "layer", "signal to noise", (dots,), (guide,), log_y=True, x_names=tuple(layers))


def caution(groups: Groups) -> str:
    """What the noise scale does not say."""
    words = (
        "The noise scale grows as the loss falls, often tenfold and more: measure again later in the run. It takes the "
        "curvature to be the same in all directions, and says nothing of how well the network generalises."
    )
    if groups.words:
        words += f" Here {groups.words}: whole batches were compared, {groups.count} of {groups.rows} examples."
    if groups.is_sum:
        words += (
            f" The loss is a sum over the batch: the noise scale is the same as of the mean, the gradient {groups.batch} times "
            "as long."
        )
    return words
