"""The global forms of Ω and the Fisher information: gradients come from the network's output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from avalanche_mas.devices import in_caches
from avalanche_mas.importance.gradients.general import General, gradients_of, magnitudes
from avalanche_mas.importance.gradients.graph import leaves
from avalanche_mas.importance.gradients.persample import Outer, PerSample, add_products
from avalanche_mas.importance.gradients.pieces import Magnitude
from avalanche_mas.importance.gradients.ways import GENERAL, add_sum, way
from avalanche_mas.importance.passes.network import Network, check_output
from avalanche_mas.importance.passes.record import Recorder, Sink

Objectives = Callable[[Tensor], list[Tensor]]
"""From outputs to the scalars that are differentiated, each a sum over the samples."""


def squared_norm(output: Tensor) -> list[Tensor]:
    """Return Σ_k ‖F_k‖₂² of the outputs F [B, C], the one objective of the squared-norm form."""
    return [output.to(torch.promote_types(output.dtype, torch.float32)).square().sum()]


def output_sums(output: Tensor) -> list[Tensor]:
    """Return Σ_k F_kc for each of the C outputs, the objectives of the vector form."""
    return list(output.to(torch.promote_types(output.dtype, torch.float32)).sum(0))


class SampleSums:
    """The sum Σ_c Σ_k of(g_kc), g_kc = ∂ objective_c(F(x_k)) / ∂θ, over batch after batch.

    Args:
        network: the network and its tracked parameters.
        totals: the sums so far, by name; they are added to.
        max_bytes: upper bound on the per-sample gradients that are held at a time.
        objectives: maps the output to what is differentiated; several only with ``torch.square``.
        of: what is summed of the gradients.
    """

    def __init__(
        self,
        network: Network,
        totals: dict[str, Tensor],
        max_bytes: int,
        objectives: Objectives = squared_norm,
        of: Magnitude = torch.abs,
    ) -> None:
        self.network, self.totals, self.max_bytes = network, totals, max_bytes
        self.objectives, self.of = objectives, of
        self.general = General(network.model, network.forward, network.rows, objectives, of)

    def add(self, batch: Any) -> int:
        """Add one batch to the totals and return its number of samples."""
        samples = self.network.rows.size(batch)
        if samples:
            self._differentiate(batch, self._into_totals)
        return samples

    def _into_totals(self, name: str, part: PerSample, uses: int) -> None:  # noqa: ARG002
        add_sum(part, self.of, self.totals[name], self.max_bytes)

    def ways(self, batch: Any) -> dict[str, str]:
        """Return how the sum of each parameter is added on a batch."""
        found: dict[str, str] = {}

        def note(name: str, part: PerSample, uses: int) -> None:  # noqa: ARG001
            found[name] = way(part, self.of, self.totals[name], self.max_bytes)

        general = self._backward(batch, note)
        return found | dict.fromkeys(general, GENERAL)

    def _differentiate(self, batch: Any, sink: Sink) -> None:
        """Hand the per-sample gradients of every objective to ``sink``; add those without a rule."""
        others = self._backward(batch, sink)
        if others:
            self.general.add(batch, others, self.totals, self.max_bytes)

    def _backward(self, batch: Any, sink: Sink) -> set[str]:
        """Hand the per-sample gradients by rule to ``sink``; return the names that no rule covers."""
        names, layouts = self.network.names, self.network.layouts
        samples = self.network.rows.size(batch)

        def record() -> Recorder:
            return Recorder(names, layouts, samples, sink)

        recorder, output = self.network.watch(batch, record)
        if self.objectives is squared_norm:
            self.network.norms.note(output)
        reached = list(leaves(output))
        outside = {names[leaf] for leaf in reached if leaf in names}  # type: ignore[index]
        others = outside | recorder.unplaced
        self.network.used.update(outside | recorder.uses.keys())
        _backward(recorder, self.objectives(output), reached, others)
        self.network.reached.update(others | recorder.reached)
        self.network.faint.add(recorder.faint)
        return others


class EachOutput(SampleSums):
    """The sum Σ_k ‖∂F(x_k) / ∂θ‖₂ over the C outputs: one backward pass for each of them.

    A few samples at a time, for the sums of squares over the outputs are kept for each sample. How many
    fit into ``max_bytes`` is seen once the first sample is done.
    """

    def __init__(self, network: Network, totals: dict[str, Tensor], max_bytes: int) -> None:
        super().__init__(network, totals, max_bytes, output_sums)
        self.samples_at_once, self.held_bytes = 1, max_bytes
        if not all(in_caches(total.device) for total in totals.values()):
            self.max_bytes = max_bytes // 8  # for pieces, which are not small there
            self.held_bytes = max_bytes - self.max_bytes

    @override
    def add(self, batch: Any) -> int:
        self.network.settle(batch)
        samples, k = self.network.rows.size(batch), 0
        while k < samples:
            some = slice(k, min(k + self.samples_at_once, samples))
            squares = _Magnitudes(self.max_bytes)
            self._differentiate(self.network.rows.select(batch, some), squares.take)
            squares.add_to(self.totals)
            k = some.stop
            each = squares.bytes // (some.stop - some.start)
            self.samples_at_once = max(1, self.held_bytes // max(1, each))
        return samples


class BatchSums:
    """The sum of |Σ_k g_k| over batches, or with several objectives of the root of the sum of squares."""

    def __init__(self, network: Network, totals: dict[str, Tensor], objectives: Objectives) -> None:
        self.network, self.totals, self.objectives = network, totals, objectives

    def add(self, batch: Any) -> int:
        """Add one batch to the totals and return its number of samples."""
        samples = self.network.rows.size(batch)
        if not samples:
            return 0
        output = self.network.forward(self.network.model, batch)
        check_output(output, samples)
        self.network.norms.note(output)
        parameters = {name: parameter for parameter, name in self.network.names.items()}
        reached = leaves(output)
        used = {name for name, p in parameters.items() if p in reached}
        self.network.used.update(used)
        self.network.reached.update(used)
        objectives = self.objectives(output) if used else []
        for name, found in magnitudes(
            gradients_of(each, parameters) for each in objectives
        ).items():
            self.totals[name] += found
        return samples


class _Magnitudes:
    """Σ_c g_kc² of every sample k, parameter by parameter.

    Where a sample has one position, g_kc = δ_kc a_kᵀ with the same a_k for all c: only the sums of δ²
    are kept.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.dense: dict[str, Tensor] = {}  # [B, *shape]
        self.outer: dict[str, tuple[Tensor, Tensor]] = {}  # Σ_c δ² [B, O] and a [B, I]

    @property
    def bytes(self) -> int:
        """The size of what is held, in bytes."""
        held = [*self.dense.values(), *(tensor for pair in self.outer.values() for tensor in pair)]
        return sum(tensor.numel() * tensor.element_size() for tensor in held)

    def take(self, name: str, part: PerSample, uses: int) -> None:
        """Add the squares of one objective's gradients."""
        part = part.wide()
        if isinstance(part, Outer) and part.factors and uses == 1:
            left, right = part.factors
            if name not in self.outer:
                self.outer[name] = (torch.zeros_like(left), right)
            self.outer[name][0].addcmul_(left, left)
            return
        if name not in self.dense:
            first = part.chunk(slice(0, 1), slice(0, 1))
            self.dense[name] = first.new_zeros(part.samples, *part.shape)
        part.add_squares(self.dense[name], self.max_bytes)

    def add_to(self, totals: Mapping[str, Tensor]) -> None:
        """Add the sum over the samples of the roots."""
        for name, (squares, right) in self.outer.items():
            add_products(totals[name], squares.sqrt(), right.abs())
        for name, squares in self.dense.items():
            totals[name] += squares.sqrt_().sum(0)


def _backward(
    recorder: Recorder, objectives: list[Tensor], reached: list[Tensor], skip: set[str]
) -> None:
    """Run a backward pass for each objective, in which the recorder's rules take the gradients."""
    for objective in objectives if reached else []:
        last = objective is objectives[-1]
        recorder.listen(skip, last=last)
        torch.autograd.grad(objective, reached, retain_graph=not last, allow_unused=True)
        recorder.finish()
