"""Importance of unlabelled data, at any time between tasks."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from avalanche.benchmarks import split_online_stream
from avalanche.benchmarks.utils import AvalancheDataset
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from avalanche_mas import MASPlugin
from tests.plugins.cases import (
    CLASSES,
    SAMPLES,
    Growing,
    MultiHead,
    Poisoned,
    Strategy,
    assert_close,
    assert_equal,
    assert_same,
    class_incremental,
    counting,
    domain_incremental,
    inputs_of,
    single_head,
    slow_omega,
    strategy_for,
    task_incremental,
    unlabelled,
)

# Nothing is logged here, and Avalanche warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:No loggers specified")


@pytest.mark.parametrize("kind", ["dataset", "loader", "batches", "Avalanche dataset"])
def test_update_is_exactly_one_pass_over_all_of_the_data(kind: str) -> None:
    torch.manual_seed(0)
    benchmark, model, plugin = domain_incremental(2), single_head(), MASPlugin()
    strategy = strategy_for(model, plugin)
    strategy.train(benchmark.train_stream)
    base = dict(plugin._memory.held.importance)
    more = [unlabelled(1), unlabelled(2)]
    for x in more:
        data: Any = {
            "dataset": TensorDataset(x),
            "loader": DataLoader(TensorDataset(x), batch_size=3),
            "batches": (batch for batch in x.split(4)),
            "Avalanche dataset": AvalancheDataset([TensorDataset(x)]),
        }[kind]
        plugin.update_importance(strategy, data)
    everything = torch.cat([inputs_of(benchmark.train_stream[1]), *more])
    omega = slow_omega(model, everything)
    assert_close(plugin.importance, {name: base[name] + omega[name] for name in base})
    assert_equal(plugin.anchors, dict(model.named_parameters()))


def test_update_of_a_multi_head_model_uses_the_task_just_learned() -> None:
    torch.manual_seed(0)
    benchmark, model, plugin = task_incremental(2), MultiHead(), MASPlugin()
    strategy = strategy_for(model, plugin)
    strategy.train(benchmark.train_stream)
    base = dict(plugin._memory.held.importance)
    x = unlabelled(1)
    plugin.update_importance(strategy, [x])
    omega = slow_omega(model, torch.cat([inputs_of(benchmark.train_stream[1]), x]), 1)
    assert_close(
        {name: plugin.importance[name] for name in base if "body" in name},
        {name: base[name] + omega[name] for name in base if "body" in name},
    )


def test_updated_importance_is_in_force_in_the_next_task() -> None:
    torch.manual_seed(0)
    benchmark, model, plugin = domain_incremental(2), single_head(), MASPlugin()
    strategy = strategy_for(model, plugin)
    strategy.train(benchmark.train_stream[0])
    plugin.update_importance(strategy, [unlabelled(1)])
    updated = dict(plugin.importance)
    strategy.train(benchmark.train_stream[1])
    assert_equal(plugin._memory.held.importance, updated)


def test_batches_may_have_labels() -> None:
    torch.manual_seed(0)
    benchmark, model, plugin = domain_incremental(1), single_head(), MASPlugin()
    strategy = strategy_for(model, plugin)
    strategy.train(benchmark.train_stream)
    x = unlabelled(1)
    plugin.update_importance(strategy, DataLoader(TensorDataset(x, torch.ones(7)), batch_size=3))
    everything = torch.cat([inputs_of(benchmark.train_stream[0]), x])
    assert_close(plugin.importance, slow_omega(model, everything))


# Before the first task


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("accumulation", ["sum", "mean"])
def test_a_pretrained_model_is_held_from_the_first_task_on(accumulation: str) -> None:
    torch.manual_seed(0)
    benchmark, model = domain_incremental(2), single_head()
    plugin = MASPlugin(0.1, accumulation=accumulation)
    strategy = strategy_for(model, plugin)
    for seed in (1, 2):
        plugin.update_importance(strategy, [unlabelled(seed)])
    omegas = [slow_omega(model, torch.cat([unlabelled(1), unlabelled(2)]))]
    assert_close(plugin.importance, omegas[0], rtol=1e-9)
    assert_equal(plugin.anchors, dict(model.named_parameters()))

    before = dict(plugin.importance)
    for experience in benchmark.train_stream:
        strategy.train(experience)
        assert_equal(plugin._memory.held.importance, before)
        omegas.append(slow_omega(model, inputs_of(experience)))
        count = len(omegas) if accumulation == "mean" else 1
        expected = {name: sum(o[name] for o in omegas) / count for name in before}
        assert_close(plugin.importance, expected, rtol=1e-9)  # it counts as a task
        before = dict(plugin.importance)


def test_the_first_task_of_a_pretrained_model_has_the_penalty() -> None:
    torch.manual_seed(0)
    benchmark, model = domain_incremental(1), single_head()

    def train(strength: float) -> Tensor:
        twin, plugin = copy.deepcopy(model), MASPlugin(strength)
        strategy = strategy_for(twin, plugin, train_epochs=3)
        plugin.update_importance(strategy, [unlabelled(1)])
        torch.manual_seed(1)
        strategy.train(benchmark.train_stream)
        held = plugin._memory.held
        moved = [
            (held.importance[name] * (p - held.anchors[name]).square()).sum()
            for name, p in twin.named_parameters()
        ]
        return torch.stack(moved).sum()

    assert train(5.0) < train(0.0) / 2


def test_parameters_left_out_take_no_part_before_the_first_task() -> None:
    plugin = MASPlugin(exclude="1.*")
    strategy = strategy_for(single_head(), plugin)
    plugin.update_importance(strategy, [unlabelled(1)])
    assert set(plugin.importance) == {"0.0.weight", "0.0.bias", "0.1.weight", "0.1.bias"}


def test_a_pretrained_multi_head_model_is_told_the_task_by_the_data() -> None:
    torch.manual_seed(0)
    benchmark, model, plugin = task_incremental(2), MultiHead(), MASPlugin()
    for experience in benchmark.train_stream:
        model.head.adaptation(experience)
    strategy = strategy_for(model, plugin)
    with pytest.raises(ValueError, match=r"needs task labels.*are None"):
        plugin.update_importance(strategy, [unlabelled(1)])
    plugin.update_importance(strategy, benchmark.train_stream[1].dataset)
    heads = {name.split(".")[2] for name in plugin.importance if "classifiers" in name}
    assert heads == {"1"}
    strategy.train(benchmark.train_stream)
    assert "head.classifiers.0.classifier.weight" in plugin.importance


def test_a_pretrained_model_that_grows_with_the_first_task() -> None:
    torch.manual_seed(0)
    benchmark, model, plugin = class_incremental(2), Growing(), MASPlugin()
    strategy = strategy_for(model, plugin)
    strategy.train(benchmark.train_stream[0])
    model, plugin = strategy.model, MASPlugin()  # what was pretrained
    strategy = strategy_for(model, plugin)
    plugin.update_importance(strategy, [unlabelled(1)])
    first = plugin.importance["head.classifier.weight"]
    strategy.train(benchmark.train_stream[1])
    second = slow_omega(model, inputs_of(benchmark.train_stream[1]))["head.classifier.weight"]
    padded = torch.cat([first, torch.zeros(CLASSES, 8)])
    assert_close({"w": plugin.importance["head.classifier.weight"]}, {"w": padded + second})


def test_the_model_goes_to_the_strategys_device(monkeypatch: pytest.MonkeyPatch) -> None:
    model, plugin = single_head(), MASPlugin()
    strategy, asked_for = strategy_for(model, plugin), []
    monkeypatch.setattr(model, "to", lambda device: asked_for.append(device) or model)
    plugin.update_importance(strategy, [unlabelled(1)])
    assert asked_for == [strategy.device]


# When it is refused


class Update(SupervisedPlugin):
    """Calls update_importance in one callback, and keeps what comes of it."""

    def __init__(self, mas: MASPlugin, callback: str) -> None:
        super().__init__()
        self.mas, self.outcomes = mas, []
        setattr(self, callback, self.update)

    def update(self, strategy: Strategy, **_: Any) -> None:
        try:
            self.mas.update_importance(strategy, [unlabelled(1)])
            self.outcomes.append("done")
        except RuntimeError as error:
            self.outcomes.append(str(error))


@pytest.mark.parametrize(
    "callback", ["before_training_exp", "after_training_iteration", "after_training_epoch"]
)
def test_in_the_middle_of_a_task_it_is_refused(callback: str) -> None:
    benchmark, plugin = domain_incremental(1), MASPlugin()
    update = Update(plugin, callback)
    strategy = strategy_for(single_head(), plugin, update)
    for _ in range(2):  # training it again too, when there is an estimate of it
        strategy.train(benchmark.train_stream)
    assert update.outcomes
    for outcome in update.outcomes:
        assert "while a task is being trained" in outcome
        assert "before the first task, or after a task" in outcome


def test_a_plugin_that_comes_after_can_refine_at_the_end_of_the_task() -> None:
    torch.manual_seed(0)
    benchmark, model, plugin = domain_incremental(1), single_head(), MASPlugin()
    update = Update(plugin, "after_training_exp")
    strategy_for(model, plugin, update).train(benchmark.train_stream)
    assert update.outcomes == ["done"]
    everything = torch.cat([inputs_of(benchmark.train_stream[0]), unlabelled(1)])
    assert_close(plugin.importance, slow_omega(model, everything))


def test_between_the_pieces_of_an_online_task_it_is_refused() -> None:
    benchmark, model, plugin = domain_incremental(1), single_head(), MASPlugin()
    pieces = list(split_online_stream(benchmark.train_stream, 5, access_task_boundaries=True))
    strategy = strategy_for(model, plugin)
    strategy.train(pieces[:2])
    resumed = MASPlugin()
    resumed.load_state_dict(plugin.state_dict())
    for each in (plugin, resumed):
        with pytest.raises(RuntimeError, match="while a task is being trained"):
            each.update_importance(strategy, [unlabelled(1)])
    strategy.train(pieces[2:])
    plugin.update_importance(strategy, [unlabelled(1)])
    assert plugin._memory.estimate.samples == SAMPLES + 7


def test_parameters_changed_by_hand_are_noticed() -> None:
    model, plugin = single_head(), MASPlugin()
    strategy = strategy_for(model, plugin)
    strategy.train(domain_incremental(1).train_stream)
    resumed = MASPlugin()
    resumed.load_state_dict(plugin.state_dict())
    with torch.no_grad():
        model[0][0].bias[0] += 1
    for each in (plugin, resumed):
        before = copy.deepcopy(each.state_dict())
        with pytest.raises(ValueError, match=r"'0\.0\.bias'"):
            each.update_importance(strategy, [unlabelled(1)])
        assert_same(each.state_dict(), before)


def test_a_measurement_that_failed_can_be_made_up_for() -> None:
    torch.manual_seed(0)
    model, plugin = Poisoned(), MASPlugin()
    benchmark = domain_incremental(2)
    strategy = strategy_for(model, plugin)
    strategy.train(benchmark.train_stream[0])
    first = dict(plugin.importance)
    model.poison = True
    with pytest.raises(ValueError, match=r"(?i)nan|finite"):
        strategy.train(benchmark.train_stream[1])
    model.poison = False
    plugin.update_importance(strategy, benchmark.train_stream[1].dataset)
    second = slow_omega(model, inputs_of(benchmark.train_stream[1]))
    assert_close(plugin.importance, {name: first[name] + second[name] for name in first})


# After an interruption


class Interrupt(SupervisedPlugin):
    """Stops training in the second iteration of the experience of this number."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number, self.begun = number, -1

    def before_training_exp(self, *_: Any, **__: Any) -> None:
        self.begun, self.iterations = self.begun + 1, 0

    def after_training_iteration(self, *_: Any, **__: Any) -> None:
        self.iterations += 1
        if (self.begun, self.iterations) == (self.number, 2):
            raise KeyboardInterrupt


