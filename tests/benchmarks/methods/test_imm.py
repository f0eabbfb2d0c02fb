"""Incremental Moment Matching: what is merged, when it is there, and what holds the weights."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from avalanche.benchmarks import split_online_stream
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor, nn

from avalanche_mas.plugins import TaskOutput, batches_of, task_labels_of
from avalanche_mas.streams import TaskBenchmark
from benchmarks.methods import METHODS
from benchmarks.methods._imm import FLOOR, IMMPlugin, TaskMean
from benchmarks.run.memory import stored_mb
from benchmarks.run.runner import run
from benchmarks.run.training.networks import make_network
from tests.benchmarks.methods.cases import At, Seen
from tests.plugins.cases import (
    SCENARIOS,
    Growing,
    MultiHead,
    assert_close,
    assert_equal,
    domain_incremental,
    single_head,
    strategy_for,
    task_incremental,
    train_all,
    weights,
)
from tests.reference import slow_fisher

# Nothing is logged here, and Avalanche warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:No loggers specified")

MERGES = ["mean", "mode"]
Named = dict[str, Tensor]


class Truth(SupervisedPlugin):
    """Keeps every task's weights and its Fisher information, and what evaluation sees."""

    def __init__(self) -> None:
        super().__init__()
        self.own: Seen = []
        self.fisher: Seen = []
        self.evaluated: Seen = []

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        model, experience = strategy.model, strategy.experience
        self.own.append(weights(model))
        data = experience.dataset
        outputs = TaskOutput(data, strategy.device, task_labels_of(experience))
        batches = batches_of(data, strategy.train_mb_size, num_workers=0)
        with torch.random.fork_rng(devices=[]):
            self.fisher.append(slow_fisher(model, batches, outputs))

    def before_eval_iteration(self, strategy: Any, **_: Any) -> None:
        self.evaluated.append(weights(strategy.model))

    def merged(self, merge: str) -> Named:
        """The merged weights in float64; heads are of the last task that trained them."""
        result = {}
        for name, last in self.own[-1].items():
            if name.startswith("head.") or not last.is_floating_point():
                result[name] = last
                continue
            each = [own[name].double() for own in self.own]
            factors = [torch.ones(()).double()] * len(each)
            if merge == "mode" and "running" not in name:
                factors = [fisher[name] + FLOOR for fisher in self.fisher]
            total = sum(f * value for f, value in zip(factors, each, strict=True))
            result[name] = total / sum(factors)
        return result


def trained(
    scenario: str, plugin: IMMPlugin, tasks: int = 3, **options: Any
) -> tuple[Any, Truth, Any]:
    """A strategy that has learned some tasks, without any evaluation in between."""
    torch.manual_seed(0)
    benchmark, model = (make() for make in SCENARIOS[scenario])
    truth = Truth()
    strategy = strategy_for(model, plugin, truth, **options)
    for experience in benchmark.train_stream[:tasks]:
        strategy.train(experience, eval_streams=[])
    return strategy, truth, benchmark


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


def fail(_: Any) -> None:
    raise KeyboardInterrupt


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


def through_pickle(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))


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


def test_a_copy_from_within_a_broken_evaluation_has_the_own_weights() -> None:
    strategy, truth, benchmark = trained("task-incremental", IMMPlugin("mean"))
    strategy.plugins.append(At("before_eval_forward", fail))
    with pytest.raises(KeyboardInterrupt):
        strategy.eval(benchmark.train_stream[:1])
    plugin, model = through_pickle((strategy.plugins[0], strategy.model))
    strategy_for(model, plugin).eval([])
    assert_equal(weights(model), truth.own[-1])


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
