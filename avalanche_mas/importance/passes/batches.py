"""The pass over the data, in eval mode and with everything restored afterwards."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from operator import length_hint
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from tqdm.auto import tqdm

from avalanche_mas.importance.gradients.rows import Place, Rows, map_leaves
from avalanche_mas.importance.passes.alike import refuse_different
from avalanche_mas.importance.passes.flat import warn_if_flat
from avalanche_mas.importance.passes.given import check_batches, why_empty
from avalanche_mas.importance.passes.network import Forward, Network
from avalanche_mas.importance.passes.norms import ContiguousNorms
from avalanche_mas.importance.passes.state import (
    State,
    evaluation,
    untouched_randomness,
    without_backward_hooks,
    without_compiling,
)
from avalanche_mas.importance.result.fingerprint import fingerprint
from avalanche_mas.importance.result.importance import Importance
from avalanche_mas.importance.result.measure import Measure
from avalanche_mas.names import parameters_of
from avalanche_mas.options import guess
from avalanche_mas.processes import (
    Group,
    add_up,
    first_buffers,
    gathered,
    place_in,
    raised_in_all,
)

MAX_BYTES = 256 * 2**20

Totals = dict[str, Tensor]


class Pass(Protocol):
    """A sum N Ω that grows batch by batch."""

    def add(self, batch: Any) -> int:
        """Add one batch to the totals and return its number of samples."""


def mean_over_batches(
    model: nn.Module,
    batches: Iterable[Any],
    measure: Measure,
    begin: Callable[[Network, Totals], Pass],
    start: Importance | None,
    forward: Forward | None,
    parameters: Iterable[str] | None,
    max_bytes: int,
    progress: bool,
    group: Group,
    scale: float = 1.0,
) -> Importance:
    """Measure Ω, given the pass that adds up N Ω / ``scale`` batch by batch."""
    is_first = place_in(group)[0] == 0
    with raised_in_all(group):
        check_batches(batches)
        chosen = chosen_parameters(model, parameters)
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be positive, got {max_bytes}")
        if start is not None:
            start.check_start(chosen, measure)
        before = 0 if start is None else start.samples
        known = (start.fingerprint if start is not None else None) or fingerprint(chosen)
        totals = begin_totals(start if is_first else None, chosen, scale)
    refuse_different(group, model, {"the names of parameters": sorted(chosen), "start": before})
    with first_buffers(group, model), raised_in_all(group), undisturbed(model, chosen) as state:
        network = network_of(model, forward, chosen, state)
        added, last = _add_all(network, begin(network, totals), batches, progress and is_first)
        several = added and before + added > 1
        flat = measure.output == "l2" and several and network.norms.are_alike()
        if flat and network.reached:
            sample = network.rows.select(last, slice(0, 1))
            warn_if_flat(network.forward(model, sample), chosen.values())
    found = gathered(group, (added, network.used, network.reached))
    counts, uses, reaches = zip(*found, strict=True)
    if not any(counts):
        raise ValueError(
            f"no samples: the batches to measure importance on are empty{why_empty(batches)}"
        )
    if not any(reaches):
        raise ValueError(
            f"in eval mode the output depends on none of the {len(chosen)} parameters, such as "
            f"{next(iter(chosen))!r}: it is detached, or computed without gradients (torch.no_grad, "
            f"torch.inference_mode, torch.set_grad_enabled(self.training)); let gradients through there, "
            f"or pass a forward= that does"
        )
    add_up(group, (totals[name] for name in sorted(totals)))
    used = set().union(*uses)
    state.refuse_stale([name for name in chosen if name not in used], model)
    samples = before + sum(counts)
    _divide(totals, samples / scale)
    network.faint.warn()
    return Importance(totals, samples, measure=measure, fingerprint=known)


def _divide(totals: Totals, by: float) -> None:
    for name, total in totals.items():
        total /= by
        # The sum of what cannot be negative is finite only if all of it is, and is quicker.
        if not torch.isfinite(total.sum()) and not torch.isfinite(total).all():
            raise ValueError(
                f"the importance of {name!r} is not finite; check its values and inputs, and measure in "
                "bfloat16 or float32 what goes beyond float16"
            )


def _add_all(
    network: Network, estimate: Pass, batches: Iterable[Any], progress: bool
) -> tuple[int, Any]:
    """Add all batches; return the number of samples and the last batch that has some."""
    length = length_hint(batches) or None  # some loaders have a length only if their data have one
    once = iter(batches)  # tqdm would begin twice, and with it a loader's workers
    samples, last = 0, None
    for batch in tqdm(once, total=length, desc="importance", unit="batch", disable=not progress):
        added = estimate.add(batch)
        network.refuse_written_gradients()
        samples, last = samples + added, batch if added else last
    return samples, last


@contextmanager
def undisturbed(model: nn.Module, chosen: Mapping[str, nn.Parameter]) -> Iterator[State]:
    """Put the model in eval mode with gradients for the chosen parameters; undo all of it afterwards.

    Yields the state that every forward pass should start from.
    """
    with (
        untouched_randomness({p.device for p in chosen.values()}),
        torch.inference_mode(False),
        torch.enable_grad(),
        without_compiling(),
        evaluation(model, chosen.values()) as state,
    ):
        yield state


def chosen_parameters(model: nn.Module, names: Iterable[str] | None) -> dict[str, nn.Parameter]:
    """Return the parameters of these names, or else those that require a gradient.

    Parameters on the meta device have no values, and are left out.

    Raises:
        ValueError: there is none, a name is not known, a parameter is complex, or has no shape yet.
    """
    every = parameters_of(model)
    for name, tensor in (*every.items(), *model.named_buffers()):
        if is_lazy(tensor):
            raise ValueError(
                f"{name!r} has no shape yet, as its layer is lazy; run the model on one batch first"
            )
    wanted = [n for n, p in every.items() if p.requires_grad] if names is None else list(names)
    unknown = [name for name in wanted if name not in every]
    if unknown:
        raise ValueError(f"unknown parameter names {unknown}{guess(unknown[0], every)}")
    chosen = {name: every[name] for name in wanted if not every[name].is_meta}
    if names is None and not chosen:
        raise ValueError(
            f"{type(model).__name__} has no trainable parameters "
            f"({len(every)} in all, none of which requires a gradient and has values)"
        )
    if not chosen:
        raise ValueError("parameters= names no parameter that has values")
    for name, parameter in chosen.items():
        if parameter.is_complex():
            raise ValueError(f"{name!r} is complex, which is not supported; leave it out")
    return chosen


def network_of(
    model: nn.Module, forward: Forward | None, chosen: Mapping[str, nn.Parameter], state: State
) -> Network:
    """Return the network with the parameters that are tracked.

    Every forward pass starts from the same state of the model, on a copy of the batch, so that
    neither a cache nor a change in place reaches the next one.
    """
    run = forward or _default_forward

    def afresh(model: nn.Module, batch: Any) -> Tensor:
        state.restore()
        with without_backward_hooks(), ContiguousNorms():
            return run(model, map_leaves(_copied, batch))

    rows = Rows(only_first=forward is None)
    return Network(model, afresh, {p: name for name, p in chosen.items()}, rows, state.changed)


def _copied(_: Place, leaf: Any) -> Any:
    return leaf.clone() if isinstance(leaf, Tensor) else leaf


def _default_forward(model: nn.Module, batch: Any) -> Tensor:
    """Run the model on a batch: on the first entry of a tuple, or on a mapping's entries by name."""
    if isinstance(batch, tuple | list):
        output: Tensor = model(batch[0])
        return output
    try:
        return call_model(model, batch)
    except (TypeError, AttributeError) as error:
        if not isinstance(batch, Mapping) or _accepts(model.forward, batch):
            raise
        names = [name for name, value in batch.items() if isinstance(value, Tensor)]
        raise TypeError(
            f"the model takes neither exactly the arguments {', '.join(map(str, batch))} nor the "
            f"mapping of them ({type(error).__name__}: {error}); pass forward=(model, batch) -> Tensor, "
            f"such as forward=lambda model, batch: model(batch[{names[0]!r}])"
        ) from error


def call_model(model: nn.Module, inputs: Any, **more: Any) -> Tensor:
    """Run the model on inputs and more arguments.

    The entries of a mapping become keyword arguments, if the model's signature accepts them.
    """
    output: Tensor
    if isinstance(inputs, Mapping) and _accepts(model.forward, {**inputs, **more}):
        output = model(**inputs, **more)
    else:
        output = model(inputs, *more.values())
    return output


def _accepts(function: Callable[..., Any], arguments: Mapping[Any, Any]) -> bool:
    try:
        inspect.signature(function).bind(**arguments)
    except (TypeError, ValueError):  # other arguments, or a builtin that does not say
        return False
    return True


def begin_totals(
    start: Importance | None, chosen: Mapping[str, nn.Parameter], scale: float
) -> Totals:
    """Return running totals N Ω / ``scale``: zeros, or those of ``start``."""
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
    return totals
