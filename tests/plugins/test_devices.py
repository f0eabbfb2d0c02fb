"""The plugin where model and data are on different devices, move, or are in mixed precision."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from avalanche.training import Naive
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor, nn

from avalanche_mas import LocalMASPlugin, MASPlugin
from avalanche_mas.importance import Importance, global_importance, local_importance
from avalanche_mas.metrics import mas_evaluator
from tests.plugins.cases import (
    SCENARIOS,
    Benchmark,
    assert_close,
    domain_incremental,
    inputs_of,
    single_head,
    slow_omega,
    strategy_for,
    unlabelled,
    weights,
)

# Nothing is logged here, and Avalanche warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:No loggers specified")

CPU = torch.device("cpu")
HALVES = [torch.float16, torch.bfloat16]


def without_dropout() -> nn.Module:
    """The CPU and a GPU would draw other masks."""
    torch.manual_seed(0)
    model = single_head()
    model[0][3].p = 0.0
    return model


def trained(model: nn.Module, plugin: MASPlugin, *devices: torch.device) -> dict[str, Tensor]:
    """The weights after a task on each of these devices."""
    for device, experience in zip(devices, domain_incremental(3).train_stream, strict=True):
        torch.manual_seed(1)
        strategy_for(model, plugin, device=device).train(experience)
    return {name: value.cpu() for name, value in weights(model).items()}


def test_training_is_that_of_the_cpu(device: torch.device) -> None:
    expected = trained(without_dropout(), reference := MASPlugin(0.5), CPU, CPU, CPU)
    found = trained(without_dropout(), plugin := MASPlugin(0.5), device, device, device)
    assert_close(found, expected, rtol=1e-3)
    on_device = {name: omega.cpu() for name, omega in plugin.importance.items()}
    assert_close(on_device, reference.importance, rtol=1e-3)
    assert {omega.device.type for omega in plugin.importance.values()} == {device.type}
    assert math.isfinite(plugin.importance_bytes)


def test_a_model_that_moves_between_tasks(device: torch.device) -> None:
    expected = trained(without_dropout(), MASPlugin(0.5), CPU, CPU, CPU)
    for devices in ((device, CPU, device), (CPU, device, CPU)):
        model, plugin = without_dropout(), MASPlugin(0.5)
        assert_close(trained(model, plugin, *devices), expected, rtol=1e-3)
        assert {anchor.device.type for anchor in plugin.anchors.values()} == {devices[-1].type}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_kind_of_benchmark(scenario: str, device: torch.device) -> None:
    torch.manual_seed(0)
    benchmark: Benchmark = SCENARIOS[scenario][0]()
    model, plugin = SCENARIOS[scenario][1](), MASPlugin(0.5)
    strategy = strategy_for(model, plugin, device=device, evaluator=mas_evaluator(loggers=[]))
    for experience in benchmark.train_stream:
        strategy.train(experience)
    assert plugin.quadratic_penalty.importance
    assert all(p.isfinite().all() and p.device.type == device.type for p in model.parameters())


def test_a_state_that_is_read_elsewhere(device: torch.device, tmp_path: Path) -> None:
    model, plugin = without_dropout(), MASPlugin(0.5)
    stream = domain_incremental(2).train_stream
    strategy_for(model, plugin, device=device).train(stream[0])
    torch.save(plugin.state_dict(), tmp_path / "plugin.pt")
    state = torch.load(tmp_path / "plugin.pt", map_location="cpu", weights_only=True)
    results = []
    for there in (CPU, device):
        twin, read = copy.deepcopy(model), MASPlugin(0.5)
        read.load_state_dict(state)
        assert {omega.device.type for omega in read.importance.values()} == {"cpu"}
        strategy = strategy_for(twin.to(there), read, device=there)
        read.update_importance(strategy, [unlabelled(1)])  # the parameters are known again
        torch.manual_seed(1)
        strategy.train(stream[1])
        results.append({name: value.cpu() for name, value in weights(twin).items()})
    assert_close(results[1], results[0], rtol=1e-3)


def test_data_on_the_cpu_are_moved_to_the_model(device: torch.device) -> None:
    benchmark, model, plugin = domain_incremental(1), single_head(), MASPlugin()
    strategy = strategy_for(model, plugin, device=device)
    strategy.train(benchmark.train_stream)
    for batches in ([unlabelled(1)], [unlabelled(2).to(device)]):
        plugin.update_importance(strategy, batches)
    every = torch.cat([inputs_of(benchmark.train_stream[0]), unlabelled(1), unlabelled(2)])
    found = {name: omega.cpu() for name, omega in plugin.importance.items()}
    assert_close(found, slow_omega(model.cpu(), every))


def test_a_pretrained_model_that_was_never_moved(device: torch.device) -> None:
    """train() would move it; update_importance comes before."""
    model, plugin = single_head(), MASPlugin()
    expected = slow_omega(model, unlabelled(1))
    plugin.update_importance(strategy_for(model, plugin, device=device), [unlabelled(1)])
    found = {name: omega.cpu() for name, omega in plugin.importance.items()}
    assert_close(found, expected)
    assert {omega.device.type for omega in plugin.importance.values()} == {device.type}


class Mixed(Naive):
    """Forward passes under autocast, and a scaled loss in float16."""

    dtype: torch.dtype

    def _before_training_exp(self, **kwargs: Any) -> None:
        scaled = self.dtype is torch.float16
        self.scaler = torch.amp.GradScaler(self.device.type, init_scale=2.0**8, enabled=scaled)
        super()._before_training_exp(**kwargs)

    def forward(self) -> Tensor:
        with torch.autocast(self.device.type, self.dtype):
            return super().forward()

    def backward(self) -> None:
        self.scaler.scale(self.loss).backward()

    def optimizer_step(self) -> None:
        self.scaler.step(self.optimizer)
        self.scaler.update()


PLUGINS = [(MASPlugin, global_importance), (LocalMASPlugin, local_importance)]


@pytest.mark.parametrize(("kind", "measure"), PLUGINS)
@pytest.mark.parametrize("form", ["damped", "loss"])
@pytest.mark.parametrize("everywhere", [False, True])
@pytest.mark.parametrize("dtype", HALVES)
def test_mixed_precision(
    dtype: torch.dtype, everywhere: bool, form: Any, kind: Any, measure: Any, device: torch.device
) -> None:
    """Ω is that of float32, also where the importance pass itself is under autocast."""
    torch.manual_seed(0)
    stream = domain_incremental(2).train_stream
    model, plugin = single_head(), kind(0.1, penalty=form)
    mixed = type("MixedNow", (Mixed,), {"dtype": dtype})
    strategy = strategy_for(model, plugin, kind=mixed, device=device)
    with torch.autocast(device.type, dtype, enabled=everywhere):
        strategy.train(stream[0])
        first = dict(plugin.importance)
        exact: Importance = measure(model.float(), [inputs_of(stream[0]).to(device)])
        strategy.train(stream[1])
    if not everywhere:
        assert_close(first, exact)
    for name, omega in first.items():
        assert omega.dtype == torch.float32
        # Where an activation of one of 20 samples is rounded to zero, an entry may lose a twentieth.
        assert (omega - exact[name]).abs().max() <= 0.15 * exact[name].max()
    assert all(omega.isfinite().all() for omega in plugin.importance.values())
    assert all(p.isfinite().all() for p in model.parameters())


class Gradients(SupervisedPlugin):
    """Keeps the gradients of the first backward pass, unscaled."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, Tensor] = {}

    def after_backward(self, strategy: Any, **_: Any) -> None:
        scale = strategy.scaler.get_scale()
        for name, p in strategy.model.named_parameters() if not self.kept else ():
            self.kept[name] = p.grad.clone() / scale


@pytest.mark.parametrize("dtype", HALVES)
def test_a_scaled_loss_scales_the_penalty_with_it(dtype: torch.dtype, device: torch.device) -> None:
    torch.manual_seed(0)
    stream = domain_incremental(2).train_stream
    model, plugin = single_head(), MASPlugin(0.7, penalty="loss")
    mixed = type("MixedNow", (Mixed,), {"dtype": dtype})
    strategy_for(model, plugin, kind=mixed, device=device).train(stream[0])
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p), alpha=0.1)
    expected = {
        name: 2 * 0.7 * plugin.importance[name] * (p.detach() - plugin.anchors[name])
        for name, p in model.named_parameters()
    }
    silent = strategy_for(
        model, plugin, found := Gradients(), kind=mixed, device=device, criterion=_nothing
    )
    with pytest.warns(UserWarning, match="have been changed since"):
        silent.train(stream[1])
    assert_close(found.kept, expected)


def _nothing(output: Tensor, _: Tensor) -> Tensor:
    return 0.0 * output.float().sum()
