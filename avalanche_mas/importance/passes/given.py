"""What is given as batches: told apart from one batch and from single samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset


def check_batches(batches: Any, name: str = "batches") -> None:
    """Refuse a single batch, a data set of single samples, and what cannot be gone through.

    Args:
        batches: what was given.
        name: the argument's name, for the message.

    Raises:
        TypeError: it is one of these; the message says what to pass instead.
    """
    wrong = _wrong(batches)
    if wrong:
        found, remedy = wrong
        raise TypeError(
            f"{name} must be an iterable of batches, such as a list or a DataLoader, got {found}; "
            f"pass {remedy}"
        )


def why_empty(batches: Iterable[Any]) -> str:
    """Return why there may be no samples, to be added to a message, or nothing."""
    if isinstance(batches, Iterator):
        return (
            "; an iterator, such as a generator, gives its batches only once: make a new one, or pass "
            "a list or a DataLoader"
        )
    if getattr(batches, "drop_last", False):
        return (
            "; drop_last=True leaves out the samples that do not fill a batch: pass drop_last=False"
        )
    return ""


def _wrong(batches: Any) -> tuple[str, str] | None:
    """Return what else was given, and what to pass instead; None for an iterable of batches."""
    if isinstance(batches, Tensor):
        return f"a tensor {list(batches.shape)}", "[x] for one batch, or x.split(100) for several"
    if isinstance(batches, np.ndarray):
        return f"a NumPy array {list(batches.shape)}", "[torch.as_tensor(x)]"
    if isinstance(batches, Mapping):
        return f"a mapping of {_some(map(repr, batches))}", "[batch] if it is one batch"
    if _has_samples(batches):
        kind = type(batches).__name__
        return f"a data set of samples ({kind})", "DataLoader(dataset, batch_size=100)"
    if isinstance(batches, tuple | list) and _is_batch(batches):
        return f"one batch ({_some(map(_outline, batches))})", "[batch]"
    if isinstance(batches, str | bytes) or not _has_entries(batches):
        return f"{batches!r:.40} ({type(batches).__name__})", "a list of batches, such as [x]"
    return None


def _is_batch(entries: Sequence[Any]) -> bool:
    """Return whether the entries are inputs and labels: tensors of another kind, as no two batches are."""
    if not all(isinstance(entry, Tensor) for entry in entries):
        return False
    return len({(entry.dim(), entry.is_floating_point()) for entry in entries}) > 1


def _has_samples(batches: Any) -> bool:
    """Return whether it is a data set that is indexed by sample, of torch or another library."""
    if isinstance(batches, Dataset):
        return not isinstance(batches, IterableDataset)
    return hasattr(batches, "__getitem__") and hasattr(batches, "collate_fn")


def _has_entries(batches: Any) -> bool:
    return hasattr(batches, "__iter__") or hasattr(batches, "__getitem__")


def _outline(tensor: Tensor) -> str:
    return f"{list(tensor.shape)} {tensor.dtype}"


def _some(texts: Iterable[str], count: int = 4) -> str:
    every = list(texts)
    return ", ".join(every[:count] + ["..."] * (len(every) > count))
