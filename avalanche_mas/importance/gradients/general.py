"""The general path: per-sample gradients of any parameter, by differentiating the network itself.

For parameters that no rule covers: recurrent layers, transposed convolutions, parametrisations, weights
used by hand. Exact, but more expensive: the network runs once more, vectorised over samples where its
operations allow, otherwise sample by sample.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from avalanche_mas.importance.gradients.graph import leaves
from avalanche_mas.importance.gradients.pieces import Magnitude, wide_type
from avalanche_mas.importance.gradients.rows import Place, Rows
from avalanche_mas.names import parameters_of

_PerSample = dict[str, tuple[Tensor, Tensor]]


class General:
    """The sum Σ_k of(√(Σ_c g_kc²)), g_kc = ∂ objective_c(F(x_k)) / ∂θ, for named parameters.

    With a single objective that is Σ_k |g_k| or Σ_k g_k².

    Args:
        model: the network, in evaluation mode.
        forward: maps (model, batch) to the output.
        rows: cuts batches into samples.
        objectives: maps an output to the scalars that are differentiated, each a sum over samples.
        of: what is summed of the gradients.
    """

    def __init__(
        self,
        model: nn.Module,
        forward: Callable[[nn.Module, Any], Tensor],
        rows: Rows,
        objectives: Callable[[Tensor], list[Tensor]],
        of: Magnitude,
    ) -> None:
        self._network = _Exchangeable(model, forward)
        self._rows, self._objectives, self._of = rows, objectives, of
        self._vectorised = True

    def add(
        self, batch: Any, names: Collection[str], totals: Mapping[str, Tensor], max_bytes: int
    ) -> None:
        """Add the sum over the batch to ``totals``; hold at most ``max_bytes`` of gradients.

        Raises:
            ValueError: the network reaches a parameter other than by its attribute.
        """
        parameters = parameters_of(self._network.model)
        paths = {parameter: path for path, parameter in self._network.named_parameters()}
        names_of = {paths[parameters[name]]: name for name in sorted(names)}
        chosen = {path: parameters[name] for path, name in names_of.items()}
        self._refuse_hidden(chosen, self._rows.select(batch, slice(0, 1)))
        size = sum(p.numel() * p.element_size() for p in chosen.values())
        samples = self._rows.size(batch)
        step = max(1, min(samples, max_bytes // max(1, 3 * size)))  # a gradient, sum, magnitude
        values = {name: parameter.detach() for name, parameter in chosen.items()}
        for k in range(0, samples, step):
            part = self._rows.select(batch, slice(k, k + step))
            for path, added in self._sums(values, part).items():
                totals[names_of[path]] += added

    def _refuse_hidden(self, chosen: dict[str, nn.Parameter], sample: Any) -> None:
        """Refuse parameters that the output still depends on after they are exchanged."""
        values = {name: p.detach().clone().requires_grad_() for name, p in chosen.items()}
        reached: set[Tensor] = set()
        with _quiet():
            for scalar in self._values(values, sample):
                reached |= leaves(scalar)
        for name, parameter in chosen.items():
            if parameter in reached:
                raise ValueError(
                    f"{name.removeprefix('model.')!r} is used in a way that its gradient per sample "
                    f"cannot be computed: the model reaches it other than by its attribute (a list, a "
                    f"closure, a tensor that was computed from it before); leave it out with "
                    f"parameters=, or use the attribute"
                )

    def _sums(self, chosen: dict[str, Tensor], batch: Any) -> dict[str, Tensor]:
        """Return Σ_k of(g_k) over the batch by name."""
        with _quiet():
            if self._vectorised:
                try:
                    return self._by_vmap(chosen, batch)
                except (RuntimeError, NotImplementedError, ValueError):
                    # Not every operation can be (recurrent kernels, control flow on values).
                    self._vectorised = False
            return self._one_by_one(chosen, batch)

    def _by_vmap(self, chosen: dict[str, Tensor], batch: Any) -> dict[str, Tensor]:
        rows, rebuild = self._rows.split(batch)

        def per_sample(values: dict[str, Tensor], sample: dict[Place, Tensor]) -> dict[str, Tensor]:
            one = rebuild({place: row.unsqueeze(0) for place, row in sample.items()})
            scalars, pull, *_ = torch.func.vjp(lambda v: torch.stack(self._values(v, one)), values)
            unit = torch.eye(len(scalars), dtype=scalars.dtype, device=scalars.device)
            return magnitudes(pull(row)[0] for row in unit)

        with torch.no_grad():
            found = torch.func.vmap(per_sample, in_dims=(None, 0))(chosen, rows)
            return {name: self._of(each, out=each).sum(0) for name, each in found.items()}

    def _one_by_one(self, chosen: dict[str, Tensor], batch: Any) -> dict[str, Tensor]:
        sums = {name: torch.zeros_like(v, dtype=wide_type(v)) for name, v in chosen.items()}
        for k in range(self._rows.size(batch)):
            values = {name: value.clone().requires_grad_() for name, value in chosen.items()}
            scalars = self._values(values, self._rows.select(batch, slice(k, k + 1)))
            found = magnitudes(gradients_of(scalar, values) for scalar in scalars)
            with torch.no_grad():
                for name, each in found.items():
                    sums[name] += self._of(each, out=each)
        return sums

    def _values(self, values: dict[str, Tensor], batch: Any) -> list[Tensor]:
        return self._objectives(torch.func.functional_call(self._network, values, (batch,)))


def gradients_of(scalar: Tensor, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the dense gradients of a scalar by name, zero where it does not depend on a value."""
    gradients = torch.autograd.grad(
        scalar,
        list(values.values()),
        retain_graph=True,
        allow_unused=True,
        materialize_grads=True,
    )
    return {n: g.to_dense() if g.is_sparse else g for n, g in zip(values, gradients, strict=True)}


def magnitudes(passes: Iterable[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the root of the sum of the squares of gradients, by name."""
    found: dict[str, Tensor] = {}
    for gradients in passes:
        for name, narrow in gradients.items():
            gradient, before = narrow.to(wide_type(narrow)), found.get(name)
            found[name] = gradient.abs() if before is None else torch.hypot(before, gradient)
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence warnings of slowness: of what vmap runs in a loop, of cuDNN with exchanged weights."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is a performance drop")
        warnings.filterwarnings("ignore", "RNN module weights are not part of single contiguous")
        yield


class _Exchangeable(nn.Module):
    """The forward function as a module, whose parameters can be exchanged for others."""

    def __init__(self, model: nn.Module, forward: Callable[[nn.Module, Any], Tensor]) -> None:
        super().__init__()
        self.model = model
        self._forward = forward
        self.training = model.training

    def forward(self, batch: Any) -> Tensor:
        return self._forward(self.model, batch)
