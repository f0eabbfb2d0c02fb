"""The penalty once per optimizer step: beside loops written by hand, scaled, accumulated, stopped."""

from __future__ import annotations

import copy
import math
import pickle
import warnings
from typing import Any

import pytest
import torch
from avalanche.core import SupervisedPlugin
from avalanche.training import Naive
from torch import Tensor, nn

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

pytestmark = pytest.mark.filterwarnings("ignore:No loggers specified")

LR, BATCH = 0.05, 6


def linear() -> nn.Module:
    """No dropout and no batch norm, so that a loop by hand can repeat what is trained."""
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))


def learned(
    kind: type = Naive, strength: float = 0.5, form: str = "damped", **options: Any
) -> tuple[Strategy, MASPlugin, Any]:
    """A strategy that has learned the first of two tasks."""
    model, plugin = linear(), MASPlugin(strength, penalty=form)  # type: ignore[arg-type]
    benchmark = domain_incremental(2)
    strategy = strategy_for(model, plugin, kind=kind, train_mb_size=BATCH, **options)
    strategy.train(benchmark.train_stream[0])
    return strategy, plugin, benchmark.train_stream[1]


def by_hand(
    model: nn.Module, plugin: MASPlugin, batches: list[list[Any]], *, damped: bool
) -> nn.Module:
    """SGD with momentum 0.9 and the penalty, written out; a step for each list of micro-batches."""
    model = copy.deepcopy(model)
    buffers: dict[str, Tensor] = {}
    for micro in batches:
        model.zero_grad()
        for x, y in micro:
            (nn.functional.cross_entropy(model(x), y) / len(micro)).backward()
        with torch.no_grad():
            for name, p in model.named_parameters():
                assert p.grad is not None
                h = 2 * plugin.lambda_reg * plugin.importance[name]
                g = p.grad + h * (p - plugin.anchors[name])
                g = g / (1 + LR * h) if damped else g
                buffers[name] = 0.9 * buffers[name] + g if name in buffers else g
                p.sub_(buffers[name], alpha=LR)
    return model


class Recording(Naive):
    """Keeps the batches that it trains on."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.seen: list[tuple[Tensor, Tensor]] = []

    def forward(self) -> Tensor:
        if self.is_training:
            self.seen.append((self.mb_x, self.mb_y))
        return super().forward()


class Accumulating(Recording):
    """A step for every second micro-batch."""

    def training_epoch(self, **kwargs: Any) -> None:
        for k, batch in enumerate(self.dataloader):
            self.mbatch = batch
            self._unpack_minibatch()
            self._before_training_iteration(**kwargs)
            if k % 2 == 0:
                self.optimizer.zero_grad()
            self.loss = self._make_empty_loss()
            self.mb_output = self.forward()
            self.loss += self.criterion() / 2
            self._before_backward(**kwargs)
            self.backward()
            self._after_backward(**kwargs)
            self._before_update(**kwargs)
            if k % 2 == 1:
                self.optimizer_step()
            self._after_update(**kwargs)
            self._after_training_iteration(**kwargs)


class Scaled(Recording):
    """float16's scaled loss; the arithmetic stays float32, so that a loop by hand can repeat it."""

    scaler: Any = None

    def backward(self) -> None:
        self.scaler = self.scaler or torch.amp.GradScaler("cpu", init_scale=1024.0)
        self.scaler.scale(self.loss).backward()

    def optimizer_step(self) -> None:
        self.scaler.step(self.optimizer)
        self.scaler.update()


@pytest.mark.parametrize("form", ["damped", "gradient", "loss"])
@pytest.mark.parametrize("kind", [Recording, Scaled])
def test_each_step_is_that_of_a_loop_by_hand(kind: type, form: str) -> None:
    strategy, plugin, task = learned(kind, form=form)
    strategy.seen.clear()
    before, held = copy.deepcopy(strategy.model), copy.deepcopy(plugin)
    strategy.train(task, reset_optimizer_state=True)
    expected = by_hand(before, held, [[batch] for batch in strategy.seen], damped=form == "damped")
    assert_close(weights(strategy.model), weights(expected))


