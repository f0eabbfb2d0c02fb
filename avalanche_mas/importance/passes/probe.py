"""Finding out where the samples lie: the network is run on parts of a batch and the results compared.

The first and the last sample are run alone: that shows along which dimension of a layer's output the
samples lie. Where a sample has several entries there, or a parameter is used more than once, the batch
is also run in reverse order: the entries of every sample must turn up in the place of that sample.

Comments give the axes: B samples, m entries of a sample along the dimension that holds the samples, C
outputs of the network; ``...`` are a layer's other dimensions, in any place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, combinations, islice
from typing import Any, NoReturn, TypeVar
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.autograd.graph import disable_saved_tensors_hooks
from torch.nn import Parameter
from torch.utils.checkpoint import CheckpointFunction
from typing_extensions import override

from avalanche_mas.importance.gradients.layout import Layout, close, locate
from avalanche_mas.importance.gradients.rows import Place, Rows
from avalanche_mas.importance.passes.watch import Key, Watcher, tapped

__all__ = ["Forward", "Layouts", "Network", "check_output"]

_CHECKPOINTED = (
    "the network recomputes activations in its backward pass (torch.utils.checkpoint, or other hooks on "
    "saved tensors), which importance cannot follow; turn that off while it is measured, with smaller "
    "batches if memory is short: the result is the same"
)

_READINGS = 64
"""How many readings of a batch are tried: all of them with up to six tensors in doubt."""

_RANDOM = (
    "the network gives one sample another output when it runs again: its output is random, or depends "
    "on earlier forward passes"
)
_REMEDY = "turn that off while importance is measured"

Forward = Callable[[nn.Module, Any], Tensor]


class _Probe(Watcher):
    """Keeps something of the output of every use.

    Args:
        names: the tracked parameters and their names.
        keep: from the use and its output, what is kept.
    """

    def __init__(
        self, names: Mapping[Parameter, str], keep: Callable[[Key, Tensor], Tensor | None]
    ) -> None:
        super().__init__(names)
        device = next(iter(names)).device
        self.keep, self.anchor = keep, torch.zeros((), device=device, requires_grad=True)
        self.kept: dict[
            Key, Tensor | None
        ] = {}  # by use: a sample's output [m, ...], or norms [B m]

    @override
    def layer(
        self, key: Key, bound: dict[str, Any], used: dict[str, Parameter], output: Tensor
    ) -> Tensor:
        self.kept[key] = self.keep(key, output.detach())
        return tapped(output, self.anchor)  # a network may want to hook the gradient


class Layouts:
    """The layout of each use's output: learned from one forward pass, good for later batches.

    Attributes:
        known: the layouts by use; None where there is none.
        moving: whether rows may lie elsewhere in every batch, depending on what is in it.
        outdated: whether an output was met that its known layout does not fit.
    """

    def __init__(self) -> None:
        self.known: dict[Key, Layout | None] = {}
        self.moving = self.outdated = False
        self._alone: dict[int, _Probe] = {}
        self._mirrored: _Probe | None = None

    @property
    def doubtful(self) -> bool:
        """Whether probes of single samples may not tell where all the others are, to any effect.

        They may not where a sample has several entries along the dimension that holds the samples, or
        has one by chance, since rows are picked by what is in them. Where it has one, the order is of no
        importance, unless the uses of one parameter must agree on it.
        """
        crowded = any(layout is not None and layout.inner > 1 for layout in self.known.values())
        seen = [(key, out) for probe in self._alone.values() for key, out in probe.kept.items()]
        # A sample alone that is 1 long in no dimension has several entries in every one.
        crowded |= any(out is not None and 1 not in out.shape for _, out in seen)
        uses = Counter(name for key in self.known.keys() | dict(seen) for name in key[1:-1])
        return self.moving or crowded or any(times > 1 for times in uses.values())

    def compare_with(self, alone: dict[int, _Probe], mirrored: _Probe | None) -> None:
        """Learn from the next forward pass, given probes of single samples and of the reversed batch."""
        self._alone, self._mirrored, self.outdated = alone, mirrored, False

    def find(self, key: Key, output: Tensor, samples: int) -> Layout | None:
        """Give the layout of ``output``, or None where it is not known or does not fit."""
        # output: [B m, ...]
        if samples == 1:
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
        """Give the 2-norm of every entry along the dimension in which a sample alone is smaller."""
        alone = self._alone[0].kept.get(key)
        if alone is None or alone.dim() != output.dim():
            return None
        differing = [d for d in range(output.dim()) if output.shape[d] != alone.shape[d]]
        if len(differing) != 1:
            return None
        (dim,) = differing
        entries = output.movedim(dim, 0).reshape(
            output.shape[dim], -1
        )  # [B m, entries of the rest]
        wide = torch.promote_types(output.dtype, torch.float32)
        norms: Tensor = torch.linalg.vector_norm(entries, dim=1, dtype=wide)  # [B m]
        return norms

    def _compare(self, key: Key, output: Tensor, samples: int) -> Layout | None:
        """Read ``output`` in the one way that shows every probed sample in its place."""
        found: set[Layout | None] = set()
        for k, probe in self._alone.items():
            alone = probe.kept.get(key)
            found.add(None if alone is None else locate(output, alone, samples, k))
        layout = found.pop() if len(found) == 1 else None
        if layout is None or self._mirrored is None:
            return layout
        here, mirrored = self.strengths(key, output), self._mirrored.kept.get(key)  # [B m] each
        if here is None or mirrored is None or here.shape != mirrored.shape:
            return None
        rows = Layout(0, samples, layout.inner, layout.outermost)
        # [B, m] each: sample k of the mirrored batch is sample B - 1 - k of this one.
        return layout if close(rows.split(mirrored).flip(0), rows.split(here)) else None


Recording = TypeVar("Recording", bound=Watcher)


class Network:
    """A network as it is run on batches, with what was found out about where samples lie.

    Args:
        model: the network, in evaluation mode.
        forward: maps (model, batch) to the output.
        names: the tracked parameters and their names.
        rows: which places of a batch hold one row per sample.
        changed: returns which of the model's tensors the last forward pass wrote to.

    Attributes:
        used: names of the parameters that a forward pass has used.
    """

    def __init__(
        self,
        model: nn.Module,
        forward: Forward,
        names: Mapping[Parameter, str],
        rows: Rows,
        changed: Callable[[], list[str]],
    ) -> None:
        self.model, self.forward, self.names = model, forward, names
        self.rows, self.changed = rows, changed
        self.layouts = Layouts()
        self.used: set[str] = set()
        self._settled: set[Place] = set()
        self._repeated = False

    def with_forward(self, forward: Forward) -> Network:
        """Return the network with another forward function, and batches of another make."""
        network = Network(self.model, forward, self.names, Rows(), self.changed)
        network.used = self.used
        return network

    def watch(self, batch: Any, record: Callable[[], Recording]) -> tuple[Recording, Tensor]:
        """Run the network on a batch under a recorder.

        Args:
            batch: the batch.
            record: makes the recorder.

        Returns:
            The recorder and the output [B, C].

        Raises:
            TypeError: the output is not a tensor.
            ValueError: it is not [B, C] or not finite, or samples interact.
            RuntimeError: activations are checkpointed.
        """
        samples, known = self.rows.size(batch), self.layouts.known
        if samples == 1 and not self._repeated:
            self._repeat(batch)
        if samples == 1 or (known and not self.layouts.moving and not self._presumed(batch)):
            recorder, output = self._run(batch, record)
            learned = recorder.keys <= known.keys() and not self.layouts.outdated
            if samples == 1 or (learned and not self.layouts.moving):
                return recorder, output
        return self._compare(batch, record)

    def settle(self, batch: Any) -> None:
        """Find out which places of the batch hold one row per sample, where that was only presumed.

        In the right reading every sample alone has the output that it has in the batch. A place is left
        whole only where cutting it gives other outputs.

        Raises:
            ValueError: no reading does that.
        """
        samples, presumed = self.rows.size(batch), self._presumed(batch)
        if samples < 2 or not presumed:
            return
        output = self._output(batch)  # [B, C]
        check_output(output, samples)
        sizes = range(len(presumed) + 1)
        readings = chain.from_iterable(combinations(presumed, size) for size in sizes)
        for whole in islice(readings, _READINGS):
            self.rows.settle({place: place not in whole for place in presumed})
            if self._agrees(batch, output):
                self._settled.update(presumed)
                return
        self.rows.settle(dict.fromkeys(presumed, True))
        self._refuse_interaction(batch)

    def _presumed(self, batch: Any) -> list[Place]:
        return [place for place in self.rows.presumed(batch) if place not in self._settled]

    def _compare(self, batch: Any, record: Callable[[], Recording]) -> tuple[Recording, Tensor]:
        """Run parts of the batch, then the batch; once more where that shows it to be doubtful."""
        samples, alone = self.rows.size(batch), {}
        expected: dict[int, Any] = {}
        for k in (0, samples - 1):
            alone[k] = _Probe(self.names, lambda _key, output: output.clone())
            try:
                expected[k] = self._probe(
                    alone[k], self.rows.select(batch, slice(k, k + 1))
                )  # [1, C]
            except Exception:
                if not self._presumed(batch):
                    raise
                self.settle(batch)  # a tensor may have been cut that belongs to all samples
                return self._compare(batch, record)
        self.layouts.compare_with(alone, None)
        mirrored, flipped = None, None
        if self.layouts.doubtful:
            mirrored = _Probe(self.names, self.layouts.strengths)
            flipped = self._probe(mirrored, self.rows.reverse(batch))  # [B, C]
            self.layouts.compare_with(alone, mirrored)
        try:
            recorder, output = self._run(batch, record)
        finally:
            self.layouts.compare_with({}, None)
        found = output.detach()  # [B, C]
        if not all(_same(found[k : k + 1], single) for k, single in expected.items()) or (
            flipped is not None and not _same(found, flipped.flip(0))
        ):
            if not self._presumed(batch):
                self._refuse_interaction(batch)
            del recorder, output  # with all that they hold in memory
            self.settle(batch)
            return self._compare(batch, record)
        self._settled.update(self.rows.presumed(batch))
        if mirrored is None and self.layouts.doubtful:
            del recorder, output
            return self._compare(batch, record)
        return recorder, output

    def _probe(self, probe: _Probe, batch: Any) -> Any:
        with probe, _no_checkpoints():
            output = self.forward(self.model, batch)
        self.layouts.moving = self.layouts.moving or probe.moved
        return output.detach() if isinstance(output, Tensor) else output

    def _run(self, batch: Any, record: Callable[[], Recording]) -> tuple[Recording, Tensor]:
        recorder = record()
        with recorder, _no_checkpoints():
            output = self.forward(self.model, batch)
        self.layouts.moving = self.layouts.moving or recorder.moved
        check_output(output, self.rows.size(batch))
        return recorder, output

    def _output(self, batch: Any) -> Any:
        output = self.forward(self.model, batch)  # with gradients: it may differentiate itself
        return output.detach() if isinstance(output, Tensor) else output

    def _is_random(self, batch: Any) -> bool:
        first, second = self._output(batch), self._output(batch)
        comparable = isinstance(first, Tensor) and bool(torch.isfinite(first).all())
        return comparable and not _same(first, second)

    def _agrees(self, batch: Any, output: Tensor) -> bool:
        """Return whether the first and the last sample alone have their outputs of the batch [B, C]."""
        for k in (0, len(output) - 1):
            try:
                alone = self._output(self.rows.select(batch, slice(k, k + 1)))  # [1, C]
            except Exception:  # what is cut in a wrong way may fail in any way
                return False
            if not _same(output[k : k + 1], alone):
                return False
        return True

    def _repeat(self, batch: Any) -> None:
        """Refuse a network that gives the first sample another output when it runs again."""
        self._repeated = True
        if self._is_random(batch):
            raise ValueError(f"{_RANDOM}, so there is no gradient to measure; {_REMEDY}")

    def _refuse_interaction(self, batch: Any) -> NoReturn:
        """Raise ValueError with the cause of it, as far as it can be told."""
        changed = self.changed()
        cut = self.rows.describe(batch)
        nowhere = [key[1] for key, layout in self.layouts.known.items() if layout is None]
        cause = f"samples interact{f' (first seen at {nowhere[0]!r})' if nowhere else ''}"
        remedy = "in eval mode every sample must be treated by itself"
        first = self.rows.select(batch, slice(0, 1))
        if changed:
            cause += f", through {', '.join(map(repr, changed[:3]))}, changed by every forward pass"
            remedy = "turn that off first (for observers, torch.ao.quantization.disable_observer)"
        elif self._is_random(first):
            cause, remedy = _RANDOM, _REMEDY
        elif cut:
            cause += f", or it was cut in the wrong way: {cut}"
            remedy += (
                "; hand the model what belongs to all samples in forward=, and give the rest as "
            )
            remedy += "tensors with one row per sample"
        raise ValueError(
            f"the output for a sample alone differs from its output in a batch of "
            f"{self.rows.size(batch)}: {cause}, so there is no per-sample gradient; {remedy}"
        )


@contextmanager
def _no_checkpoints() -> Iterator[None]:
    def refuse(*_: Any) -> NoReturn:
        raise RuntimeError(_CHECKPOINTED)

    with (
        patch.object(CheckpointFunction, "forward", refuse),
        disable_saved_tensors_hooks(_CHECKPOINTED),
    ):
        yield


def _same(a: Any, b: Any) -> bool:
    """Return whether two outputs are tensors that agree but for rounding."""
    return isinstance(a, Tensor) and isinstance(b, Tensor) and close(a, b)


def check_output(output: Any, samples: int) -> None:
    """Raise TypeError or ValueError unless this is a finite tensor [B, C] for that many samples."""
    if not isinstance(output, Tensor):
        raise TypeError(
            f"the model's output must be a Tensor [B, C], got {type(output).__name__}; "
            f"pass forward=(model, batch) -> Tensor to pick the part that counts"
        )
    if output.dim() != 2 or output.shape[0] != samples:
        raise ValueError(
            f"the model's output must be [B, C] with B = {samples}, got {list(output.shape)}; "
            f"pass forward=(model, batch) -> Tensor to shape it"
        )
    if not torch.isfinite(output).all():
        raise ValueError("the model's output is not finite: importance cannot be measured from it")
