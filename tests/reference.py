"""The slow truth: obviously correct, and only for tests."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils import _pytree as pytree

ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh, nn.ELU)


def slow_global_importance(
    model: nn.Module,
    batches: Iterable[Any],
    forward: Callable[[nn.Module, Any], Tensor] | None = None,
) -> dict[str, Tensor]:
    """Ω by its definition: batch size one, autograd, absolute value, mean over the samples."""
    training = [(module, module.training) for module in model.modules()]
    model.eval()
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    sums = {name: torch.zeros_like(p) for name, p in parameters.items()}
    count = 0
    for batch in batches:
        for k in range(len(pytree.tree_leaves(batch)[0])):
            sample = pytree.tree_map_only(Tensor, lambda t, k=k: t[k : k + 1], batch)
            if forward is not None:
                output = forward(model, sample)
            else:
                output = model(sample[0] if isinstance(sample, tuple | list) else sample)
            gradients = torch.autograd.grad(
                output.square().sum(), list(parameters.values()), allow_unused=True
            )
            for name, gradient in zip(parameters, gradients, strict=True):
                if gradient is not None:
                    sums[name] += gradient.abs()
            count += 1
    for module, mode in training:
        module.training = mode
    return {name: total / count for name, total in sums.items()}


def slow_vector_importance(model: nn.Module, batches: Iterable[Any]) -> dict[str, Tensor]:
    """The vector form by its definition: batch size one, a gradient for each output, their 2-norm."""
    model.eval()
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    sums = {name: torch.zeros_like(p) for name, p in parameters.items()}
    count = 0
    for batch in batches:
        for x in batch.split(1):
            output = model(x)[0]
            rows = [
                torch.autograd.grad(
                    entry,
                    list(parameters.values()),
                    retain_graph=True,
                    allow_unused=True,
                    materialize_grads=True,
                )
                for entry in output
            ]
            for name, gradients in zip(parameters, zip(*rows, strict=True), strict=True):
                sums[name] += sum(gradient.square() for gradient in gradients).sqrt()
            count += 1
    return {name: total / count for name, total in sums.items()}


def slow_local_importance(model: nn.Module, batches: Iterable[Any]) -> dict[str, Tensor]:
    """l-MAS by its definition: batch size one, the graph cut after each activation by hand.

    For networks whose activations are modules of their own or calls of ``F.relu``, and whose
    parameters are used once.
    """
    model.eval()
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    sums = {name: torch.zeros_like(p) for name, p in parameters.items()}
    pending: set[str] = set()

    def cut(output: Tensor) -> Tensor:
        names = sorted(pending)
        if not output.requires_grad or not names:
            return output.detach()
        gradients = torch.autograd.grad(
            output.square().sum(), [parameters[name] for name in names], allow_unused=True
        )
        for name, gradient in zip(names, gradients, strict=True):
            if gradient is not None:
                sums[name] += gradient.abs()
                pending.remove(name)
        return output.detach()

    samples = [x for batch in batches for x in batch.split(1)]
    with _cutting_after_activations(model, cut):
        for x in samples:
            pending.update(parameters)
            cut(model(x))
    return {name: total / len(samples) for name, total in sums.items()}


@contextmanager
def _cutting_after_activations(model: nn.Module, cut: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Exchange what each activation gives for what ``cut`` makes of it."""
    modules = [module for module in model.modules() if isinstance(module, ACTIVATIONS)]
    in_place = [module for module in modules if getattr(module, "inplace", False)]
    hooks = [m.register_forward_hook(lambda _module, _args, output: cut(output)) for m in modules]
    relu = F.relu
    F.relu = lambda x, inplace=False: cut(relu(x))  # noqa: ARG005
    for module in in_place:
        module.inplace = False
    try:
        yield
    finally:
        F.relu = relu
        for hook in hooks:
            hook.remove()
        for module in in_place:
            module.inplace = True


@contextmanager
def double_by_default() -> Iterator[None]:
    """Avalanche's multi-head classifier makes its output in the default type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def slow_fisher(
    model: nn.Module, batches: Iterable[Any], outputs: Callable[[nn.Module, Any], Tensor]
) -> dict[str, Tensor]:
    """The Fisher information by its definition: batch size one, float64, labels drawn by batch."""
    model = copy.deepcopy(model).eval()
    exact = copy.deepcopy(model).double()
    for parameter in exact.parameters():
        parameter.grad = None
    sums = {n: torch.zeros_like(p) for n, p in exact.named_parameters() if p.requires_grad}
    count = 0
    for x, _, *rest in batches:
        with torch.no_grad():
            drawn = torch.multinomial(outputs(model, (x, None, *rest)).softmax(1), 1)[:, 0]
        for k in range(len(x)):
            one = x[k : k + 1].double() if x.is_floating_point() else x[k : k + 1]
            sample = (one, None, *(field[k : k + 1] for field in rest))
            exact.zero_grad()
            with double_by_default():
                outputs(exact, sample).log_softmax(1)[0, drawn[k]].backward()
            for name, parameter in exact.named_parameters():
                if parameter.grad is not None:
                    sums[name] += parameter.grad.square()
            count += 1
    return {name: total / count for name, total in sums.items()}


def slow_expected_fisher(
    model: nn.Module, batches: Iterable[Any], outputs: Callable[[nn.Module, Any], Tensor]
) -> dict[str, Tensor]:
    """Σ_c p_c (∂ log p_c / ∂θ)² sample by sample, a gradient for each class, the mean over samples."""
    model = copy.deepcopy(model).eval()
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    sums = {name: torch.zeros_like(p) for name, p in parameters.items()}
    count = 0
    for batch in batches:
        for k in range(len(batch[0])):
            sample = pytree.tree_map_only(Tensor, lambda t, k=k: t[k : k + 1], batch)
            for log_likelihood in outputs(model, sample).log_softmax(1)[0]:
                gradients = torch.autograd.grad(
                    log_likelihood,
                    list(parameters.values()),
                    retain_graph=True,
                    allow_unused=True,
                    materialize_grads=True,
                )
                for name, gradient in zip(parameters, gradients, strict=True):
                    sums[name] += log_likelihood.detach().exp() * gradient.square()
            count += 1
    return {name: total / count for name, total in sums.items()}