class Evaluating(Recording):
    """Steps whose closure evaluates the loss and its gradient again."""

    def optimizer_step(self) -> None:
        def closure() -> Tensor:
            self.optimizer.zero_grad()
            self.loss = nn.functional.cross_entropy(self.model(self.mb_x), self.mb_y)
            self.loss.backward()
            return self.loss

        self.optimizer.step(closure)


@pytest.mark.parametrize("form", ["damped", "gradient"])
def test_a_closure_that_evaluates_the_gradient_again_keeps_the_penalty(form: str) -> None:
    strategy, plugin, task = learned(Evaluating, form=form)
    strategy.seen.clear()
    before, held = copy.deepcopy(strategy.model), copy.deepcopy(plugin)
    strategy.train(task, reset_optimizer_state=True)
    expected = by_hand(before, held, [[batch] for batch in strategy.seen], damped=form == "damped")
    assert_close(weights(strategy.model), weights(expected))


def test_a_closure_that_is_not_called_is_told_of() -> None:
    class Deaf(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:
            pass

    strategy, _, task = learned(Evaluating)
    strategy.optimizer = Deaf(strategy.model.parameters(), lr=LR)
    with pytest.warns(UserWarning, match="the penalty had no effect in this epoch"):
        strategy.train(task)


def test_a_closure_is_called_as_it_is_given() -> None:
    steps, seen = Steps(), []
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=LR)
    steps.attach(optimizer, seen.append)
    assert optimizer.step(closure=lambda: 3.0) == 3.0
    assert optimizer.step(lambda: 4.0) == 4.0
    assert seen == [optimizer, optimizer]


@pytest.mark.parametrize("form", ["damped", "gradient"])
def test_accumulated_gradients_get_the_penalty_once_per_step(form: str) -> None:
    strategy, plugin, task = learned(Accumulating, form=form)
    strategy.seen.clear()
    before, held = copy.deepcopy(strategy.model), copy.deepcopy(plugin)
    strategy.train(task, reset_optimizer_state=True)
    pairs = [strategy.seen[k : k + 2] for k in range(0, len(strategy.seen), 2)]
    expected = by_hand(before, held, pairs, damped=form == "damped")
    assert_close(weights(strategy.model), weights(expected))


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


def test_the_damped_form_is_stable_where_the_others_are_stopped() -> None:
    strategy, plugin, task = learned(strength=1e6, train_epochs=5)
    before = weights(strategy.model)
    strategy.train(task)
    largest = max((after - before[n]).abs().max() for n, after in weights(strategy.model).items())
    assert largest < 1
    for form in ("gradient", "loss"):
        strategy, plugin, task = learned(strength=1e6, form=form, train_epochs=5)
        importance, anchors = dict(plugin.importance), dict(plugin.anchors)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", UserWarning)
            with pytest.raises(FloatingPointError) as raised:
                strategy.train(task)
        warned = [str(w.message) for w in told if "diverge beyond 2" in str(w.message)]
        assert len(warned) == (form == "gradient")  # the loss form is clipped along
        for part in ("task 2, step ", "λ = 1e+06", "η · 2 λ Ω = ", 'penalty="damped"'):
            assert part in str(raised.value)
        assert_equal(plugin.importance, importance)
        assert_equal(plugin.anchors, anchors)


def test_a_loss_that_is_not_finite_stops_the_first_task_too() -> None:
    strategy = strategy_for(linear(), MASPlugin(), criterion=lambda output, _: output.sum() / 0.0)
    before = weights(strategy.model)
    with pytest.raises(FloatingPointError, match=r"task 1, step 1: .*lower the learning rate"):
        strategy.train(domain_incremental(1).train_stream)
    assert_equal(weights(strategy.model), before)


def test_large_but_finite_gradients_are_no_error() -> None:
    assert all_finite([torch.full((3,), 3e38), torch.empty(0)])
    assert all_finite([])
    assert not all_finite([torch.zeros(2), torch.tensor([1.0, math.nan])])
    assert not all_finite([torch.tensor([-math.inf])])
    sparse = torch.tensor([1.0, 0.0, math.inf, 0.0]).to_sparse()
    assert not all_finite([sparse])
    assert all_finite([torch.ones(2, dtype=torch.float16) * 6e4] * 3)


def test_there_is_no_warning_for_a_penalty_that_plain_steps_can_follow() -> None:
    strategy, _, task = learned(strength=1e-3, form="gradient")
    strategy.train(task)


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
