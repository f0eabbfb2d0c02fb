"""The penalty once per optimizer step: beside loops written by hand, scaled, accumulated."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import warnings
import weakref
from typing import Any

import pytest
import torch
from avalanche.core import SupervisedPlugin
from avalanche.training import Naive
from torch import nn

from avalanche_mas import MASPlugin
from avalanche_mas.penalty import QuadraticPenalty
from avalanche_mas.plugins.finite import all_finite
from avalanche_mas.plugins.steps import Steps
from tests.plugins.cases import (
    MultiHead,
    Strategy,
    assert_close,
    assert_equal,
    domain_incremental,
    single_head,
    strategy_for,
    task_incremental,
    weights,
)
from tests.plugins.stepping import (
    BATCH,
    LR,
    Accumulating,
    Evaluating,
    Recording,
    Scaled,
    assert_follows_the_loop,
    learned,
    linear,
)

pytestmark = pytest.mark.filterwarnings("ignore:No loggers specified")


@pytest.mark.parametrize("form", ["damped", "gradient", "loss"])
@pytest.mark.parametrize("kind", [Recording, Scaled])
def test_each_step_is_that_of_a_loop_by_hand(kind: type, form: str) -> None:
    assert_follows_the_loop(kind, form)


@pytest.mark.parametrize("form", ["damped", "gradient"])
def test_a_closure_that_evaluates_the_gradient_again_keeps_the_penalty(form: str) -> None:
    assert_follows_the_loop(Evaluating, form)


def test_a_closure_that_is_not_called_is_told_of() -> None:
    class Deaf(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:
            pass

    strategy, _, task = learned(Evaluating)
    strategy.optimizer = Deaf(strategy.model.parameters(), lr=LR)
    with pytest.warns(UserWarning, match="the penalty had no effect in this epoch"):
        strategy.train(task)


def test_a_closure_is_called_as_it_is_given() -> None:
    class Trained:
        def train(self) -> list[float]:
            return [optimizer.step(closure=lambda: 3.0), optimizer.step(lambda: 4.0)]

    seen: list[Any] = []
    steps, strategy = Steps(lambda *given: seen.append(given)), Trained()
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=LR)
    steps.attach(optimizer, strategy)
    assert strategy.train() == [3.0, 4.0]
    assert seen == [(strategy, optimizer)] * 2


@pytest.mark.parametrize("form", ["damped", "gradient"])
def test_accumulated_gradients_get_the_penalty_once_per_step(form: str) -> None:
    assert_follows_the_loop(Accumulating, form, micro_batches=2)


def test_the_loss_form_is_refused_where_gradients_are_accumulated() -> None:
    strategy, _, task = learned(Accumulating, form="loss")
    with pytest.raises(RuntimeError, match="once per backward pass"):
        strategy.train(task)


@pytest.mark.parametrize("form", ["damped", "gradient"])
def test_a_fused_optimizer_that_unscales_by_itself(form: str) -> None:
    results = []
    for fused in (False, True):
        strategy, _, task = learned(Scaled, form=form)
        strategy.optimizer = torch.optim.SGD(strategy.model.parameters(), lr=LR, fused=fused)
        torch.manual_seed(0)
        strategy.train(task)
        results.append(weights(strategy.model))
    assert_close(*results)


@pytest.mark.parametrize("fused", [False, True])
def test_a_step_that_the_scaler_leaves_out_breaks_nothing(fused: bool) -> None:
    class Overflowing(Scaled):
        def backward(self) -> None:
            super().backward()
            if self.clock.train_exp_iterations == 1:
                self.model[0].weight.grad[0, 0] = math.inf

    strategy, plugin, task = learned(Overflowing)
    strategy.optimizer = torch.optim.SGD(strategy.model.parameters(), lr=LR, fused=fused)
    strategy.train(task)
    assert all_finite(p.detach() for p in strategy.model.parameters())
    assert plugin.importance


def test_clipping_in_any_hook_is_of_the_tasks_gradient_alone() -> None:
    class Clip(SupervisedPlugin):
        def __init__(self, hook: str) -> None:
            super().__init__()
            setattr(self, hook, self.clip)

        def clip(self, strategy: Any, **_: Any) -> None:
            self.norm = nn.utils.clip_grad_norm_(strategy.model.parameters(), 1e-3)

    results = []
    for hook in ("after_backward", "before_update"):
        for first in (True, False):
            strategy, _, task = learned(strength=1e4)
            clip = Clip(hook)
            strategy.plugins.insert(0 if first else len(strategy.plugins), clip)
            torch.manual_seed(0)
            strategy.train(task)
            assert clip.norm < 100  # the penalty's would be far larger
            results.append(weights(strategy.model))
    for other in results[1:]:
        assert_equal(other, results[0])


def test_an_optimizer_that_is_replaced_while_training_is_followed() -> None:
    class Replace(SupervisedPlugin):
        def before_training_epoch(self, strategy: Any, **_: Any) -> None:
            strategy.optimizer = torch.optim.SGD(strategy.model.parameters(), lr=LR)

    results = []
    for strength in (0.0, 1e6):
        strategy, _, task = learned(strength=strength)
        strategy.plugins.append(Replace())
        before = weights(strategy.model)
        strategy.train(task)
        after = weights(strategy.model)
        results.append(max((after[n] - before[n]).abs().max() for n in before))
    assert results[1] < results[0] / 10


def test_an_optimizer_without_steps_is_told_of() -> None:
    class ByHand(Naive):
        def optimizer_step(self) -> None:
            with torch.no_grad():
                for p in self.model.parameters():
                    p.sub_(p.grad, alpha=LR)

    strategy, _, task = learned(ByHand)
    with pytest.warns(UserWarning, match="the penalty had no effect in this epoch"):
        strategy.train(task)
    strategy, _, task = learned(ByHand, form="loss")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        strategy.train(task)


def test_what_is_no_torch_optimizer_is_refused_but_in_the_loss_form() -> None:
    class Own:
        def __init__(self, parameters: Any) -> None:
            self.param_groups = [{"params": list(parameters), "lr": LR}]
            self.state: dict[Any, Any] = {}

        def zero_grad(self) -> None:
            for p in self.param_groups[0]["params"]:
                p.grad = None

        def step(self) -> None:
            pass

    for form in ("damped", "loss"):
        strategy = strategy_for(linear(), MASPlugin(penalty=form))  # type: ignore[arg-type]
        strategy.optimizer = Own(strategy.model.parameters())
        strategy.make_optimizer = lambda **_: None
        if form == "loss":
            strategy.train(domain_incremental(1).train_stream)
        else:
            with pytest.raises(TypeError, match="Own is not a torch"):
                strategy.train(domain_incremental(1).train_stream)


def test_a_parameter_that_the_optimizer_does_not_train_is_named_before_training() -> None:
    strategy, _, task = learned()
    strategy.optimizer = torch.optim.SGD(strategy.model[2].parameters(), lr=LR)
    strategy.make_optimizer = lambda **_: None
    with pytest.raises(ValueError, match=r"learning rate for parameter '0.weight'"):
        strategy.train(task)


def test_only_one_penalty_may_be_damped_beside_another() -> None:
    plugins = [MASPlugin(0.1), MASPlugin(0.1, penalty="gradient")]
    strategy = strategy_for(linear(), *plugins)
    with pytest.raises(ValueError, match=r"2 plugins add a penalty to the gradients"):
        strategy.train(domain_incremental(1).train_stream)
    plugins = [MASPlugin(0.1), MASPlugin(0.1, penalty="loss")]
    strategy_for(linear(), *plugins).train(domain_incremental(2).train_stream)
    for both in (
        [MASPlugin(0.1, penalty="gradient"), MASPlugin(0.1, penalty="gradient")],
        [MASPlugin(0.1), MASPlugin(0.0)],  # the second one only measures
    ):
        strategy_for(linear(), *both).train(domain_incremental(2).train_stream)


def test_the_optimizer_is_left_alone_between_tasks() -> None:
    strategy, plugin, task = learned()
    assert not strategy.optimizer._optimizer_step_pre_hooks
    kept: list[Any] = []

    class Pickled(SupervisedPlugin):
        def before_update(self, *_: Any, **__: Any) -> None:
            kept.append(pickle.dumps(plugin))

    strategy.plugins.append(Pickled())
    strategy.train(task)
    assert not strategy.optimizer._optimizer_step_pre_hooks
    assert_equal(pickle.loads(kept[0]).quadratic_penalty.anchors, plugin.quadratic_penalty.anchors)


def broken_off(model: nn.Module, optimizer: Any, plugin: MASPlugin) -> Strategy:
    """Break off the second of two tasks, of which the optimizer has taken two steps."""

    class BreakOff(SupervisedPlugin):
        def after_training_iteration(self, strategy: Any, **_: Any) -> None:
            if strategy.clock.train_exp_iterations == 1 and plugin.importance:
                raise KeyboardInterrupt

    strategy = strategy_for(model, plugin, BreakOff(), optimizer=optimizer, train_mb_size=BATCH)
    with pytest.raises(KeyboardInterrupt):
        strategy.train(domain_incremental(2).train_stream)
    return strategy


@pytest.mark.parametrize("form", ["damped", "gradient", "loss"])
@pytest.mark.parametrize("kept", [False, True])
def test_training_that_was_broken_off_leaves_the_optimizer_free(kept: bool, form: Any) -> None:
    """Whoever goes on with the optimizer, with another strategy or by hand, has no penalty."""
    results = []
    for first in (True, False):
        model = linear()
        optimizer = torch.optim.SGD(model.parameters(), lr=LR)
        start = copy.deepcopy(model.state_dict())
        if first:
            strategy = broken_off(model, optimizer, MASPlugin(1.0, penalty=form))
            model.load_state_dict(start)
            if not kept:
                del strategy
                gc.collect()
        torch.manual_seed(0)
        task = domain_incremental(2).train_stream[1]
        strategy_for(model, optimizer=optimizer, train_mb_size=BATCH).train(task)
        optimizer.zero_grad()
        model(torch.ones(1, 5)).sum().backward()
        optimizer.step()
        results.append(weights(model))
    assert_equal(*results)


def test_a_strategy_that_was_broken_off_is_not_kept_by_its_optimizer() -> None:
    model = linear()
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    plugin = MASPlugin()
    broken_off(model, optimizer, plugin)
    reference = weakref.ref(plugin)
    del plugin
    gc.collect()
    assert reference() is None


def test_a_plugin_goes_on_in_another_strategy_with_the_same_optimizer() -> None:
    model, plugin = linear(), MASPlugin(1e6)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    broken_off(model, optimizer, plugin)
    before = weights(model)
    strategy = strategy_for(model, plugin, optimizer=optimizer, train_mb_size=BATCH)
    strategy.train(domain_incremental(2).train_stream[1])
    important = plugin.importance["0.weight"] > 1e-3
    moved = (model.state_dict()["0.weight"] - before["0.weight"])[important]
    assert moved.abs().max() < 1e-3


def test_after_numbers_that_are_not_finite_one_may_go_on_with_a_lower_strength() -> None:
    model, strategy = linear(), None
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    start = copy.deepcopy(model.state_dict())
    stream = domain_incremental(2).train_stream
    for strength in (1e6, 1e-3):
        model.load_state_dict(start)
        plugin = MASPlugin(strength, penalty="gradient")
        strategy = strategy_for(model, plugin, optimizer=optimizer, train_epochs=20)
        if strength > 1:
            with pytest.raises(FloatingPointError), pytest.warns(UserWarning, match="diverge"):
                strategy.train(stream)
        else:
            strategy.train(stream)
    assert all_finite(p.detach() for p in model.parameters())


def test_heads_of_other_tasks_are_not_touched() -> None:
    seen: list[dict[str, bool]] = []

    class Watch(SupervisedPlugin):
        def after_update(self, strategy: Any, **_: Any) -> None:
            seen.append({n: p.grad is not None for n, p in strategy.model.named_parameters()})

    benchmark, plugin = task_incremental(2), MASPlugin()
    strategy_for(MultiHead(), plugin, Watch()).train(benchmark.train_stream)
    assert not seen[-1]["head.classifiers.0.classifier.weight"]
    assert seen[-1]["head.classifiers.1.classifier.weight"]


def test_strength_zero_is_plain_training_to_the_bit() -> None:
    results = []
    for plugins in ([], [MASPlugin(0.0)]):
        torch.manual_seed(0)
        strategy = strategy_for(single_head(), *plugins)
        strategy.train(domain_incremental(2).train_stream)
        results.append(weights(strategy.model))
    assert_equal(*results)


def test_the_penalty_alone_is_of_the_pure_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin decides when, and the penalty how much."""
    given: list[Any] = []
    monkeypatch.setattr(
        QuadraticPenalty, "add_gradient", lambda *_, optimizer: given.append(optimizer)
    )
    for form, expected in (("damped", True), ("gradient", False)):
        given.clear()
        strategy, _, task = learned(form=form)
        given.clear()
        strategy.train(task)
        assert len(given) == 4  # steps: 20 samples in batches of 6
        assert all((optimizer is strategy.optimizer) == expected for optimizer in given)
