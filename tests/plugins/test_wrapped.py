"""Data parallelism and compiling, applied or removed between tasks."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from avalanche_mas import LocalMASPlugin, MASPlugin
from tests.plugins.cases import (
    MultiHead,
    assert_close,
    domain_incremental,
    single_head,
    strategy_for,
    task_incremental,
    weights,
)
from tests.test_parameter_names import WRAPPERS

# Nothing is logged here, and Avalanche warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:No loggers specified")


def plain(model: nn.Module) -> nn.Module:
    return model


@pytest.mark.parametrize("kind", [MASPlugin, LocalMASPlugin])
@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=list(WRAPPERS))
def test_training_is_that_of_the_plain_model(
    wrap: Callable[[nn.Module], nn.Module], kind: type[MASPlugin]
) -> None:
    torch.manual_seed(0)
    benchmark, model = domain_incremental(3), single_head()
    results = []
    for wraps in ((plain, plain, plain), (plain, wrap, plain), (wrap, plain, wrap)):
        inner, plugin = copy.deepcopy(model), kind(0.1, on_change="raise")
        torch.manual_seed(1)
        for each, experience in zip(wraps, benchmark.train_stream, strict=True):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                warnings.filterwarnings("ignore", "No loggers specified")
                strategy_for(each(inner), plugin, train_epochs=2).train(experience)
        assert plugin.quadratic_penalty.importance
        results.append((weights(inner), dict(plugin.importance)))
    for tensors, importance in results[1:]:
        assert_close(tensors, results[0][0], rtol=1e-4)
        assert_close(importance, results[0][1], rtol=1e-4)


@pytest.mark.filterwarnings("ignore:You are using plugins that are not compatible")
def test_distributed_data_parallel(tmp_path: Path) -> None:
    torch.manual_seed(0)
    benchmark, models = domain_incremental(2), [single_head() for _ in range(2)]
    plugins = [MASPlugin(), MASPlugin()]
    models[1].load_state_dict(models[0].state_dict())
    address = (tmp_path / "group").as_uri()
    torch.distributed.init_process_group("gloo", init_method=address, rank=0, world_size=1)
    try:
        wrapped = nn.parallel.DistributedDataParallel(models[1])
        for model, plugin in zip((models[0], wrapped), plugins, strict=True):
            torch.manual_seed(1)
            strategy_for(model, plugin).train(benchmark.train_stream)
    finally:
        torch.distributed.destroy_process_group()
    assert_close(weights(models[1]), weights(models[0]))
    assert_close(plugins[1].importance, plugins[0].importance)


def test_heads_of_other_tasks_of_a_wrapped_part() -> None:
    torch.manual_seed(0)
    benchmark, model, plugin = task_incremental(2), MultiHead(), MASPlugin()
    model.body = nn.DataParallel(model.body)
    strategy_for(model, plugin).train(benchmark.train_stream)
    assert plugin.left_out == {
        f"head.classifiers.0.classifier.{name}" for name in ("weight", "bias")
    }
    assert "body.0.weight" in plugin.importance
