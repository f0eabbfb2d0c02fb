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
from typing import Any, NoReturn, TypeVar
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.autograd.graph import disable_saved_tensors_hooks
from torch.nn import Parameter
from torch.utils.checkpoint import CheckpointFunction
from typing_extensions import override

from avalanche_mas.importance.gradients.layout import (
    Layout,
    batch_size,
    close,
    locate,
    reversed_batch,
    select,
)
from avalanche_mas.importance.passes.watch import Key, Watcher, tapped

__all__ = ["Forward", "Layouts", "Network", "check_output"]

_CHECKPOINTED = (
    "the network recomputes activations in its backward pass (torch.utils.checkpoint, or other hooks on "
    "saved tensors), which importance cannot follow; turn that off while it is measured, with smaller "
    "batches if memory is short: the result is the same"
)

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
    """

    def __init__(self, model: nn.Module, forward: Forward, names: Mapping[Parameter, str]) -> None:
        self.model, self.forward, self.names = model, forward, names
        self.layouts = Layouts()

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
        samples, known = batch_size(batch), self.layouts.known
        if samples == 1 or (known and not self.layouts.moving):
            recorder, output = self._run(batch, record)
            learned = recorder.keys <= known.keys() and not self.layouts.outdated
            if samples == 1 or (learned and not self.layouts.moving):
                return recorder, output
        return self._compare(batch, record)

    def _compare(self, batch: Any, record: Callable[[], Recording]) -> tuple[Recording, Tensor]:
        """Run parts of the batch, then the batch; once more where that shows it to be doubtful."""
        samples, alone = batch_size(batch), {}
        expected: dict[int, Tensor] = {}
        for k in (0, samples - 1):
            alone[k] = _Probe(self.names, lambda _key, output: output.clone())
            expected[k] = self._probe(alone[k], select(batch, slice(k, k + 1)))  # [1, C]
        self.layouts.compare_with(alone, None)
        mirrored, flipped = None, None
        if self.layouts.doubtful:
            mirrored = _Probe(self.names, self.layouts.strengths)
            flipped = self._probe(mirrored, reversed_batch(batch))  # [B, C]
            self.layouts.compare_with(alone, mirrored)
        try:
            recorder, output = self._run(batch, record)
        finally:
            self.layouts.compare_with({}, None)
        found = output.detach()  # [B, C]
        if not all(close(found[k], single[0]) for k, single in expected.items()) or (
            flipped is not None and not close(found, flipped.flip(0))
        ):
            self._refuse_interaction(samples)
        if mirrored is None and self.layouts.doubtful:
            del recorder, output  # with all that they hold in memory
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
        check_output(output, batch_size(batch))
        return recorder, output

    def _refuse_interaction(self, samples: int) -> NoReturn:
        nowhere = [key[1] for key, layout in self.layouts.known.items() if layout is None]
        place = f" (first seen at {nowhere[0]!r})" if nowhere else ""
        raise ValueError(
            f"the output for a sample alone differs from its output in a batch of {samples}: samples "
            f"interact{place}, or the output is random, so there is no per-sample gradient; in eval "
            f"mode every sample must be treated by itself"
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
