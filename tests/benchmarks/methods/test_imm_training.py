"""Training with IMM: what is held, when a task is merged, what is kept."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from avalanche.benchmarks import split_online_stream

from avalanche_mas.streams import TaskBenchmark
from benchmarks.methods import METHODS
from benchmarks.methods._imm import IMMPlugin
from benchmarks.run.memory import stored_mb
from benchmarks.run.runner import run
from benchmarks.run.training.networks import make_network
from tests.benchmarks.methods.cases import At, Seen, through_pickle
from tests.benchmarks.methods.merging import MERGES, Named, fail, trained
from tests.plugins.cases import (
    MultiHead,
    assert_equal,
    domain_incremental,
    single_head,
    strategy_for,
    task_incremental,
    train_all,
    weights,
)

# Nothing is logged here, and Avalanche warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:No loggers specified")


@pytest.mark.parametrize("merge", MERGES)
def test_strength_zero_is_plain_training(merge: Any) -> None:
    """In mode it draws labels of its own, which must not change the order of later batches."""
    scenario = task_incremental(), MultiHead()
    plain = train_all(scenario)
    assert_equal(train_all(scenario, IMMPlugin(merge, 0.0)), plain)
    held = train_all(scenario, IMMPlugin(merge, 0.1))
    assert not torch.equal(held["body.0.weight"], plain["body.0.weight"])


def test_the_penalty_holds_the_previous_weights_of_shared_parameters() -> None:
    torch.manual_seed(0)
    benchmark, model = task_incremental(2), MultiHead()
    starts, grads, plain, now = Seen(), Seen(), Seen(), Seen()

    def keep_plain(strategy: Any) -> None:
        strategy.retain_graph = True
        parameters = dict(model.named_parameters())
        loss = strategy.criterion()
        found = torch.autograd.grad(
            loss, list(parameters.values()), allow_unused=True, retain_graph=True
        )
        plain.append(dict(zip(parameters, found, strict=True)))
        now.append(weights(model))

    def keep(_: Any) -> None:
        grads.append({n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})

    strategy = strategy_for(
        model,
        IMMPlugin("mean", lambda_reg=0.7),
        At("before_training_exp", lambda _: starts.append(weights(model))),
        At("before_backward", keep_plain),
        At("after_backward", keep),
    )
    for experience in benchmark.train_stream:
        strategy.train(experience, eval_streams=[])
    steps = len(grads) // 2
    assert steps > 2
    for step, gradients in enumerate(grads):
        for name, gradient in gradients.items():
            expected = plain[step][name]
            if step >= steps and name.startswith("body."):
                expected = expected + 2 * 0.7 * (now[step][name] - starts[1][name])
            elif expected is None:
                expected = torch.zeros_like(gradient)
            torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-6, msg=name)
    assert not torch.equal(now[-1]["body.0.weight"], starts[1]["body.0.weight"])


def test_a_task_goes_on_after_an_interruption_with_the_same_weights_held() -> None:
    strategy, truth, benchmark = trained("domain-incremental", IMMPlugin("mean", 1e3), tasks=1)
    held = truth.own[0]["1.weight"]
    strategy.plugins.insert(2, At("after_update", fail))
    with pytest.raises(KeyboardInterrupt):
        strategy.train(benchmark.train_stream[1])
    del strategy.plugins[2]
    with torch.no_grad():
        strategy.model[1].weight += 5
    losses: list[float] = []
    strategy.plugins.insert(2, At("before_backward", lambda s: losses.append(s.loss.item())))
    strategy.train(benchmark.train_stream[1], eval_streams=[])
    assert losses[0] == pytest.approx(1e3 * 25 * held.numel(), rel=0.05)


def test_online_pieces_of_a_task_are_merged_once() -> None:
    torch.manual_seed(0)
    benchmark, model = domain_incremental(2), single_head()
    plugin, own = IMMPlugin("mean", 0.1), Seen()
    strategy = strategy_for(model, plugin)
    for experience in benchmark.train_stream:
        pieces = list(split_online_stream([experience], 10, access_task_boundaries=True))
        assert len(pieces) == 2
        for piece in pieces:
            strategy.train(piece, eval_streams=[])
        own.append(weights(model))
    expected = (own[0]["1.weight"] + own[1]["1.weight"]) / 2
    torch.testing.assert_close(plugin.merged["1.weight"], expected)


@pytest.mark.parametrize("copied", [copy.deepcopy, through_pickle])
@pytest.mark.parametrize("merge", MERGES)
def test_a_copy_goes_on_alike(merge: Any, copied: Callable[[Any], Any]) -> None:
    strategy, _, benchmark = trained("task-incremental", IMMPlugin(merge, 0.1), tasks=2)
    ends = []
    plugin, model = copied((strategy.plugins[0], strategy.model))
    for again in (strategy, strategy_for(model, plugin)):
        torch.manual_seed(5)
        again.train(benchmark.train_stream[2], eval_streams=[], reset_optimizer_state=True)
        ends.append({**weights(again.model), **prefixed(again.plugins[0].merged)})
    assert_equal(ends[1], ends[0])


def prefixed(tensors: Named) -> Named:
    return {f"merged {name}": value for name, value in tensors.items()}


def test_what_is_stored_does_not_grow_with_the_tasks() -> None:
    stored = {}
    for merge in MERGES:
        for tasks in (1, 2, 3):
            strategy, _, _ = trained("domain-incremental", IMMPlugin(merge), tasks=tasks)
            stored[merge, tasks] = stored_mb(strategy.plugins[:1], strategy.model)
    network = 4e-6 * sum(p.numel() for p in single_head().parameters())
    statistics, numbers = 4e-6 * 2 * 8, 4e-6 * 10
    for tasks in (1, 2, 3):
        expected = 2 * network + statistics
        assert stored["mean", tasks] == pytest.approx(expected, abs=numbers)
        assert stored["mode", tasks] == pytest.approx(expected + network, abs=numbers)


@pytest.mark.parametrize("method", ["imm-mean", "imm-mode"])
def test_a_run_of_the_comparison(
    method: str, make_job: Callable[..., Any], stream: TaskBenchmark
) -> None:
    results = [
        run(make_job(method, strength=strength), say=lambda _: None, stream=stream)
        for strength in (0.0, 10.0)
    ]
    network = 4e-6 * sum(
        p.numel() for p in make_network("small-cnn", (3, 32, 32)).body.parameters()
    )
    copies = 2 if method == "imm-mean" else 3
    for result in results:
        assert result["stored_mb"] == pytest.approx(copies * network, rel=0.01)
    assert results[0]["accuracy"][0] == results[1]["accuracy"][0]
    (plugin,) = METHODS[method].plugins(0.3)
    assert plugin.lambda_reg == 0.3
    assert method.endswith(plugin.merge)
