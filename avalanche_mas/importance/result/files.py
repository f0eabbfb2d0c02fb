"""Tensors and their description in one file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from avalanche_mas.files import read_one, replacing


def save_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> None:
    """Write a safetensors file in one step. Tensors may share memory, but not in the file."""
    seen = set()
    separate = {}
    for name, tensor in tensors.items():
        storage = tensor.untyped_storage().data_ptr()
        separate[name] = tensor.detach().contiguous()
        if storage in seen:
            separate[name] = separate[name].clone()
        seen.add(storage)
    with replacing(path) as temporary:
        save_file(separate, temporary, dict(metadata))


def load_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a safetensors file into memory of its own: tensors by name, and metadata.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a safetensors file, or damaged.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        return read_one(Path(path), _load)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file, or is damaged: {error}") from error


def _load(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safe_open(path, framework="pt") as file:  # opens it twice: for the header, and to map it
        tensors = {name: file.get_tensor(name).clone() for name in list(file.keys())}
        return tensors, dict(file.metadata() or {})
