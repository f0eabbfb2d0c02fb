"""The rules: from a layer's input and the gradient at its output to its per-sample gradients.

One small function per operation, with the operation's own signature behind two arguments: ``delta``,
the gradient of the summed objective at the output, and ``layout``, where the samples lie in it. It
returns, for each parameter of the call by its name in the signature, a description of the per-sample
gradients (:mod:`avalanche_mas.importance.gradients.persample`). Comments give the axes: B samples, m
further entries of a sample that lie along the batch dimension, P positions that share the parameter.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from avalanche_mas.importance.gradients.algebra import add, addmm, expand, linear, matmul, mul
from avalanche_mas.importance.gradients.convolution import Convolution
from avalanche_mas.importance.gradients.convolved import Fold, Windows
from avalanche_mas.importance.gradients.layout import Layout
from avalanche_mas.importance.gradients.persample import Dense, Lookup, Outer
from avalanche_mas.importance.gradients.pieces import wide_type
from avalanche_mas.importance.gradients.rules import RULES, Gradients, Rule, rule

__all__ = ["RULES", "Rule", "add", "addmm", "expand", "linear", "matmul", "mul"]

FEW_POSITIONS = 128
"""Up to here a product with a dense convolution's windows is cheaper than the library's own gradient."""


@rule(
    torch.conv1d,
    torch.conv2d,
    torch.conv3d,
    features=lambda _out, args: args["weight"].dim() - 1,  # an image without a batch has one less
    narrow=True,
)
def convolution(
    delta: Tensor,
    layout: Layout,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] | str = 0,
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
) -> Gradients:
    """Return the gradients of a convolution: a product over all positions, and Σ δ over them."""
    n = weight.dim() - 2
    kernel, dilation = tuple(weight.shape[2:]), _per_axis(dilation, n)
    if isinstance(padding, str):
        input, padding = _pad_as_named(input, padding, kernel, dilation), 0
    conv = Convolution(kernel, _per_axis(stride, n), _per_axis(padding, n), dilation, groups)
    at_output, at_input = layout.split(delta), layout.split(input)  # [B, m, O, *], [B, m, I, *]
    positions = at_output.shape[3:].numel()
    per_channel = at_output.flatten(3)  # [B, m, O, L]
    gradients: Gradients = {}
    if conv.is_pointwise():
        left = per_channel.transpose(1, 2).flatten(2)  # [B, O, m L]
        right = at_input.flatten(3).transpose(2, 3).flatten(1, 2)  # [B, m L, I]
        gradients["weight"] = Outer(left, right, weight.shape)
    elif groups == 1 and (positions <= FEW_POSITIONS or conv.kernel == (1,) * n):
        gradients["weight"] = Windows(at_output, at_input, conv, weight.shape)
    else:
        gradients["weight"] = Fold(at_output, at_input, conv, weight.shape)
    if bias is not None:
        gradients["bias"] = Dense(per_channel.sum((1, 3), dtype=wide_type(delta)))
    return gradients


@rule(F.batch_norm, features=lambda out, _args: out.dim() - 1, unset=("training",))
def batch_norm(
    delta: Tensor,
    layout: Layout,
    input: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,  # noqa: ARG001 - unset
    momentum: float = 0.1,  # noqa: ARG001 - in evaluation the statistics stay
    eps: float = 1e-5,
) -> Gradients:
    """Return the gradients of batch norm, y = w (x - μ)/√(σ² + ε) + b, with the running statistics."""
    samples = layout.samples
    _, scaled, shifts = torch.ops.aten.native_batch_norm_backward(
        *(_samples_as_channels(layout.split(tensor)) for tensor in (delta, input)),
        None,
        running_mean.repeat(samples),
        running_var.repeat(samples),
        None,
        None,
        False,
        eps,
        [False, True, True],
    )
    return _affine(scaled.view(samples, -1), shifts.view(samples, -1), weight, bias)


@rule(F.layer_norm, features=lambda _out, args: len(args["normalized_shape"]))
def layer_norm(
    delta: Tensor,
    layout: Layout,
    input: Tensor,
    normalized_shape: tuple[int, ...],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Gradients:
    """Return the gradients of layer norm, y = w x̂ + b, x̂ normalised over the last dimensions."""
    n = len(normalized_shape)
    at_output = layout.split(delta).flatten(1, -n - 1)  # [B, P, *normalized_shape]
    normal = layout.split(F.layer_norm(input, normalized_shape, eps=eps)).flatten(1, -n - 1)
    return _affine((at_output * normal).sum(1), at_output.sum(1), weight, bias)


@rule(
    F.rms_norm,
    features=lambda _out, args: len(args["normalized_shape"]),
    parameters=("weight",),
)
def rms_norm(
    delta: Tensor,
    layout: Layout,
    input: Tensor,
    normalized_shape: tuple[int, ...],
    weight: Tensor | None = None,  # noqa: ARG001
    eps: float | None = None,
) -> Gradients:
    """Return the gradient of RMS norm, y = w x̂, x̂ = x over the root of its mean square: Σ_p δ x̂."""
    n = len(normalized_shape)
    at_output = layout.split(delta).flatten(1, -n - 1)  # [B, P, *normalized_shape]
    normal = layout.split(F.rms_norm(input, normalized_shape, eps=eps)).flatten(1, -n - 1)
    return {"weight": Dense((at_output * normal).sum(1))}


@rule(torch.prelu, features=lambda out, _args: out.dim() - 1, parameters=("weight",))
def prelu(delta: Tensor, layout: Layout, input: Tensor, weight: Tensor) -> Gradients:
    """Return the gradient of PReLU, y = w x where x < 0: Σ δ min(x, 0) over the channels that share w."""
    products = _by_channel(layout.split(delta * input.clamp(max=0))).sum((1, 3))  # [B, C]
    shared = weight.numel() == 1
    return {"weight": Dense(products.sum(1, keepdim=True) if shared else products)}


@rule(F.group_norm, features=lambda out, _args: out.dim() - 1)
def group_norm(
    delta: Tensor,
    layout: Layout,
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Gradients:
    """Return the gradients of group norm, y = w x̂ + b, x̂ normalised over groups of channels."""
    at_output = _by_channel(layout.split(delta))
    normal = _by_channel(layout.split(F.group_norm(input, num_groups, eps=eps)))
    return _affine((at_output * normal).sum((1, 3)), at_output.sum((1, 3)), weight, bias)


@rule(
    F.embedding,
    features=lambda _out, _args: 1,
    parameters=("weight",),
    unset=("max_norm",),
)
def embedding(
    delta: Tensor,
    layout: Layout,
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,  # noqa: ARG001 - unset
    norm_type: float = 2.0,  # noqa: ARG001 - the norm that max_norm bounds
    scale_grad_by_freq: bool = False,  # noqa: ARG001 - a step's size, not the derivative
    sparse: bool = False,  # noqa: ARG001 - a way of storing the gradient
) -> Gradients:
    """Return the gradient of a table: for each row Σ δ over the places that looked it up."""
    indices = layout.split(input).flatten(1)  # [B, P]
    if padding_idx is not None:
        padding_idx = padding_idx % len(weight)
        indices = indices.masked_fill(indices == padding_idx, -1)
    at_output = layout.split(delta).flatten(1, -2)  # [B, P, D]
    return {"weight": Lookup(indices, at_output, weight.shape)}


def _by_channel(entries: Tensor) -> Tensor:
    """Return [B, m, C, *positions] as [B, m, C, L]."""
    return entries.reshape(*entries.shape[:3], -1)


def _samples_as_channels(tensor: Tensor) -> Tensor:
    """Return [B, m, C, *positions] as [m, B C, L], contiguous."""
    return _by_channel(tensor).transpose(0, 1).flatten(1, 2).contiguous()


def _affine(
    weight_gradients: Tensor, bias_gradients: Tensor, weight: Tensor | None, bias: Tensor | None
) -> Gradients:
    gradients: Gradients = {}
    if weight is not None:
        gradients["weight"] = Dense(weight_gradients)
    if bias is not None:
        gradients["bias"] = Dense(bias_gradients)
    return gradients


def _per_axis(value: int | tuple[int, ...], n: int) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * n if len(values) == 1 else values


def _pad_as_named(
    images: Tensor, padding: str, kernel: tuple[int, ...], dilation: tuple[int, ...]
) -> Tensor:
    """Pad for ``padding="same"``: where the total is odd, the extra entry goes behind."""
    if padding == "valid":
        return images
    widths: list[int] = []
    for size, gap in zip(reversed(kernel), reversed(dilation), strict=True):
        total = gap * (size - 1)
        widths += [total // 2, total - total // 2]
    return F.pad(images, widths)
