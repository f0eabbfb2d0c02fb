"""Telling whether parameters are bit for bit what they were."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from avalanche_mas.devices import in_caches

PIECE = 1 << 16
"""Words of one sum: few enough for a CPU's caches."""

PIECES = 1 << 6
"""Sums at a time where there are no such caches: few kernels, and no more than 32 MiB."""


@torch.no_grad()
def fingerprint(parameters: Mapping[str, Tensor]) -> dict[str, str]:
    """Digest each parameter's shape, dtype and bits: equal if and (all but) only if these are.

    One entry that changes changes the digest with certainty; other changes go unnoticed with a
    probability of the order of 2⁻³². It takes about as long as a few reads of the parameters,
    and depends neither on their device nor on their layout in memory. It is no protection
    against forgery. −0 and 0 have different bits.

    Args:
        parameters: tensors by name, of any shape and floating dtype. Of sparse ones, such as a
            graph's adjacency, the values that are stored count, and not their places.

    Returns:
        Sixteen hexadecimal digits for each name.
    """
    weights: dict[torch.device, Tensor] = {}
    sums = {}
    for name, parameter in parameters.items():
        if parameter.device not in weights:
            weights[parameter.device] = _odd_numbers(parameter.device)
        sums[name] = _sums(_words(parameter), weights[parameter.device])
    digests = {}
    for name, parameter in parameters.items():
        text = repr((tuple(parameter.shape), str(parameter.dtype), sums[name].tolist()))
        digests[name] = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    return digests


def _words(tensor: Tensor) -> Tensor:
    """Return the bits as a flat tensor of integers of at most 32 bits; of a sparse one the values'."""
    if tensor.layout is not torch.strided:
        tensor = tensor._values() if tensor.is_sparse else tensor.values()
    flat = tensor.detach().reshape(-1).contiguous()
    return flat.view({1: torch.int8, 2: torch.int16}.get(flat.element_size(), torch.int32))


def _sums(words: Tensor, weights: Tensor) -> Tensor:
    """Return Σ_k w_k v_k modulo 2⁶⁴ for each piece of the words v.

    As w_k is odd, no difference in a single word is multiplied to zero. As words have 32 bits,
    the differences of several cancel only if as many random bits do.
    """
    whole = words[: len(words) // PIECE * PIECE].view(-1, PIECE)
    rest = words[whole.numel() :]
    sums = [
        (some * weights).sum(1) for some in whole.split(1 if in_caches(words.device) else PIECES)
    ]
    if len(rest) or not len(words):
        sums.append((rest * weights[: len(rest)]).sum()[None])
    return torch.cat(sums)


def _odd_numbers(device: torch.device) -> Tensor:
    """Return odd pseudo-random numbers of 64 bits, always the same ones (Steele et al., SplitMix, 2014)."""
    z = torch.arange(1, PIECE + 1, device=device) * _signed(0x9E3779B97F4A7C15)
    z = (z ^ _shifted(z, 30)) * _signed(0xBF58476D1CE4E5B9)
    z = (z ^ _shifted(z, 27)) * _signed(0x94D049BB133111EB)
    return (z ^ _shifted(z, 31)) | 1


def _shifted(z: Tensor, bits: int) -> Tensor:
    """Shift to the right, with zeros coming in from the left."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def as_digests(entry: Any) -> dict[str, str] | None:
    """Check that what a file holds is a fingerprint, or None.

    Raises:
        ValueError: it is neither.
    """
    if entry is None:
        return None
    if isinstance(entry, dict) and all(isinstance(digest, str) for digest in entry.values()):
        return entry
    raise ValueError(f"its fingerprint is {str(entry)[:80]}")
