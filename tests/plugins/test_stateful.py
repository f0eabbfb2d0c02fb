"""Sequences of everything that can happen to a plugin, against a plain model of what must hold.

To search for longer: MAS_FUZZ=5000 pytest tests/plugins/test_stateful.py
"""

from __future__ import annotations

import copy
import os
import pickle
import random
import tempfile
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from avalanche.core import SupervisedPlugin
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from torch import Tensor, nn

from avalanche_mas import MASPlugin
from avalanche_mas.importance import Importance, global_importance
from tests.penalty.test_accumulation import ALPHA, TRUTH
from tests.plugins.cases import (
    CLASSES,
    FEATURES,
    Growing,
    assert_equal,
    assert_same,
    class_incremental,
    inputs_of,
    slow_omega,
    strategy_for,
    weights,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:No loggers specified"),
    pytest.mark.filterwarnings("ignore:.*have been changed since the last task"),
    pytest.mark.filterwarnings("ignore:the squared norm of the output is"),  # all units are masked
]

TASKS = 3
EXAMPLES = int(os.environ.get("MAS_FUZZ", "100"))

Tensors = dict[str, Tensor]


class Net(Growing):
    """A head that grows; layers of several precisions; and random numbers that have no effect."""

    def forward(self, x: Tensor) -> Tensor:
        features = self.body(x.to(self.body[0].weight.dtype)) + 0 * sum(draw())
        return self.head(features.to(self.head.classifier.weight.dtype))


class Interrupted(BaseException):
    """Stands for Ctrl-C."""


class Probe(SupervisedPlugin):
    """Keeps the parameters with which training begins, and stops it before a step."""

    def __init__(self) -> None:
        super().__init__()
        self.began: Tensors = {}
        self.steps_left = -1

    def before_training_epoch(self, strategy: Any, **_: Any) -> None:
        self.began = parameters(strategy.model)

    def before_update(self, *_: Any, **__: Any) -> None:
        self.steps_left -= 1
        if self.steps_left == 0:
            raise Interrupted


class Plain:
    """What a plugin must know, kept in the plainest way.

    Attributes:
        before: Σ_k |g_k| and N of each task before the current one.
        current: those of the task just learned, or None.
        anchors: θ* of the last task that was learned.
        held_anchors: θ* of the tasks before.
        data: those of the task, if training on them again would go on with it.
        under_way: whether training was interrupted.
    """

    def __init__(self, accumulation: str, on_change: str) -> None:
        self.accumulation, self.on_change = accumulation, on_change
        self.before: list[tuple[Tensors, int]] = []
        self.current: tuple[Tensors, int] | None = None
        self.anchors: Tensors = {}
        self.held_anchors: Tensors = {}
        self.data: Any = None
        self.under_way = False

    def begin(self, data: Any, model: Tensors) -> None:
        learned, again = self.current is not None, data is self.data
        if not again and self.current is not None:
            self.before.append(self.current)
            self.held_anchors, self.current = self.anchors, None
        if learned and self.on_change == "anchor" and self.moved(model):
            self.anchors = model
            self.held_anchors = self.held_anchors if again else model
        self.data, self.under_way = data, True

    def learn(self, sums: Tensors, samples: int, model: Tensors) -> None:
        self.current, self.anchors, self.under_way = (sums, samples), model, False

    def refuses(self, model: Tensors) -> bool:
        """Whether Ω_n is of other parameters; nobody knows where one has grown."""
        if self.current is None or self.under_way or shapes(model) != shapes(self.current[0]):
            return False
        return any(not identical(p, self.anchors[n]) for n, p in model.items())

    def refine(self, sums: Tensors, samples: int, model: Tensors) -> None:
        if self.current is not None and not self.under_way:
            old, count = self.current
            sums = {n: padded(old[n], s.shape) + s for n, s in sums.items()}
            samples += count
        self.learn(sums, samples, model)

    def moved(self, model: Tensors) -> bool:
        """Whether a parameter is not what the last task ended with, in its present precision."""
        return any(
            not torch.equal(leading(model[name], anchor.shape), anchor.to(model[name].dtype))
            for name, anchor in self.anchors.items()
        )

    def importance(self, held: bool = False) -> Tensors:
        tasks = [*self.before, *([] if held or self.current is None else [self.current])]
        if not tasks:
            return {}
        names = tasks[-1][0]
        largest = {n: max((sums[n].shape for sums, _ in tasks), key=len_of) for n in names}
        return {
            n: TRUTH[self.accumulation]([padded(sums[n] / N, largest[n]) for sums, N in tasks])
            for n in names
        }

    def penalty(self, model: Tensors, strength: float) -> Tensor:
        terms = [
            (padded(omega, self.held_anchors[n].shape) * self.difference(model, n).square()).sum()
            for n, omega in self.importance(held=True).items()
        ]
        return strength * sum(terms, torch.zeros(()))

    def difference(self, model: Tensors, name: str) -> Tensor:
        anchor = self.held_anchors[name]
        return leading(model[name], anchor.shape).double() - anchor.double()


