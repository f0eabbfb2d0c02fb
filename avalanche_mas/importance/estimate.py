"""Ω, exactly: the mean over samples of the absolute gradient of the output's squared norm."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sized
from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import set_checkpoint_early_stop
from tqdm.auto import tqdm

from avalanche_mas.importance.general import General
from avalanche_mas.importance.importance import Importance
from avalanche_mas.importance.layout import batch_size, close, select
from avalanche_mas.importance.record import Layouts, Probe, Recorder, leaves
from avalanche_mas.importance.state import evaluation, untouched_randomness

__all__ = ["global_importance"]

MAX_BYTES = 256 * 2**20


def global_importance(
    model: nn.Module,
    batches: Iterable[Any],
    *,
    start: Importance | None = None,
    forward: Callable[[nn.Module, Any], Tensor] | None = None,
    parameters: Iterable[str] | None = None,
    max_bytes: int = MAX_BYTES,
    progress: bool = False,
) -> Importance:
    r"""Measure how sensitive the output is to each parameter, without labels (MAS, global form).

    Ω = (1/N) Σ_k |∂‖F(x_k; θ)‖₂² / ∂θ|: the absolute value per sample, then the mean over the N samples.
    Squared norm, no ½, no mean over the outputs. Aljundi et al., "Memory Aware Synapses: Learning what
    (not) to forget", ECCV 2018, equations 2 and 3.

    The result depends neither on the batch size nor on the order of the samples. That samples do not
    interact, and where they lie in the layers' outputs, is checked by running the first and the last
    sample of a batch alone: for the first batch, and where a later one is unlike it. What goes unnoticed
    is a network that puts different numbers of rows of its samples together along one dimension, if the
    first and the last sample have the average number. The network runs in
    eval mode; afterwards the modes, ``requires_grad``, ``p.grad``, buffers and random states are as they
    were, also when an exception passes through.

    Args:
        model: the network; its output F before the softmax has shape [B, C].
        batches: tensors [B, ...], or tuples, lists or dicts whose tensors have the samples along their
            first dimension. A tuple's or list's first entry is the input; labels are not looked at.
        start: an earlier result for the same model. The new samples are added to its N, which gives what
            one pass over both would have given.
        forward: maps (model, batch) to F, where ``model(x)`` is not what is wanted.
        parameters: names of the parameters to measure (default: those that require a gradient).
        max_bytes: upper bound in bytes on the per-sample gradients that are held at a time, beyond the
            memory of an ordinary training step.
        progress: show a progress bar over the batches.

    Returns:
        Ω by parameter name, in the parameters' shapes, on their devices, float32 or wider.

    Raises:
        TypeError: a batch holds no tensor, or the output is not a tensor.
        ValueError: no parameter to measure, an unknown name, no samples, an output that is not [B, C],
            NaN or infinity in the output or in Ω, samples that interact, ``start`` of another model.
    """
    chosen = _choose(model, parameters)
    if max_bytes < 1:
        raise ValueError(f"max_bytes must be positive, got {max_bytes}")
    totals, samples = _continue_from(start, chosen)
    estimate = _Pass(model, forward or _call, chosen, totals, max_bytes)
    devices = {p.device for p in chosen.values()}
    with (
        untouched_randomness(devices),
        torch.inference_mode(False),
        torch.enable_grad(),
        evaluation(model, chosen.values()),
    ):
        length = len(batches) if isinstance(batches, Sized) else None
        bar = tqdm(batches, total=length, desc="importance", unit="batch", disable=not progress)
        for batch in bar:
            samples += estimate.add(batch)
    if samples == (start.samples if start is not None else 0):
        raise ValueError("no samples: the batches to measure importance on are empty")
    for name, total in totals.items():
        total /= samples
        # The sum of what cannot be negative is finite only if all of it is, and is quicker.
        if not torch.isfinite(total.sum()) and not torch.isfinite(total).all():
            raise ValueError(
                f"the importance of {name!r} is not finite; check its values and inputs"
            )
    return Importance(totals, samples)


class _Pass:
    """What stays the same from batch to batch."""

    def __init__(
        self,
        model: nn.Module,
        forward: Callable[[nn.Module, Any], Tensor],
        chosen: dict[str, nn.Parameter],
        totals: dict[str, Tensor],
        max_bytes: int,
    ) -> None:
        self.model, self.forward, self.totals, self.max_bytes = model, forward, totals, max_bytes
        self.names = {parameter: name for name, parameter in chosen.items()}
        self.layouts = Layouts()
        self.general = General(model, forward, _squared_norm)

    def add(self, batch: Any) -> int:
        """Add one batch to the totals and give its number of samples."""
        samples = batch_size(batch)
        if samples == 0:
            return 0
        recorder, output = self._watch(batch, samples)
        value = _squared_norm(output)
        reached = list(leaves(value))
        outside = {self.names[leaf] for leaf in reached if leaf in self.names}  # type: ignore[index]
        others = outside | recorder.unplaced
        recorder.skip(others)
        gradients = torch.autograd.grad(value, reached, allow_unused=True) if reached else ()
        recorder.finish()
        if others:
            sums = self.general.add_abs_sum(batch, others, self.totals, self.max_bytes)
            for leaf, gradient in zip(reached, gradients, strict=True):
                name = self.names.get(leaf)  # type: ignore[call-overload]
                if name in outside - recorder.recorded and gradient is not None:
                    _check_sum(name, sums[name], gradient)
        return samples

    def _watch(self, batch: Any, samples: int) -> tuple[Recorder, Tensor]:
        """Run the network; where the samples lie is read off a run on one of them when it is not known."""
        if samples == 1 or self.layouts.lasting:
            recorder, output = self._run(batch, samples)
            if not recorder.unknown:
                return recorder, output
        probes, alone = {}, {}
        for k in (0, samples - 1):
            probes[k] = Probe(self.names)
            with probes[k]:
                alone[k] = self.forward(self.model, select(batch, slice(k, k + 1)))
        self.layouts.compare_with(probes)
        try:
            recorder, output = self._run(batch, samples)
        finally:
            self.layouts.end_comparison()
        for k, single in alone.items():
            if not close(output[k].detach(), single[0].detach()):
                self._refuse_interaction(samples)
        return recorder, output

    def _refuse_interaction(self, samples: int) -> NoReturn:
        nowhere = [key[1] for key, layout in self.layouts.known.items() if layout is None]
        place = f" (first seen at {nowhere[0]!r})" if nowhere else ""
        raise ValueError(
            f"the output for a sample alone differs from its output in a batch of {samples}: samples "
            f"interact{place}, or the output is random, so there is no per-sample gradient; in eval "
            f"mode every sample must be treated by itself"
        )

    def _run(self, batch: Any, samples: int) -> tuple[Recorder, Tensor]:
        recorder = Recorder(self.names, self.totals, self.layouts, samples, self.max_bytes)
        # What is recomputed in the backward pass is not recorded: it must be seen to differ.
        with recorder, set_checkpoint_early_stop(False):
            output = self.forward(self.model, batch)
        _check_output(output, samples)
        return recorder, output


def _check_sum(name: str, found: Tensor, expected: Tensor) -> None:
    """Compare the general path's Σ_k g_k with the gradient of the batch."""
    if not close(found, expected.to(found.dtype)) and not close(expected.to(found.dtype), found):
        raise ValueError(
            f"{name!r} is used in a way that its gradient per sample cannot be computed: the model "
            f"reaches it other than by its attribute (a list, a closure); leave it out with "
            f"parameters=, or use the attribute"
        )


