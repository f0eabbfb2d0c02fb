"""Several processes that train together have what one process has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from avalanche_mas import LocalMASPlugin, MASPlugin
from avalanche_mas.metrics import mas_metrics
from avalanche_mas.plugins.base import ImportancePlugin
from tests.distributed.launching import HERE, torchrun
from tests.distributed.script import SCENARIOS, Adapts, strategy_with
from tests.plugins.cases import MultiHead, assert_close, inputs_of, single_head, task_incremental
from tests.reference import slow_global_importance, slow_local_importance

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="torchrun needs what Windows lacks"),
    pytest.mark.filterwarnings("ignore:No loggers specified"),
]

Results = list[dict[str, Any]]


@pytest.fixture(scope="module", params=[2, 3])
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The results of each process."""
    folder = tmp_path_factory.mktemp("results")
    said = torchrun(request.param, HERE / "script.py", str(folder))
    files = [folder / f"{rank}.pt" for rank in range(request.param)]
    assert all(file.is_file() for file in files), said
    return [torch.load(file, weights_only=False) for file in files]


def tensors_in(result: Any, path: str = "") -> Iterator[tuple[str, Tensor]]:
    if isinstance(result, Tensor):
        yield path, result
    elif isinstance(result, list):
        for i, each in enumerate(result):
            yield from tensors_in(each, f"{path}/{i}")
    elif hasattr(result, "items"):
        for name, each in result.items():
            yield from tensors_in(each, f"{path}/{name}")


@pytest.mark.parametrize("name", SCENARIOS)
def test_all_processes_have_the_same_to_the_bit(results: Results, name: str) -> None:
    first, *others = (dict(tensors_in(result[name])) for result in results)
    for other in others:
        assert other.keys() == first.keys()
        differing = [path for path in first if not torch.equal(other[path], first[path])]
        assert all("running_" in path for path in differing)  # each has seen other batches


KINDS: dict[str, tuple[type[ImportancePlugin], type[nn.Module] | Any]] = {
    "uneven shards": (MASPlugin, single_head),
    "shards without samples": (LocalMASPlugin, single_head),
    "multi-head": (MASPlugin, MultiHead),
}


@pytest.mark.parametrize("name", KINDS)
def test_importance_is_that_of_one_process(results: Results, name: str) -> None:
    """Of the weights and running statistics that the first process ended each task with."""
    kind, make = KINDS[name]
    model, plugin = make(), kind(0.1)
    strategy = strategy_with(model, plugin, train_epochs=0)
    for experience, found in zip(
        task_incremental(2).train_stream, results[0][name]["tasks"], strict=True
    ):
        if isinstance(model, MultiHead):
            model.head.adaptation(experience)
        model.load_state_dict(found["weights"], strict=not isinstance(model, MultiHead))
        strategy.train(experience)
        assert_close(found["Ω"], plugin.importance, rtol=1e-6)
        assert_close(found["θ*"], plugin.anchors, rtol=0)
        assert found["N"] == 20


@pytest.mark.parametrize("name", ["uneven shards", "shards without samples"])
def test_importance_is_that_of_a_loop_of_batch_size_one(results: Results, name: str) -> None:
    slow = slow_local_importance if name != "uneven shards" else slow_global_importance
    found, model = results[0][name]["tasks"][0], single_head().double()
    model.load_state_dict(found["weights"])
    inputs = inputs_of(task_incremental(2).train_stream[0]).double()
    assert_close(found["Ω"], slow(model, [inputs]), rtol=1e-5)


@pytest.mark.parametrize("form", ["damped", "gradient", "loss"])
def test_penalty_acts_as_in_one_process(results: Results, form: str) -> None:
    assert_close(results[0][form], SCENARIOS[form](), rtol=1e-5)


@pytest.mark.parametrize("name", ["functions", "used elsewhere", "more data", "accuracies"])
def test_what_is_counted_together_is_that_of_one_process(results: Results, name: str) -> None:
    found, alone = results[0][name], SCENARIOS[name]()
    assert_close(dict(tensors_in(found)), dict(tensors_in(alone)), rtol=1e-6)
    for each in found if name == "functions" else ():
        assert found[each].samples == alone[each].samples == 13
    if name == "more data":
        assert found["N"] == alone["N"] == 20 + 20 + 13


@pytest.mark.parametrize("changed", ["statistics changed", "weights changed"])
def test_running_statistics_of_the_first_process_count(results: Results, changed: str) -> None:
    found = results[0][changed]
    model = single_head()
    model.load_state_dict(found["weights"])
    plugin = MASPlugin()
    strategy_with(model, plugin, train_epochs=0).train(task_incremental(1).train_stream)
    assert_close(found["Ω"], plugin.importance, rtol=1e-6)
    assert_close(found["θ*"], plugin.anchors, rtol=0)
    statistics = [each[changed]["weights"]["0.1.running_mean"] for each in results]
    assert all(mean.mean() == rank for rank, mean in enumerate(statistics))


def test_buffers_are_left_alone(results: Results) -> None:
    assert all(each["left alone"] for each in results)


def test_models_of_groups_of_their_own_are_independent(results: Results) -> None:
    assert all(each["each its own"] == 20 for each in results)


def test_names_are_those_of_the_plain_model(results: Results) -> None:
    for name, (_, make) in KINDS.items():
        parameters = dict(make().named_parameters()).keys()
        assert results[0][name]["tasks"][0]["Ω"].keys() == parameters


def test_avalanche_does_not_warn(results: Results) -> None:
    assert all(results[0][name]["warnings"] == [] for name in KINDS)
    assert all(metric.supports_distributed for metric in mas_metrics())
    assert not Adapts.supports_distributed


HERE_ALONE = {
    "not finite": "ValueError: the model's output is not finite",
    "own error": "KeyError: 'no such entry'",
    "another name": "ValueError: unknown parameter names ['x']",
    "cannot be measured": "ValueError: exclude pattern 'x' matches no parameter",
}
"""What the last process finds. The others name it, and raise an error of the same type if they can."""

EVERYWHERE = {
    "another model": "ValueError: the parameter '2.weight' is not the same",
    "no samples": "ValueError: no samples",
    "other metrics": "ValueError: the list of metrics is not the same",
    "another state": "ValueError: Ω of '0.weight' is not the same",
    "not wrapped": "ValueError: the parameter '0.weight' is not the same",
    "checkpoints": "RuntimeError: Checkpoints are for a run in one process",
    "nothing wrong": "no error",
}


def test_what_one_process_refuses_all_refuse(results: Results) -> None:
    *others, last = (result["refusals"] for result in results)
    assert last.keys() == HERE_ALONE.keys() | EVERYWHERE.keys()
    for name, message in HERE_ALONE.items():
        assert last[name].startswith(message)
        kind = "RuntimeError" if name == "own error" else "ValueError"
        for other in others:
            assert other[name].startswith(
                f"{kind}: in process {len(others)} of {len(results)}, {message}"
            )
    for name, message in EVERYWHERE.items():
        for result in (*others, last):
            assert result[name].startswith(message), name
    assert not Path("never made").exists()
