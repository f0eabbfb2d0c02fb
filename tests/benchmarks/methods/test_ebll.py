"""Encoder Based Lifelong Learning: its losses, its teacher, what it keeps."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from avalanche.benchmarks import split_online_stream
from torch import Tensor, nn

from avalanche_mas.streams import TaskBenchmark
from benchmarks.methods import METHODS, _ebll
from benchmarks.methods._autoencoder import Autoencoder, train_autoencoder
from benchmarks.methods._ebll import EBLLPlugin, code_loss
from benchmarks.run.memory import stored_mb
from benchmarks.run.runner import run
from benchmarks.run.training.networks import make_network
from tests.benchmarks.methods.cases import At, through_pickle
from tests.benchmarks.methods.feature_heads import CODE, SCENARIOS, WIDTH, ManyHeads, ebll
from tests.plugins.cases import (
    CLASSES,
    assert_equal,
    domain_incremental,
    inputs_of,
    strategy_for,
    task_incremental,
    train_all,
    weights,
)

# Nothing is logged here, and Avalanche warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:No loggers specified")


def head(model: Any, scenario: str, features: Tensor, task: int) -> Tensor:
    """Return the outputs of an old task's head for the classes it had seen then."""
    if scenario == "task-incremental":
        return model.classifier.classifiers[str(task)](features)
    return model.classifier(features)[:, : CLASSES * (task + 1)]


def written_by_hand(
    scenario: str, model: Any, before: Any, plugin: EBLLPlugin, x: Tensor, tasks: int
) -> float:
    """Return what is added to the loss, where `before` is the network after `tasks` tasks."""
    f, f_before = model.features(x).double(), before.features(x).double()
    heads = range(tasks) if scenario == "task-incremental" else [tasks - 1]
    total = 0.0
    for task in heads:
        p = (head(before.double(), scenario, f_before, task) / 2).softmax(1)
        q = (head(copy.deepcopy(model).double(), scenario, f, task) / 2).softmax(1)
        for k in range(len(x)):
            for c in range(p.shape[1]):
                total += plugin.lambda_reg * (p[k, c] * (p[k, c] / q[k, c]).log()).item() / len(x)
    for encoder in plugin.encoders:
        weight, bias = encoder.linear.weight.double(), encoder.linear.bias.double()
        mean, deviation = encoder.mean.double(), encoder.deviation.double()
        for k in range(len(x)):
            codes = [
                1 / (1 + torch.exp(-(weight @ ((g[k] - mean) / deviation) + bias)))
                for g in (f, f_before)
            ]
            distance = ((codes[0] - codes[1]) ** 2).sum().item()
            total += plugin.alpha / 2 * distance / len(x)
    return total


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_loss_is_what_is_written_by_hand(scenario: str) -> None:
    torch.manual_seed(0)
    benchmark, model = (make() for make in SCENARIOS[scenario])
    plugin, compared = ebll(0.7, 40.0), []
    learned: list[nn.Module] = []

    @torch.no_grad()
    def compare(strategy: Any) -> None:
        added = (strategy.loss - strategy.criterion()).item()
        expected = 0.0
        if learned:
            x, before = strategy.mb_x, copy.deepcopy(learned[-1])
            expected = written_by_hand(scenario, model, before, plugin, x, len(learned))
        compared.append((added, expected))

    strategy = strategy_for(
        model,
        plugin,
        At("before_backward", compare),
        At("after_training_exp", lambda _: learned.append(copy.deepcopy(model))),
        train_epochs=2,
    )
    strategy.train(benchmark.train_stream, eval_streams=[])
    steps = len(compared) // 3
    assert len(plugin.encoders) == 3
    for added, expected in compared:
        assert added == pytest.approx(expected, rel=1e-3, abs=2e-6)
    assert all(added == 0 for added, _ in compared[:steps])
    for last in (2 * steps, 3 * steps):
        assert compared[last - 1][1] > 1e-3


def test_distillation_and_codes_have_weights_of_their_own() -> None:
    scenario = task_incremental(), ManyHeads()
    plain = train_all(scenario)["body.0.weight"]
    for plugin in (ebll(1.0, 0.0), ebll(0.0, 1.0)):
        assert not torch.equal(train_all(scenario, plugin)["body.0.weight"], plain)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_strength_zero_is_plain_training(scenario: str) -> None:
    """The autoencoders draw random numbers, which must not change the order of later batches."""
    torch.manual_seed(0)
    benchmark, model = (make() for make in SCENARIOS[scenario])
    case = benchmark, model
    assert_equal(train_all(case, ebll(0.0, 0.0)), train_all(case))


def test_codes_are_held_and_the_rest_of_the_features_is_free() -> None:
    moved = {}
    for alpha in (0.0, 50.0):
        torch.manual_seed(0)
        benchmark, model = task_incremental(2), ManyHeads()
        plugin = ebll(0.0, alpha)
        strategy = strategy_for(model, plugin, train_epochs=5)
        strategy.train(benchmark.train_stream[0], eval_streams=[])
        (encoder,), x = plugin.encoders, inputs_of(benchmark.train_stream[1])
        f_before = model.features(x).detach()
        strategy.train(benchmark.train_stream[1], eval_streams=[])
        f = model.features(x).detach()
        codes = code_loss(encoder, f, f_before).item()
        moved[alpha] = codes, (f - f_before).square().sum(1).mean().item()
    assert moved[50.0][0] < 0.2 * moved[0.0][0]
    assert moved[50.0][1] > 0.1 * moved[0.0][1]


