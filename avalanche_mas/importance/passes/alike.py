"""What must be the same in processes that train or measure together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from avalanche_mas.importance.result.fingerprint import fingerprint
from avalanche_mas.names import parameters_of
from avalanche_mas.processes import Group, gathered

_REMEDY = (
    "wrap the model with DistributedDataParallel, and again after it has grown; load the same state in "
    "every process, and give each the same plugins and metrics"
)


def refuse_different(
    group: Group, model: nn.Module, more: Mapping[str, Any], **tensors: Mapping[str, Tensor]
) -> None:
    """Refuse models whose parameters, or shapes and types of buffers, differ from the first process's.

    Args:
        group: the processes.
        model: the model.
        more: what else must be the same, by what messages call it.
        tensors: further tensors that must be the same, by kind and name.

    Raises:
        ValueError: something differs; the message names it.
        LostProcessError: a process has ended, or does not answer within the group's timeout.
    """
    if group is None:
        return
    own = dict(more) | {
        f"the shape or type of {n!r}": (b.shape, b.dtype) for n, b in model.named_buffers()
    }
    for what, values in {"the parameter": parameters_of(model), **tensors}.items():
        known = {name: value for name, value in values.items() if not value.is_meta}
        own |= {f"{what} {name!r}": digest for name, digest in fingerprint(known).items()}
    first, *others = gathered(group, own)
    for rank, other in enumerate(others, start=1):
        for name in {**first, **other}:
            if first.get(name) != other.get(name):
                raise ValueError(f"{name} is not the same in processes 0 and {rank}; {_REMEDY}")
