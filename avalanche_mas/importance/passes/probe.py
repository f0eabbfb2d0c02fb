"""Finding out where samples lie: parts of a batch are run, and their outputs sought in the whole batch's.

The first and the last sample are run alone. That shows along which dimension of a layer's output the
samples lie. Where a sample has several entries there, or a parameter is used more than once, the batch is
also run in reverse order: the entries of every sample must turn up in the place of that sample.

Comments give the axes: B samples, m entries of a sample along the dimension that holds the samples;
``...`` are a layer's other dimensions, in any place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from typing_extensions import override

from avalanche_mas.importance.gradients.layout import Layout, close, locate
from avalanche_mas.importance.passes.watch import Key, Watcher, tapped


class Probe(Watcher):
    """A forward pass of which something is kept of the output of every use.

    Args:
        names: the tracked parameters and their names.
        keep: returns what is kept, given the use and its output.

    Attributes:
        kept: what was kept by use: a sample's output [m, ...], or the norms of its entries [B m].
    """

    def __init__(
        self, names: Mapping[Parameter, str], keep: Callable[[Key, Tensor], Tensor | None]
    ) -> None:
        super().__init__(names)
        device = next(iter(names)).device
        self.keep, self.anchor = keep, torch.zeros((), device=device, requires_grad=True)
        self.kept: dict[Key, Tensor | None] = {}

    @override
    def layer(
        self, key: Key, bound: dict[str, Any], used: dict[str, Parameter], output: Tensor
    ) -> Tensor:
        self.kept[key] = self.keep(key, output.detach())
        return tapped(output, self.anchor)  # a network may want to hook the gradient


class Layouts:
    """The layout of each use's output, learned from one forward pass and used for later batches.

    Args:
        rounding: the relative rounding of the network's parameters.

    Attributes:
        known: the layouts by use; None where there is none.
        moving: whether rows may lie elsewhere in every batch, depending on the values in it.
        outdated: whether a known layout did not fit an output.
    """

    def __init__(self, rounding: float = 0.0) -> None:
        self.rounding = rounding
        self.known: dict[Key, Layout | None] = {}
        self.moving = self.outdated = False
        self._alone: dict[int, Probe] = {}
        self._mirrored: Probe | None = None

    @property
    def doubtful(self) -> bool:
        """Whether the batch must also be run in reverse order to place all of its samples.

        So it must where a sample has several entries along the dimension that holds the samples, or one
        by chance, as rows are picked by their values. Where a sample always has one entry, its place
        does not matter, unless several uses of one parameter must agree on it.
        """
        crowded = any(layout is not None and layout.inner > 1 for layout in self.known.values())
        seen = [(key, out) for probe in self._alone.values() for key, out in probe.kept.items()]
        # The output [m, ...] of a sample alone has several entries in every dimension: so m > 1.
        crowded |= any(out is not None and 1 not in out.shape for _, out in seen)
        uses = Counter(name for key in self.known.keys() | dict(seen) for name in key[1:-1])
        return self.moving or crowded or any(times > 1 for times in uses.values())

    def compare_with(self, alone: dict[int, Probe], mirrored: Probe | None) -> None:
        """Learn from the next forward pass, given probes of single samples and of the reversed batch."""
        self._alone, self._mirrored, self.outdated = alone, mirrored, False

    def find(self, key: Key, output: Tensor, samples: int) -> Layout | None:
        """Return the layout of ``output`` [B m, ...], or None if it is not known or does not fit."""
        if samples == 1:  # all entries belong to it, so any dimension will do
            return Layout(0, 1, output.shape[0]) if output.dim() else None
        if self._alone:
            self.known[key] = self._compare(key, output.detach(), samples)
        known = self.known.get(key)
        if known is None:
            return None
        layout = Layout(known.dim, samples, known.inner, known.outermost)
        if layout.fits(output):
            return layout
        self.outdated = True
        return None

    def strengths(self, key: Key, output: Tensor) -> Tensor | None:
        """Return the 2-norms [B m] of the entries along the dimension that holds the samples.

        That is the one in which the output [m, ...] of a sample alone is shorter; None if there is no
        such dimension.
        """
        alone = self._alone[0].kept.get(key)  # [m, ...]
        if alone is None or alone.dim() != output.dim():
            return None
        differing = [d for d in range(output.dim()) if output.shape[d] != alone.shape[d]]
        if len(differing) != 1:
            return None
        (dim,) = differing
        entries = output.movedim(dim, 0).reshape(output.shape[dim], -1)  # [B m, all the rest]
        wide = torch.promote_types(output.dtype, torch.float32)
        norms: Tensor = torch.linalg.vector_norm(entries, dim=1, dtype=wide)  # [B m]
        return norms

    def _compare(self, key: Key, output: Tensor, samples: int) -> Layout | None:
        """Return the one layout of ``output`` [B m, ...] that shows every probed sample in its place."""
        found: set[Layout | None] = set()
        for k, probe in self._alone.items():
            alone = probe.kept.get(key)  # [m, ...]
            found.add(None if alone is None else locate(output, alone, samples, k, self.rounding))
        layout = found.pop() if len(found) == 1 else None
        if layout is None or self._mirrored is None:
            return layout
        here, mirrored = self.strengths(key, output), self._mirrored.kept.get(key)  # [B m] each
        if here is None or mirrored is None or here.shape != mirrored.shape:
            return None
        rows = Layout(0, samples, layout.inner, layout.outermost)
        # [B, m] each: sample k of the mirrored batch is sample B - 1 - k of this one.
        alike = close(rows.split(mirrored).flip(0), rows.split(here), self.rounding)
        return layout if alike else None
