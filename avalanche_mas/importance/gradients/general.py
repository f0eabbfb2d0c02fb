"""The general path: per-sample gradients of any parameter, by differentiating the network itself.

For parameters that no rule covers (recurrent layers, transposed convolutions, parametrisations, a weight
that some code used by hand). Exact for all of them, and dearer: the network runs once more, vectorised
over samples where its operations allow, otherwise sample by sample.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from avalanche_mas.importance.gradients.layout import batch_size, select
from avalanche_mas.importance.gradients.pieces import Magnitude
from avalanche_mas.names import parameters_of

__all__ = ["General"]

_PerSample = dict[str, tuple[Tensor, Tensor]]
_Sums = dict[str, tuple[Tensor, Tensor, Tensor]]


class General:
    """Adds Σ_k of(√(Σ_c g_kc²)), g_kc = ∂ objective_c(F(x_k)) / ∂θ, for parameters given by name.

    With a single objective that is Σ_k |g_k| or Σ_k g_k².

    Args:
        model: the network, in evaluation mode.
        forward: maps (model, batch) to the output.
        objectives: maps an output to the scalars that are differentiated, each a sum over samples.
        of: what is summed of the gradients.
    """

    def __init__(
        self,
        model: nn.Module,
        forward: Callable[[nn.Module, Any], Tensor],
        objectives: Callable[[Tensor], list[Tensor]],
        of: Magnitude,
    ) -> None:
        self._network = _Network(model, forward)
        self._objectives = objectives
        self._of = of
        self._vectorised = True

    def add(
        self, batch: Any, names: Collection[str], totals: Mapping[str, Tensor], max_bytes: int
    ) -> _Sums:
        """Add the sum over the batch to ``totals``; the gradients written out take ``max_bytes``.

        Returns:
            By name Σ_k Σ_c g_kc, signed, Σ_k √(Σ_c g_kc²), and what was added.
        """
        parameters = parameters_of(self._network.model)
        paths = {parameter: path for path, parameter in self._network.named_parameters()}
        inside = {name: paths[parameters[name]] for name in sorted(names)}
        chosen = {path: parameters[name].detach() for name, path in inside.items()}
        size = sum(p.numel() * p.element_size() for p in chosen.values())
        samples = batch_size(batch)
        step = max(1, min(samples, max_bytes // max(1, 3 * size)))  # a gradient, sum, magnitude
        sums = _zeros({name: totals[name] for name in names})
        for k in range(0, samples, step):
            found = self._gradients(chosen, select(batch, slice(k, k + step)))
            for name in names:
                for total, part in zip(sums[name], found[inside[name]], strict=True):
                    total += part
        for name, (_, _, added) in sums.items():
            totals[name] += added
        return sums

    def _gradients(self, chosen: dict[str, Tensor], batch: Any) -> _Sums:
        """Give the three sums over the batch by name."""
        with warnings.catch_warnings():
            # An operation that vmap runs in a loop of its own is slow there, not wrong; nor is a
            # recurrent network of cuDNN with its weights exchanged.
            warnings.filterwarnings("ignore", "There is a performance drop")
            warnings.filterwarnings(
                "ignore", "RNN module weights are not part of single contiguous"
            )
            if self._vectorised:
                try:
                    return self._by_vmap(chosen, batch)
                except (RuntimeError, NotImplementedError, ValueError):
                    # Not every operation can be (recurrent kernels, control flow on values).
                    self._vectorised = False
            return self._one_by_one(chosen, batch)

    def _by_vmap(self, chosen: dict[str, Tensor], batch: Any) -> _Sums:
        tensors, spec = pytree.tree_flatten(batch)
        size = batch_size(batch)
        over = [
            0 if isinstance(leaf, Tensor) and leaf.dim() and leaf.shape[0] == size else None
            for leaf in tensors
        ]

        def per_sample(values: dict[str, Tensor], *sample: Any) -> _PerSample:
            alone = [
                leaf if axis is None else leaf.unsqueeze(0)
                for leaf, axis in zip(sample, over, strict=True)
            ]
            one = pytree.tree_unflatten(alone, spec)
            scalars, pull, *_ = torch.func.vjp(lambda v: torch.stack(self._values(v, one)), values)
            unit = torch.eye(len(scalars), dtype=scalars.dtype, device=scalars.device)
            return _combine(pull(row)[0] for row in unit)

        with torch.no_grad():
            found = torch.func.vmap(per_sample, in_dims=(None, *over))(chosen, *tensors)
        return {name: self._sums(*both) for name, both in found.items()}

    def _one_by_one(self, chosen: dict[str, Tensor], batch: Any) -> _Sums:
        sums = _zeros({name: v.to(_wide(v)) for name, v in chosen.items()})
        for k in range(batch_size(batch)):
            values = {name: value.clone().requires_grad_() for name, value in chosen.items()}
            scalars = self._values(values, select(batch, slice(k, k + 1)))
            found = _combine(_gradients(scalar, values) for scalar in scalars)
            for name, (signed, magnitude) in found.items():
                for total, part in zip(
                    sums[name], self._sums(signed[None], magnitude[None]), strict=True
                ):
                    total += part
        return sums

    @torch.no_grad()
    def _sums(self, signed: Tensor, magnitudes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Sum [B, *shape] over the samples; the magnitudes are written to."""
        return signed.sum(0), magnitudes.sum(0), self._of(magnitudes, out=magnitudes).sum(0)

    def _values(self, values: dict[str, Tensor], batch: Any) -> list[Tensor]:
        return self._objectives(torch.func.functional_call(self._network, values, (batch,)))


def _gradients(scalar: Tensor, values: dict[str, Tensor]) -> dict[str, Tensor]:
    gradients = torch.autograd.grad(
        scalar,
        list(values.values()),
        retain_graph=True,
        allow_unused=True,
        materialize_grads=True,
    )
    return dict(zip(values, gradients, strict=True))


def _combine(passes: Iterable[Mapping[str, Tensor]]) -> _PerSample:
    """Give the sum of gradients and the root of the sum of their squares, by name."""
    signed: dict[str, Tensor] = {}
    magnitudes: dict[str, Tensor] = {}
    for gradients in passes:
        for name, narrow in gradients.items():
            gradient = narrow.to(_wide(narrow))
            if name in signed:
                signed[name] = signed[name] + gradient
                magnitudes[name] = torch.hypot(magnitudes[name], gradient)
            else:
                signed[name], magnitudes[name] = gradient, gradient.abs()
    return {name: (signed[name], magnitudes[name]) for name in signed}


def _zeros(like: Mapping[str, Tensor]) -> _Sums:
    new = torch.zeros_like
    return {name: (new(tensor), new(tensor), new(tensor)) for name, tensor in like.items()}


def _wide(tensor: Tensor) -> torch.dtype:
    return torch.promote_types(tensor.dtype, torch.float32)


class _Network(nn.Module):
    """The forward function as a module, whose parameters can be exchanged for others."""

    def __init__(self, model: nn.Module, forward: Callable[[nn.Module, Any], Tensor]) -> None:
        super().__init__()
        self.model = model
        self._forward = forward
        self.training = model.training

    def forward(self, batch: Any) -> Tensor:
        return self._forward(self.model, batch)
