"""Ω over several tasks, for each way of accumulating, against all Ω_n at once in float64."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from avalanche_mas.penalty import QuadraticPenalty
from avalanche_mas.penalty.accumulation import ACCUMULATIONS
from tests.penalty.cases import Scalar, grow, move, random_omega

ALPHA = 0.25


def blend(omegas: list[Tensor]) -> Tensor:
    """α Ω + (1 − α) Ω_n written out: Ω_n weighs (1 − α) α^(number of later tasks)."""
    weights = [(1 - ALPHA) * ALPHA ** (len(omegas) - 1 - n) for n in range(len(omegas))]
    weights[0] = ALPHA ** (len(omegas) - 1)  # the first is taken as it is
    return sum((w * omega for w, omega in zip(weights, omegas, strict=True)), torch.zeros(()))


TRUTH: dict[str, Callable[[list[Tensor]], Tensor]] = {
    "sum": lambda omegas: torch.stack(omegas).sum(0),
    "blend": blend,
    "mean": lambda omegas: torch.stack(omegas).mean(0),
    "max": lambda omegas: torch.stack(omegas).amax(0),
    "replace": lambda omegas: omegas[-1],
}


def penalty_with(accumulation: str) -> QuadraticPenalty:
    return QuadraticPenalty(
        alpha=ALPHA if accumulation == "blend" else None, accumulation=accumulation
    )


@pytest.fixture(params=list(TRUTH))
def accumulation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_way_is_tested() -> None:
    assert TRUTH.keys() == ACCUMULATIONS.keys()


@pytest.mark.parametrize(
    ("accumulation", "expected"),
    [
        ("sum", [2, 8, 9]),
        ("blend", [2, 5, 2]),
        ("mean", [2, 4, 3]),
        ("max", [2, 6, 6]),
        ("replace", [2, 6, 1]),
    ],
)
def test_by_hand(accumulation: str, expected: list[float]) -> None:
    model, penalty = Scalar(1.0), penalty_with(accumulation)
    for theta, (omega, result) in enumerate(zip([2.0, 6.0, 1.0], expected, strict=True)):
        model.theta.data.fill_(theta)
        penalty.consolidate(model, {"theta": torch.tensor([omega])})
        assert penalty.importance["theta"].item() == pytest.approx(result)
        assert penalty.anchors["theta"].item() == theta  # whatever the way, θ* is the last


def test_over_tasks_some_of_which_leave_a_parameter_out(accumulation: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2)).double()
    penalty = penalty_with(accumulation)
    measured: dict[str, list[Tensor]] = {}
    for left_out in ({"1.weight"}, set(), {"0.bias", "1.weight"}, {"0.bias"}, set()):
        move(model)
        omega = {n: o for n, o in random_omega(model).items() if n not in left_out}
        penalty.consolidate(model, omega)
        for name, tensor in omega.items():
            measured.setdefault(name, []).append(tensor)
        assert penalty.importance.keys() == measured.keys()
        for name, omegas in measured.items():
            torch.testing.assert_close(penalty.importance[name], TRUTH[accumulation](omegas))
            assert torch.equal(penalty.anchors[name], model.get_parameter(name))


def test_new_entries_of_a_layer_count_as_zero_before_it_grew(accumulation: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2, dtype=torch.float64))
    penalty, measured = penalty_with(accumulation), []
    for size in (2, 2, 4, 4, 5):
        if size != model[0].out_features:
            model[0] = grow(model[0], 3, size)
        omega = random_omega(model)
        penalty.consolidate(model, omega)
        measured.append(omega["0.weight"])
        padded = [torch.cat([o, o.new_zeros(size - len(o), 3)]) for o in measured]
        torch.testing.assert_close(penalty.importance["0.weight"], TRUTH[accumulation](padded))
        assert torch.equal(penalty.anchors["0.weight"], model[0].weight)


def test_the_model_may_move_and_omega_may_be_wider(accumulation: str) -> None:
    model, penalty = Scalar(1.0), penalty_with(accumulation)
    first, second = torch.tensor([1.5]), torch.tensor([0.1], dtype=torch.float64)
    penalty.consolidate(model, {"theta": first})
    penalty.consolidate(model, {"theta": second})
    expected = TRUTH[accumulation]([first.double(), second])
    torch.testing.assert_close(penalty.importance["theta"], expected)


def test_what_was_handed_in_or_out_is_not_written_to(accumulation: str) -> None:
    model, penalty = Scalar(1.0), penalty_with(accumulation)
    given = [torch.tensor([value]) for value in (2.0, 6.0, 4.0)]
    seen = []
    for omega in given:
        penalty.consolidate(model, {"theta": omega})
        seen.append((penalty.importance["theta"], penalty.importance["theta"].clone()))
    assert [omega.item() for omega in given] == [2, 6, 4]
    for omega in given:
        omega.fill_(-1)
    for tensor, values in seen:
        assert torch.equal(tensor, values)


def test_going_on_from_a_state_equals_not_having_stopped(accumulation: str) -> None:
    torch.manual_seed(0)
    model, penalty = nn.Linear(3, 2).double(), penalty_with(accumulation)
    for names in ({"weight", "bias"}, {"weight"}, {"weight"}):
        penalty.consolidate(model, {n: o for n, o in random_omega(model).items() if n in names})
    resumed = penalty_with(accumulation)
    resumed.load_state_dict(copy.deepcopy(penalty.state_dict()))
    for _ in range(2):
        omega = random_omega(model)
        for each in (penalty, resumed):
            each.consolidate(model, omega)
        for name in omega:
            assert torch.equal(resumed.importance[name], penalty.importance[name])


def test_a_failed_consolidation_counts_no_task(accumulation: str) -> None:
    model, penalty = Scalar(1.0), penalty_with(accumulation)
    penalty.consolidate(model, {"theta": torch.tensor([2.0])})
    with pytest.raises(ValueError, match="importance of 'theta'"):
        penalty.consolidate(model, {"theta": torch.tensor([math.nan])})
    penalty.consolidate(model, {"theta": torch.tensor([6.0])})
    expected = TRUTH[accumulation]([torch.tensor([2.0]), torch.tensor([6.0])])
    torch.testing.assert_close(penalty.importance["theta"], expected)


def test_the_default_is_the_sum_and_with_alpha_the_blend() -> None:
    assert QuadraticPenalty().accumulation == "sum"
    assert QuadraticPenalty(alpha=0.5).accumulation == "blend"
    assert QuadraticPenalty(alpha=0.5, accumulation="blend").accumulation == "blend"


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_the_ends_of_a_blend(alpha: float) -> None:
    model, penalty = Scalar(1.0), QuadraticPenalty(alpha=alpha)
    for omega in (2.0, 6.0):
        penalty.consolidate(model, {"theta": torch.tensor([omega])})
    assert penalty.importance["theta"].item() == (2 if alpha == 1 else 6)


@pytest.mark.parametrize("alpha", [-0.1, 1.5, math.nan, math.inf, -math.inf])
def test_alpha_out_of_range(alpha: float) -> None:
    for accumulation in (None, "blend", "max"):
        with pytest.raises(ValueError, match=f"alpha must be .* got {alpha}"):
            QuadraticPenalty(alpha=alpha, accumulation=accumulation)


@pytest.mark.parametrize("accumulation", ["sum", "mean", "max", "replace"])
def test_alpha_where_it_has_no_effect(accumulation: str) -> None:
    message = f"alpha=0.5 has no effect with accumulation='{accumulation}'; .* accumulation='blend'"
    with pytest.raises(ValueError, match=message):
        QuadraticPenalty(alpha=0.5, accumulation=accumulation)


def test_a_blend_without_alpha() -> None:
    with pytest.raises(ValueError, match=r"'blend' needs alpha"):
        QuadraticPenalty(accumulation="blend")


def test_an_unknown_accumulation_is_told_the_known_ones() -> None:
    known = "'sum', 'blend', 'mean', 'max', 'replace'"
    with pytest.raises(ValueError, match=f"one of {known}, got 'average'"):
        QuadraticPenalty(accumulation="average")
