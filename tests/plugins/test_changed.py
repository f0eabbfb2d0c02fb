"""Weights that are changed between tasks: by plugins at a task's end, and by hand."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from avalanche.training.plugins import EvaluationPlugin, SupervisedPlugin
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from avalanche_mas import MAS, MASPlugin
from avalanche_mas.metrics import OmegaMetrics, PenaltyMetrics
from tests.metrics.test_matrix import Spy
from tests.plugins.cases import (
    CLASSES,
    SAMPLES,
    Benchmark,
    Growing,
    Strategy,
    assert_close,
    assert_equal,
    class_incremental,
    counting,
    domain_incremental,
    inputs_of,
    single_head,
    slow_omega,
    strategy_for,
    train_all,
    unlabelled,
)

# Nothing is logged here, and Avalanche warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:No loggers specified")


class Average(SupervisedPlugin):
    """Averages the weights over the iterations, and takes the average at the end of a task."""

    def before_training_exp(self, *_: Any, **__: Any) -> None:
        self.seen: list[dict[str, Tensor]] = []

    def after_update(self, strategy: Strategy, **_: Any) -> None:
        self.seen.append(copy.deepcopy(strategy.model.state_dict()))

    def after_training_exp(self, strategy: Strategy, **_: Any) -> None:
        mean = {
            name: torch.stack([seen[name].double() for seen in self.seen]).mean(0).to(tensor.dtype)
            for name, tensor in strategy.model.state_dict().items()
        }
        strategy.model.load_state_dict(mean)


class Refine(SupervisedPlugin):
    """Refines importance at the end of a task."""

    def __init__(self, mas: MASPlugin, data: Callable[[], Any]) -> None:
        super().__init__()
        self.mas, self.data = mas, data

    def after_training_exp(self, strategy: Strategy, **_: Any) -> None:
        self.mas.update_importance(strategy, self.data())


# By plugins


@pytest.mark.parametrize("together", [True, False])
def test_importance_and_anchors_are_of_what_the_task_ends_with(together: bool) -> None:
    torch.manual_seed(0)
    benchmark, model, plugin = domain_incremental(2), single_head(), MASPlugin(0.1)
    ends: list[tuple[dict[str, Tensor], dict[str, Tensor]]] = []

    class End(SupervisedPlugin):
        def after_training_exp(self, strategy: Strategy, **_: Any) -> None:
            parameters = {n: p.detach().clone() for n, p in strategy.model.named_parameters()}
            ends.append((parameters, slow_omega(model, inputs_of(strategy.experience))))

        def before_training_epoch(self, *_: Any, **__: Any) -> None:
            if ends:
                assert_equal(plugin.quadratic_penalty.anchors, ends[0][0])
                assert_close(plugin.quadratic_penalty.importance, ends[0][1])

    strategy = strategy_for(model, plugin, Average(), End(), train_epochs=2)
    for part in [benchmark.train_stream] if together else benchmark.train_stream:
        strategy.train(part)
    assert_equal(plugin.anchors, ends[1][0])
    assert_close(plugin.importance, {n: ends[0][1][n] + o for n, o in ends[1][1].items()})


def test_the_ready_made_strategy_comes_first_and_is_right_all_the_same() -> None:
    torch.manual_seed(0)
    benchmark, model = domain_incremental(1), single_head()
    options = {"optimizer": torch.optim.SGD(model.parameters(), lr=0.1), "evaluator": None}
    strategy = MAS(model=model, plugins=[Average()], train_mb_size=6, **options)
    strategy.train(benchmark.train_stream)
    assert_equal(strategy.mas.anchors, dict(model.named_parameters()))
    assert_close(strategy.mas.importance, slow_omega(model, inputs_of(benchmark.train_stream[0])))


def test_without_a_change_importance_is_measured_once(
    scenario: tuple[Benchmark, nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = counting(monkeypatch)
    train_all(scenario, MASPlugin(), SupervisedPlugin(), eval_every=1)
    assert counts == [SAMPLES] * 3


def test_what_metrics_publish_is_of_the_final_weights() -> None:
    torch.manual_seed(0)
    spy, model, plugin = Spy(), single_head(), MASPlugin()
    evaluator = EvaluationPlugin(OmegaMetrics(pictures=False), loggers=[spy])
    strategy = strategy_for(model, plugin, Average(), evaluator=evaluator)
    strategy.train(domain_incremental(1).train_stream)
    (mean,) = [v for name, v, _ in spy.seen if name == "Omega_Mean/train_phase/train_stream"]
    entries = torch.cat([omega.flatten() for omega in plugin.importance.values()])
    assert mean == pytest.approx(entries.mean().item(), rel=1e-5)


def test_running_statistics_that_are_adapted_count_too() -> None:
    class Adapt(SupervisedPlugin):
        def after_training_exp(self, strategy: Strategy, **_: Any) -> None:
            strategy.model[0][1].running_var.mul_(2.0)

    torch.manual_seed(0)
    benchmark, model, plugin = domain_incremental(1), single_head(), MASPlugin()
    strategy_for(model, plugin, Adapt()).train(benchmark.train_stream)
    assert_close(plugin.importance, slow_omega(model, inputs_of(benchmark.train_stream[0])))


@pytest.mark.parametrize("averaged_first", [True, False])
def test_what_was_refined_stays_refined(averaged_first: bool) -> None:
    torch.manual_seed(0)
    benchmark, model, plugin = domain_incremental(1), single_head(), MASPlugin()
    others = [Average(), Refine(plugin, lambda: TensorDataset(unlabelled(1)))]
    strategy_for(model, plugin, *others[:: 1 if averaged_first else -1]).train(
        benchmark.train_stream
    )
    everything = torch.cat([inputs_of(benchmark.train_stream[0]), unlabelled(1)])
    assert_close(plugin.importance, slow_omega(model, everything))


def test_what_can_not_be_read_again_is_told() -> None:
    torch.manual_seed(0)
    benchmark, model, plugin = domain_incremental(1), single_head(), MASPlugin()
    refine = Refine(plugin, lambda: iter([unlabelled(1)]))
    with pytest.warns(UserWarning, match="can be read only once"):
        strategy_for(model, plugin, refine, Average()).train(benchmark.train_stream)
    assert_close(plugin.importance, slow_omega(model, inputs_of(benchmark.train_stream[0])))


# By hand


def trained(plugin: MASPlugin) -> tuple[Benchmark, nn.Module, Strategy]:
    torch.manual_seed(0)
    benchmark, model = domain_incremental(2), single_head()
    strategy = strategy_for(model, plugin)
    strategy.train(benchmark.train_stream[0])
    return benchmark, model, strategy


@pytest.mark.parametrize("classes", [CLASSES, CLASSES + 2, CLASSES - 1])
def test_a_replaced_layer_is_told_by_name(classes: int) -> None:
    benchmark, model, strategy = trained(MASPlugin())
    model[1] = nn.Linear(8, classes)
    expected = pytest.warns(UserWarning, match=r"2 parameters .*'1\.weight', '1\.bias'.*exclude=")
    strategy._criterion = lambda output, _: output.sum()
    if classes < CLASSES:
        with expected, pytest.raises(ValueError, match="may grow, but not shrink"):
            strategy.train(benchmark.train_stream[1])
    else:
        with expected:
            strategy.train(benchmark.train_stream[1])


@pytest.mark.parametrize("first", [True, False])
def test_a_plugin_that_replaces_a_layer_is_noticed_wherever_it_comes(first: bool) -> None:
    class Fresh(SupervisedPlugin):
        def before_training_exp(self, strategy: Strategy, **_: Any) -> None:
            nn.init.normal_(strategy.model[1].weight)

    plugins = [Fresh(), MASPlugin(on_change="raise")]
    strategy = strategy_for(single_head(), *plugins[:: 1 if first else -1])
    with pytest.raises(ValueError, match=r"1 parameters .*'1\.weight'"):
        strategy.train(domain_incremental(2).train_stream)
    assert strategy.clock.train_exp_counter == 1


def test_a_replaced_layer_can_be_refused() -> None:
    benchmark, model, strategy = trained(MASPlugin(on_change="raise"))
    model[1] = nn.Linear(8, CLASSES)
    with pytest.raises(ValueError, match=r"'1\.weight', '1\.bias'"):
        strategy.train(benchmark.train_stream[1])


def test_a_replaced_layer_that_is_left_out_is_no_matter() -> None:
    benchmark, model, strategy = trained(MASPlugin(on_change="raise", exclude="1.*"))
    model[1] = nn.Linear(8, CLASSES)
    strategy.train(benchmark.train_stream[1])


class Column(nn.Module):
    """A layer with one parameter, which has another rank than that of a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(8))

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.weight).unflatten(1, (4, 2)).sum(2)


