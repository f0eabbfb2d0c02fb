"""Files of tensors and texts with a digest of their content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from avalanche_mas.files import replacing

_DIGEST = "digest"


def write_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], texts: Mapping[str, str]
) -> None:
    """Write tensors and texts to a safetensors file, with a digest of all of it."""
    held = _separate(tensors)
    metadata = {**texts, _DIGEST: _digest(held, texts)}
    with replacing(path) as file:
        save_file(held, file, metadata=metadata)


def read_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read what `write_tensors` wrote.

    Raises:
        ValueError: the file is damaged, or was not written by `write_tensors`.
        OSError: it cannot be read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            texts = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError:
        raise
    except Exception as error:  # of safetensors, whose errors have no common class
        raise ValueError(f"{path} is damaged ({error})") from error
    digest = texts.pop(_DIGEST, None)
    if digest != _digest(tensors, texts):
        raise ValueError(f"{path} is damaged: its content does not have the digest {digest}")
    return tensors, texts


def _separate(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors on the CPU and contiguous, none in memory that another one has."""
    held, seen = {}, set[int]()
    for name, tensor in tensors.items():
        own = tensor.detach().cpu().contiguous()
        place = own.untyped_storage().data_ptr()
        if place in seen or own.untyped_storage().nbytes() != own.numel() * own.element_size():
            own = own.clone()
        seen.add(own.untyped_storage().data_ptr())
        held[name] = own
    return held


def _digest(tensors: Mapping[str, Tensor], texts: Mapping[str, str]) -> str:
    found = hashlib.blake2b(digest_size=16)
    for name in sorted(texts):
        found.update(f"{name}\0{texts[name]}\0".encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(f"{name}\0{tensor.dtype}\0{list(tensor.shape)}\0".encode())
        if tensor.numel():
            found.update(tensor.flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()
