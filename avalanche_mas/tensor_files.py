"""Files of tensors and texts with a digest of their content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from avalanche_mas.files import read_one, replacing

_DIGEST, _MARK = "digest", "blake2b-128 "


def write_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], texts: Mapping[str, str]
) -> None:
    """Write tensors and texts to a safetensors file in one step, with a digest of all of it.

    Tensors may share memory, but do not in the file.

    Raises:
        ValueError: a text has the name of the digest.
        FileNotFoundError: there is no folder for the file.
    """
    if _DIGEST in texts:
        raise ValueError(f"the text {_DIGEST!r} is the file's own; give it another name")
    held = _separate(tensors)
    metadata = {**texts, _DIGEST: _digest(held, texts)}
    with replacing(path) as file:
        save_file(held, file, metadata=metadata)


def read_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a safetensors file into memory of its own: tensors by name, and texts.

    The digest is checked. A file without one, as earlier versions wrote, is read as it is.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: it cannot be read.
        ValueError: it is not a safetensors file, or damaged.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        tensors, texts = read_one(Path(path), _read)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # of safetensors, whose errors have no common class
        raise _refusal(path, f"is not a safetensors file, or is damaged: {error}") from error
    # One of the two is left where the name or the value of a digest is damaged.
    if _DIGEST in texts or any(text.startswith(_MARK) for text in texts.values()):
        digest = texts.pop(_DIGEST, None)
        if digest != _digest(tensors, texts):
            raise _refusal(path, "is damaged: its content does not have its digest")
    return tensors, texts


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safe_open(path, framework="pt") as file:  # opens it twice: for the header, and to map it
        # Cloned, as how a tensor lies in memory decides the order of sums: as torch lays it.
        tensors = {name: file.get_tensor(name).clone() for name in list(file.keys())}
        return tensors, dict(file.metadata() or {})


def _refusal(path: str | os.PathLike[str], reason: str) -> ValueError:
    return ValueError(f"{path} {reason}; restore it from a copy, or write it again")


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
    return _MARK + found.hexdigest()
