"""Ω by its definition, sample by sample, with nothing but torch: the truth that rows are compared with."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils.weak import WeakIdKeyDictionary

Forward = Callable[[nn.Module, Any], Tensor]

_NAMES = (
    "celu clamp clamp_max clamp_min clip elu erf expit gelu glu hardshrink hardsigmoid hardswish hardtanh "
    "leaky_relu log_sigmoid logsigmoid maximum minimum mish prelu relu relu6 rrelu selu sigmoid silu sin "
    "softplus softshrink softsign swish tanh tanhshrink threshold"
)
ACTIVATIONS = frozenset(_NAMES.split())
"""Names of torch's elementwise activations, and GLU; an underscore at the end says in place."""


BATCH_NORM = F.batch_norm


def samples_of(batch: Any) -> Iterator[Any]:
    """Yield the samples of a batch as batches of one."""
    leaves, tree = pytree.tree_flatten(batch)
    for rows in zip(*(leaf.split(1) for leaf in leaves), strict=True):
        yield pytree.tree_unflatten(rows, tree)


def global_loop(model: nn.Module, batch: Any, forward: Forward) -> dict[str, Tensor]:
    """Return the mean over samples of |∂‖F(x)‖² / ∂θ|, a sample at a time."""

    def gradients(model: nn.Module, sample: Any) -> dict[str, Tensor]:
        parameters = _trainable(model)
        found = torch.autograd.grad(
            forward(model, sample).square().sum(), list(parameters.values()), allow_unused=True
        )
        return {n: g for n, g in zip(parameters, found, strict=True) if g is not None}

    return _mean(model, batch, gradients)


def local_loop(model: nn.Module, batch: Any, forward: Forward) -> dict[str, Tensor]:
    """Return the mean over samples of |∂‖F_l(y)‖² / ∂θ_l|, the graph cut after each activation."""

    def gradients(model: nn.Module, sample: Any) -> dict[str, Tensor]:
        cutting = _Cutting(model, sample)
        with cutting:
            output = forward(model, sample)
        cutting.cut(output)
        return cutting.gradients

    return _mean(model, batch, gradients)


def _mean(
    model: nn.Module, batch: Any, gradients: Callable[[nn.Module, Any], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """Return the mean of the absolute values of gradients over samples; the model is in eval mode."""
    sums = {name: torch.zeros_like(p) for name, p in _trainable(model).items()}
    count = 0
    for sample in samples_of(batch):
        with patch.object(F, "batch_norm", _batch_norm):
            found = gradients(_fresh(model), sample)
        for name, gradient in found.items():
            sums[name] += gradient.to_dense().abs() if gradient.is_sparse else gradient.abs()
        count += 1
    return {name: total / count for name, total in sums.items()}


def _batch_norm(
    images: Tensor,  # [B, C, ...]
    mean: Tensor,
    variance: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise in eval mode, written out: torch's gradients for one image are wrong at times."""
    if training:  # weights are standardised like this
        return BATCH_NORM(images, mean, variance, weight, bias, training, momentum, eps)

    def along(channels: Tensor) -> Tensor:
        return channels.view(-1, *[1] * (images.dim() - 2))

    result = (images - along(mean)) * along((variance + eps).rsqrt())
    if weight is not None:
        result = result * along(weight)
    return result if bias is None else result + along(bias)


def _fresh(model: nn.Module) -> nn.Module:
    """Return a copy that shares its parameters and buffers, for caches that a forward pass leaves."""
    tensors = [*model.parameters(), *model.buffers()]
    return copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})


def _trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


class _Cutting(TorchFunctionMode):
    """A forward pass of one sample that goes on with a constant after every activation.

    Each use of a parameter gets a leaf of its own, and so does each constant: the leaves in the graph of
    an activation's result y say which uses it depends on, and which cuts it was computed from. A use
    counts ∂‖y‖² unless y was computed from a cut for which it has counted.

    Attributes:
        gradients: Their sums, by the names of the parameters.
    """

    def __init__(self, model: nn.Module, sample: Any) -> None:
        super().__init__()
        self.gradients: dict[str, Tensor] = {}
        self._names = {p: name for name, p in _trainable(model).items()}
        self._uses: dict[Tensor, str] = {}
        self._counted: dict[Tensor, set[int]] = {}  # the cuts that a use has counted for
        self._behind: dict[Tensor, set[int]] = {}  # a constant: the cuts it was computed from
        self._constants = WeakIdKeyDictionary()  # what stands for a result that was cut
        self._moving = WeakIdKeyDictionary()  # tensors that depend on the sample
        self._cuts = 0
        self._note(sample)

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operation on leaves and constants, and cut after it if it is an activation."""
        args, kwargs = pytree.tree_map_only(Tensor, self._given, (args, kwargs or {}))
        moving = any(leaf in self._moving for leaf in _tensors((args, kwargs)))
        result = func(*args, **kwargs)
        if not moving:
            return result
        self._note(args[0] if result is None else result)
        return self._after(func, args, kwargs, result)

    def cut(self, result: Tensor) -> Tensor:
        """Count the gradients of ‖y‖² of a result y, and return y as a constant."""
        if not result.requires_grad:
            return result
        leaves = _leaves(result)
        behind = set().union(*(self._behind[leaf] for leaf in leaves if leaf in self._behind))
        uses = [use for use in leaves if use in self._uses and not self._counted[use] & behind]
        if uses:
            found = torch.autograd.grad(result.square().sum(), uses, retain_graph=True)
            for use, gradient in zip(uses, found, strict=True):
                name = self._uses[use]
                before = self.gradients.get(name)
                self.gradients[name] = gradient if before is None else before + gradient
                self._counted[use].add(self._cuts)
        constant = result.detach().requires_grad_()
        self._behind[constant] = behind | {self._cuts}
        self._cuts += 1
        # What follows may change it in place, which a leaf does not allow.
        self._constants[result] = going_on = constant.clone()
        self._note(going_on)
        return going_on

    def _after(self, func: Any, args: Any, kwargs: dict[str, Any], result: Any) -> Any:
        name = getattr(func, "__name__", "").removesuffix("_")
        floor = kwargs.get("min", args[1] if len(args) > 1 else None)
        ceiling = kwargs.get("max", args[2] if len(args) > 2 else None)
        guard = isinstance(floor, int | float) and floor > 0 and ceiling is None
        if name not in ACTIVATIONS or (guard and name in ("clamp", "clamp_min", "clip")):
            return result  # a small floor only guards a division
        return self.cut(result)

    def _given(self, tensor: Tensor) -> Tensor:
        """Return what an operation gets for a tensor."""
        if isinstance(tensor, nn.Parameter) and tensor in self._names:
            leaf = tensor.detach().requires_grad_()
            self._uses[leaf], self._counted[leaf] = self._names[tensor], set()
            return leaf
        constant: Tensor = self._constants.get(tensor, tensor)
        return constant

    def _note(self, results: Any) -> None:
        for tensor in _tensors(results):
            self._moving[tensor] = True


def _tensors(values: Any) -> list[Tensor]:
    return [leaf for leaf in pytree.tree_leaves(values) if isinstance(leaf, Tensor)]


def _leaves(result: Tensor) -> list[Tensor]:
    """Return the leaves that a tensor was computed from."""
    waiting, seen, leaves = [result.grad_fn], set(), []
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            leaves.append(node.variable)
        waiting.extend(following for following, _ in node.next_functions)
    return leaves
