"""The general path: per-sample gradients of any parameter, by differentiating the network itself.

For parameters that no rule covers (recurrent layers, transposed convolutions, parametrisations, a weight
that some code used by hand). Exact for all of them, and dearer: the network runs once more, vectorised
over samples where its operations allow, otherwise sample by sample.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from avalanche_mas.importance.layout import batch_size, select

__all__ = ["General"]

_Sums = dict[str, tuple[Tensor, Tensor]]


class General:
    """Adds Σ_k |∂ objective(F(x_k)) / ∂θ| for parameters given by name.

    Args:
        model: the network, in evaluation mode.
        forward: maps (model, batch) to the output.
        objective: maps an output to the scalar that is differentiated, a sum over samples.
    """

    def __init__(
        self,
        model: nn.Module,
        forward: Callable[[nn.Module, Any], Tensor],
        objective: Callable[[Tensor], Tensor],
    ) -> None:
        self._network = _Network(model, forward)
        self._objective = objective
        self._vectorised = True

    def add_abs_sum(
        self, batch: Any, names: Collection[str], totals: Mapping[str, Tensor], max_bytes: int
    ) -> dict[str, Tensor]:
        """Add the sum over the batch to ``totals``; the gradients written out take ``max_bytes``.

        Returns:
            Σ_k g_k by name, without the absolute value.
        """
        parameters = dict(self._network.model.named_parameters())
        chosen = {f"model.{name}": parameters[name].detach() for name in sorted(names)}
        size = sum(p.numel() * p.element_size() for p in chosen.values())
        samples = batch_size(batch)
        step = max(1, min(samples, max_bytes // max(1, 2 * size)))  # g_k and |g_k|
        sums = {name: torch.zeros_like(totals[name]) for name in names}
        for k in range(0, samples, step):
            found = self._gradients(chosen, select(batch, slice(k, k + step)))
            for name in names:
                signed, absolute = found[f"model.{name}"]
                sums[name] += signed
                totals[name] += absolute
        return sums

    def _gradients(self, chosen: dict[str, Tensor], batch: Any) -> _Sums:
        """Give Σ_k g_k and Σ_k |g_k| by name."""
        if self._vectorised:
            try:
                return self._by_vmap(chosen, batch)
            except (RuntimeError, NotImplementedError, ValueError):
                # Not every operation can be vectorised (recurrent kernels, control flow on values).
                self._vectorised = False
        return self._one_by_one(chosen, batch)

    def _by_vmap(self, chosen: dict[str, Tensor], batch: Any) -> _Sums:
        tensors, spec = pytree.tree_flatten(batch)
        size = batch_size(batch)
        over = [
            0 if isinstance(leaf, Tensor) and leaf.dim() and leaf.shape[0] == size else None
            for leaf in tensors
        ]

        def value(values: dict[str, Tensor], *sample: Any) -> Tensor:
            alone = [
                leaf if axis is None else leaf.unsqueeze(0)
                for leaf, axis in zip(sample, over, strict=True)
            ]
            return self._value(values, pytree.tree_unflatten(alone, spec))

        with warnings.catch_warnings(), torch.no_grad():
            # An operation that vmap runs in a loop of its own is slow there, not wrong.
            warnings.filterwarnings("ignore", "There is a performance drop")
            per_sample = torch.func.vmap(torch.func.grad(value), in_dims=(None, *over))
            gradients = per_sample(chosen, *tensors)
        return {name: (g.sum(0), g.abs().sum(0)) for name, g in gradients.items()}

    def _one_by_one(self, chosen: dict[str, Tensor], batch: Any) -> _Sums:
        sums = {n: (torch.zeros_like(v), torch.zeros_like(v)) for n, v in chosen.items()}
        for k in range(batch_size(batch)):
            values = {name: value.clone().requires_grad_() for name, value in chosen.items()}
            result = self._value(values, select(batch, slice(k, k + 1)))
            gradients = torch.autograd.grad(result, list(values.values()), allow_unused=True)
            for (signed, absolute), gradient in zip(sums.values(), gradients, strict=True):
                if gradient is not None:
                    signed += gradient
                    absolute += gradient.abs()
        return sums

    def _value(self, values: dict[str, Tensor], batch: Any) -> Tensor:
        return self._objective(torch.func.functional_call(self._network, values, (batch,)))


class _Network(nn.Module):
    """The forward function as a module, whose parameters can be exchanged for others."""

    def __init__(self, model: nn.Module, forward: Callable[[nn.Module, Any], Tensor]) -> None:
        super().__init__()
        self.model = model
        self._forward = forward
        self.training = model.training

    def forward(self, batch: Any) -> Tensor:
        return self._forward(self.model, batch)
