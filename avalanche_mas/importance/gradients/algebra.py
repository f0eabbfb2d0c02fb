"""The rules of products and sums with a parameter; see :mod:`avalanche_mas.importance.gradients.layers`."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from avalanche_mas.importance.gradients.layout import Layout
from avalanche_mas.importance.gradients.persample import Dense, Outer, PerSample
from avalanche_mas.importance.gradients.pieces import wide_type
from avalanche_mas.importance.gradients.rules import Gradients, rule


@rule(F.linear, features=lambda _out, _args: 1, narrow=True)
def linear(
    delta: Tensor, layout: Layout, input: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Gradients:
    """Return the gradients of a linear layer, y = x Wᵀ + b: Σ_p δ_kp x_kpᵀ and Σ_p δ_kp."""
    at_output = layout.split(delta).flatten(1, -2)  # [B, P, O]
    at_input = layout.split(input).flatten(1, -2)  # [B, P, I]
    gradients: Gradients = {"weight": Outer(at_output.transpose(1, 2), at_input, weight.shape)}
    if bias is not None:
        gradients["bias"] = Dense(at_output.sum(1, dtype=wide_type(delta)))
    return gradients


@rule(torch.addmm, Tensor.addmm, features=lambda _out, _args: 1, parameters=("input", "mat2"))
def addmm(
    delta: Tensor,
    layout: Layout,
    input: Tensor,
    mat1: Tensor,
    mat2: Tensor,
    beta: float = 1,
    alpha: float = 1,
) -> Gradients:
    """Return the gradients of y = β b + α x W, as in GPT-2: α Σ_p x_kpᵀ δ_kp and β Σ_p δ_kp."""
    gradients: Gradients = {}
    if isinstance(mat2, torch.nn.Parameter):
        gradients["mat2"] = _right_factor(delta * alpha, layout, mat1, mat2)
    if isinstance(input, torch.nn.Parameter):
        gradients["input"] = Dense(_sum_to(delta * beta, layout, input))
    return gradients


@rule(
    *(torch.mm, Tensor.mm, torch.matmul, Tensor.matmul, Tensor.__matmul__),
    features=lambda out, args: 1 if args["other"].dim() == 2 else out.dim(),  # else no rule
    parameters=("other",),
    narrow=True,
)
def matmul(delta: Tensor, layout: Layout, input: Tensor, other: Tensor) -> Gradients:
    """Return the gradient of a matrix on the right, y = x W: Σ_p x_kpᵀ δ_kp."""
    return {"other": _right_factor(delta, layout, input, other)}


@rule(
    torch.add,
    Tensor.add,
    features=lambda _out, _args: 0,
    parameters=("input", "other"),
    reads=False,
)
def add(delta: Tensor, layout: Layout, input: Any, other: Any) -> Gradients:
    """Return the gradient of a summand, such as a position embedding: δ summed over the positions."""
    return {
        name: Dense(_sum_to(delta, layout, part))
        for name, part in (("input", input), ("other", other))
        if isinstance(part, torch.nn.Parameter)
    }


@rule(torch.mul, Tensor.mul, features=lambda _out, _args: 0, parameters=("input", "other"))
def mul(delta: Tensor, layout: Layout, input: Any, other: Any) -> Gradients:
    """Return the gradient of a factor, such as a layer scale: δ x summed over the positions."""
    return {
        name: Dense(_sum_to(delta * factor, layout, part))
        for name, part, factor in (("input", input, other), ("other", other, input))
        if isinstance(part, torch.nn.Parameter)
    }


@rule(Tensor.expand, features=lambda _out, _args: 0, parameters=("input",), reads=False)
def expand(delta: Tensor, layout: Layout, input: Tensor, *sizes: Any) -> Gradients:  # noqa: ARG001
    """Return the gradient of a parameter repeated over the samples, such as a class token."""
    return {"input": Dense(_sum_to(delta, layout, input))}


def _right_factor(delta: Tensor, layout: Layout, input: Tensor, matrix: Tensor) -> PerSample:
    at_output = layout.split(delta).flatten(1, -2)  # [B, P, O]
    at_input = layout.split(input).flatten(1, -2)  # [B, P, I]
    return Outer(at_input.transpose(1, 2), at_output, matrix.shape)


def _sum_to(delta: Tensor, layout: Layout, parameter: Tensor) -> Tensor:
    """Sum [*broadcast shape] to [B, *parameter's shape], undoing the broadcast for each sample."""
    shape = (1,) * (delta.dim() - parameter.dim()) + tuple(parameter.shape)
    entries = layout.split(delta)  # [B, m, other dimensions]
    entries = entries.movedim(1, layout.dim + 1)  # [B, dimensions in order, m in place of B m]
    summed = [d + 1 for d, size in enumerate(shape) if size == 1 and entries.shape[d + 1] != 1]
    result = entries.sum(summed, keepdim=True) if summed else entries
    return result.reshape(layout.samples, *parameter.shape)
