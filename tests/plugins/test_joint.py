"""Strategies that train on several experiences at once."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from avalanche.benchmarks import split_online_stream
from avalanche.training.supervised import JointTraining
from torch import nn

from avalanche_mas import MASPlugin
from tests.plugins.cases import (
    SAMPLES,
    MultiHead,
    assert_close,
    domain_incremental,
    inputs_of,
    single_head,
    slow_omega,
    strategy_for,
    task_incremental,
)

# Nothing is logged here, and Avalanche warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:No loggers specified")


def joint(model: nn.Module, plugin: MASPlugin) -> Any:
    return strategy_for(model, plugin, kind=JointTraining)


def everything(benchmark: Any, stream: str = "train_stream") -> torch.Tensor:
    return torch.cat([inputs_of(experience) for experience in getattr(benchmark, stream)])


def test_importance_is_measured_on_all_of_the_data() -> None:
    torch.manual_seed(0)
    benchmark, model, plugin = domain_incremental(3), single_head(), MASPlugin()
    joint(model, plugin).train(benchmark.train_stream)
    assert plugin._memory.estimate.samples == 3 * SAMPLES
    assert plugin.between_tasks
    assert_close(plugin.importance, slow_omega(model, everything(benchmark)))


def test_all_heads_are_held() -> None:
    torch.manual_seed(0)
    benchmark, model, plugin = task_incremental(3), MultiHead(), MASPlugin()
    joint(model, plugin).train(benchmark.train_stream)
    each = [
        slow_omega(model, inputs_of(experience), task)
        for task, experience in enumerate(benchmark.train_stream)
    ]
    expected = {name: sum(omega[name] for omega in each) / 3 for name in each[0]}
    assert any("classifiers.2" in name for name in expected)
    assert_close(plugin.importance, expected)


def test_test_data_are_those_of_all_tasks() -> None:
    torch.manual_seed(0)
    benchmark, model = domain_incremental(2, parts=("train", "test")), single_head()
    plugin = MASPlugin(importance_on="test", benchmark=benchmark)
    joint(model, plugin).train(benchmark.train_stream)
    assert_close(plugin.importance, slow_omega(model, everything(benchmark, "test_stream")))


def test_the_pieces_of_online_tasks() -> None:
    torch.manual_seed(0)
    benchmark, model, plugin = domain_incremental(2), single_head(), MASPlugin()
    pieces = split_online_stream(benchmark.train_stream, 5, access_task_boundaries=True)
    joint(model, plugin).train(list(pieces))
    assert plugin.between_tasks
    assert_close(plugin.importance, slow_omega(model, everything(benchmark)))


def test_ordinary_tasks_may_follow() -> None:
    torch.manual_seed(0)
    benchmark, model, plugin = domain_incremental(3), single_head(), MASPlugin(0.1)
    joint(model, plugin).train(list(benchmark.train_stream)[:2])
    first = dict(plugin.importance)
    strategy_for(model, plugin).train(benchmark.train_stream[2])
    last = slow_omega(model, inputs_of(benchmark.train_stream[2]))
    assert_close(plugin.importance, {name: first[name] + last[name] for name in first})