@pytest.mark.parametrize("again", [False, True])
def test_after_an_interruption_the_task_may_end_there(again: bool) -> None:
    torch.manual_seed(0)
    benchmark, model, plugin = domain_incremental(3), single_head(), MASPlugin(0.1)
    strategy = strategy_for(model, plugin, Interrupt(2 if again else 1))
    first, second, third = benchmark.train_stream
    strategy.train(first)
    base = dict(plugin.importance)
    if again:
        strategy.train(second)
    with pytest.raises(KeyboardInterrupt):
        strategy.train(second)
    plugin.update_importance(strategy, second.dataset)
    assert plugin.between_tasks
    omega = slow_omega(model, inputs_of(second))
    assert_close(plugin.importance, {name: base[name] + omega[name] for name in base})
    assert_equal(plugin.anchors, dict(model.named_parameters()))
    plugin.update_importance(strategy, [unlabelled(1)])
    assert plugin._memory.estimate.samples == SAMPLES + 7
    strategy.train(third)
    assert plugin.quadratic_penalty.description().count("tasks=2")


@pytest.mark.parametrize("how", ["update_importance", "load_state_dict"])
def test_after_an_interruption_the_optimizer_is_let_go(how: str) -> None:
    """Steps that are taken by hand once the task has ended have no penalty."""
    benchmark, plugin = domain_incremental(2), MASPlugin(0.1)
    strategy = strategy_for(single_head(), plugin, Interrupt(1))
    strategy.train(benchmark.train_stream[0])
    state = copy.deepcopy(plugin.state_dict())
    with pytest.raises(KeyboardInterrupt):
        strategy.train(benchmark.train_stream[1])
    assert strategy.optimizer._optimizer_step_pre_hooks
    if how == "update_importance":
        plugin.update_importance(strategy, [unlabelled(1)])
    else:
        plugin.load_state_dict(state)
    assert not strategy.optimizer._optimizer_step_pre_hooks


