"""What IMM refuses, and heads that grow."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmarks.methods._imm import IMMPlugin, TaskMean
from tests.benchmarks.methods.merging import Named
from tests.plugins.cases import (
    SCENARIOS,
    Growing,
    assert_equal,
    domain_incremental,
    strategy_for,
    weights,
)

# Nothing is logged here, and Avalanche warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:No loggers specified")


def test_a_head_that_grows_is_refused_before_it_is_trained() -> None:
    benchmark, model = SCENARIOS["class-incremental"][0](), Growing()
    strategy = strategy_for(model, IMMPlugin("mean"))
    strategy.train(benchmark.train_stream[0], eval_streams=[])
    # evaluation makes it grow even earlier
    strategy.eval(benchmark.train_stream)
    before = parameters(model)
    with pytest.raises(ValueError, match=r"head\.classifier\.weight.*\(9, 8\).*\(3, 8\)"):
        strategy.train(benchmark.train_stream[1])
    assert_equal(parameters(model), before)


def parameters(model: nn.Module) -> Named:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def test_evaluation_may_make_a_merged_head_grow() -> None:
    benchmark, model = SCENARIOS["class-incremental"][0](), Growing()
    strategy = strategy_for(model, IMMPlugin("mean"))
    for _ in range(2):
        strategy.train(benchmark.train_stream[0], eval_streams=[])
    before = weights(model)
    strategy.eval(benchmark.train_stream)
    after = weights(model)
    assert after["head.classifier.weight"].shape == (9, 8)
    assert torch.equal(after["head.classifier.weight"][:3], before["head.classifier.weight"])


def test_a_network_without_fisher_information_is_refused_before_it_is_trained() -> None:
    model = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4, track_running_stats=False))
    benchmark, before = domain_incremental(), weights(model)
    with pytest.raises(ValueError, match="no running statistics"):
        strategy_for(model, IMMPlugin("mode")).train(benchmark.train_stream[0])
    assert_equal(weights(model), before)


def test_weights_that_are_not_finite_are_refused_and_the_mean_kept() -> None:
    mean = TaskMean()
    good, ones = {"a": torch.ones(2), "b": torch.ones(3)}, dict.fromkeys("ab", torch.ones(()))
    for _ in range(2):
        mean.add(good, ones)
    with pytest.raises(ValueError, match=r"'b' has NaN.*lower learning rate"):
        mean.add({"a": torch.zeros(2), "b": torch.tensor([0.0, torch.nan, 0.0])}, ones)
    assert_equal(mean.merged(), good)


@pytest.mark.parametrize("strength", [-1.0, float("nan"), float("inf")])
def test_bad_strength(strength: float) -> None:
    with pytest.raises(ValueError, match=f"lambda_reg must be finite.*{strength}"):
        IMMPlugin("mean", strength)


def test_bad_merge() -> None:
    with pytest.raises(ValueError, match="'mean' or 'mode', got 'median'"):
        IMMPlugin("median")  # type: ignore[arg-type]
