"""The diagonal of the Fisher information, from exact per-sample gradients."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from avalanche_mas.importance.estimate import MAX_BYTES
from avalanche_mas.importance.gradients.general import General
from avalanche_mas.importance.gradients.layout import batch_size, select
from avalanche_mas.importance.gradients.persample import Outer, PerSample
from avalanche_mas.importance.passes.global_form import OutputNorm
from avalanche_mas.importance.passes.probe import Network
from avalanche_mas.importance.passes.state import evaluation, untouched_randomness

Outputs = Callable[[nn.Module, Any], Tensor]
"""From the model and a batch (x, y, ...) to the outputs before the softmax, [B, C]."""


def fisher_information(
    model: nn.Module,
    batches: Iterable[Any],
    outputs: Outputs,
    parameters: Collection[str],
    *,
    labels: Literal["drawn", "data"] = "drawn",
) -> dict[str, Tensor]:
    """Measure F = (1/N) Σ_k (∂ log p(y_k | x_k; θ) / ∂θ)²: squared per sample, then the mean.

    p is the softmax of the outputs. With labels drawn from the model, y_k ~ p(· | x_k; θ), F
    estimates the Fisher information; with those of the data it is the empirical one. It depends
    neither on the batch size nor on the order of the samples (but which labels are drawn does).

    The network runs in eval mode. Afterwards its modes, gradients and buffers and the random states
    are as they were.

    Args:
        model: The network.
        batches: Tuples or lists (x, y, ...) whose tensors have the samples along their first
            dimension.
        outputs: The outputs that p is the softmax of.
        parameters: Names of the parameters to measure.
        labels: `"drawn"` from the model, y not being looked at, or those of the `"data"`, y.

    Returns:
        F by name, in the parameters' shapes, float32 or wider.

    Raises:
        ValueError: There are no samples, they interact, or the outputs are not finite.
    """
    chosen = {name: p for name, p in model.named_parameters() if name in parameters}
    totals = {
        name: torch.zeros(p.shape, dtype=_wide(p), device=p.device) for name, p in chosen.items()
    }

    def log_likelihoods(model: nn.Module, batch: Any) -> Tensor:
        out = outputs(model, batch)
        found = -F.cross_entropy(out, batch[1].to(out.device), reduction="none")
        # Beside the outputs: samples are compared to the precision that those have, as of a network
        # that is sure of its classes the log-likelihoods are all rounding.
        return torch.cat([found[:, None], out.detach()], dim=1)

    network = Network(model, log_likelihoods, {p: name for name, p in chosen.items()})
    squares, samples = _SquareSums(network, totals), 0
    with (
        untouched_randomness({p.device for p in chosen.values()}),
        torch.enable_grad(),
        evaluation(model, chosen.values()),
    ):
        for batch in batches:
            drawn = labels == "drawn"
            samples += squares.add(_with_drawn_labels(model, batch, outputs) if drawn else batch)
    if not samples:
        raise ValueError("no samples: the batches to measure the Fisher information on are empty")
    return {name: total / samples for name, total in totals.items()}


def _wide(tensor: Tensor) -> torch.dtype:
    return torch.promote_types(tensor.dtype, torch.float32)


@torch.no_grad()
def _with_drawn_labels(model: nn.Module, batch: Any, outputs: Outputs) -> tuple[Any, ...]:
    """Return the batch with one label for each sample, drawn from the model's distribution."""
    probabilities = outputs(model, batch).softmax(1)
    if not torch.isfinite(probabilities).all():
        raise ValueError(
            "the model's outputs are not finite, so no labels can be drawn from them; train with a "
            "lower learning rate"
        )
    inputs, _, *others = batch
    return (inputs, torch.multinomial(probabilities, 1)[:, 0], *others)


def _first_sum(output: Tensor) -> list[Tensor]:
    return [output[:, 0].to(_wide(output)).sum()]


class _SquareSums(OutputNorm):
    """Adds Σ_k g_k² of batch after batch, where the importance would add Σ_k |g_k|."""

    objectives = staticmethod(_first_sum)

    def __init__(self, network: Network, totals: dict[str, Tensor]) -> None:
        super().__init__(network, totals, MAX_BYTES)
        self.general = _GeneralSquares(network.model, network.forward, self.objectives)

    @override
    def _into_totals(self, name: str, part: PerSample, uses: int) -> None:
        total = self.totals[name]
        if isinstance(part, Outer) and part.left.shape[2] == 1:
            # g_k = l_k r_kᵀ with one position per sample, so g_k² is the product of the squares.
            left, right = part.left[:, :, 0].square(), part.right[:, 0].square()
            total.view(left.shape[1], right.shape[1]).addmm_(left.T, right)
            return
        for samples, rows in part.pieces(total, self.max_bytes):
            target = total[rows] if part.shape else total
            target += part.chunk(samples, rows).square_().sum(0)


class _GeneralSquares(General):
    """Parameters that no rule covers: the gradient of one sample after the other, squared."""

    @override
    def add(
        self, batch: Any, names: Collection[str], totals: Mapping[str, Tensor], max_bytes: int
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """Add Σ_k g_k² to `totals`; return Σ_k g_k and Σ_k |g_k| by name."""
        sums = {n: (torch.zeros_like(totals[n]), torch.zeros_like(totals[n])) for n in names}
        for k in range(batch_size(batch)):
            one = {name: torch.zeros_like(totals[name]) for name in names}
            found = super().add(select(batch, slice(k, k + 1)), names, one, max_bytes)
            for name in names:
                totals[name].addcmul_(one[name], one[name])
                for total, part in zip(sums[name], found[name], strict=True):
                    total += part
        return sums
