"""The local form of Ω (l-MAS): the gradient at a layer comes from that layer's own output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from avalanche_mas.devices import in_caches
from avalanche_mas.importance.gradients.persample import PerSample
from avalanche_mas.importance.gradients.ways import GENERAL, add_sum, way
from avalanche_mas.importance.local.nonlinear import refuse_unseen
from avalanche_mas.importance.local.recorder import LocalRecorder
from avalanche_mas.importance.local.stretch import Stretch
from avalanche_mas.importance.passes.network import Network
from avalanche_mas.importance.passes.record import Sink


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
            others = self._record(batch, self.network.names, self._into_totals).unplaced
            if others:
                names = {p: name for p, name in self.network.names.items() if name in others}
                for k in range(samples):
                    one = self.network.rows.select(batch, slice(k, k + 1))
                    self._record(one, names, self._into_totals, by_rule=False)
        return samples

    def ways(self, batch: Any) -> dict[str, str]:
        """Return how the sum of each parameter is added on a batch."""
        found: dict[str, str] = {}

        def note(name: str, part: PerSample, uses: int) -> None:  # noqa: ARG001
            total = self.totals[name]
            found[name] = way(_joined(part, total), torch.abs, total, self.max_bytes)

        general = self._record(batch, self.network.names, note).unplaced
        return found | dict.fromkeys(general, GENERAL)

    def found(self, batch: Any) -> list[Stretch]:
        """Return the stretches that the first sample of a batch goes through."""
        first = self.network.rows.select(batch, slice(0, 1))
        return self._record(first, self.network.names, lambda *_: None).stretches

    def _record(
        self,
        batch: Any,
        names: Mapping[Parameter, str],
        sink: Sink,
        *,
        by_rule: bool = True,
    ) -> LocalRecorder:
        """Hand to ``sink`` what can be split into samples; return the recorder, which lists the rest."""

        def record() -> LocalRecorder:
            return LocalRecorder(
                names,
                self.network.layouts,
                self.network.rows.size(batch),
                sink,
                self.buffers,
                by_rule=by_rule,
            )

        recorder, output = self.network.watch(batch, record)
        recorder.end_with(output)
        recorder.finish()
        self.network.used.update(recorder.used)
        self.network.reached.update(recorder.unplaced, *(s.parameters for s in recorder.stretches))
        return recorder

    def _into_totals(self, name: str, part: PerSample, uses: int) -> None:  # noqa: ARG002
        total = self.totals[name]
        add_sum(_joined(part, total), torch.abs, total, self.max_bytes)


def _joined(part: PerSample, total: Tensor) -> PerSample:
    """Return all samples as one where signs allow it, as activations after ReLU are not negative."""
    if not in_caches(total.device):  # to look at signs would mean to wait for the device
        return part
    return part.joined() or part
