"""The diagonal of the Fisher information, from exact per-sample gradients."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avalanche_mas.importance.general import General
from avalanche_mas.importance.layout import batch_size, select
from avalanche_mas.importance.output import OutputNorm, output_sums
from avalanche_mas.importance.persample import Dense, Outer, PerSample
from avalanche_mas.importance.probe import Network
from avalanche_mas.importance.state import evaluation, untouched_randomness

MAX_BYTES = 256 * 2**20
"""Upper bound in bytes on the per-sample gradients that are held at a time."""

Outputs = Callable[[nn.Module, Any], Tensor]
"""From the model and a batch (x, y, ...) to the outputs before the softmax, [B, C]."""


def fisher_information(
    model: nn.Module, batches: Iterable[Any], outputs: Outputs, parameters: Collection[str]
) -> dict[str, Tensor]:
    """Measure F = (1/N) Σ_k (∂ log p(ỹ_k | x_k; θ) / ∂θ)², one ỹ_k ~ p(· | x_k; θ) for each sample.

    The labels are drawn from the model and not those of the data, as Lee et al. define it (NeurIPS
    2017, mode-IMM), which makes it the Fisher information and not the empirical one. The square is
    taken per sample, then the mean over the N samples; p is the softmax of the outputs.

    The network runs in eval mode. Afterwards its modes, gradients and buffers and the random states
    are as they were.

    Args:
        model: The network.
        batches: Tuples or lists (x, y, ...) whose tensors have the samples along their first
            dimension; y is not looked at.
        outputs: The outputs that p is the softmax of.
        parameters: Names of the parameters to measure.

    Returns:
        F by name, in the parameters' shapes, float32 or wider.

    Raises:
        ValueError: There are no samples, they interact, or the outputs are not finite.
    """
    chosen = {name: p for name, p in model.named_parameters() if name in parameters}
    totals = {
        name: torch.zeros(
            p.shape, dtype=torch.promote_types(p.dtype, torch.float32), device=p.device
        )
        for name, p in chosen.items()
    }

    def log_likelihoods(model: nn.Module, batch: Any) -> Tensor:
        return -F.cross_entropy(outputs(model, batch), batch[1], reduction="none")[:, None]

    network = Network(model, log_likelihoods, {p: name for name, p in chosen.items()})
    squares, samples = _SquareSums(network, totals, MAX_BYTES), 0
    with (
        untouched_randomness({p.device for p in chosen.values()}),
        torch.enable_grad(),
        evaluation(model, chosen.values()),
    ):
        for batch in batches:
            samples += squares.add(_with_drawn_labels(model, batch, outputs))
    if not samples:
        raise ValueError("no samples: the batches to measure the Fisher information on are empty")
    return {name: total / samples for name, total in totals.items()}


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


class _SquareSums(OutputNorm):
    """Adds Σ_k g_k² of batch after batch, where the importance would add Σ_k |g_k|."""

    objectives = staticmethod(output_sums)

    def __init__(self, network: Network, totals: dict[str, Tensor], max_bytes: int) -> None:
        super().__init__(network, totals, max_bytes)
        self.general = _GeneralSquares(network.model, network.forward, self.objectives)

    def _into_totals(self, name: str, part: PerSample, uses: int) -> None:  # noqa: ARG002
        add_squares(part, self.totals[name], self.max_bytes)


def add_squares(part: PerSample, total: Tensor, max_bytes: int) -> None:
    """Add Σ_k g_k² to `total` in place; the gradients written out take at most `max_bytes`."""
    if isinstance(part, Dense):
        total += part.gradients.square().sum(0)
    elif isinstance(part, Outer) and part.left.shape[2] == 1:
        # g_k = l_k r_kᵀ with one position per sample, so g_k² is the product of the squares.
        left, right = part.left[:, :, 0].square(), part.right[:, 0].square()
        total.view(part.shape[0], part.shape[1:].numel()).addmm_(left.T, right)
    else:
        for samples, rows in part.pieces(total, max_bytes):
            target = total[rows] if part.shape else total
            target += part.chunk(samples, rows).square_().sum(0)


class _GeneralSquares(General):
    """Parameters that no rule covers: the gradient of one sample after the other, squared."""

    def add(
        self, batch: Any, names: Collection[str], totals: Mapping[str, Tensor], max_bytes: int
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """Add Σ_k g_k² to `totals`; return Σ_k g_k and Σ_k |g_k| by name."""
        sums = {n: (torch.zeros_like(totals[n]), torch.zeros_like(totals[n])) for n in names}
        for k in range(batch_size(batch)):
            one = {name: torch.zeros_like(totals[name]) for name in names}
            signed = super().add(select(batch, slice(k, k + 1)), names, one, max_bytes)
            for name in names:
                totals[name].addcmul_(one[name], one[name])
                sums[name][0].add_(signed[name][0])
                sums[name][1].add_(one[name])
        return sums
