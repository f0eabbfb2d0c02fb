"""The local form of Ω (l-MAS): the gradient at a layer comes from that layer's own output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from avalanche_mas.devices import in_caches
from avalanche_mas.importance.gradients.persample import PerSample
from avalanche_mas.importance.gradients.ways import add_sum
from avalanche_mas.importance.local.nonlinear import refuse_unseen
from avalanche_mas.importance.local.recorder import LocalRecorder
from avalanche_mas.importance.local.stretch import Stretch
from avalanche_mas.importance.passes.network import Network


class LocalSums:
    """The sum Σ_k |∂ ½‖F_l(y(x_k))‖₂² / ∂θ_l| over batch after batch, for every stretch l.

    Args:
        network: the network and its tracked parameters.
        totals: the sums so far, by name; they are added to.
        max_bytes: upper bound on the per-sample gradients that are held at a time.

    Raises:
        ValueError: a part of the network is compiled, so that its operations cannot be seen.
    """

    def __init__(self, network: Network, totals: dict[str, Tensor], max_bytes: int) -> None:
        refuse_unseen(network.model)
        self.network, self.totals, self.max_bytes = network, totals, max_bytes
        self.buffers = frozenset(network.model.buffers())

    def add(self, batch: Any) -> int:
        """Add one batch to the totals and return its number of samples."""
        samples = self.network.rows.size(batch)
        if samples:
            others = self._record(batch, self.network.names).unplaced
            if others:
                names = {p: name for p, name in self.network.names.items() if name in others}
                for k in range(samples):
                    self._record(
                        self.network.rows.select(batch, slice(k, k + 1)), names, by_rule=False
                    )
        return samples

    def without_rule(self, batch: Any) -> set[str]:
        """Return the names of the parameters that no rule covers."""
        return self._record(batch, self.network.names).unplaced

    def found(self, batch: Any) -> list[Stretch]:
        """Return the stretches that the first sample of a batch goes through."""
        return self._record(
            self.network.rows.select(batch, slice(0, 1)), self.network.names
        ).stretches

    def _record(
        self, batch: Any, names: Mapping[Parameter, str], *, by_rule: bool = True
    ) -> LocalRecorder:
        """Add what can be split into samples; return the recorder, which lists the rest."""

        def record() -> LocalRecorder:
            return LocalRecorder(
                names,
                self.network.layouts,
                self.network.rows.size(batch),
                self._into_totals,
                self.buffers,
                by_rule=by_rule,
            )

        recorder, output = self.network.watch(batch, record)
        recorder.end_with(output)
        recorder.finish()
        self.network.used.update(recorder.used)
        return recorder

    def _into_totals(self, name: str, part: PerSample, uses: int) -> None:  # noqa: ARG002
        if name in self.totals:
            # Activations after ReLU are not negative, so many layers need no per-sample work.
            if in_caches(self.totals[name].device):  # elsewhere looking at signs would mean waiting
                part = part.joined() or part
            add_sum(part, torch.abs, self.totals[name], self.max_bytes)
