"""A network as it is run on batches: samples must not interact, and each must be found in the whole.

Comments give the axes: B samples, C outputs of the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain, combinations, islice
from typing import Any, NoReturn, TypeVar
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.autograd.graph import disable_saved_tensors_hooks
from torch.nn import Parameter
from torch.utils.checkpoint import CheckpointFunction

from avalanche_mas.importance.gradients.layout import close, coarsest
from avalanche_mas.importance.gradients.rows import Place, Rows
from avalanche_mas.importance.passes.faint import Faint
from avalanche_mas.importance.passes.flat import Norms
from avalanche_mas.importance.passes.probe import Layouts, Probe
from avalanche_mas.importance.passes.watch import Watcher

READINGS = 64
"""How many readings of a batch are tried: all of them, with up to six tensors in doubt."""

_CHECKPOINTED = (
    "the network recomputes activations in its backward pass (torch.utils.checkpoint, a reversible block, "
    "other hooks on saved tensors), which importance cannot follow; turn that off while it is measured, "
    "with smaller batches if memory is short: the result is the same"
)
_RANDOM = (
    "running the network twice on one sample gives different outputs: they are random, or depend on "
    "earlier forward passes"
)
_REMEDY = "turn that off while importance is measured"

Forward = Callable[[nn.Module, Any], Tensor]
Recording = TypeVar("Recording", bound=Watcher)


class Network:
    """A network as it is run on batches, with what is known about where samples lie.

    Args:
        model: the network, in evaluation mode.
        forward: maps (model, batch) to the output.
        names: the tracked parameters and their names.
        rows: which places of a batch hold one row per sample.
        changed: returns which of the model's tensors the last forward pass wrote to.

    Attributes:
        layouts: where the samples lie in the outputs of layers.
        used: names of the parameters that were used so far.
        reached: names of those that what is differentiated has depended on so far.
        norms: the squared norms of the outputs so far.
        faint: the gradients in float16 so far.
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
        self._rounding = coarsest(p for p in model.parameters() if p.is_floating_point())
        self.layouts = Layouts(self._rounding)
        self.used: set[str] = set()
        self.reached: set[str] = set()
        self.norms, self.faint = Norms(), Faint()
        self._settled: set[Place] = set()
        self._repeated = False

    def with_forward(self, forward: Forward) -> Network:
        """Return the network with another forward function, for batches of another structure."""
        network = Network(self.model, forward, self.names, Rows(), self.changed)
        network.used, network.reached = self.used, self.reached
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
            ValueError: it is not [B, C], not finite or random, or samples interact.
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
        """Find out which places of a batch hold one row per sample, where that was only presumed.

        In the right reading, a sample alone has the output that it has in the batch. A place is left
        whole only where cutting it gives other outputs.

        Raises:
            ValueError: there is no such reading.
        """
        samples, presumed = self.rows.size(batch), self._presumed(batch)
        if samples < 2 or not presumed:
            return
        output = self._output(batch)  # [B, C]
        check_output(output, samples)
        sizes = range(len(presumed) + 1)
        readings = chain.from_iterable(combinations(presumed, size) for size in sizes)
        for whole in islice(readings, READINGS):
            self.rows.settle({place: place not in whole for place in presumed})
            if self._agrees(batch, output):
                self._settled.update(presumed)
                return
        self.rows.settle(dict.fromkeys(presumed, True))
        self._refuse_interaction(batch)

    def refuse_written_gradients(self) -> None:
        """Refuse a network whose own functions go backward to parameters past the graph that is seen.

        Raises:
            RuntimeError: a parameter has a gradient, as none had before.
        """
        for name, parameter in self.model.named_parameters():
            if parameter.grad is not None:
                raise RuntimeError(f"a gradient was written to {name!r}: {_CHECKPOINTED}")

    def _presumed(self, batch: Any) -> list[Place]:
        return [place for place in self.rows.presumed(batch) if place not in self._settled]

    def _compare(self, batch: Any, record: Callable[[], Recording]) -> tuple[Recording, Tensor]:
        """Run parts of the batch, then the batch; once more if that leaves doubts."""
        try:
            alone, expected = self._alone(batch)  # outputs [1, C]
        except Exception:  # perhaps a tensor was cut that belongs to all samples
            if not self._presumed(batch):
                raise
            self.settle(batch)
            return self._compare(batch, record)
        self.layouts.compare_with(alone, None)
        mirrored = self.layouts.doubtful
        if mirrored:
            backwards = Probe(self.names, self.layouts.strengths)
            expected[None] = self._probe(backwards, self.rows.reverse(batch))  # [B, C]
            self.layouts.compare_with(alone, backwards)
        try:
            recorder, output = self._run(batch, record)
        finally:
            self.layouts.compare_with({}, None)
        if not _contains(output.detach(), expected, self._rounding):
            if not self._presumed(batch):
                self._refuse_interaction(batch)
            del recorder, output  # with all that they hold in memory
            self.settle(batch)
            return self._compare(batch, record)
        self._settled.update(self.rows.presumed(batch))
        if self.layouts.doubtful and not mirrored:
            del recorder, output
            return self._compare(batch, record)
        return recorder, output

    def _alone(self, batch: Any) -> tuple[dict[int, Probe], dict[int | None, Any]]:
        """Run the first and the last sample alone; return the probes and the outputs [1, C]."""
        probes: dict[int, Probe] = {}
        outputs: dict[int | None, Any] = {}
        for k in (0, self.rows.size(batch) - 1):
            probes[k] = Probe(self.names, lambda _key, output: output.clone())
            outputs[k] = self._probe(probes[k], self.rows.select(batch, slice(k, k + 1)))
        return probes, outputs

    def _probe(self, probe: Probe, batch: Any) -> Any:
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

    def _agrees(self, batch: Any, output: Tensor) -> bool:
        """Return whether the first and the last sample alone have their outputs of the batch [B, C]."""
        for k in (0, len(output) - 1):
            try:
                alone = self._output(self.rows.select(batch, slice(k, k + 1)))  # [1, C]
            except Exception:  # what is cut in a wrong way may fail in any way
                return False
            if not _contains(output, {k: alone}, self._rounding):
                return False
        return True

    def _is_random(self, batch: Any) -> bool:
        first, second = self._output(batch), self._output(batch)
        if not isinstance(first, Tensor) or first.dim() != 2 or not torch.isfinite(first).all():
            return False  # which is refused later
        both = first, second
        return not (isinstance(second, Tensor) and close(*both, self._rounding, among=both))

    def _changed_by_parts_of(self, batch: Any) -> list[str]:
        """Return the names of tensors that are written to when the batch or one of its samples runs.

        What was averaged over this very batch before may be the same after it, but not after a sample.
        """
        changed = dict.fromkeys(self.changed())
        for k in (0, self.rows.size(batch) - 1):
            with suppress(Exception):  # the causes of which are not what is asked here
                self._output(self.rows.select(batch, slice(k, k + 1)))
                changed |= dict.fromkeys(self.changed())
        return list(changed)

    def _repeat(self, batch: Any) -> None:
        """Refuse a network that gives one sample different outputs when run twice."""
        self._repeated = True
        if self._is_random(batch):
            raise ValueError(f"{_RANDOM}, so there is no gradient to measure; {_REMEDY}")

    def _refuse_interaction(self, batch: Any) -> NoReturn:
        """Raise ValueError with the most likely cause."""
        changed, cut = self._changed_by_parts_of(batch), self.rows.describe(batch)
        nowhere = [key[1] for key, layout in self.layouts.known.items() if layout is None]
        cause = f"samples interact{f' (first seen at {nowhere[0]!r})' if nowhere else ''}"
        remedy = "in eval mode every sample must be treated by itself"
        if changed:
            cause += f", through {', '.join(map(repr, changed[:3]))}, changed by every forward pass"
            remedy = "turn that off first (for observers, torch.ao.quantization.disable_observer)"
        elif self._is_random(batch):
            cause, remedy = _RANDOM, _REMEDY
        elif cut:
            cause += f", or the batch was cut in the wrong way: {cut}"
            remedy += "; give tensors with one row per sample, and all the rest in forward="
        raise ValueError(
            f"the output for a sample alone differs from its output in a batch of "
            f"{self.rows.size(batch)}: {cause}, so there is no per-sample gradient; {remedy}"
        )


def _contains(output: Tensor, expected: Mapping[int | None, Any], rounding: float) -> bool:
    """Return whether an output [B, C] agrees with those of parts of the batch, but for rounding.

    Args:
        output: of the whole batch.
        expected: the outputs of single samples [1, C] by index; under None that of the reversed batch.
        rounding: the relative rounding of the network's parameters.
    """
    return all(
        isinstance(part, Tensor)
        and close(output.flip(0) if k is None else output[k : k + 1], part, rounding, (output,))
        for k, part in expected.items()
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
