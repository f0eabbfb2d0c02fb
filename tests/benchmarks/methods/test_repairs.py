"""What is wrong with Avalanche's plugins as shipped, and right with the repaired ones."""

from __future__ import annotations

import copy
import csv
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from avalanche.models.utils import avalanche_model_adaptation
from avalanche.training.plugins import EWCPlugin, LwFPlugin, SynapticIntelligencePlugin
from torch import Tensor, nn

from avalanche_mas.streams import TaskBenchmark
from benchmarks.methods import METHODS
from benchmarks.methods._repaired_ewc import RepairedEWCPlugin
from benchmarks.methods._repaired_lwf import RepairedLwFPlugin
from benchmarks.methods._repaired_si import RepairedSynapticIntelligencePlugin
from benchmarks.record.schema import METRICS
from benchmarks.run.job import Job
from benchmarks.run.runner import run
from tests.benchmarks.methods.learning import learn, network, strategy_of, whole

# Avalanche's Synaptic Intelligence hands a tensor to np.square.
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")


class CopyingSI(SynapticIntelligencePlugin):
    """Synaptic Intelligence as shipped, with copies instead of views, as on a GPU."""

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        super().before_training_exp(strategy, **kwargs)
        for held in self.ewc_data[0].values():
            held.data = held.data.clone()

    def before_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        super().before_training_iteration(strategy, **kwargs)
        for held in self.syn_data["old_theta"].values():
            held.data = held.data.clone()


def shipped_and(shipped: type, repaired: type) -> Any:
    names = ["as shipped", "repaired"]
    return pytest.mark.parametrize(
        ("plugin", "right"), [(shipped, False), (repaired, True)], ids=names
    )


def importances_of(plugin: Any) -> dict[str, Tensor]:
    held = plugin.importances[0] if isinstance(plugin, EWCPlugin) else plugin.ewc_data[1]
    return {name: value.data.clone() for name, value in held.items()}


# --- LwF ---


@shipped_and(LwFPlugin, RepairedLwFPlugin)
def test_the_teacher_drops_nothing(plugin: Any, right: bool, stream: TaskBenchmark) -> None:
    lwf, x = plugin(), whole(stream.train_stream[1])[0]
    learn(strategy_of(lwf, network(normalised=True)), stream.train_stream[0])
    teacher = lwf.lwf.prev_model
    assert torch.equal(teacher(x, 0), teacher(x, 0)) == right


@shipped_and(LwFPlugin, RepairedLwFPlugin)
def test_the_teacher_answers_as_the_network_did_and_stays_so(
    plugin: Any, right: bool, stream: TaskBenchmark
) -> None:
    lwf, x = plugin(), whole(stream.train_stream[1])[0]
    strategy = strategy_of(lwf, network(normalised=True))
    learn(strategy, stream.train_stream[0])
    teacher, learned = lwf.lwf.prev_model, copy.deepcopy(strategy.model).eval()
    learn(strategy, stream.train_stream[1])
    assert torch.equal(teacher(x, 0), learned(x, 0)) == right
    statistics = zip(teacher.buffers(), learned.buffers(), strict=True)
    assert all(torch.equal(now, then) for now, then in statistics) == right


@shipped_and(LwFPlugin, RepairedLwFPlugin)
def test_all_old_heads_are_distilled_and_the_new_one_is_not(
    plugin: Any,
    right: bool,  # noqa: ARG001 - what is shipped is right here
    three_tasks: TaskBenchmark,
) -> None:
    lwf, (x, _, task) = plugin(alpha=0.7, temperature=2.0), whole(three_tasks.train_stream[2])
    strategy = strategy_of(lwf, network(), lr=0.5)
    learn(strategy, *three_tasks.train_stream[:2])
    teacher = copy.deepcopy(strategy.model).double().eval()
    learn(strategy_of(RepairedLwFPlugin(), strategy.model), three_tasks.train_stream[2])
    student = copy.deepcopy(strategy.model).double()
    expected = 0.0
    for head in (0, 1):
        p, q = (model(x.double(), head).div(2).softmax(1) for model in (teacher, student))
        expected += 0.7 * (p * (p / q).log()).sum().item() / len(x)
    assert expected > 1e-3
    found = lwf.lwf(x, strategy.model(x, task), strategy.model)
    assert found.item() == pytest.approx(expected, rel=1e-3)