@pytest.mark.parametrize("loaded", [True, False])
@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Sequential(nn.Linear(8, 4), nn.Tanh(), nn.Linear(4, CLASSES)),
        lambda: nn.Linear(8, CLASSES - 1),
        Column,
    ],
    ids=["vanished", "shrunk", "of another rank"],
)
def test_what_was_replaced_can_be_left_out_from_then_on(make: Any, loaded: bool) -> None:
    """In the same plugin, or in one that goes on from its state."""
    plugin = MASPlugin(on_change="raise")
    benchmark, model, strategy = trained(plugin)
    before = dict(plugin.importance)
    model[1] = make()
    if loaded:
        state, plugin = plugin.state_dict(), MASPlugin(on_change="raise", exclude="1.*")
        plugin.load_state_dict(state)
    else:
        plugin.exclude = "1.*"
    spy = EvaluationPlugin(OmegaMetrics(pictures=False), PenaltyMetrics(every=1), loggers=[Spy()])
    strategy = strategy_for(model, plugin, evaluator=spy, criterion=lambda output, _: output.sum())
    strategy.train(benchmark.train_stream[1])
    body = [name for name in before if name.startswith("0.")]
    assert list(plugin.importance) == list(plugin.anchors) == body
    omega = slow_omega(model, inputs_of(benchmark.train_stream[1]))
    assert_close(plugin.importance, {name: before[name] + omega[name] for name in body})
    strategy.train(benchmark.train_stream[1])


