"""When the penalty is applied, and beside what."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from avalanche.models import MTSimpleMLP
from avalanche.training import Cumulative, LwF
from avalanche.training.plugins import ReplayPlugin
from torch import Tensor, nn

from avalanche_mas import MASPlugin
from tests.plugins.cases import (
    FEATURES,
    SAMPLES,
    Benchmark,
    MultiHead,
    assert_close,
    assert_equal,
    counting,
    domain_incremental,
    inputs_of,
    single_head,
    slow_omega,
    strategy_for,
    task_incremental,
    train_all,
    weights,
)

# Nothing is logged here, and Avalanche warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:No loggers specified")


def test_measuring_leaves_the_training_as_it_is(scenario: tuple[Benchmark, nn.Module]) -> None:
    assert_equal(train_all(scenario, MASPlugin(0.0)), train_all(scenario))


def test_there_is_no_penalty_in_the_first_task() -> None:
    torch.manual_seed(0)
    scenario = (domain_incremental(1), single_head())
    assert_equal(
        train_all(scenario, MASPlugin(1e9), train_epochs=3), train_all(scenario, train_epochs=3)
    )


@pytest.mark.parametrize("form", ["damped", "gradient", "loss"])
def test_a_strong_penalty_holds_what_is_important(form: Any) -> None:
    torch.manual_seed(0)
    scenario = (domain_incremental(2), single_head())
    drift = []
    for strength in (3.0, 0.0):
        plugin = MASPlugin(strength, penalty=form)
        train_all(scenario, plugin, train_epochs=5)
        drift.append(
            sum(
                (omega * (plugin.anchors[name] - plugin._memory.held.anchors[name]).square()).sum()
                for name, omega in plugin._memory.held.importance.items()
            )
        )
    assert drift[0] < drift[1] / 2


def test_both_plain_forms_give_the_same_training(scenario: tuple[Benchmark, nn.Module]) -> None:
    with_gradient = train_all(scenario, MASPlugin(0.1, penalty="gradient"))
    with_loss = train_all(scenario, MASPlugin(0.1, penalty="loss"))
    for name, tensor in with_gradient.items():
        torch.testing.assert_close(tensor, with_loss[name], rtol=1e-4, atol=1e-5)
    without = train_all(scenario)
    assert any(not torch.allclose(without[n], t, rtol=1e-3) for n, t in with_gradient.items())


def test_one_call_for_all_experiences_is_the_same_as_one_for_each(
    scenario: tuple[Benchmark, nn.Module],
) -> None:
    benchmark, model = scenario
    expected = train_all(scenario, MASPlugin())
    torch.manual_seed(1)
    strategy_for(model, MASPlugin()).train(benchmark.train_stream)
    assert_equal(weights(model), expected)


def test_training_again_on_the_same_data_goes_on_with_the_task() -> None:
    torch.manual_seed(0)
    benchmark, model, plugin = domain_incremental(3), single_head(), MASPlugin()
    strategy = strategy_for(model, plugin)
    for _ in range(3):
        strategy.train(benchmark.train_stream[0])
        assert not plugin._memory.held.importance  # no penalty in the first task
    first = slow_omega(model, inputs_of(benchmark.train_stream[0]))
    assert_close(plugin.importance, first)
    anchors = dict(plugin.anchors)
    for _ in range(2):
        strategy.train(benchmark.train_stream[1])
        assert_equal(plugin._memory.held.anchors, anchors)
    second = slow_omega(model, inputs_of(benchmark.train_stream[1]))
    assert_close(plugin.importance, {name: first[name] + second[name] for name in first})
    strategy.train(benchmark.train_stream[0])  # a return is a task of its own
    third = slow_omega(model, inputs_of(benchmark.train_stream[0]))
    assert_close(
        plugin.importance, {name: first[name] + second[name] + third[name] for name in first}
    )


def test_in_a_strategy_with_data_of_its_own(scenario: tuple[Benchmark, nn.Module]) -> None:
    train_all(scenario, plugin := MASPlugin(), kind=Cumulative)
    assert plugin._memory.held.importance


def test_beside_distillation() -> None:
    plugin = MASPlugin()
    train_all((task_incremental(), MultiHead()), plugin, kind=LwF, alpha=1.0, temperature=2.0)
    assert plugin._memory.held.importance


def test_beside_replay_only_the_tasks_own_data_is_measured(
    scenario: tuple[Benchmark, nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = counting(monkeypatch)
    benchmark, model = scenario
    strategy = strategy_for(model, MASPlugin(), ReplayPlugin(mem_size=10))
    for experience in benchmark.train_stream:
        strategy.train(experience)
    assert counts == [SAMPLES] * 3


def test_avalanches_own_multi_head_model() -> None:
    benchmark = task_incremental(2)
    model, plugin = MTSimpleMLP(input_size=FEATURES, hidden_size=8), MASPlugin()
    strategy_for(model, plugin).train(benchmark.train_stream)
    assert "classifier.classifiers.1.classifier.weight" in plugin.importance


def test_periodic_evaluation_beside_it() -> None:
    benchmark, plugin = task_incremental(2), MASPlugin()
    strategy = strategy_for(MultiHead(), plugin, eval_every=1)
    for experience in benchmark.train_stream:
        strategy.train(experience, eval_streams=[benchmark.train_stream])
    assert plugin._memory.learned is not None


def test_in_double_precision() -> None:
    torch.manual_seed(0)

    class Double(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.double())

    model, plugin = Double(single_head().double()), MASPlugin()
    benchmark = domain_incremental(2)
    strategy_for(model, plugin).train(benchmark.train_stream)
    assert {omega.dtype for omega in plugin.importance.values()} == {torch.float64}
