"""Saving, loading, copying."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from avalanche.benchmarks import (
    split_online_stream,
)
from torch import Tensor, nn

from avalanche_mas import MASPlugin
from tests.plugins.cases import (
    SAMPLES,
    Benchmark,
    assert_equal,
    assert_same,
    counting,
    domain_incremental,
    single_head,
    strategy_for,
    weights,
)

# Nothing is logged here, and Avalanche warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:No loggers specified")


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_training_goes_on_bit_identically_from_a_saved_state(
    scenario: tuple[Benchmark, nn.Module], tmp_path: Any, dtype: torch.dtype | None
) -> None:
    benchmark, model = scenario
    plugin = MASPlugin(importance_dtype=dtype)
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

    resumed = MASPlugin(importance_dtype=dtype)
    resumed.load_state_dict(torch.load(tmp_path / "mas.pt", weights_only=True))
    assert_equal(finish(twin, resumed), finish(model, plugin))
    assert_same(resumed.state_dict(), plugin.state_dict())
    assert {omega.dtype for omega in plugin.importance.values()} == {dtype or torch.float32}


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


def without_first(state: Any) -> dict[str, Any]:
    return dict(list(state.items())[1:])


def changed(state: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of the state with another value at a path, such as held/tasks."""
    name, _, rest = path.partition("/")
    return {**state, name: changed(state[name], rest, value) if rest else value}


WRONG: dict[str, list[Any]] = {
    "kind": [None, 3],
    "pieces": [-1, None, 1.5, "2", True],
    "task_labels": [0, "01", [None], (0.5,), {"0": 0}],
    "samples": [0, -3, None, 2.5, "20", True],
    "fingerprint": [7, "0f", {"1.bias": 3}, {"1.bias": "no digest"}, {}, ["1.bias"]],
    "held": [None, [], {}, {"importance": {}}],
    "learned": [None, [], 5, {"importance": {}}],
    "estimate": [None, [], {}, {"1.bias": 1.0}, {"1.bias": torch.ones(3, dtype=torch.long)}],
    "held/tasks": [{"1.bias": 1.5}, [1], None],
    "learned/tasks": [{"1.bias": "1"}, {}, None],
    "learned/anchors": [{"1.bias": [0.0]}, torch.ones(3), {1: torch.ones(3)}],
    "learned/importance": [{"1.bias": None}, [], {"1.bias": torch.ones(2)}],
    "learned/accumulation": [None, "max", 3],
    "estimate/1.bias": [torch.ones(2), -torch.ones(3), torch.full((3,), torch.nan)],
    "estimate/another": [torch.ones(3)],
}


@pytest.mark.parametrize("path", list(WRONG))
def test_a_state_with_a_wrong_entry_is_refused(path: str) -> None:
    plugin, fresh = MASPlugin(), MASPlugin()
    strategy_for(single_head(), plugin).train(domain_incremental(1).train_stream)
    state, before = plugin.state_dict(), copy.deepcopy(fresh.state_dict())
    for value in WRONG[path]:
        with pytest.raises(ValueError, match=f"{path.split('/')[-1][:9]}|learned"):
            fresh.load_state_dict(changed(state, path, value))
        assert_same(fresh.state_dict(), before)
    fresh.load_state_dict(state)
    assert_same(fresh.state_dict(), state)


def test_a_fingerprint_of_other_parameters_is_refused() -> None:
    plugin = MASPlugin()
    strategy_for(single_head(), plugin).train(domain_incremental(1).train_stream)
    state = plugin.state_dict()
    for fingerprint in (
        without_first(state["fingerprint"]),
        {**state["fingerprint"], "x": "0" * 16},
    ):
        with pytest.raises(ValueError, match="'fingerprint' and 'estimate'"):
            MASPlugin().load_state_dict({**state, "fingerprint": fingerprint})


@pytest.mark.parametrize(
    "clone", [copy.deepcopy, lambda plugin: pickle.loads(pickle.dumps(plugin))]
)
def test_it_can_be_copied_and_pickled(clone: Callable[[MASPlugin], MASPlugin]) -> None:
    plugin = MASPlugin(0.5)
    strategy_for(single_head(), plugin).train(domain_incremental(1).train_stream)
    assert_same(clone(plugin).state_dict(), plugin.state_dict())


def test_another_strength_holds_for_the_tasks_to_come() -> None:
    """Set between two tasks, it is as if it had been given from the beginning."""
    benchmark = domain_incremental(2)
    plugins, models = [MASPlugin(3.0), MASPlugin(0.0)], [single_head(), single_head()]
    models[1].load_state_dict(models[0].state_dict())
    for plugin, model in zip(plugins, models, strict=True):
        torch.manual_seed(0)
        strategy = strategy_for(model, plugin)
        strategy.train(benchmark.train_stream[0])
        plugin.lambda_reg = 3.0
        strategy.train(benchmark.train_stream[1])
        assert plugin.lambda_reg == 3.0
    assert_equal(weights(models[1]), weights(models[0]))
    with pytest.raises(ValueError, match=r"finite and not negative, got -1\.0"):
        plugins[0].lambda_reg = -1.0
    assert plugins[0].lambda_reg == 3.0
