"""The pass over the data: evaluation mode, N counted, everything restored, a progress bar."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from avalanche_mas.importance.fingerprint import fingerprint
from avalanche_mas.importance.importance import Importance
from avalanche_mas.importance.local import Stretches
from avalanche_mas.importance.output import (
    BatchSums,
    EachOutput,
    OutputNorm,
    output_sums,
    squared_norm,
)
from avalanche_mas.importance.probe import Forward, Network
from avalanche_mas.importance.state import evaluation, untouched_randomness
from avalanche_mas.importance.stretch import Stretch

__all__ = ["global_importance", "local_importance", "stretches"]

MAX_BYTES = 256 * 2**20


class _Pass(Protocol):
    def add(self, batch: Any) -> int:
        """Add one batch to the totals and give its number of samples."""


_Totals = dict[str, Tensor]


def global_importance(
    model: nn.Module,
    batches: Iterable[Any],
    *,
    start: Importance | None = None,
    forward: Forward | None = None,
    parameters: Iterable[str] | None = None,
    output: Literal["l2", "vector"] = "l2",
    granularity: Literal["sample", "batch"] = "sample",
    max_bytes: int = MAX_BYTES,
    progress: bool = False,
) -> Importance:
    r"""Measure how sensitive the output is to each parameter, without labels (MAS, global form).

    Ω = (1/N) Σ_k |∂‖F(x_k; θ)‖₂² / ∂θ|: the absolute value per sample, then the mean over the N samples.
    Squared norm, no ½, no mean over the outputs. Aljundi et al., "Memory Aware Synapses: Learning what
    (not) to forget", ECCV 2018, equations 2 and 3. With ``output="vector"``, its equation for outputs
    taken one by one: Ω = (1/N) Σ_k ‖∂F(x_k; θ)/∂θ‖₂ over the C outputs, which takes C backward passes.

    The result depends neither on the batch size nor on the order of the samples. That samples do not
    interact, and where they lie in the layers' outputs, is checked by running the first and the last
    sample of a batch alone, and where samples have several rows each or layers share a parameter by
    running the batch in reverse order: for the first batch, and for every one where the network looks at
    values to pick rows (sorting, masks, lengths). The network runs in eval mode; afterwards the modes,
    ``requires_grad``, ``p.grad``, buffers and random states are as they were, also when an exception
    passes through.

    Args:
        model: the network; its output F before the softmax has shape [B, C]. Any other output of that
            shape will do: an embedding, a regression.
        batches: tensors [B, ...], or tuples, lists or dicts whose tensors have the samples along their
            first dimension. A tuple's or list's first entry is the input; labels are not looked at.
            They are not moved: for a model on a GPU, give batches that are there, or a ``forward``
            that moves them.
        start: an earlier result for the same model. The new samples are added to its N, which gives what
            one pass over both would have given.
        forward: maps (model, batch) to F, where ``model(x)`` is not what is wanted: a model that takes
            or returns a dictionary or a dataclass.
        parameters: names of the parameters to measure (default: those that require a gradient).
        output: "l2" for the squared norm of the output, "vector" for the norm over its C gradients.
        granularity: "sample" for Ω as above. "batch" for (1/N) Σ_b |Σ_{k in b} g_k|, the absolute value
            after the sum over each batch, as the authors' released code and other libraries have it:
            another and smaller quantity, which depends on the batch size. The network runs in eval mode
            here too, and a short last batch counts by its samples. There is no check for interaction.
        max_bytes: upper bound in bytes on the per-sample gradients that are held at a time, beyond the
            memory of an ordinary training step; but those of one sample are always held where ``output``
            is "vector".
        progress: show a progress bar over the batches.

    Returns:
        Ω by parameter name, in the parameters' shapes, on their devices, float32 or wider.

    Raises:
        TypeError: a batch holds no tensor, or the output is not a tensor.
        ValueError: no parameter to measure, an unknown name or option, no samples, an output that is not
            [B, C], NaN or infinity in the output or in Ω, samples that interact, ``start`` of another
            model or kind.
        RuntimeError: activations are checkpointed, or an input of a layer is modified after its use.
    """
    _check_option("output", output, ("l2", "vector"))
    _check_option("granularity", granularity, ("sample", "batch"))

    def begin(network: Network, totals: _Totals) -> _Pass:
        if granularity == "batch":
            return BatchSums(network, totals, squared_norm if output == "l2" else output_sums)
        return (OutputNorm if output == "l2" else EachOutput)(network, totals, max_bytes)

    kind = output if granularity == "sample" else f"{output}, batch"
    return _measure(model, batches, kind, begin, start, forward, parameters, max_bytes, progress)


def local_importance(
    model: nn.Module,
    batches: Iterable[Any],
    *,
    start: Importance | None = None,
    forward: Forward | None = None,
    parameters: Iterable[str] | None = None,
    max_bytes: int = MAX_BYTES,
    progress: bool = False,
) -> Importance:
    r"""Measure how sensitive each layer's own output is to its parameters (l-MAS, the Hebbian form).

    Ω = (1/N) Σ_k |∂‖F_l(y(x_k); θ_l)‖₂² / ∂θ_l| with the layer's input y held constant, so that nothing
    is propagated across the network. For a fully connected layer with ReLU that is the product of
    the two activations, (2/N) Σ_k y_i y_j. Squared norm over all entries of the layer's output, no ½.
    Aljundi et al., ECCV 2018, where MAS is connected to Hebbian learning.

    A layer is the stretch of operations between consecutive nonlinearities, and ends with its
    nonlinearity, or else with the network's output: a convolution, its batch norm, a residual addition
    and the ReLU after them are one layer, and what comes in over the skip connection is held constant.
    Each use of a parameter belongs to the nonlinearity that it reaches first, or to several that it
    reaches side by side; an activation that is multiplied by what it was computed from (SiLU or GLU
    written by hand) counts as one with the product. Nonlinearities are the elementwise activations of
    torch (modules, functions or methods, in place or not), GLU and recurrent kernels; pooling,
    normalisation, dropout, concatenation and the softmax of attention are within a stretch, and so are
    activations spelled out in other elementary operations. `stretches` shows what is taken as a layer.

    Everything else is as for `global_importance`, and so are the arguments.

    Returns:
        Ω by parameter name, in the parameters' shapes, on their devices, float32 or wider.

    Raises:
        TypeError: a batch holds no tensor, or the output is not a tensor.
        ValueError: as for `global_importance`; or the stretch of a parameter cannot be determined: a
            recurrent kernel uses it, a custom autograd function, a scripted or compiled module, or a
            gate that was used before. The message names it.
    """

    def begin(network: Network, totals: _Totals) -> _Pass:
        return Stretches(network, totals, max_bytes)

    return _measure(
        model, batches, "local", begin, start, forward, parameters, max_bytes, progress, scale=2.0
    )


def stretches(
    model: nn.Module,
    batch: Any,
    *,
    forward: Forward | None = None,
    parameters: Iterable[str] | None = None,
) -> list[Stretch]:
    """Show what `local_importance` takes as the layers of a network.

    Args:
        model: the network.
        batch: a batch as for `local_importance`, of which the first sample is run.
        forward: as for `local_importance`.
        parameters: as for `local_importance`.

    Returns:
        The stretches in the order of their ends: each has the nonlinearity that ends it and the names
        of its parameters, and prints as a line.

    Raises:
        TypeError: as for `local_importance`.
        ValueError: as for `local_importance`.
    """
    chosen = _choose(model, parameters)
    names = {parameter: name for name, parameter in chosen.items()}
    network = Network(model, forward or _call, names)
    with _undisturbed(model, chosen):
        return Stretches(network, {}, MAX_BYTES).found(batch)


def _measure(
    model: nn.Module,
    batches: Iterable[Any],
    kind: str,
    begin: Callable[[Network, _Totals], _Pass],
    start: Importance | None,
    forward: Forward | None,
    parameters: Iterable[str] | None,
    max_bytes: int,
    progress: bool,
    scale: float = 1.0,
) -> Importance:
    """Measure N Ω / ``scale`` batch by batch, which is what the pass that begins adds up."""
    chosen = _choose(model, parameters)
    if max_bytes < 1:
        raise ValueError(f"max_bytes must be positive, got {max_bytes}")
    if start is not None:
        start.check_start(chosen, kind)
    known = (start.fingerprint if start is not None else None) or fingerprint(chosen)
    totals, samples = _continue_from(start, chosen, scale)
    names = {parameter: name for name, parameter in chosen.items()}
    estimate = begin(Network(model, forward or _call, names), totals)
    with _undisturbed(model, chosen):
        length = len(batches) if isinstance(batches, Sized) else None
        bar = tqdm(batches, total=length, desc="importance", unit="batch", disable=not progress)
        for batch in bar:
            samples += estimate.add(batch)
    if samples == (start.samples if start is not None else 0):
        raise ValueError("no samples: the batches to measure importance on are empty")
    for name, total in totals.items():
        total /= samples / scale
        # The sum of what cannot be negative is finite only if all of it is, and is quicker.
        if not torch.isfinite(total.sum()) and not torch.isfinite(total).all():
            raise ValueError(
                f"the importance of {name!r} is not finite; check its values and inputs"
            )
    return Importance(totals, samples, kind=kind, fingerprint=known)


@contextmanager
def _undisturbed(model: nn.Module, chosen: dict[str, nn.Parameter]) -> Iterator[None]:
    """Evaluation mode with gradients for the chosen parameters; everything as before afterwards."""
    with (
        untouched_randomness({p.device for p in chosen.values()}),
        torch.inference_mode(False),
        torch.enable_grad(),
        evaluation(model, chosen.values()),
    ):
        yield


def _check_option(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}")


def _call(model: nn.Module, batch: Any) -> Tensor:
    output: Tensor = model(batch[0] if isinstance(batch, tuple | list) else batch)
    return output


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
    start: Importance | None, chosen: dict[str, nn.Parameter], scale: float
) -> tuple[dict[str, Tensor], int]:
    """Give running totals N Ω / ``scale``, and N: zeros, or those of ``start``."""
    totals = {}
    for name, parameter in chosen.items():
        dtype = torch.promote_types(parameter.dtype, torch.float32)
        if start is None:
            totals[name] = torch.zeros_like(
                parameter, dtype=dtype, memory_format=torch.contiguous_format
            )
        else:
            known = start[name].to(parameter.device, dtype)
            totals[name] = (known * (start.samples / scale)).contiguous()
    return totals, start.samples if start is not None else 0
