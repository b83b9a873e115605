"""How noisy the gradient of a batch is, and what batch size that asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.records import Cost, Exploration
from nnwidgets.trace import layer_of

from .._lab import Lab
from ._gradient_noise_told import caution, count_of, judged, layers_picture, progress_picture, share_of
from ._groups import Groups, groups_of
from ._noise_scale import NoiseScale, Numbers, noise_scale
from ._per_example import group_gradients

# Calls in which the examples come, so that progress is seen; groups that tell anything.
_CALLS, _FEWEST = 8, 8


@dataclass(frozen=True)
class GradientNoise:
    r"""Is my batch too small, so that steps are noise, or larger than pays?

    From gradients of single examples: the noise scale :math:`B = \operatorname{tr} \Sigma / |G|^2`, with the covariance
    :math:`\Sigma` of the examples' gradients and the true gradient G, unbiased and with a 95 % interval by the jackknife. A
    step from a batch of b makes :math:`b / (b + B)` of the progress of one without noise: well below B, twice the batch nearly
    halves the steps that are needed; well above it, it hardly helps (McCandlish et al., "An Empirical Model of Large-Batch
    Training", 2018, section 2.2 and appendix A). Per layer, the ratio of signal to noise in a batch,
    :math:`|G| \sqrt{b / \operatorname{tr} \Sigma}`. The smallest batches that pass the norm test,
    :math:`\operatorname{tr} \Sigma / b \leq \theta^2 |G|^2` (Byrd et al., "Sample Size Selection in Optimization Methods for
    Machine Learning", 2012), and the inner-product test, :math:`G^T \Sigma G / b \leq \theta^2 |G|^4` (Bollapragada et al.,
    "Adaptive Sampling Strategies for Stochastic Optimization", 2018), with the estimate for G.

    The loss is as in training, each example with a random key of its own (dropout is part of the noise). Where the examples
    of a batch influence each other, as with batch norm, whole batches are compared, and :math:`\Sigma` is b times the
    covariance of their gradients.

    Attributes:
        examples: single ones that are looked at, at most.
        batches: whole ones, where it takes those.
        theta: of both tests, below 1.
    """

    examples: int = 512
    batches: int = 32
    theta: float = 0.9

    name: ClassVar[str] = "gradient noise"

    def cost(self, lab: Lab) -> Cost:
        """Two passes over the batches, or over examples that cost about as much."""
        return lab.cost(2 * max(self.batches, self.examples // 8), 5)

    def run(self, lab: Lab) -> Exploration:
        """The noise scale, of the whole gradient and per layer."""
        if self.examples < 8 or self.batches < 8 or not 0 < self.theta < 1:
            raise ValueError(
                f"gradient noise needs examples and batches of 8 or more and 0 < theta < 1, got examples={self.examples}, "
                f"batches={self.batches}, theta={self.theta}."
            )
        groups = groups_of(lab, self.examples, self.batches)
        if isinstance(groups, str):
            return Exploration(self.name, f"It can't be measured here: {groups}", "unknown")
        if groups.count < _FEWEST:
            words = f"it takes at least {_FEWEST} different examples, and the data has {groups.count}."
            return Exploration(self.name, f"It can't be measured here: {words}", "unknown")
        squares, products = _measure(lab, groups)
        if not np.isfinite(squares).all() or not squares.any():
            words = "gradients are all 0" if np.isfinite(squares).all() else "gradients are not finite"
            return Exploration(self.name, f"It can't be measured here: {words}.", "unknown")
        whole = noise_scale(squares.sum(1), products.sum(1), groups.rows)
        layers = _layers(lab, squares, products, groups.rows)
        return self._told(groups, whole, layers, squares.sum(1), products.sum(1))

    def _told(
        self, groups: Groups, whole: NoiseScale, layers: dict[str, NoiseScale], squares: Numbers, products: Numbers
    ) -> Exploration:
        rows, progress = groups.batch, [groups.batch * each for each in whole.inverses]
        share, low, high = (share_of(each) for each in progress)
        norm_batch, inner_batch = self._tests(whole, squares, products, groups.rows)
        found, ratio_low, ratio_high = whole.ratio(rows)
        numbers = {
            "noise_scale": whole.scale, "noise_scale_low": whole.low, "noise_scale_high": whole.high,
            "signal": whole.signal, "noise": whole.noise, "batch": rows, "groups": whole.groups, "group_rows": groups.rows,
            "examples": whole.groups * groups.rows, "progress": share, "progress_low": low, "progress_high": high,
            "signal_to_noise": found, "signal_to_noise_low": ratio_low, "signal_to_noise_high": ratio_high,
            "norm_test_batch": norm_batch, "inner_product_test_batch": inner_batch, "theta": self.theta,
            "loss_is_sum": groups.is_sum, "example_norms": np.sqrt(squares).tolist(),
            "layers": list(layers), "layer_signal_to_noise": [each.ratio(rows)[0] for each in layers.values()],
            "layer_noise_scale": [each.scale for each in layers.values()],
        }  # fmt: skip
        answer, verdict = judged(whole, rows, high)
        if whole.resolved:
            judgements = (
                f"{name} test {'passed' if rows >= needed else f'asks for {count_of(needed)}'}"
                for name, needed in (("norm", norm_batch), ("inner-product", inner_batch))
            )
            answer += f" At \u03b8 = {self.theta:g}: {', '.join(judgements)}."
        return Exploration(
            self.name, answer, verdict,
            columns=("layer", "signal to noise", "low", "high", "noise scale", "its low", "its high"),
            rows=tuple(
                (layer, *each.ratio(rows), each.scale, each.low, each.high)
                for layer, each in [("all", whole), *layers.items()]
            ),
            pictures=(progress_picture(whole, rows), layers_picture(layers, rows)),
            numbers=numbers,
            caution=caution(groups),
        )  # fmt: skip

    def _tests(self, whole: NoiseScale, squares: Numbers, products: Numbers, rows: int) -> tuple[float, float]:
        """The smallest batches that pass the norm test and the inner-product test."""
        if whole.signal <= 0:
            return float("inf"), float("inf")
        known, count = np.isfinite(products), len(squares)
        # with the mean of the others, of which the group itself is no part
        others = (count * products[known] - squares[known]) / (count - 1)
        return whole.scale / self.theta**2, rows * float(others.var(ddof=1)) / (self.theta * whole.signal) ** 2


def _measure(lab: Lab, groups: Groups) -> tuple[Numbers, Numbers]:
    """Squared norms of the groups' gradients, and their products with the mean, by leaf (groups, leaves).

    In two passes over the examples, the second for the products; what was not reached is left out, or NaN.
    """
    run, part = group_gradients(lab.objective), groups.count // min(_CALLS, groups.count // _FEWEST)
    starts = range(0, part * (groups.count // part), part)
    keys = jax.random.split(jax.random.fold_in(lab.key, np.uint32(lab.step)), groups.count)
    share = jnp.float32(groups.share)

    def pass_over(starts: range, given: Any, words: str) -> list[Any]:
        found = list[Any]()
        for start in lab.each(starts, words, of=len(starts) * part, at_once=part):
            here = slice(start, start + part)
            examples = jax.tree.map(lambda leaf, here=here: leaf[here], groups.examples)
            found.append(run(lab.params, lab.state, examples, keys[here], given, share))
        return found

    what = "gradients of examples" if groups.rows == 1 else "gradients of batches"
    first = pass_over(starts, jax.tree.map(jnp.zeros_like, lab.params), what)
    squares = np.concatenate([np.asarray(each.squares, np.float64) for each in first])
    mean = jax.tree.map(lambda *leaves: sum(leaves[1:], leaves[0]) / len(squares), *(each.total for each in first))
    second = pass_over(starts[: len(first)], mean, f"{what}, once more")
    products = np.full_like(squares, np.nan)
    for start, each in zip(starts, second, strict=False):
        products[start : start + part] = np.asarray(each.products, np.float64)
    return squares, products


def _layers(lab: Lab, squares: Numbers, products: Numbers, rows: int) -> dict[str, NoiseScale]:
    """The noise scale of each layer with a gradient."""
    columns: dict[str, list[int]] = {}
    for i, path in enumerate(lab.objective.paths):
        columns.setdefault(layer_of(path), []).append(i)
    taken = {name: (squares[:, each].sum(1), products[:, each].sum(1)) for name, each in columns.items()}
    return {name: noise_scale(*each, rows) for name, each in taken.items() if each[0].any()}