class Everything(RuleBasedStateMachine):
    """A plugin, its model and its strategy, and what must hold of them."""

    @initialize(
        accumulation=st.sampled_from(list(TRUTH)),
        on_change=st.sampled_from(["warn", "anchor"]),
        form=st.sampled_from(["damped", "gradient", "loss"]),
    )
    def begin(self, accumulation: str, on_change: Any, form: Any) -> None:
        torch.manual_seed(0)
        self.task = 0
        self.experiences = list(class_incremental(TASKS).train_stream)
        self.options: dict[str, Any] = {
            "alpha": ALPHA if accumulation == "blend" else None,
            "accumulation": accumulation,
            "on_change": on_change,
            "penalty": form,
        }
        self.model, self.probe = Net(), Probe()
        self.plain, self.rtol, self.strength = Plain(accumulation, on_change), 1e-8, 0.01
        self.use(MASPlugin(self.strength, **self.options))

    def use(self, plugin: MASPlugin) -> None:
        self.plugin = plugin
        self.strategy = strategy_for(self.model, plugin, self.probe)

    def measured(self, x: Tensor) -> Tensors:
        """Σ_k |g_k| by a loop of one in float64."""
        omega = slow_omega(copy.deepcopy(self.model).double(), x.double())
        return {name: value * len(x) for name, value in omega.items()}

    @rule(task=st.integers(0, TASKS - 1))
    def choose_a_task(self, task: int) -> None:
        self.task = task

    @rule(stop=st.sampled_from([-1, -1, 1, 3]))
    def train(self, stop: int) -> None:
        experience, self.probe.steps_left = self.experiences[self.task], stop
        try:
            self.strategy.train(experience)
        except Interrupted:
            self.plain.begin(experience.dataset, self.probe.began)
            assert not self.plugin.between_tasks
            return
        assert self.plugin.between_tasks
        self.plain.begin(experience.dataset, self.probe.began)
        x = inputs_of(experience)
        self.plain.learn(self.measured(x), len(x), parameters(self.model))

    @rule(seed=st.integers(0, 9), samples=st.integers(1, 7), size=st.integers(1, 7))
    def update_importance(self, seed: int, samples: int, size: int) -> None:
        x = torch.randn(samples, FEATURES, generator=torch.Generator().manual_seed(seed))
        now, refused = parameters(self.model), self.plain.refuses(parameters(self.model))
        before, known = self.surroundings(), copy.deepcopy(self.plugin.state_dict())
        told = pytest.raises(ValueError, match=r"measure anew|differ") if refused else nullcontext()
        with told:
            self.plugin.update_importance(self.strategy, x.split(size))
        assert_same(self.surroundings(), before)
        if refused:
            assert_same(self.plugin.state_dict(), known)
        else:
            self.plain.refine(self.measured(x), samples, now)

    def surroundings(self) -> dict[str, Any]:
        """What update_importance must leave alone."""
        gradients = {n: p.grad for n, p in self.model.named_parameters()}
        return {
            "random": (random.getstate(), np.random.get_state()[1].tobytes()),  # noqa: NPY002
            "torch": torch.get_rng_state(),
            "modes": [module.training for module in self.model.modules()],
            "trained": [p.requires_grad for p in self.model.parameters()],
            "gradients": {n: g.clone() for n, g in gradients.items() if g is not None},
            "weights": weights(self.model),
        }

    @precondition(lambda self: not self.plain.under_way)
    @rule(task=st.integers(0, TASKS - 1))
    def evaluate(self, task: int) -> None:
        before, known = parameters(self.model), copy.deepcopy(self.plugin.state_dict())
        self.strategy.eval(self.experiences[task])
        assert_same(self.plugin.state_dict(), known)
        now = parameters(self.model)  # new classes make the head grow, in evaluation too
        assert_equal({n: leading(now[n], p.shape) for n, p in before.items()}, before)

    @rule(task=st.integers(0, TASKS - 1))
    def grow(self, task: int) -> None:
        classes = list(range(CLASSES * task, CLASSES * (task + 1)))
        self.model.head.adaptation(SimpleNamespace(classes_in_this_experience=classes))

    @rule(seed=st.integers(0, 9))
    def change_a_parameter(self, seed: int) -> None:
        chosen = list(self.model.parameters())[seed % 4]
        with torch.no_grad():
            chosen.view(-1)[seed % chosen.numel()] += 0.1

    @precondition(lambda self: not self.plain.under_way)
    @rule(dtype=st.sampled_from([torch.float32, torch.float64]))
    def cast(self, dtype: torch.dtype) -> None:
        self.rtol = 1e-3 if dtype is torch.float32 else self.rtol
        self.model.to(dtype)
        self.use(self.plugin)

    @precondition(lambda self: not self.plain.under_way)
    @rule(strength=st.sampled_from([0.0, 0.01, 0.02]))
    def change_the_strength(self, strength: float) -> None:
        self.strength = self.plugin.lambda_reg = strength

    @rule(how=st.sampled_from([copy.deepcopy, copy.copy, lambda x: pickle.loads(pickle.dumps(x))]))
    def copy_the_plugin(self, how: Any) -> None:
        known = copy.deepcopy(self.plugin.state_dict())
        self.use(how(self.plugin))
        assert_same(self.plugin.state_dict(), known)
        self.plain.data = None

    @rule()
    def copy_the_strategy(self) -> None:
        self.strategy.loss = self.strategy.mb_output = (
            None  # what an interruption leaves has a graph
        )
        self.strategy = copy.deepcopy(self.strategy)
        self.model, (self.plugin, self.probe, *_) = self.strategy.model, self.strategy.plugins
        self.plain.data = None

    @rule(through_a_file=st.booleans(), anew=st.booleans())
    def load_the_state(self, through_a_file: bool, anew: bool) -> None:
        state = copy.deepcopy(self.plugin.state_dict())
        if through_a_file:
            with tempfile.TemporaryDirectory() as folder:
                torch.save(state, Path(folder, "plugin.pt"))
                state = torch.load(Path(folder, "plugin.pt"), weights_only=True)
        new = MASPlugin(self.strength, **self.options) if anew else self.plugin
        new.load_state_dict(state)
        assert_same(new.state_dict(), state)
        self.use(new)
        self.plain.data, self.plain.under_way = None, False

    @precondition(lambda self: not self.plain.under_way)
    @rule(seed=st.integers(0, 9))
    def save_and_load_a_file(self, seed: int) -> None:
        x = torch.randn(3, FEATURES, generator=torch.Generator().manual_seed(seed))
        omega = global_importance(self.model, [x])
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "omega.safetensors")
            omega.save(file)
            assert_same(dict(Importance.load(file, self.model)), dict(omega))
            other = copy.deepcopy(self.model)
            with torch.no_grad():
                other.body[0].bias[0] += 1
            with pytest.raises(ValueError, match=r"body\.0\.bias"):
                Importance.load(file, other)
        self.close(dict(omega), {n: s / 3 for n, s in self.measured(x).items()})

    @invariant()
    def importance_is_that_of_a_loop_of_one(self) -> None:
        self.close(dict(self.plugin.importance), self.plain.importance())
        assert all(bool((omega >= 0).all()) for omega in self.plugin.importance.values())

    @invariant()
    def anchors_are_the_parameters_at_the_end_of_the_last_task(self) -> None:
        assert_same(dict(self.plugin.anchors), self.plain.anchors)
        assert shapes(self.plugin.anchors) == shapes(self.plugin.importance)
        assert {*self.plugin.anchors} in ({*parameters(self.model)}, set())

    @invariant()
    def penalty_is_that_by_hand(self) -> None:
        found = self.plugin.quadratic_penalty.value(self.model).detach().double()
        expected = self.plain.penalty(parameters(self.model), self.strength)
        torch.testing.assert_close(found, expected.double(), rtol=self.rtol, atol=1e-9)

    @invariant()
    def a_task_that_has_ended_leaves_no_hook(self) -> None:
        assert self.plugin.between_tasks != self.plain.under_way
        hooks = self.strategy.optimizer._optimizer_step_pre_hooks
        assert self.plain.under_way or not hooks

    def close(self, found: Tensors, expected: Tensors) -> None:
        assert found.keys() == expected.keys()
        for name, omega in expected.items():  # both as large as the model is now
            one, other = (padded(each, self.shape(name)).double() for each in (found[name], omega))
            torch.testing.assert_close(one, other, rtol=self.rtol, atol=self.rtol / 10)

    def shape(self, name: str) -> torch.Size:
        return self.model.get_parameter(name).shape


def parameters(model: nn.Module) -> Tensors:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def shapes(tensors: Any) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}


def draw() -> list[float]:
    return [random.random(), float(np.random.rand()), float(torch.rand(()))]  # noqa: NPY002


def identical(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and torch.equal(a, b)


def len_of(shape: Iterable[int]) -> int:
    return next(iter(shape))


def leading(tensor: Tensor, shape: torch.Size) -> Tensor:
    return tensor[: shape[0]]


def padded(tensor: Tensor, shape: torch.Size) -> Tensor:
    whole = tensor.new_zeros(shape)
    whole[: len(tensor)] = tensor
    return whole


@pytest.mark.usefixtures("double")
def test_everything_in_any_order() -> None:
    run_state_machine_as_test(
        Everything,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=15,
            deadline=None,
            derandomize=EXAMPLES == 100,
            phases=[each for each in Phase if EXAMPLES == 100 or each is not Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