def _call(model: nn.Module, batch: Any) -> Tensor:
    output: Tensor = model(batch[0] if isinstance(batch, tuple | list) else batch)
    return output


def _squared_norm(output: Tensor) -> Tensor:
    return output.to(torch.promote_types(output.dtype, torch.float32)).square().sum()


def _check_output(output: Any, samples: int) -> None:
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


def _choose(model: nn.Module, names: Iterable[str] | None) -> dict[str, nn.Parameter]:
    every = dict(model.named_parameters())
    wanted = [n for n, p in every.items() if p.requires_grad] if names is None else list(names)
    if names is None and not wanted:
        raise ValueError(
            f"{type(model).__name__} has no trainable parameters "
            f"({len(every)} in all, none of which requires a gradient)"
        )
    if not wanted:
        raise ValueError("parameters= names no parameter")
    unknown = [name for name in wanted if name not in every]
    if unknown:
        raise ValueError(f"unknown parameter names {unknown}")
    for name in wanted:
        if every[name].is_complex():
            raise ValueError(f"{name!r} is complex, which is not supported; leave it out")
    return {name: every[name] for name in wanted}


def _continue_from(
    start: Importance | None, chosen: dict[str, nn.Parameter]
) -> tuple[dict[str, Tensor], int]:
    """Give running totals N Ω, and N: zeros, or those of ``start``."""
    totals = {}
    if start is not None and set(start) != set(chosen):
        first = sorted(set(start) ^ set(chosen))[0]
        raise ValueError(f"start is of another model or choice of parameters: see {first!r}")
    for name, parameter in chosen.items():
        dtype = torch.promote_types(parameter.dtype, torch.float32)
        if start is None:
            totals[name] = torch.zeros_like(
                parameter, dtype=dtype, memory_format=torch.contiguous_format
            )
            continue
        if start[name].shape != parameter.shape:
            raise ValueError(
                f"start has {list(start[name].shape)} for {name!r}, the model {list(parameter.shape)}"
            )
        totals[name] = (start[name].to(parameter.device, dtype) * start.samples).contiguous()
    return totals, start.samples if start is not None else 0
