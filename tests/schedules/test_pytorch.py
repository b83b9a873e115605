"""Equal to PyTorch's schedulers, which change the optimizer's learning rate step by step: here is that, in a loop."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable

import pytest

from nnwidgets.schedules import preview, pytorch

from ._tables import STEPS, assert_equal_at_every_step, half_wave, of

LR = 0.4
Step = Callable[[int, float], float]


def stepped(first: float, step: Step, steps_per_epoch: int = 1) -> list[float]:
    """Learning rates of a loop that calls the scheduler after every epoch: ``step(epoch, rate before)``."""
    rates, rate, epoch = [], first, 0
    for batch in range(STEPS):
        if batch and batch % steps_per_epoch == 0:
            epoch += 1
            rate = step(epoch, rate)
        rates.append(rate)
    return rates


@pytest.mark.parametrize(("size", "gamma", "batches"), [(30, 0.1, 7), (1, 0.99, 1), (250, 0.5, 1), (3, 0.9, 100)])
def test_step_lr(size: int, gamma: float, batches: int) -> None:
    expected = stepped(LR, lambda epoch, lr: lr * gamma if epoch % size == 0 else lr, batches)
    assert_equal_at_every_step(pytorch.step_lr(LR, size, gamma, batches), expected)


@pytest.mark.parametrize(
    ("milestones", "gamma", "batches"),
    [([30, 80], 0.1, 10), ([1, 2, 999], 0.5, 1), ([100, 100, 500], 0.3, 1), ([], 0.1, 1)],
)
def test_multi_step_lr(milestones: list[int], gamma: float, batches: int) -> None:
    expected = stepped(LR, lambda epoch, lr: lr * gamma ** milestones.count(epoch), batches)
    assert_equal_at_every_step(pytorch.multi_step_lr(LR, milestones, gamma, batches), expected)


@pytest.mark.parametrize(("factor", "total", "batches"), [(1 / 3, 5, 1), (0.5, 40, 10), (0.1, 999, 1), (1.0, 4, 1)])
def test_constant_lr(factor: float, total: int, batches: int) -> None:
    expected = stepped(LR * factor, lambda epoch, lr: lr / factor if epoch == total else lr, batches)
    assert_equal_at_every_step(pytorch.constant_lr(LR, factor, total, batches), expected)


@pytest.mark.parametrize(
    ("start", "end", "total", "batches"),
    [(1 / 3, 1.0, 5, 1), (0.05, 1.0, 40, 10), (1.0, 0.01, 999, 1), (0.2, 0.0, 300, 3)],
)
def test_linear_lr(start: float, end: float, total: int, batches: int) -> None:
    def step(epoch: int, lr: float) -> float:
        if epoch > total:
            return lr
        return lr * (1 + (end - start) / (total * start + (epoch - 1) * (end - start)))

    assert_equal_at_every_step(pytorch.linear_lr(LR, start, end, total, batches), stepped(LR * start, step, batches))


@pytest.mark.parametrize(("gamma", "batches"), [(0.95, 20), (0.999, 1), (0.95, 1), (1.001, 1)])
def test_exponential_lr(gamma: float, batches: int) -> None:
    assert_equal_at_every_step(
        pytorch.exponential_lr(LR, gamma, batches), stepped(LR, lambda _, lr: lr * gamma, batches)
    )


def test_lambda_lr() -> None:
    expected = of(lambda t: LR * 0.95 ** (t // 10))
    assert_equal_at_every_step(pytorch.lambda_lr(LR, lambda epoch: 0.95**epoch, steps_per_epoch=10), expected)


@pytest.mark.parametrize(("total", "power", "batches"), [(5, 1.0, 1), (50, 0.9, 10), (999, 2.0, 1), (1200, 1.0, 1)])
def test_polynomial_lr(total: int, power: float, batches: int) -> None:
    def step(epoch: int, lr: float) -> float:
        if epoch > total:
            return lr
        return lr * ((1 - epoch / total) / (1 - (epoch - 1) / total)) ** power

    assert_equal_at_every_step(pytorch.polynomial_lr(LR, total, power, batches), stepped(LR, step, batches))


@pytest.mark.parametrize(("half", "low", "batches"), [(999, 0.0, 1), (200, 0.01, 1), (50, 0.0, 10), (3, 0.1, 1)])
def test_cosine_annealing_lr(half: int, low: float, batches: int) -> None:
    """The documented recursion, with the step out of each minimum that it cannot take itself."""

    def step(epoch: int, lr: float) -> float:
        if (epoch - 1 - half) % (2 * half) == 0:
            return lr + (LR - low) * (1 - math.cos(math.pi / half)) / 2
        now, before = (1 + math.cos(math.pi * each / half) for each in (epoch, epoch - 1))
        return low + (lr - low) * now / before

    assert_equal_at_every_step(pytorch.cosine_annealing_lr(LR, half, low, batches), stepped(LR, step, batches))


@pytest.mark.parametrize(
    ("first", "factor", "low", "batches"), [(10, 2, 0.0, 1), (64, 1, 0.01, 1), (1, 3, 0.0, 1), (5, 2, 0.1, 7)]
)
def test_cosine_annealing_warm_restarts(first: int, factor: int, low: float, batches: int) -> None:
    current, length = 0, first

    def step(_: int, __: float) -> float:
        nonlocal current, length
        current += 1
        if current >= length:
            current, length = current - length, length * factor
        return low + (LR - low) * half_wave(current / length)

    assert_equal_at_every_step(
        pytorch.cosine_annealing_warm_restarts(LR, first, factor, low, batches), stepped(LR, step, batches)
    )


@pytest.mark.parametrize(("up", "down"), [(100, None), (30, 70), (500, 20), (1, 1)])
@pytest.mark.parametrize(("mode", "gamma"), [("triangular", 1.0), ("triangular2", 1.0), ("exp_range", 0.995)])
def test_cyclic_lr(up: int, down: int | None, mode: str, gamma: float) -> None:
    total = up + (down or up)
    ratio = up / total

    def formula(step: int) -> float:
        cycle = math.floor(1 + step / total)
        x = 1 + step / total - cycle
        height = x / ratio if x <= ratio else (x - 1) / (ratio - 1)
        scale = {"triangular": 1.0, "triangular2": 1 / 2 ** (cycle - 1), "exp_range": gamma**step}[mode]
        return 0.01 + (LR - 0.01) * height * scale

    assert_equal_at_every_step(pytorch.cyclic_lr(0.01, LR, up, down, mode, gamma), of(formula))


def test_cyclic_lr_with_a_scale_of_ones_own() -> None:
    by_cycle = preview(pytorch.cyclic_lr(0.0, 1.0, 10, scale_fn=lambda cycle: 1 / cycle), STEPS)
    assert by_cycle[[10, 30, 50]].tolist() == pytest.approx([1, 1 / 2, 1 / 3])
    by_step = preview(pytorch.cyclic_lr(0.0, 1.0, 10, scale_fn=lambda step: 1 / step, scale_mode="iterations"), STEPS)
    assert by_step[[10, 30, 50]].tolist() == pytest.approx([1 / 10, 1 / 30, 1 / 50])


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("three_phase", [False, True])
@pytest.mark.parametrize(
    ("total", "start", "first", "last"),
    [(1000, 0.3, 25.0, 1e4), (1234, 0.45, 10.0, 100.0), (1000, 0.123, 4.0, 1e3), (1000, 0.0, 25.0, 10.0)],
)
def test_one_cycle_lr(total: int, start: float, first: float, last: float, three_phase: bool, strategy: str) -> None:
    initial = LR / first
    final = initial / last
    phases = [(start * total - 1, initial, LR), (total - 1, LR, final)]
    if three_phase:
        phases[1:] = [(2 * start * total - 2, LR, initial), (total - 1, initial, final)]

    def formula(step: int) -> float:
        begin = 0.0
        for end, a, b in phases:
            if step <= end or end == total - 1:
                share = (step - begin) / (end - begin)
                return a + (b - a) * share if strategy == "linear" else b + (a - b) * half_wave(share)
            begin = end
        raise AssertionError

    schedule = pytorch.one_cycle_lr(
        LR,
        total,
        pct_start=start,
        anneal_strategy=strategy,
        div_factor=first,
        final_div_factor=last,
        three_phase=three_phase,
    )
    assert_equal_at_every_step(schedule, of(formula))


def test_one_cycle_lr_by_epochs_and_after_its_end() -> None:
    by_epochs = preview(pytorch.one_cycle_lr(LR, epochs=10, steps_per_epoch=30), 400)
    assert by_epochs[:300].tolist() == preview(pytorch.one_cycle_lr(LR, total_steps=300), 300).tolist()
    # PyTorch raises there; a run that goes on keeps the last rate
    assert by_epochs[299:].tolist() == pytest.approx([LR / 25 / 1e4] * 101)


def test_sequential_lr() -> None:
    """Three schedulers on one optimizer; each starts anew from the optimizer's first learning rate."""

    def step(epoch: int, lr: float) -> float:
        phase = bisect.bisect_right([20, 500], epoch)
        if phase == 0:
            return lr
        if phase == 1:
            return LR if epoch == 20 else lr * 0.99
        return LR * half_wave((epoch - 500) / 600)

    schedule = pytorch.sequential_lr(
        [pytorch.constant_lr(LR, 0.1, 20), pytorch.exponential_lr(LR, 0.99), pytorch.cosine_annealing_lr(LR, 600)],
        [20, 500],
    )
    assert_equal_at_every_step(schedule, stepped(0.1 * LR, step))


def test_sequential_lr_in_epochs() -> None:
    parts = [
        pytorch.linear_lr(LR, 0.1, total_iters=5, steps_per_epoch=20),
        pytorch.step_lr(LR, 10, 0.5, steps_per_epoch=20),
    ]
    found = preview(pytorch.sequential_lr(parts, [5], steps_per_epoch=20), STEPS)
    assert found[:100].tolist() == preview(parts[0], 100).tolist()
    assert found[100:].tolist() == preview(parts[1], STEPS - 100).tolist()


def test_chained_scheduler() -> None:
    """Both change the same learning rate, one after the other, in every epoch."""

    def step(epoch: int, lr: float) -> float:
        lr = lr / 0.1 if epoch == 20 else lr
        return lr * 0.99

    schedule = pytorch.chained_scheduler(LR, [pytorch.constant_lr(1.0, 0.1, 20), pytorch.exponential_lr(1.0, 0.99)])
    assert_equal_at_every_step(schedule, stepped(0.1 * LR, step))