# --- the heads of other tasks ---


@pytest.mark.parametrize(
    ("plugin", "right"),
    [
        (EWCPlugin, False),
        (RepairedEWCPlugin, True),
        (SynapticIntelligencePlugin, False),
        (RepairedSynapticIntelligencePlugin, True),
    ],
)
def test_weight_decay_leaves_the_heads_of_other_tasks_alone(
    plugin: Any, right: bool, stream: TaskBenchmark
) -> None:
    strategy = strategy_of(plugin(1.0), network(), weight_decay=0.01)
    learn(strategy, stream.train_stream[0])
    head = strategy.model.classifier.classifiers["0"].classifier
    before = head.weight.clone()
    learn(strategy, stream.train_stream[1])
    assert torch.equal(head.weight, before) == right


@shipped_and(EWCPlugin, RepairedEWCPlugin)
def test_the_heads_of_other_tasks_are_not_kept_by_ewc(
    plugin: Any, right: bool, three_tasks: TaskBenchmark
) -> None:
    ewc, model = plugin(1.0), network()
    learn(strategy_of(ewc, model), *three_tasks.train_stream)
    for task in range(3):
        for held in (ewc.importances[task], ewc.saved_params[task]):
            heads = {name.split(".")[2] for name in held if name.startswith("classifier")}
            assert heads == ({str(task)} if right else set(map(str, range(task + 1))))
            assert {name for name, _ in model.named_parameters() if "body" in name} <= held.keys()


# --- EWC; what its importance is: test_ewc_fisher.py ---


@pytest.mark.parametrize("plugin", [EWCPlugin, RepairedEWCPlugin])
def test_the_penalty_of_ewc_is_a_sum_over_tasks_without_a_half(
    plugin: Any, three_tasks: TaskBenchmark
) -> None:
    ewc = plugin(7.0)
    strategy = strategy_of(ewc, network())
    learn(strategy, *three_tasks.train_stream[:2])
    strategy.experience = three_tasks.train_stream[2]
    ewc.before_training_exp(strategy)
    expected = 0.0
    for name, parameter in strategy.model.named_parameters():
        parameter.data += 0.1
        for task in (0, 1):
            if "body" in name or (plugin is EWCPlugin and name in ewc.importances[task]):
                change = parameter.double() - ewc.saved_params[task][name].data
                expected += 7 * (ewc.importances[task][name].data * change**2).sum().item()
    strategy.loss = torch.zeros(1)
    ewc.before_backward(strategy)
    assert strategy.loss.item() == pytest.approx(expected, rel=1e-4)
    assert expected > 0


# --- SI ---


def test_si_as_shipped_is_fine_tuning_and_repaired_it_is_not(
    make_job: Callable[..., Job], stream: TaskBenchmark
) -> None:
    seen = {}
    for method in ("fine-tuning", "si", "si-repaired"):
        job = make_job(method, strength=100.0, batch_size=4)
        run(job, say=lambda _: None, stream=stream)
        seen[method] = metrics(job.folder)
    assert seen["si"] == seen["fine-tuning"]
    assert seen["si-repaired"] != seen["fine-tuning"]


