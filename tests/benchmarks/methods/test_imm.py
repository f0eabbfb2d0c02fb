"""Evaluation with IMM: which weights are merged, and when they are in the network."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from benchmarks.methods._imm import IMMPlugin
from tests.benchmarks.methods.cases import At, Seen, through_pickle
from tests.benchmarks.methods.merging import MERGES, Truth, fail, trained
from tests.plugins.cases import (
    SCENARIOS,
    assert_close,
    assert_equal,
    domain_incremental,
    single_head,
    strategy_for,
    weights,
)

# Nothing is logged here, and Avalanche warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:No loggers specified")


@pytest.mark.parametrize("merge", MERGES)
@pytest.mark.parametrize("scenario", ["task-incremental", "domain-incremental"])
def test_evaluation_sees_the_merged_weights(scenario: str, merge: Any) -> None:
    strategy, truth, benchmark = trained(scenario, IMMPlugin(merge, 0.1))
    strategy.eval(benchmark.train_stream[:1])
    expected = truth.merged(merge)
    assert_close(truth.evaluated[0], expected, rtol=1e-5)
    own = truth.own[-1]
    shared = [name for name in own if not name.startswith("head.") and "num_batches" not in name]
    assert shared
    for name in shared:
        assert not torch.equal(truth.evaluated[0][name], own[name])
    for name in own.keys() - set(shared):
        assert torch.equal(truth.evaluated[0][name], own[name])


def test_mean_and_mode_differ() -> None:
    """Otherwise the two oracles above would not tell them apart."""
    _, truth, _ = trained("task-incremental", IMMPlugin("mode", 0.1))
    mean, mode = truth.merged("mean"), truth.merged("mode")
    assert (mean["body.0.weight"] - mode["body.0.weight"]).abs().max() > 1e-3


@pytest.mark.parametrize("merge", MERGES)
def test_heads_are_those_that_their_task_has_trained(merge: Any) -> None:
    strategy, truth, benchmark = trained("task-incremental", IMMPlugin(merge, 0.1))
    strategy.eval(benchmark.train_stream)
    for task, own in enumerate(truth.own):
        heads = [name for name in own if name.startswith(f"head.classifiers.{task}.")]
        assert heads
        for name in heads:
            assert torch.equal(truth.evaluated[-1][name], own[name])


@pytest.mark.parametrize("merge", MERGES)
def test_after_one_task_nothing_is_changed(merge: Any) -> None:
    strategy, truth, benchmark = trained("task-incremental", IMMPlugin(merge), tasks=1)
    strategy.eval(benchmark.train_stream[:1])
    assert strategy.plugins[0].merged == {}
    assert_equal(truth.evaluated[0], truth.own[0])


@pytest.mark.parametrize("scenario", ["task-incremental", "domain-incremental"])
@pytest.mark.parametrize("merge", MERGES)
@pytest.mark.parametrize("broken", [False, True])
def test_evaluation_changes_nothing_for_training(scenario: str, merge: Any, broken: bool) -> None:
    untouched, _, benchmark = trained(scenario, IMMPlugin(merge, 0.1))
    torch.manual_seed(0)
    model = SCENARIOS[scenario][1]()
    plugin = IMMPlugin(merge, 0.1)
    strategy = strategy_for(model, plugin, Truth())
    for task, experience in enumerate(benchmark.train_stream):
        strategy.train(experience, eval_streams=[])
        random, before = torch.random.get_rng_state(), weights(model)
        for _ in range(2):
            strategy.eval(benchmark.train_stream[: task + 1])
            assert_equal(weights(model), before)
        if broken:
            strategy.plugins.append(At("before_eval_forward", fail))
            for _ in range(2):
                with pytest.raises(KeyboardInterrupt):
                    strategy.eval(benchmark.train_stream[:1])
            strategy.plugins.pop()
            assert_equal(weights(model), before | plugin.merged)
        torch.random.set_rng_state(random)
    strategy.plugins[0].before_training(strategy)
    assert_equal(weights(model), weights(untouched.model))


def test_a_broken_evaluation_is_undone_by_the_next() -> None:
    strategy, truth, benchmark = trained("task-incremental", IMMPlugin("mean"))
    strategy.plugins.append(At("before_eval_forward", fail))
    with pytest.raises(KeyboardInterrupt):
        strategy.eval(benchmark.train_stream[:1])
    strategy.plugins.pop()
    assert not torch.equal(weights(strategy.model)["body.0.weight"], truth.own[-1]["body.0.weight"])
    strategy.eval(benchmark.train_stream[:1])
    assert_close(truth.evaluated[-1], truth.merged("mean"), rtol=1e-5)
    assert_equal(weights(strategy.model), truth.own[-1])


def test_evaluation_before_any_training() -> None:
    benchmark, model = domain_incremental(), single_head()
    strategy, before = strategy_for(model, IMMPlugin("mode")), weights(model)
    strategy.eval(benchmark.train_stream)
    assert_equal(weights(model), before)


def test_evaluation_within_training_is_of_the_network_as_it_is_then() -> None:
    torch.manual_seed(0)
    benchmark, model = domain_incremental(), single_head()
    truth, now = Truth(), Seen()
    look = At("after_training_epoch", lambda strategy: now.append(weights(strategy.model)))
    strategy = strategy_for(
        model, IMMPlugin("mean"), truth, look, train_epochs=2, eval_mb_size=20, eval_every=2
    )
    strategy.train(benchmark.train_stream[:2], eval_streams=[])
    now.clear()
    merged_before = truth.merged("mean")
    strategy.train(benchmark.train_stream[2], eval_streams=[benchmark.train_stream[:1]])
    before, during, after = truth.evaluated
    assert_close(before, merged_before, rtol=1e-5)
    assert_equal(during, now[0])
    assert_close(after, truth.merged("mean"), rtol=1e-5)


def test_a_copy_from_within_a_broken_evaluation_has_the_own_weights() -> None:
    strategy, truth, benchmark = trained("task-incremental", IMMPlugin("mean"))
    strategy.plugins.append(At("before_eval_forward", fail))
    with pytest.raises(KeyboardInterrupt):
        strategy.eval(benchmark.train_stream[:1])
    plugin, model = through_pickle((strategy.plugins[0], strategy.model))
    strategy_for(model, plugin).eval([])
    assert_equal(weights(model), truth.own[-1])