def test_a_layer_that_vanished_is_named_with_what_to_do() -> None:
    benchmark, model, strategy = trained(MASPlugin())
    model[1] = nn.Sequential(nn.Linear(8, CLASSES))
    with pytest.raises(ValueError, match=r"'1\.weight' .* not in the model, .*with exclude="):
        strategy.train(benchmark.train_stream[1])
    assert strategy.clock.train_exp_iterations == 0


def test_weights_that_were_meant_to_change_become_the_anchors() -> None:
    plugin = MASPlugin(0.0, on_change="anchor")
    benchmark, model, strategy = trained(plugin)
    omega = dict(plugin.importance)
    with torch.no_grad():
        model[0][0].weight.mul_(0.9)
    averaged = {name: p.detach().clone() for name, p in model.named_parameters()}
    strategy.train(benchmark.train_stream[1])
    assert_equal(plugin.quadratic_penalty.anchors, averaged)
    assert_equal(plugin.quadratic_penalty.importance, omega)


def test_another_model_of_the_same_make_is_noticed() -> None:
    plugin = MASPlugin(on_change="raise")
    benchmark, _, strategy = trained(plugin)
    strategy.model = single_head()
    with pytest.raises(ValueError, match="6 parameters have been changed"):
        strategy.train(benchmark.train_stream[1])


def resumed(plugin: MASPlugin, benchmark: Benchmark, model: nn.Module) -> None:
    other = MASPlugin(on_change="raise")
    other.load_state_dict(plugin.state_dict())
    twin = single_head()
    twin.load_state_dict(model.state_dict())
    strategy_for(twin, other).train(benchmark.train_stream[1])


def refined(plugin: MASPlugin, benchmark: Benchmark, model: nn.Module) -> None:
    strategy = strategy_for(model, plugin)
    plugin.update_importance(strategy, [unlabelled(1)])
    strategy.eval(benchmark.train_stream)
    strategy.train(benchmark.train_stream[1])


def cast(plugin: MASPlugin, benchmark: Benchmark, model: nn.Module) -> None:
    class Double(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.double())

    strategy_for(Double(*model.double()), plugin).train(benchmark.train_stream[1])


def copied(plugin: MASPlugin, benchmark: Benchmark, model: nn.Module) -> None:
    strategy_for(copy.deepcopy(model), plugin).train(benchmark.train_stream[1])


@pytest.mark.parametrize("change", [resumed, refined, cast, copied])
def test_what_leaves_the_weights_alone_is_no_change(change: Any) -> None:
    plugin = MASPlugin(on_change="raise")
    benchmark, model, _ = trained(plugin)
    change(plugin, benchmark, model)


def test_a_head_that_grows_is_no_change() -> None:
    plugin = MASPlugin(on_change="raise")
    train_all((class_incremental(3), Growing()), plugin, eval_every=1)
    assert len(plugin.anchors["head.classifier.bias"]) == 3 * CLASSES


def test_a_task_that_goes_on_is_no_change() -> None:
    plugin = MASPlugin(on_change="raise")
    benchmark, model, strategy = trained(plugin)
    for _ in range(2):
        strategy.train(benchmark.train_stream[1])
    strategy_for(model, plugin).train(benchmark.train_stream[1])