def metrics(folder: Path) -> list[dict[str, str]]:
    with (folder / METRICS).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def slow_si(
    model: nn.Module, experiences: Any, strength: float, damping: float
) -> dict[str, Tensor]:
    """Synaptic Intelligence as the paper has it, in float64, on batches of all the data; Ω by name.

    SGD at the rate and momentum of `strategy_of`, three steps for each task.
    """
    omega = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for experience in experiences:
        x, y, task = whole(experience)
        label = int(task[0])
        held = {n: p for n, p in model.named_parameters() if "body" in n or f"s.{label}." in n}
        anchors = {name: p.detach().clone() for name, p in held.items()}
        path = {name: torch.zeros_like(p) for name, p in held.items()}
        momentum = {name: torch.zeros_like(p) for name, p in held.items()}
        for _ in range(3):
            loss = F.cross_entropy(model(x.double(), label), y)
            gradients = torch.autograd.grad(loss, list(held.values()))
            for (name, p), gradient in zip(held.items(), gradients, strict=True):
                pull = strength * omega[name] * (p.detach() - anchors[name])
                momentum[name] = 0.9 * momentum[name] + gradient + pull
                path[name] -= gradient * -0.1 * momentum[name]
                p.data -= 0.1 * momentum[name]
        for name, p in held.items():
            omega[name] += path[name] / ((p.detach() - anchors[name]) ** 2 + damping)
            omega[name].clamp_(min=0)
    return omega


@shipped_and(CopyingSI, RepairedSynapticIntelligencePlugin)
def test_the_importance_of_si_is_the_papers(
    plugin: Any, right: bool, three_tasks: TaskBenchmark
) -> None:
    si, model = plugin(5.0, eps=1e-3), network()
    for experience in three_tasks.train_stream:
        avalanche_model_adaptation(model, experience)
    expected = slow_si(copy.deepcopy(model).double(), three_tasks.train_stream, 5.0, 1e-3)
    learn(strategy_of(si, model, batch_size=24), *three_tasks.train_stream)
    found = importances_of(si)
    assert found.keys() == expected.keys()
    worst = max(
        float((found[name] - value.flatten()).abs().max() / value.max())
        for name, value in expected.items()
    )
    assert (worst < 1e-3) == right


def test_without_views_the_importances_of_si_as_shipped_would_be_at_their_limit(
    stream: TaskBenchmark,
) -> None:
    si = CopyingSI(1.0)
    learn(strategy_of(si, network()), stream.train_stream[0])
    found = torch.cat(list(importances_of(si).values()))
    assert (found[found != 0] == found.max()).float().mean() > 0.9
    assert float(found.max()) == pytest.approx(0.001)


@shipped_and(CopyingSI, RepairedSynapticIntelligencePlugin)
def test_no_importance_of_si_is_negative(plugin: Any, right: bool, stream: TaskBenchmark) -> None:
    si = plugin(1.0)
    uphill = strategy_of(si, network(), maximize=True)  # as where a step overshoots
    learn(uphill, stream.train_stream[0])
    found = {name: value.clone() for name, value in importances_of(si).items()}
    assert (min(float(value.min()) for value in found.values()) >= 0) == right
    uphill.experience = stream.train_stream[1]
    si.before_training_exp(uphill)
    for name, value in found.items():  # the next task's is added to these sums
        assert torch.equal(si.syn_data["cum_trajectory"][name].data, -value)


# --- snapshots at the end of a task ---


@pytest.mark.parametrize(
    "method", [m for m in METHODS if m.partition("-")[0] in ("ewc", "lwf", "si")]
)
@pytest.mark.parametrize(
    "snapshot", [copy.deepcopy, lambda things: pickle.loads(pickle.dumps(things))]
)
def test_learning_goes_on_from_a_snapshot(
    method: str, snapshot: Callable[[Any], Any], three_tasks: TaskBenchmark
) -> None:
    (plugin,), model = METHODS[method].plugins(2.0), network(normalised=True)
    strategy = strategy_of(plugin, model)
    learn(strategy, *three_tasks.train_stream[:2])
    kept_plugin, kept_model = snapshot((plugin, model))
    learn(strategy, three_tasks.train_stream[2])
    resumed = strategy_of(kept_plugin, kept_model)
    resumed.clock.train_exp_counter = 2  # EWC counts the tasks by it
    learn(resumed, three_tasks.train_stream[2])
    for name, value in strategy.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
