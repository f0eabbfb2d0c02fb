"""What is measured, in real Avalanche strategies on small random benchmarks of every kind."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from avalanche.benchmarks import (
    split_online_stream,
    with_task_labels,
)
from avalanche.benchmarks.utils import TransformGroups, as_classification_dataset
from avalanche.benchmarks.utils import _make_taskaware_classification_dataset as task_aware
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor, nn
from torch.utils.data import default_collate

from avalanche_mas import MASPlugin
from tests.plugins.cases import (
    CLASSES,
    SAMPLES,
    Benchmark,
    Growing,
    MultiHead,
    Samples,
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
    stream_of,
    task_incremental,
    weights,
)

# Nothing is logged here, and Avalanche warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:No loggers specified")


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
    with pytest.warns(UserWarning, match="have been changed since"):
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
            plugin._memory.held.add_gradient(model, plugin.left_out)
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
    assert plugin.left_out == frozenset()
    assert "head.classifiers.0.classifier.weight" in plugin._memory.held.importance


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
        assert_equal(plugin._memory.held.importance, first)
        assert_equal(plugin._memory.held.anchors, {name: anchors[name] for name in first})
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


# Leaving parameters out


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr])
def test_a_graphs_adjacency_may_be_a_sparse_buffer(layout: torch.layout) -> None:
    class Graph(nn.Linear):
        def __init__(self) -> None:
            super().__init__(5, 3)
            self.register_buffer("adjacency", torch.eye(5).to_sparse(layout=layout))

        def forward(self, x: Tensor) -> Tensor:
            return super().forward((self.adjacency @ x.T).T)

    plugin = MASPlugin()
    strategy = strategy_for(Graph(), plugin, train_mb_size=3)
    task = domain_incremental(1).train_stream
    strategy.train(task)
    assert_close(plugin.importance, slow_omega(strategy.model, inputs_of(task[0])))


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
