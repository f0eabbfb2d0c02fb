"""Other ways to the same Ω, or near it, to be measured beside ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from types import SimpleNamespace

import torch
from avalanche.training.plugins import MASPlugin as AvalancheMASPlugin
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.utils.data import TensorDataset

Call = Callable[[], Mapping[str, Tensor]]

BUDGET = {"cpu": 2**30, "cuda": 8 * 2**30}
"""Bytes of per-sample gradients that a way that holds them may take: it works in chunks of samples."""


def avalanche(model: nn.Module, images: Tensor) -> Call:
    """Return Avalanche's own pass: the absolute value of the batch's mean gradient."""
    data = TensorDataset(images, torch.zeros(len(images), dtype=torch.int64))
    strategy = SimpleNamespace(
        model=model,
        experience=SimpleNamespace(dataset=data),
        train_mb_size=len(images),
        device=images.device,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
    )
    plugin = AvalancheMASPlugin()
    return lambda: plugin._get_importance(strategy)


def loop(model: nn.Module, images: Tensor) -> Call:
    """Return the definition itself, one sample at a time."""

    def measure() -> dict[str, Tensor]:
        model.eval()
        sums = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
        for image in images:
            model.zero_grad()
            model(image[None]).square().sum().backward()
            for name, parameter in model.named_parameters():
                sums[name] += parameter.grad.abs()  # type: ignore[union-attr]
        model.zero_grad()
        return {name: total / len(images) for name, total in sums.items()}

    return measure


def vmap_grad(model: nn.Module, images: Tensor) -> Call:
    """Return torch.func's per-sample gradients, held for a chunk of samples at a time."""

    def objective(parameters: dict[str, Tensor], image: Tensor) -> Tensor:
        output: Tensor = functional_call(model, parameters, (image[None],))
        return output.square().sum()

    per_sample = vmap(grad(objective), in_dims=(None, 0))
    chunk = _chunk(model, images)

    def measure() -> dict[str, Tensor]:
        model.eval()
        parameters = {name: p.detach() for name, p in model.named_parameters()}
        sums = {name: torch.zeros_like(p) for name, p in parameters.items()}
        for some in images.split(chunk):
            for name, gradients in per_sample(parameters, some).items():
                sums[name] += gradients.abs_().sum(0)
        return {name: total / len(images) for name, total in sums.items()}

    return measure


def opacus(model: nn.Module, images: Tensor) -> Call:
    """Return Opacus' per-sample gradients, held for a chunk of samples at a time."""
    from opacus import GradSampleModule

    model.eval()
    wrapped = GradSampleModule(model, batch_first=True, loss_reduction="sum", strict=False)
    chunk = _chunk(model, images)

    def measure() -> dict[str, Tensor]:
        sums = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
        for some in images.split(chunk):
            wrapped.zero_grad()
            wrapped(some).square().sum().backward()
            for name, parameter in model.named_parameters():
                sums[name] += parameter.grad_sample.abs_().sum(0)  # type: ignore[attr-defined]
        wrapped.zero_grad()
        return {name: total / len(images) for name, total in sums.items()}

    return measure


def backpack(model: nn.Module, images: Tensor) -> Call:
    """Return BackPACK's per-sample gradients, held for a chunk of samples at a time."""
    from backpack import backpack, extend
    from backpack.extensions import BatchGrad

    model.eval()
    extended = extend(model, use_converter=True)
    sum_of_squares = extend(nn.MSELoss(reduction="sum"))
    chunk = _chunk(model, images)

    def measure() -> dict[str, Tensor]:
        sums = {name: torch.zeros_like(p) for name, p in extended.named_parameters()}
        for some in images.split(chunk):
            extended.zero_grad()
            output = extended(some)
            with backpack(BatchGrad()):
                sum_of_squares(output, torch.zeros_like(output)).backward()
            for name, parameter in extended.named_parameters():
                sums[name] += parameter.grad_batch.abs_().sum(0)
        extended.zero_grad()
        return {name: total / len(images) for name, total in sums.items()}

    return measure


PEERS: dict[str, Callable[[nn.Module, Tensor], Call]] = {"vmap": vmap_grad}
PEERS |= {
    name: way for name, way in (("opacus", opacus), ("backpack", backpack)) if find_spec(name)
}
"""Exact ways by name, those of other libraries where they are installed."""


def _chunk(model: nn.Module, images: Tensor) -> int:
    """Return how many samples' gradients fit into the budget, at least one."""
    sample = sum(p.numel() * p.element_size() for p in model.parameters())
    return max(1, BUDGET[images.device.type] // sample)
