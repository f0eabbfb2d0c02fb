"""Learning rate schedules, step by step."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmarks.run.training.schedules import (
    SCHEDULES,
    Progress,
    best_epoch,
    constant,
    epochs_without_gain,
    one_cycle,
    one_step,
    plateau,
)


@pytest.mark.parametrize("steps", [1, 2, 10, 1000])
def test_one_cycle_rises_to_its_peak_and_falls_to_nothing(steps: int) -> None:
    rates = [one_cycle(0.5, Progress(step, steps)) for step in range(steps)]
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[0] == pytest.approx(0.5 / 25)
    assert min(rates) > 0
    assert max(rates) <= 0.5
    if steps == 1000:
        assert top == 300
        assert max(rates) == 0.5
        assert rates[-1] < 1e-5


def test_one_cycle_is_what_torch_calls_it() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(()))], lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.5, total_steps=1001, cycle_momentum=False
    )
    for step in range(1000):
        expected = one_cycle(0.5, Progress(step, 1000))
        assert optimizer.param_groups[0]["lr"] == pytest.approx(expected, abs=0.01)
        optimizer.step()
        schedule.step()


def test_the_constant_rate() -> None:
    assert {constant(0.5, Progress(step, 10, [0.1] * step)) for step in range(10)} == {0.5}


def test_epochs_without_gain() -> None:
    assert epochs_without_gain([]) == []
    assert epochs_without_gain([0.0]) == [0]
    assert epochs_without_gain([0.3, 0.3, 0.2, 0.31, 0.1]) == [0, 1, 2, 0, 1]


def test_of_equal_epochs_the_first_is_the_best() -> None:
    assert best_epoch([0.2, 0.5, 0.4, 0.5]) == 1


@pytest.mark.parametrize(
    ("accuracies", "rate"),
    [
        ([], 1.0),
        ([0.5], 1.0),
        ([0.5, *[0.4] * 4], 1.0),
        ([0.5, *[0.4] * 5], 0.1),
        ([0.5, *[0.5] * 5], 0.1),  # the same again is no gain
        ([0.5, *[0.4] * 9], 0.1),  # at 10 training stops
        ([0.5, *[0.4] * 4, 0.6, *[0.4] * 4], 1.0),
        ([0.5, *[0.4] * 5, 0.6], 0.1),  # a gain does not bring the rate back
        ([0.5, *[0.4] * 5, 0.6, *[0.4] * 5], 0.01),
    ],
)
def test_plateau(accuracies: list[float], rate: float) -> None:
    assert plateau(1.0, Progress(0, 1, accuracies)) == pytest.approx(rate)
    assert plateau(0.03, Progress(7, 9, accuracies)) == pytest.approx(0.03 * rate)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_is_proportional_to_its_peak(name: str) -> None:
    progress = Progress(3, 10, [0.5, *[0.1] * 6])
    schedule = SCHEDULES[name]
    assert schedule(2.0, progress) == pytest.approx(4 * schedule(0.5, progress))


def test_the_step_comes_after_54_of_100_epochs() -> None:
    rates = [one_step(1.0, Progress(number, 100 * 7)) for number in range(100 * 7)]
    assert rates == [1.0] * 54 * 7 + [0.1] * 46 * 7
