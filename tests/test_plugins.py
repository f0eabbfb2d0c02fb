"""MASPlugin in real Avalanche strategies, on small random benchmarks of every kind."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from avalanche.benchmarks import (
    benchmark_from_datasets,
    split_online_stream,
    with_classes_timeline,
    with_task_labels,
)
from avalanche.benchmarks.utils import AvalancheDataset, TransformGroups, as_classification_dataset
from avalanche.benchmarks.utils import _make_taskaware_classification_dataset as task_aware
from avalanche.models import IncrementalClassifier, MTSimpleMLP, MultiTaskModule
from avalanche.models.dynamic_modules import MultiHeadClassifier
from avalanche.training import Cumulative, LwF, Naive
from avalanche.training.plugins import ReplayPlugin, SupervisedPlugin
from avalanche.training.supervised.lamaml_v2 import LaMAML
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset, default_collate

from avalanche_mas import MASPlugin
from avalanche_mas.penalty import QuadraticPenalty
from tests.reference import slow_global_importance

# Nothing is logged here, and Avalanche warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:No loggers specified")

FEATURES, CLASSES, SAMPLES = 5, 3, 20

Benchmark = Any
Strategy = Any


# Benchmarks, models, strategies


class Samples(Dataset[tuple[Any, ...]]):
    """Random inputs and labels, and further fields."""

    def __init__(self, seed: int, first_class: int = 0, fields: int = 0, count: int = SAMPLES):
        generator = torch.Generator().manual_seed(seed)
        self.x = torch.randn(count, FEATURES, generator=generator)
        self.targets = [first_class + i % CLASSES for i in range(count)]
        self.fields = fields

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[Any, ...]:
        return (self.x[i], self.targets[i], *(torch.ones(2) for _ in range(self.fields)))


def stream_of(datasets: list[AvalancheDataset], labelled: bool) -> Benchmark:
    benchmark = benchmark_from_datasets(train=datasets)
    if labelled:
        benchmark = with_task_labels(benchmark)
    benchmark = with_classes_timeline(benchmark)
    for experience in benchmark.train_stream:
        experience.classes_in_this_experience = sorted(experience.classes_in_this_experience)
    return benchmark


def task_incremental(tasks: int = 3, fields: int = 0) -> Benchmark:
    return stream_of(
        [task_aware(Samples(i, fields=fields), task_labels=i) for i in range(tasks)], labelled=True
    )


def domain_incremental(tasks: int = 3) -> Benchmark:
    return stream_of([as_classification_dataset(Samples(i)) for i in range(tasks)], labelled=False)


def class_incremental(tasks: int = 3) -> Benchmark:
    data = [Samples(i, first_class=CLASSES * i) for i in range(tasks)]
    return stream_of([as_classification_dataset(samples) for samples in data], labelled=False)


class Body(nn.Sequential):
    """Linear, batch normalisation, ReLU and dropout."""

    def __init__(self, outputs: int) -> None:
        super().__init__(
            nn.Linear(FEATURES, outputs), nn.BatchNorm1d(outputs), nn.ReLU(), nn.Dropout(0.2)
        )


class MultiHead(MultiTaskModule):
    """A shared body and a head for every task."""

    def __init__(self, masking: bool = True, units: int = CLASSES) -> None:
        super().__init__()
        self.body = Body(8)
        self.head = MultiHeadClassifier(8, units, masking=masking)

    def forward(self, x: Tensor, task_labels: Tensor) -> Tensor:
        return self.head(self.body(x), task_labels)


class Growing(nn.Module):
    """A body and a head that grows with the classes."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Body(8)
        self.head = IncrementalClassifier(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


def single_head() -> nn.Module:
    return nn.Sequential(Body(8), nn.Linear(8, CLASSES))


SCENARIOS: dict[str, tuple[Callable[[], Benchmark], Callable[[], nn.Module]]] = {
    "task-incremental": (task_incremental, MultiHead),
    "task-incremental, four fields": (lambda: task_incremental(fields=1), MultiHead),
    "domain-incremental": (domain_incremental, single_head),
    "class-incremental": (class_incremental, Growing),
}


@pytest.fixture(params=list(SCENARIOS))
def scenario(request: pytest.FixtureRequest) -> tuple[Benchmark, nn.Module]:
    torch.manual_seed(0)
    benchmark, model = SCENARIOS[request.param]
    return benchmark(), model()


def strategy_for(
    model: nn.Module, *plugins: SupervisedPlugin, kind: type = Naive, **options: Any
) -> Strategy:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    options = {
        "criterion": nn.CrossEntropyLoss(),
        "train_mb_size": 6,
        "evaluator": None,
        **options,
    }
    return kind(model=model, optimizer=optimizer, plugins=list(plugins), **options)


def slow_omega(
    model: nn.Module, inputs: Tensor, task: int | None = None, mask: Tensor | None = None
) -> dict[str, Tensor]:
    """The slow truth, over the units that take part."""

    def forward(model: nn.Module, x: Tensor) -> Tensor:
        output = model(x) if task is None else model(x, torch.tensor([task]))
        return output if mask is None else output[:, mask]

    return slow_global_importance(model, [inputs], forward)


def assert_close(actual: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert actual.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(
            actual[name].double(), expected[name].double(), rtol=1e-4, atol=1e-5, msg=name
        )


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def assert_equal(actual: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert actual.keys() == expected.keys()
    assert [name for name in expected if not torch.equal(actual[name], expected[name])] == []


def inputs_of(experience: Any) -> Tensor:
    return torch.stack([sample[0] for sample in experience.dataset])


def counting(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of samples of the measurements, in order."""
    counts: list[int] = []
    consolidate = QuadraticPenalty.consolidate

    def counted(self: QuadraticPenalty, model: nn.Module, omega: Any) -> None:
        counts.append(omega.samples)
        consolidate(self, model, omega)

    monkeypatch.setattr(QuadraticPenalty, "consolidate", counted)
    return counts


# What is measured, in every scenario


def test_importance_and_anchors_after_the_first_task(
    scenario: tuple[Benchmark, nn.Module],
) -> None:
    benchmark, model = scenario
    plugin = MASPlugin()
    strategy_for(model, plugin).train(benchmark.train_stream[0])
    task = 0 if isinstance(model, MultiHead) else None
    assert_close(plugin.importance, slow_omega(model, inputs_of(benchmark.train_stream[0]), task))
    assert_equal(plugin.anchors, dict(model.named_parameters()))
    assert plugin.importance_seconds > 0


def test_importance_is_summed_over_tasks() -> None:
    torch.manual_seed(0)
    benchmark, model, plugin = domain_incremental(), single_head(), MASPlugin()
    strategy = strategy_for(model, plugin)
    expected = {name: torch.zeros_like(p).double() for name, p in model.named_parameters()}
    for experience in benchmark.train_stream:
        strategy.train(experience)
        for name, omega in slow_omega(model, inputs_of(experience)).items():
            expected[name] += omega
        assert_close(plugin.importance, expected)
        assert_equal(plugin.anchors, dict(model.named_parameters()))


def test_running_blend() -> None:
    torch.manual_seed(0)
    benchmark, model, plugin = domain_incremental(2), single_head(), MASPlugin(1.0, 0.25, False)
    strategy = strategy_for(model, plugin)
    strategy.train(benchmark.train_stream[0])
    first = dict(plugin.importance)
    strategy.train(benchmark.train_stream[1])
    second = slow_omega(model, inputs_of(benchmark.train_stream[1]))
    assert_close(
        plugin.importance, {name: 0.25 * first[name] + 0.75 * second[name] for name in first}
    )


def test_heads_of_other_tasks_take_no_part() -> None:
    torch.manual_seed(0)
    benchmark, model, plugin = task_incremental(2), MultiHead(), MASPlugin(10.0)
    strategy = strategy_for(model, plugin)
    strategy.train(benchmark.train_stream[0])
    head = "head.classifiers.0.classifier.weight"
    first = dict(plugin.importance)
    learned = weights(model)[head]
    with torch.no_grad():  # were the head held, this would be pulled back
        model.head.classifiers["0"].classifier.weight.add_(1.0)
    strategy.train(benchmark.train_stream[1])
    assert torch.equal(weights(model)[head], learned + 1)
    assert torch.equal(plugin.importance[head], first[head])
    assert not torch.equal(plugin.importance["body.0.weight"], first["body.0.weight"])
    assert "head.classifiers.1.classifier.weight" in plugin.importance


def test_a_head_is_held_while_its_own_task_is_trained_again() -> None:
    torch.manual_seed(0)
    data = [task_aware(Samples(i), task_labels=label) for i, label in enumerate([0, 1, 0])]
    benchmark, model, plugin = stream_of(data, labelled=True), MultiHead(), MASPlugin()
    strategy = strategy_for(model, plugin)
    parts: list[set[str]] = []

    class Watch(SupervisedPlugin):
        def before_training_exp(self, strategy: Strategy, **_: Any) -> None:
            model = strategy.model
            model.zero_grad()
            plugin._held.add_gradient(model, plugin._left_out)
            parts.append({name for name, p in model.named_parameters() if p.grad is not None})

    strategy.plugins.insert(1, Watch())
    strategy.train(benchmark.train_stream)
    heads = [{name.split(".")[2] for name in names if "classifiers" in name} for names in parts]
    assert heads == [set(), set(), {"0"}]


def test_one_task_label_for_all_makes_the_head_shared() -> None:
    torch.manual_seed(0)
    data = [task_aware(Samples(i), task_labels=0) for i in range(2)]
    benchmark, model, plugin = stream_of(data, labelled=True), MultiHead(), MASPlugin()
    strategy_for(model, plugin).train(benchmark.train_stream)
    assert plugin._left_out == frozenset()
    assert "head.classifiers.0.classifier.weight" in plugin._held.importance


def test_mixed_task_batches() -> None:
    torch.manual_seed(0)
    labels = [i % 2 for i in range(SAMPLES)]
    data = [task_aware(Samples(0), task_labels=labels)]
    benchmark, model = stream_of(data, labelled=True), MultiHead(masking=False, units=7)
    plugin = MASPlugin(batch_size=5)
    strategy_for(model, plugin).train(benchmark.train_stream[0])
    inputs = inputs_of(benchmark.train_stream[0])
    parts = [slow_omega(model, inputs[t::2], t) for t in (0, 1)]
    assert_close(
        plugin.importance, {name: (parts[0][name] + parts[1][name]) / 2 for name in parts[0]}
    )


def test_padded_and_masked_units_take_no_part() -> None:
    torch.manual_seed(0)
    data = [task_aware(Samples(0, first_class=1), task_labels=0)]  # classes 1, 2, 3 of 7 units
    benchmark, model, plugin = stream_of(data, labelled=True), MultiHead(units=7), MASPlugin()
    strategy_for(model, plugin).train(benchmark.train_stream[0])
    used = torch.zeros(7, dtype=torch.bool)
    used[1:4] = True
    model.head.masking = False
    expected = slow_omega(model, inputs_of(benchmark.train_stream[0]), 0, mask=used)
    assert expected["head.classifiers.0.classifier.bias"][~used].count_nonzero() == 0
    assert_close(plugin.importance, expected)


def test_a_growing_head_is_held_where_it_was() -> None:
    torch.manual_seed(0)
    benchmark, model, plugin = class_incremental(2), Growing(), MASPlugin(1.0)
    strategy = strategy_for(model, plugin)
    strategy.train(benchmark.train_stream[0])
    omega, anchors = dict(plugin.importance), dict(plugin.anchors)
    strategy.train(benchmark.train_stream[1])
    name = "head.classifier.weight"
    assert omega[name].shape == (CLASSES, 8)
    assert plugin.importance[name].shape == (2 * CLASSES, 8)
    assert not torch.equal(plugin.anchors[name][:CLASSES], anchors[name])
    second = slow_omega(model, inputs_of(benchmark.train_stream[1]))[name]
    padded = torch.cat([omega[name], torch.zeros(CLASSES, 8)])
    assert_close({name: plugin.importance[name]}, {name: padded + second})


def test_classes_met_in_evaluation_do_not_hurt() -> None:
    torch.manual_seed(0)
    benchmark, model, plugin = class_incremental(3), Growing(), MASPlugin()
    strategy = strategy_for(model, plugin)
    for experience in benchmark.train_stream:
        strategy.train(experience)
        strategy.eval(benchmark.train_stream)  # the head grows to all classes
        plugin.update_importance(strategy, experience.dataset)
    assert plugin.importance["head.classifier.weight"].shape == (3 * CLASSES, 8)


def test_online_stream_is_measured_once_per_task(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = counting(monkeypatch)
    for size in (5, 6, 20):  # pieces that divide the task evenly have no last one in Avalanche 0.6
        torch.manual_seed(0)
        benchmark, model, plugin = task_incremental(2), MultiHead(), MASPlugin()
        with pytest.warns(UserWarning, match="converted to a list"):
            online = with_task_labels(
                split_online_stream(benchmark.train_stream, size, access_task_boundaries=True)
            )
        for piece, origin in [(p, p.origin_experience) for p in online]:
            piece.classes_in_this_experience = origin.classes_in_this_experience
        strategy = strategy_for(model, plugin)
        first = None
        for piece in online:
            strategy.train(piece)
            if piece.origin_experience is benchmark.train_stream[0]:
                first = dict(plugin.importance)
                anchors = weights(model)
        assert first is not None
        assert_equal(plugin._held.importance, first)
        assert_equal(plugin._held.anchors, {name: anchors[name] for name in first})
        assert counts == [SAMPLES, SAMPLES]
        counts.clear()


def test_online_stream_without_boundaries_is_measured_for_every_piece(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts = counting(monkeypatch)
    benchmark = domain_incremental(2)
    strategy = strategy_for(single_head(), MASPlugin())
    for piece in split_online_stream(benchmark.train_stream, 10):
        strategy.train(piece.train(), eval_streams=[])  # attributes of boundaries are masked
    assert counts == [10, 10, 10, 10]


def test_eval_transforms_and_own_collate_function() -> None:
    collated: list[int] = []

    def collate(samples: list[Any]) -> Any:
        collated.append(len(samples))
        return default_collate(samples)

    groups = TransformGroups({"train": (lambda x: x + 100, None), "eval": (None, None)})
    data = as_classification_dataset(Samples(0), transform_groups=groups)
    data.collate_fn = collate
    benchmark, model, plugin = stream_of([data], labelled=False), single_head(), MASPlugin()
    strategy = strategy_for(model, plugin)
    strategy.train(benchmark.train_stream[0])
    assert_close(plugin.importance, slow_omega(model, Samples(0).x))
    assert collated[-4:] == [6, 6, 6, 2]  # by default, batches as in training


def test_batch_size_and_workers_do_not_matter() -> None:
    results = []
    for options in ({"batch_size": 1}, {"batch_size": 20}, {"num_workers": 1}):
        torch.manual_seed(0)
        benchmark, model, plugin = domain_incremental(1), single_head(), MASPlugin(**options)
        strategy_for(model, plugin).train(benchmark.train_stream[0])
        results.append(plugin.importance)
    assert_close(results[0], results[1])
    assert_close(results[0], results[2])


def test_progress_is_shown_with_verbose(capsys: pytest.CaptureFixture[str]) -> None:
    strategy = strategy_for(single_head(), MASPlugin(verbose=True))
    strategy.train(domain_incremental(1).train_stream[0])
    assert capsys.readouterr().err


# When it is applied


def train_all(
    scenario: tuple[Benchmark, nn.Module], *plugins: SupervisedPlugin, **options: Any
) -> dict[str, Tensor]:
    benchmark, model = scenario
    model = copy.deepcopy(model)
    torch.manual_seed(1)
    strategy = strategy_for(model, *plugins, **options)
    for experience in benchmark.train_stream:
        strategy.train(experience)
    return weights(model)


def test_measuring_leaves_the_training_as_it_is(scenario: tuple[Benchmark, nn.Module]) -> None:
    assert_equal(train_all(scenario, MASPlugin(0.0)), train_all(scenario))


def test_there_is_no_penalty_in_the_first_task() -> None:
    torch.manual_seed(0)
    scenario = (domain_incremental(1), single_head())
    assert_equal(
        train_all(scenario, MASPlugin(1e9), train_epochs=3), train_all(scenario, train_epochs=3)
    )


@pytest.mark.parametrize("form", ["gradient", "loss"])
def test_a_strong_penalty_holds_what_is_important(form: Any) -> None:
    torch.manual_seed(0)
    scenario = (domain_incremental(2), single_head())
    drift = []
    for strength in (3.0, 0.0):
        plugin = MASPlugin(strength, penalty=form)
        train_all(scenario, plugin, train_epochs=5)
        drift.append(
            sum(
                (omega * (plugin.anchors[name] - plugin._held.anchors[name]).square()).sum()
                for name, omega in plugin._held.importance.items()
            )
        )
    assert drift[0] < drift[1] / 2


def test_both_forms_give_the_same_training(scenario: tuple[Benchmark, nn.Module]) -> None:
    with_gradient = train_all(scenario, MASPlugin(0.1))
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
        assert not plugin._held.importance  # no penalty in the first task
    first = slow_omega(model, inputs_of(benchmark.train_stream[0]))
    assert_close(plugin.importance, first)
    anchors = dict(plugin.anchors)
    for _ in range(2):
        strategy.train(benchmark.train_stream[1])
        assert_equal(plugin._held.anchors, anchors)
    second = slow_omega(model, inputs_of(benchmark.train_stream[1]))
    assert_close(plugin.importance, {name: first[name] + second[name] for name in first})
    strategy.train(benchmark.train_stream[0])  # a return is a task of its own
    third = slow_omega(model, inputs_of(benchmark.train_stream[0]))
    assert_close(
        plugin.importance, {name: first[name] + second[name] + third[name] for name in first}
    )


def test_in_a_strategy_with_data_of_its_own(scenario: tuple[Benchmark, nn.Module]) -> None:
    train_all(scenario, plugin := MASPlugin(), kind=Cumulative)
    assert plugin._held.importance


def test_beside_distillation() -> None:
    plugin = MASPlugin()
    train_all((task_incremental(), MultiHead()), plugin, kind=LwF, alpha=1.0, temperature=2.0)
    assert plugin._held.importance


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
    assert plugin._learned is not None


def test_in_double_precision() -> None:
    torch.manual_seed(0)

    class Double(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.double())

    model, plugin = Double(single_head().double()), MASPlugin()
    benchmark = domain_incremental(2)
    strategy_for(model, plugin).train(benchmark.train_stream)
    assert {omega.dtype for omega in plugin.importance.values()} == {torch.float64}


# Leaving parameters out


def test_excluded_parameters_take_no_part() -> None:
    benchmark, model = domain_incremental(2), single_head()
    plugin = MASPlugin(exclude=["1.*", "*.bias"])
    strategy_for(model, plugin).train(benchmark.train_stream)
    assert set(plugin.importance) == {"0.0.weight", "0.1.weight"}
    one = MASPlugin(exclude="0.*")
    strategy_for(single_head(), one).train(benchmark.train_stream[0])
    assert set(one.importance) == {"1.weight", "1.bias"}


def test_a_pattern_that_matches_nothing_is_refused_before_training() -> None:
    model = single_head()
    before = weights(model)
    with pytest.raises(ValueError, match=r"'fc\.\*' matches no parameter .* 0\.0\.weight"):
        strategy_for(model, MASPlugin(exclude=["fc.*"])).train(domain_incremental(1).train_stream)
    assert_equal(weights(model), before)


def test_frozen_parameters_take_no_part() -> None:
    model, plugin = single_head(), MASPlugin()
    model[0][0].weight.requires_grad = False
    strategy_for(model, plugin).train(domain_incremental(2).train_stream)
    assert "0.0.weight" not in plugin.importance


# Unlabelled data


def unlabelled(seed: int) -> Tensor:
    return torch.randn(7, FEATURES, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", ["dataset", "loader", "batches", "Avalanche dataset"])
def test_update_is_exactly_one_pass_over_all_of_the_data(kind: str) -> None:
    torch.manual_seed(0)
    benchmark, model, plugin = domain_incremental(2), single_head(), MASPlugin()
    strategy = strategy_for(model, plugin)
    strategy.train(benchmark.train_stream)
    base = dict(plugin._held.importance)
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
    base = dict(plugin._held.importance)
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
    assert_equal(plugin._held.importance, updated)


def test_update_without_a_task_just_learned() -> None:
    plugin = MASPlugin()
    strategy = strategy_for(single_head(), plugin)
    with pytest.raises(RuntimeError, match="no estimate to refine"):
        plugin.update_importance(strategy, [unlabelled(1)])
    strategy.train(domain_incremental(1).train_stream)
    with pytest.raises(TypeError, match="iterable of batches"):
        plugin.update_importance(strategy, unlabelled(1))


# Bad input: the old Ω stays


class Poisoned(nn.Module):
    """Gives NaN when told to, in eval mode only."""

    def __init__(self) -> None:
        super().__init__()
        self.net = single_head()
        self.poison = False

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x) * (math.nan if self.poison and not self.training else 1.0)


def test_nan_in_the_output() -> None:
    model, plugin = Poisoned(), MASPlugin()
    benchmark = domain_incremental(2)
    strategy = strategy_for(model, plugin)
    strategy.train(benchmark.train_stream[0])
    state = copy.deepcopy(plugin.state_dict())
    model.poison = True
    with pytest.raises(ValueError, match=r"(?i)nan|finite"):
        plugin.update_importance(strategy, [unlabelled(1)])
    assert_same(plugin.state_dict(), state)
    importance = dict(plugin.importance)
    with pytest.raises(ValueError, match=r"(?i)nan|finite"):
        strategy.train(benchmark.train_stream[1])
    assert_equal(plugin.importance, importance)


def test_no_data() -> None:
    model, plugin = single_head(), MASPlugin()
    strategy = strategy_for(model, plugin)
    strategy.train(domain_incremental(1).train_stream)
    state = copy.deepcopy(plugin.state_dict())
    for data in ([], TensorDataset(torch.zeros(0, FEATURES))):
        with pytest.raises(ValueError, match=r"(?i)empty|no samples|no batch"):
            plugin.update_importance(strategy, data)
    assert_same(plugin.state_dict(), state)


def test_an_empty_experience() -> None:
    data = as_classification_dataset(Samples(0)).subset([])
    strategy = strategy_for(single_head(), MASPlugin())
    with pytest.raises(ValueError, match=r"(?i)empty|num_samples"):
        strategy.train(benchmark_from_datasets(train=[data]).train_stream[0])


def test_nan_in_the_parameters() -> None:
    model, plugin = single_head(), MASPlugin()
    benchmark = domain_incremental(2)
    strategy = strategy_for(model, plugin)
    strategy.train(benchmark.train_stream[0])
    importance = dict(plugin.importance)
    model[0][0].weight.data[0, 0] = math.nan
    with pytest.raises(ValueError, match=r"(?i)nan|finite"):
        strategy.train(benchmark.train_stream[1])
    assert_equal(plugin.importance, importance)


def test_no_trainable_parameters() -> None:
    model = single_head()
    strategy = strategy_for(model, MASPlugin())
    model.requires_grad_(False)
    with pytest.raises(ValueError, match="no trainable parameter"):
        strategy.train(domain_incremental(1).train_stream)


def test_bad_options() -> None:
    for options, message in [
        ({"lambda_reg": -1.0}, "got -1.0"),
        ({"lambda_reg": math.nan}, "got nan"),
        ({"alpha": 2.0}, "got 2.0"),
        ({"penalty": "both"}, "got 'both'"),
        ({"batch_size": 0}, "got 0"),
        ({"num_workers": -1}, "got -1"),
    ]:
        with pytest.raises(ValueError, match=message):
            MASPlugin(**options)


def test_a_multi_task_model_without_labels() -> None:
    torch.manual_seed(0)
    data = [task_aware(Samples(0), task_labels=[i % 2 for i in range(SAMPLES)])]
    benchmark, model = stream_of(data, labelled=True), MultiHead(masking=False)
    plugin = MASPlugin()
    strategy = strategy_for(model, plugin)
    strategy.train(benchmark.train_stream)
    with pytest.raises(ValueError, match=r"needs task labels.*\(0, 1\)"):
        plugin.update_importance(strategy, [unlabelled(1)])


def test_meta_learning_strategies_are_refused() -> None:
    model = single_head()
    with pytest.warns(UserWarning, match="positional"):
        strategy = strategy_for(model, MASPlugin(), kind=LaMAML)
    with pytest.raises(TypeError, match="LaMAML calls no plugin"):
        strategy.train(domain_incremental(1).train_stream)


# State


def assert_same(actual: Any, expected: Any) -> None:
    if isinstance(expected, Mapping):
        assert actual.keys() == expected.keys()
        for key in expected:
            assert_same(actual[key], expected[key])
    elif isinstance(expected, Tensor):
        assert torch.equal(actual, expected)
    else:
        assert actual == expected


def test_training_goes_on_bit_identically_from_a_saved_state(
    scenario: tuple[Benchmark, nn.Module], tmp_path: Any
) -> None:
    benchmark, model = scenario
    plugin = MASPlugin()
    strategy = strategy_for(model, plugin)
    strategy.train(list(benchmark.train_stream)[:2])
    twin = copy.deepcopy(model)
    torch.save(plugin.state_dict(), tmp_path / "mas.pt")

    def finish(model: nn.Module, plugin: MASPlugin) -> dict[str, Tensor]:
        torch.manual_seed(5)
        strategy = strategy_for(model, plugin)
        plugin.update_importance(strategy, benchmark.train_stream[1].dataset)
        strategy.train(benchmark.train_stream[2])
        return weights(model)

    resumed = MASPlugin()
    resumed.load_state_dict(torch.load(tmp_path / "mas.pt", weights_only=True))
    assert_equal(finish(twin, resumed), finish(model, plugin))
    assert_same(resumed.state_dict(), plugin.state_dict())


def test_an_online_task_goes_on_from_a_saved_state(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = counting(monkeypatch)
    benchmark, model, plugin = domain_incremental(1), single_head(), MASPlugin()
    pieces = list(split_online_stream(benchmark.train_stream, 5, access_task_boundaries=True))
    strategy_for(model, plugin).train(pieces[:2])
    resumed = MASPlugin()
    resumed.load_state_dict(plugin.state_dict())
    strategy_for(model, resumed).train(pieces[2:])
    assert counts == [SAMPLES]


def test_a_bad_state_is_refused() -> None:
    plugin = MASPlugin()
    strategy_for(single_head(), plugin).train(domain_incremental(1).train_stream)
    good = copy.deepcopy(plugin.state_dict())
    bad = {**good, "held": {**good["held"], "anchors": {"x": torch.ones(1)}}}
    for state, message in [({}, "expected the entries"), (bad, r"\['x'\]")]:
        with pytest.raises(ValueError, match=message):
            plugin.load_state_dict(state)
    assert_same(plugin.state_dict(), good)


@pytest.mark.parametrize(
    "clone", [copy.deepcopy, lambda plugin: pickle.loads(pickle.dumps(plugin))]
)
def test_it_can_be_copied_and_pickled(clone: Callable[[MASPlugin], MASPlugin]) -> None:
    plugin = MASPlugin(0.5)
    strategy_for(single_head(), plugin).train(domain_incremental(1).train_stream)
    assert_same(clone(plugin).state_dict(), plugin.state_dict())
