"""Importance measured on the validation or test data of the task just learned."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from avalanche.benchmarks import nc_benchmark, split_online_stream, with_task_labels
from avalanche.benchmarks.utils import TransformGroups, as_classification_dataset
from torch import Tensor

from avalanche_mas import MASPlugin
from avalanche_mas.plugins.tasks import importance_data
from avalanche_mas.streams import task_stream
from tests.plugins.cases import (
    SAMPLES,
    Benchmark,
    Growing,
    MultiHead,
    Samples,
    assert_close,
    assert_equal,
    class_incremental,
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

PARTS = ("train", "valid", "test")
MODELS: dict[str, tuple[Any, Any]] = {
    "task": (task_incremental, MultiHead),
    "domain": (domain_incremental, single_head),
    "class": (class_incremental, Growing),
}


def inputs_on(benchmark: Benchmark, importance_on: str, number: int) -> Tensor:
    parts = [benchmark.streams[part][number] for part in importance_on.split("+")]
    return torch.cat([inputs_of(experience) for experience in parts])


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("importance_on", ["train", "valid", "test", "train+test"])
@pytest.mark.parametrize("scenario", list(MODELS))
def test_it_is_the_mean_over_the_samples_of_these_data(scenario: str, importance_on: str) -> None:
    torch.manual_seed(0)
    make, new_model = MODELS[scenario]
    benchmark, model = make(2, parts=PARTS), new_model()
    plugin = MASPlugin(importance_on=importance_on, benchmark=benchmark, batch_size=7)
    strategy = strategy_for(model, plugin)
    for number in (1, 0):  # not in the stream's order: the number counts, not the position
        strategy.train(benchmark.train_stream[number])
        x = inputs_on(benchmark, importance_on, number)
        expected = slow_omega(model, x, number if isinstance(model, MultiHead) else None)
        measured = {name for name in plugin.importance if f"classifiers.{1 - number}" not in name}
        estimate = plugin._memory.estimate
        assert estimate.samples == len(x) == SAMPLES * (1 + (importance_on == "train+test"))
        assert_close(estimate, {name: expected[name] for name in measured}, rtol=1e-9)


def test_test_data_are_refined_like_training_data() -> None:
    torch.manual_seed(0)
    benchmark, model = domain_incremental(1, parts=PARTS), single_head()
    plugin = MASPlugin(importance_on="test", benchmark=benchmark)
    strategy = strategy_for(model, plugin)
    strategy.train(benchmark.train_stream)
    plugin.update_importance(strategy, benchmark.valid_stream[0].dataset)
    both = torch.cat([inputs_on(benchmark, part, 0) for part in ("test", "valid")])
    assert_close(plugin.importance, slow_omega(model, both))


def test_eval_transforms_apply_to_all_parts() -> None:
    torch.manual_seed(0)
    groups = TransformGroups({"train": (lambda x: x + 100, None), "eval": (None, None)})
    data = {
        part: [as_classification_dataset(Samples(k), transform_groups=groups)]
        for k, part in enumerate(PARTS)
    }
    benchmark, model = stream_of(data, labelled=False), single_head()
    plugin = MASPlugin(importance_on="train+test", benchmark=benchmark)
    strategy_for(model, plugin).train(benchmark.train_stream)
    assert_close(plugin.importance, slow_omega(model, torch.cat([Samples(0).x, Samples(2).x])))


def test_streams_that_tell_their_benchmark() -> None:
    torch.manual_seed(0)
    data = [Samples(seed, count=20) for seed in (0, 1)]
    for samples in data:
        samples.targets = [i % 4 for i in range(20)]
    benchmark = nc_benchmark(*data, n_experiences=2, task_labels=False, seed=0)
    model, plugin = Growing(), MASPlugin(importance_on="test")
    strategy_for(model, plugin).train(benchmark.train_stream)
    assert plugin._memory.estimate.samples == len(benchmark.test_stream[1].dataset)
    expected = slow_omega(model, inputs_of(benchmark.test_stream[1]))
    assert_close(plugin._memory.estimate, expected)


def test_task_streams_tell_their_benchmark() -> None:
    benchmark = task_stream(["birds", "cars"], image_size=16)
    for part in PARTS:
        (data,) = importance_data(benchmark.train_stream[1], part, None)
        assert data is benchmark.streams[part][1].dataset


def test_where_attributes_are_hidden_from_training() -> None:
    torch.manual_seed(0)
    benchmark, model = domain_incremental(2, parts=PARTS), single_head()
    plugin = MASPlugin(importance_on="test", benchmark=benchmark)
    strategy_for(model, plugin).train(benchmark.train_stream[1].train(), eval_streams=[])
    assert_close(plugin.importance, slow_omega(model, inputs_on(benchmark, "test", 1)))


def test_online_pieces_are_measured_on_the_data_of_their_task() -> None:
    torch.manual_seed(0)
    benchmark, model = task_incremental(2, parts=PARTS), MultiHead()
    with pytest.warns(UserWarning, match="converted to a list"):
        online = with_task_labels(
            split_online_stream(benchmark.train_stream, 6, access_task_boundaries=True)
        )
    for piece in online:
        piece.classes_in_this_experience = piece.origin_experience.classes_in_this_experience
    plugin = MASPlugin(importance_on="test", benchmark=benchmark)
    strategy_for(model, plugin).train(online)
    omega = slow_omega(model, inputs_on(benchmark, "test", 1), 1)
    estimate = plugin._memory.estimate
    assert_close(estimate, {name: omega[name] for name in estimate})


def test_a_multi_head_model_is_given_labels_with_and_without_them_in_the_data() -> None:
    labelled = task_incremental(2, parts=PARTS)
    unlabelled = domain_incremental(2, parts=PARTS)  # the same data
    omegas = []
    for source in (labelled, unlabelled):  # without labels, that of the task is taken
        torch.manual_seed(0)
        model = MultiHead()
        plugin = MASPlugin(importance_on="test", benchmark=source)
        strategy_for(model, plugin).train(labelled.train_stream[1])
        omegas.append(dict(plugin.importance))
    assert_equal(omegas[0], omegas[1])


# Bad input, before anything is trained


def refused(benchmark: Benchmark, experience: Any, message: str, **options: Any) -> None:
    model = single_head()
    before = weights(model)
    plugin = MASPlugin(**{"benchmark": benchmark, "importance_on": "test", **options})
    with pytest.raises(ValueError, match=message):
        strategy_for(model, plugin).train(experience, eval_streams=[])
    assert_equal(weights(model), before)


def test_an_unknown_part_is_refused_at_once() -> None:
    known = r"'train', 'valid', 'test', 'train\+test'"
    with pytest.raises(ValueError, match=f"importance_on must be one of {known}, got 'all'"):
        MASPlugin(importance_on="all")


def test_a_benchmark_without_the_stream() -> None:
    benchmark = domain_incremental(2, parts=("train", "test"))
    message = "no stream 'valid' to measure importance on; it has 'train', 'test'"
    refused(benchmark, benchmark.train_stream, message, importance_on="valid")


def test_a_stream_without_the_experience() -> None:
    data = {part: [as_classification_dataset(Samples(k))] for k, part in enumerate(PARTS)}
    data["train"].append(as_classification_dataset(Samples(3)))
    benchmark = stream_of(data, labelled=False)
    message = r"'test' stream has no experience 1 .* it has \[0\]"
    refused(benchmark, benchmark.train_stream[1], message)


def test_a_benchmark_that_is_not_known() -> None:
    experience = domain_incremental(1, parts=PARTS).train_stream[0]
    refused(None, experience, "'test' stream .* is unknown.* pass benchmark= to the plugin")


def test_empty_test_data() -> None:
    data = {part: [as_classification_dataset(Samples(k))] for k, part in enumerate(PARTS)}
    data["test"] = [data["test"][0].subset([])]
    benchmark = stream_of(data, labelled=False)
    refused(benchmark, benchmark.train_stream, "importance_on='test': the data .* are empty")


def test_online_pieces_whose_task_is_not_known() -> None:
    benchmark = domain_incremental(1, parts=PARTS)
    pieces = list(split_online_stream(benchmark.train_stream, 5))
    refused(benchmark, pieces, r"no 'test' data of its own.* access_task_boundaries=True")
