"""The Fisher information: the gradients are those of the log-likelihood of labels."""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from avalanche_mas.importance.passes.global_form import SampleSums
from avalanche_mas.importance.passes.network import Network

Labels = Literal["data", "drawn", "expected"]


class Likelihood(SampleSums):
    """The sum Σ_k g_k² over batch after batch, or with "expected" labels Σ_k Σ_c p_c g_kc².

    g_kc is the gradient of log p_c = log softmax(F(x_k))_c, and g_k that of one label.

    Args:
        network: the network and its tracked parameters.
        totals: the sums so far, by name; they are added to.
        max_bytes: upper bound on the per-sample gradients that are held at a time.
        labels: where the labels come from.
    """

    def __init__(
        self, network: Network, totals: dict[str, Tensor], max_bytes: int, labels: Labels
    ) -> None:
        self.labels, self._outputs, self._rows = labels, network.forward, network.rows
        if labels != "expected":
            network = network.with_forward(self._log_likelihoods)
        objectives = _each_class if labels == "expected" else _label
        super().__init__(network, totals, max_bytes, objectives, torch.square)

    @override
    def add(self, batch: Any) -> int:
        if self.labels == "expected" or not self._rows.size(batch):
            return super().add(batch)
        targets = _given(batch) if self.labels == "data" else self._drawn(batch)
        return super().add((batch, targets))

    def _log_likelihoods(self, model: nn.Module, labelled: tuple[Any, Tensor]) -> Tensor:
        """Return [B, 1 + C]: the log-likelihood of each label, and the outputs as constants.

        Samples are compared to the precision of the outputs, for the log-likelihoods of a network
        that is sure of its classes are all rounding.
        """
        batch, targets = labelled
        outputs = self._outputs(model, batch)  # [B, C]
        found = -F.cross_entropy(outputs, targets.to(outputs.device), reduction="none")  # [B]
        return torch.cat([found[:, None], outputs.detach()], dim=1)

    def _drawn(self, batch: Any) -> Tensor:
        """Return a label for each sample, [B], drawn from the network's distribution."""
        probabilities = self._outputs(self.network.model, batch).detach().softmax(1)
        if not torch.isfinite(probabilities).all():
            raise ValueError(
                "the model's outputs are not finite, so no labels can be drawn from them; train with "
                "a lower learning rate"
            )
        return torch.multinomial(probabilities, 1)[:, 0]


def _given(batch: Any) -> Tensor:
    """Return the labels of the data, [B]."""
    if isinstance(batch, tuple | list) and len(batch) > 1 and isinstance(batch[1], Tensor):
        return batch[1]
    raise TypeError(
        'labels="data" needs batches (x, y, ...) with the labels y [B] as a tensor, got '
        f'{type(batch).__name__}; use labels="drawn" or "expected" for data without labels'
    )


def _label(output: Tensor) -> list[Tensor]:
    """Return Σ_k log p(y_k | x_k), given what `_log_likelihoods` returns."""
    return [output[:, 0].to(torch.promote_types(output.dtype, torch.float32)).sum()]


def _each_class(output: Tensor) -> list[Tensor]:
    """Return Σ_k √p_c log p_c for each class c, with √p_c constant: its gradient is √p_c g_kc."""
    logs = output.to(torch.promote_types(output.dtype, torch.float32)).log_softmax(1)  # [B, C]
    return list((logs.detach().mul(0.5).exp() * logs).sum(0))
