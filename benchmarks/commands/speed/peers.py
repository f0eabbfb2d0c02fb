"""Other ways to compute the same Ω, or nearly the same, to measure beside ours."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import torch
from avalanche.training.plugins import MASPlugin as AvalancheMASPlugin
from avalanche.training.utils import ParamData
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.utils.data import TensorDataset

from avalanche_mas.penalty import QuadraticPenalty

Call = Callable[[], Mapping[str, Tensor]]

BUDGET = {"cpu": 2**30, "cuda": 8 * 2**30}
"""The most bytes of per-sample gradients to hold at a time, by splitting the batch into chunks."""


def avalanche(model: nn.Module, images: Tensor) -> Call:
    """Return Avalanche's own pass, which takes the absolute value of the batch's mean gradient."""
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


def avalanche_penalty(model: nn.Module, penalty: QuadraticPenalty) -> Callable[[Tensor], Tensor]:
    """Return the function by which Avalanche's plugin adds the same penalty to a loss other than zero."""
    plugin = AvalancheMASPlugin(lambda_reg=penalty.lambda_reg)
    plugin.importance, plugin.params = (
        {name: ParamData(name, init_tensor=tensor) for name, tensor in held.items()}
        for held in (penalty.importance, penalty.anchors)
    )

    def added(loss: Tensor) -> Tensor:
        clock = SimpleNamespace(train_exp_counter=1)  # the second task
        strategy = SimpleNamespace(model=model, loss=loss, clock=clock)
        plugin.before_backward(strategy)
        return strategy.loss  # type: ignore[no-any-return]

    return added


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

    model.eval()
    per_sample = vmap(grad(objective), in_dims=(None, 0))
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    return _in_chunks(model, images, lambda some: per_sample(parameters, some))


def opacus(model: nn.Module, images: Tensor) -> Call:
    """Return Opacus' per-sample gradients, held for a chunk of samples at a time."""
    from opacus import GradSampleModule

    # Opacus only records in train mode, where modules without parameters may draw numbers.
    for module in model.modules():
        module.training = any(True for _ in module.parameters(recurse=False))
    wrapped = GradSampleModule(model, batch_first=True, loss_reduction="sum", strict=False)

    def gradients(some: Tensor) -> Mapping[str, Any]:
        wrapped(some).square().sum().backward()
        return {name: p.grad_sample for name, p in model.named_parameters()}  # type: ignore[attr-defined]

    return _in_chunks(model, images, gradients, wrapped.zero_grad)


def backpack(model: nn.Module, images: Tensor) -> Call:
    """Return BackPACK's per-sample gradients, held for a chunk of samples at a time."""
    from backpack import backpack, extend
    from backpack.extensions import BatchGrad

    model.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of second derivatives, which nothing here takes
        extended = extend(model, use_converter=True)
    sum_of_squares = extend(nn.MSELoss(reduction="sum"))

    def gradients(some: Tensor) -> Mapping[str, Tensor]:
        output = extended(some)
        with backpack(BatchGrad()):
            sum_of_squares(output, torch.zeros_like(output)).backward()
        return {name: p.grad_batch for name, p in extended.named_parameters()}

    return _in_chunks(extended, images, gradients, extended.zero_grad)


PEERS: dict[str, Callable[[nn.Module, Tensor], Call]] = {"vmap": vmap_grad}
PEERS |= {
    name: way for name, way in (("opacus", opacus), ("backpack", backpack)) if find_spec(name)
}
"""Exact ways by name; those of other libraries only if they are installed."""


def _in_chunks(
    model: nn.Module,
    images: Tensor,
    gradients: Callable[[Tensor], Mapping[str, Tensor]],
    forget: Callable[[], object] = lambda: None,
) -> Call:
    """Return the mean of per-sample gradients' absolute values, summed up chunk by chunk.

    `gradients` returns those of some samples by parameter, [samples, *shape]; `forget` frees
    them, before each chunk and at the end.
    """

    def measure() -> dict[str, Tensor]:
        sums = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
        for some in images.split(chunk(model)):
            forget()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what is slow, and of hooks on the first layer
                found = gradients(some)
            for name, own in found.items():
                sums[name] += own.abs_().sum(0)
        forget()
        return {name: total / len(images) for name, total in sums.items()}

    return measure


def chunk(model: nn.Module) -> int:
    """Return how many samples' gradients are held at a time."""
    one = sum(p.numel() * p.element_size() for p in model.parameters())
    return max(1, BUDGET[next(model.parameters()).device.type] // one)