def test_after_an_interruption_the_task_may_go_on() -> None:
    torch.manual_seed(0)
    benchmark, model, plugin = domain_incremental(2), single_head(), MASPlugin(0.1)
    strategy = strategy_for(model, plugin, Interrupt(1))
    first, second = benchmark.train_stream
    strategy.train(first)
    base = dict(plugin.importance)
    with pytest.raises(KeyboardInterrupt):
        strategy.train(second)
    assert not plugin.between_tasks
    strategy.train(second)
    assert_equal(plugin.quadratic_penalty.importance, base)
    omega = slow_omega(model, inputs_of(second))
    assert_close(plugin.importance, {name: base[name] + omega[name] for name in base})


def test_a_piece_that_was_interrupted_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = counting(monkeypatch)
    benchmark, model, plugin = domain_incremental(1), single_head(), MASPlugin()
    pieces = list(split_online_stream(benchmark.train_stream, 5, access_task_boundaries=True))
    strategy = strategy_for(model, plugin, Interrupt(1), train_mb_size=3)
    strategy.train(pieces[0])
    with pytest.raises(KeyboardInterrupt):
        strategy.train(pieces[1])
    with pytest.raises(RuntimeError, match="while a task is being trained"):
        plugin.update_importance(strategy, [unlabelled(1)])
    strategy.train(pieces[1:3])
    assert counts == []
    strategy.train(pieces[3])
    assert counts == [SAMPLES]


def test_a_single_tensor_is_refused() -> None:
    plugin = MASPlugin()
    strategy = strategy_for(single_head(), plugin)
    with pytest.raises(TypeError, match="iterable of batches"):
        plugin.update_importance(strategy, unlabelled(1))
