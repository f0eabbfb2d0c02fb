"""How a task is trained: learning rates, weight decay and clipping, alone and in a run."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from avalanche_mas.streams import TaskBenchmark
from benchmarks.run.job import Job
from benchmarks.run.runner import run
from benchmarks.run.training.schedules import Progress, one_cycle
from benchmarks.run.training.strategy import ClipGradient
from tests.benchmarks.strategies import Look, gradients, strategy_of, train, values

MakeJob = Callable[..., Job]
PLAIN = {"schedule": "constant", "learning_rate": 0.1, "gradient_clip": None, "epochs": 1}


def with_gradients(*gradients: torch.Tensor | None) -> SimpleNamespace:
    model = nn.ParameterList()
    for gradient in gradients:
        parameter = nn.Parameter(torch.zeros(3) if gradient is None else torch.zeros_like(gradient))
        parameter.grad = None if gradient is None else gradient.clone()
        model.append(parameter)
    return SimpleNamespace(model=model)


def test_a_gradient_is_clipped_as_a_whole() -> None:
    first, second = torch.tensor([3.0, 0.0]), torch.tensor([[4.0]])
    for norm, factor in ((10.0, 1.0), (5.0, 1.0), (1.0, 0.2)):
        strategy = with_gradients(first, None, second)
        ClipGradient(norm).before_update(strategy)
        torch.testing.assert_close(strategy.model[0].grad, factor * first)
        assert strategy.model[1].grad is None
        torch.testing.assert_close(strategy.model[2].grad, factor * second)


def test_gradients_of_zero_change_no_bit() -> None:
    generator = torch.Generator().manual_seed(0)
    for count in range(1, 40):
        gradients = [torch.randn(7, generator=generator) for _ in range(count)]
        alone = with_gradients(*gradients)
        among = with_gradients(*(g for gradient in gradients for g in (gradient, gradient)))
        for place in range(1, 2 * count, 2):
            among.model[place].grad.zero_()
        for strategy in (alone, among):
            ClipGradient(math.sqrt(count)).before_update(strategy)
        for place in range(count):
            assert torch.equal(alone.model[place].grad, among.model[2 * place].grad)


def steps_of(job: Job, stream: TaskBenchmark, change: Callable[[Any], Any] | None = None) -> Look:
    look = Look(
        before_training_iteration=values,
        before_update=change or gradients,
        after_update=values,
    )
    train(strategy_of(job, stream, look), stream)
    return look


def test_heads_and_backbone_move_by_rates_of_their_own(
    make_job: MakeJob, stream: TaskBenchmark
) -> None:
    look = steps_of(make_job("fine-tuning", **PLAIN, backbone_learning_rate=0.01), stream)
    for first in (0, 3):  # the first step of each task: there is no momentum yet
        before, gradient, after = (look.seen[name][first] for name in look.seen)
        assert {name.split(".")[0] for name in gradient} == {"body", "classifier"}
        for name, change in gradient.items():
            rate = 0.01 if name.startswith("body.") else 0.1
            torch.testing.assert_close(after[name], before[name] - rate * change)
            assert change.abs().sum() > 0
    assert "classifier.classifiers.1.classifier.weight" in look.seen["before_update"][3]


def test_without_a_rate_of_its_own_the_backbone_moves_by_that_of_the_heads(
    make_job: MakeJob, stream: TaskBenchmark
) -> None:
    look = steps_of(make_job("fine-tuning", **PLAIN), stream)
    before, gradient, after = (look.seen[name][0] for name in look.seen)
    for name, change in gradient.items():
        torch.testing.assert_close(after[name], before[name] - 0.1 * change)


def test_every_step_has_the_rate_of_the_schedule(make_job: MakeJob, stream: TaskBenchmark) -> None:
    look = Look(before_update=lambda s: [group["lr"] for group in s.optimizer.param_groups])
    job = make_job("fine-tuning", learning_rate=0.2, backbone_learning_rate=0.05)
    train(strategy_of(job, stream, look), stream)
    steps = 2 * 3
    expected = [one_cycle(0.2, Progress(step, steps)) for step in range(steps)]
    assert [heads for _, heads in look.seen["before_update"]] == 2 * expected
    bodies = [body for body, _ in look.seen["before_update"]]
    assert bodies == pytest.approx([0.25 * rate for rate in 2 * expected])


def without_gradient(strategy: Any) -> None:
    for name, parameter in strategy.model.named_parameters():
        if name.startswith("body.") and parameter.grad is not None:
            parameter.grad.zero_()


def test_weight_decay_shrinks_what_has_no_other_gradient(
    make_job: MakeJob, stream: TaskBenchmark
) -> None:
    job = make_job("fine-tuning", **PLAIN, weight_decay=0.5)
    look = steps_of(job, stream, change=without_gradient)
    before, after = look.seen["before_training_iteration"][0], look.seen["after_update"][0]
    for name in before:
        if name.startswith("body."):
            torch.testing.assert_close(after[name], (1 - 0.1 * 0.5) * before[name])
    head = "classifier.classifiers.0.classifier.weight"  # of the task before: nothing touches it
    assert torch.equal(look.seen["after_update"][-1][head], look.seen["after_update"][2][head])


def norm_of(found: dict[str, torch.Tensor]) -> float:
    return math.sqrt(sum(float(gradient.square().sum()) for gradient in found.values()))


def test_gradients_are_clipped_in_a_run_or_not_at_all(
    make_job: MakeJob, stream: TaskBenchmark
) -> None:
    plain = steps_of(make_job("fine-tuning", **PLAIN), stream).seen["before_update"][0]
    clipped_job = make_job("fine-tuning", **{**PLAIN, "gradient_clip": 0.01})
    clipped = steps_of(clipped_job, stream).seen["before_update"]
    assert norm_of(plain) > 0.1
    assert [norm_of(found) for found in clipped] == pytest.approx([0.01] * 6, rel=1e-4)
    for name, gradient in plain.items():
        torch.testing.assert_close(clipped[0][name], gradient * (0.01 / norm_of(plain)))


@pytest.mark.parametrize(("clip", "share"), [(1e-9, 1.0), (1e9, 0.0), (None, None)])
def test_the_share_of_clipped_steps_is_recorded(
    clip: float | None, share: float | None, make_job: MakeJob, stream: TaskBenchmark
) -> None:
    job = make_job("fine-tuning", **{**PLAIN, "gradient_clip": clip})
    result = run(job, lambda _: None, stream=stream)
    assert result.get("clipped") == (None if share is None else [share, share])


# Avalanche's Synaptic Intelligence hands a tensor to np.square.
@pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")
@pytest.mark.parametrize("penalty", ["explicit", "damped"])
@pytest.mark.parametrize("method", ["mas", "ewc-repaired", "si-repaired", "imm-mean"])
def test_only_explicit_penalties_are_clipped(
    method: str, penalty: str, make_job: MakeJob, stream: TaskBenchmark
) -> None:
    """Drawn away from θ* before each step, the weights are pulled back, by more than the clip allows."""

    def away(strategy: Any) -> None:
        with torch.no_grad():
            for p in strategy.model.parameters():
                p.add_(1.0)

    recipe = {**PLAIN, "gradient_clip": 1e-3, "penalty": penalty, "strength": 10.0}
    look = Look(before_training_iteration=away, after_update=gradients)
    train(strategy_of(make_job(method, **recipe), stream, look), stream)
    norms = [norm_of(found) for found in look.seen["after_update"][-3:]]
    assert all(norm > 0.01 for norm in norms) == (penalty == "damped")
