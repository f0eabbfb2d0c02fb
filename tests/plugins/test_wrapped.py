"""Data parallelism and compiling, applied or removed between tasks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from avalanche.distributed.distributed_helper import DistributedHelper
from torch import nn

from avalanche_mas import LocalMASPlugin, MASPlugin
from avalanche_mas.importance import Importance
from tests.plugins.cases import (
    SAMPLES,
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
            strategy_for(each(inner), plugin, train_epochs=2).train(experience)
        assert plugin.quadratic_penalty.importance
        results.append((weights(inner), dict(plugin.importance)))
    for tensors, importance in results[1:]:
        assert_close(tensors, results[0][0], rtol=1e-4)
        assert_close(importance, results[0][1], rtol=1e-4)


@pytest.mark.parametrize("kind", [MASPlugin, LocalMASPlugin])
def test_distributed_data_parallel(tmp_path: Path, kind: type[MASPlugin]) -> None:
    torch.manual_seed(0)
    benchmark, models = domain_incremental(2), [single_head() for _ in range(2)]
    plugins = [kind(), kind()]
    models[1].load_state_dict(models[0].state_dict())
    address = (tmp_path / "group").as_uri()
    torch.distributed.init_process_group("gloo", init_method=address, rank=0, world_size=1)
    try:
        wrapped = DistributedHelper.wrap_model(models[1])
        for model, plugin in zip((models[0], wrapped), plugins, strict=True):
            torch.manual_seed(1)
            strategy_for(model, plugin).train(benchmark.train_stream)
    finally:
        torch.distributed.destroy_process_group()
    assert_close(weights(models[1]), weights(models[0]))
    assert_close(plugins[1].importance, plugins[0].importance)


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=list(WRAPPERS))
def test_what_is_saved_of_a_wrapped_model_fits_the_plain_one(
    wrap: Callable[[nn.Module], nn.Module], tmp_path: Path
) -> None:
    """And the other way round."""
    torch.manual_seed(0)
    benchmark, begun = domain_incremental(2), single_head()
    ends = []
    for first, then in ((plain, plain), (wrap, plain), (plain, wrap)):
        model, plugins = copy.deepcopy(begun), [MASPlugin(), MASPlugin(on_change="raise")]
        torch.manual_seed(1)
        strategy_for(first(model), plugins[0]).train(benchmark.train_stream[0])
        torch.save(plugins[0].state_dict(), tmp_path / "state.pt")
        plugins[1].load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
        assert plugins[0]._memory.estimate is not None
        plugins[0]._memory.estimate.save(tmp_path / "omega.safetensors")
        assert Importance.load(tmp_path / "omega.safetensors", then(model)).samples == SAMPLES
        strategy_for(then(model), plugins[1]).train(benchmark.train_stream[1])
        ends.append((weights(model), dict(plugins[1].importance)))
    for tensors, importance in ends[1:]:
        assert_close(tensors, ends[0][0], rtol=1e-4)
        assert_close(importance, ends[0][1], rtol=1e-4)


def test_heads_of_other_tasks_of_a_wrapped_part() -> None:
    torch.manual_seed(0)
    benchmark, model, plugin = task_incremental(2), MultiHead(), MASPlugin()
    model.body = nn.DataParallel(model.body)
    strategy_for(model, plugin).train(benchmark.train_stream)
    assert plugin.left_out == {
        f"head.classifiers.0.classifier.{name}" for name in ("weight", "bias")
    }
    assert "body.0.weight" in plugin.importance