def test_the_teacher_is_frozen_in_eval_mode() -> None:
    torch.manual_seed(0)
    benchmark, model = task_incremental(2), ManyHeads(dropout=0.9)
    plugin, calls = ebll(), []

    def look(strategy: Any) -> None:
        teacher = plugin.teacher
        if teacher is not None:
            calls.append(teacher)
            assert strategy.model.training
            assert not any(module.training for module in teacher.modules())
            assert all(not p.requires_grad and p.grad is None for p in teacher.parameters())

    strategy = strategy_for(model, plugin, At("before_backward", look), At("after_update", look))
    strategy.train(benchmark.train_stream[0], eval_streams=[])
    assert plugin.teacher is not None
    kept, x = weights(plugin.teacher), inputs_of(benchmark.train_stream[0])
    model.eval()
    assert torch.equal(plugin.teacher.features(x), model.features(x))
    assert_equal(kept, weights(model))
    strategy.train(benchmark.train_stream[1], eval_streams=[])
    assert len(calls) > 2


def test_the_loss_with_dropout_takes_the_teacher_without() -> None:
    torch.manual_seed(0)
    benchmark, model = task_incremental(2), ManyHeads(dropout=0.5)
    plugin, seen = ebll(), []
    strategy = strategy_for(model, plugin)
    strategy.train(benchmark.train_stream[0], eval_streams=[])
    assert plugin.teacher is not None
    original = plugin.teacher.features
    plugin.teacher.features = lambda x: seen.append((x, original(x))) or seen[-1][1]
    exact = copy.deepcopy(model).eval()
    strategy.train(benchmark.train_stream[1], eval_streams=[])
    for x, features in seen:
        assert torch.equal(features, exact.features(x))
    assert seen


def test_the_autoencoder_is_trained_in_batches_as_large_as_the_tasks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []

    def seen(*given: Any) -> Autoencoder:
        sizes.append(given[-1])
        return train_autoencoder(*given)

    monkeypatch.setattr(_ebll, "train_autoencoder", seen)
    strategy = strategy_for(ManyHeads(), ebll(), train_mb_size=7)
    strategy.train(task_incremental(2).train_stream[0], eval_streams=[])
    assert sizes == [7]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_autoencoders_leave_the_network_as_it_is(scenario: str) -> None:
    torch.manual_seed(0)
    benchmark, model = SCENARIOS[scenario][0](), SCENARIOS[scenario][1](0.5)
    states: list[Any] = []

    def keep(_: Any) -> None:
        modes = [module.training for module in model.modules()]
        grads = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
        flags = [p.requires_grad for p in model.parameters()]
        states.append((weights(model), grads, modes, flags, torch.random.get_rng_state()))

    look = At("after_training_exp", keep)
    strategy = strategy_for(model, look, ebll(), look)
    strategy.train(benchmark.train_stream[0], eval_streams=[])
    before, after = states
    assert_equal(after[0], before[0])
    assert_equal(after[1], before[1])
    assert after[2:4] == before[2:4]
    assert all(before[2])
    assert torch.equal(after[4], before[4])


@pytest.mark.parametrize("copied", [copy.deepcopy, through_pickle])
def test_a_copy_goes_on_alike(copied: Callable[[Any], Any]) -> None:
    torch.manual_seed(0)
    benchmark, model = task_incremental(), ManyHeads()
    strategy, ends = strategy_for(model, ebll()), []
    for experience in benchmark.train_stream[:2]:
        strategy.train(experience, eval_streams=[])
    plugin, twin = copied((strategy.plugins[0], model))
    for again in (strategy, strategy_for(twin, plugin)):
        torch.manual_seed(5)
        again.train(benchmark.train_stream[2], eval_streams=[], reset_optimizer_state=True)
        ends.append({**weights(again.model), "code": again.plugins[0].encoders[2].linear.weight})
    assert_equal(ends[1], ends[0])


def test_what_is_stored_is_a_network_and_an_encoder_for_each_task() -> None:
    torch.manual_seed(0)
    benchmark, model = domain_incremental(), SCENARIOS["domain-incremental"][1]()
    plugin = ebll()
    strategy, network = strategy_for(model, plugin), sum(p.numel() for p in model.parameters())
    assert stored_mb([plugin], model) == 0
    for task, experience in enumerate(benchmark.train_stream):
        strategy.train(experience, eval_streams=[])
        encoder = CODE * (WIDTH + 1) + 2 * WIDTH
        expected = 4e-6 * (network + (task + 1) * encoder)
        assert stored_mb([plugin], model) == pytest.approx(expected)


def test_online_pieces_of_a_task_have_one_autoencoder() -> None:
    benchmark, model = domain_incremental(2), SCENARIOS["domain-incremental"][1]()
    plugin, seen = ebll(), []
    strategy = strategy_for(
        model, plugin, At("before_backward", lambda _: seen.append(len(plugin.encoders)))
    )
    for experience in benchmark.train_stream:
        for piece in split_online_stream([experience], 10, access_task_boundaries=True):
            strategy.train(piece, eval_streams=[])
    assert seen == [0] * 4 + [1] * 4
    assert len(plugin.encoders) == 2


def test_a_run_of_the_comparison(make_job: Callable[..., Any], stream: TaskBenchmark) -> None:
    results = [
        run(make_job("ebll", strength=strength), say=lambda _: None, stream=stream)
        for strength in (0.0, 10.0)
    ]
    body = sum(p.numel() for p in make_network("small-cnn", (3, 32, 32)).body.parameters())
    network, encoder = 4e-6 * (body + 7 * 257), 4e-6 * (100 * 257 + 2 * 256)
    for result in results:
        assert result["stored_mb"] == pytest.approx(network + 2 * encoder, rel=1e-3)
    assert results[0]["accuracy"][0] == results[1]["accuracy"][0]
    (plugin,) = METHODS["ebll"].plugins(3.0)
    assert (plugin.lambda_reg, plugin.alpha) == pytest.approx((3.0, 0.3))
