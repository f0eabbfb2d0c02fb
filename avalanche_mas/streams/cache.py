"""Decoded pictures in one memory-mapped file, so that JPEGs are decoded once and not every epoch.

It is a safetensors file of two tensors: ``pixels``, all pictures one after another, and ``shapes``,
the height and width of each. Its name and metadata identify the pictures, so that no file is ever
replaced by other pictures, and a CRC-32 finds damage. Processes may write it at the same time: each
replaces it with a complete file. None is removed: delete those that nothing uses.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from hashlib import sha256
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any
from zlib import crc32

import numpy as np
import PIL
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from avalanche_mas.files import replacing
from avalanche_mas.streams.geometry import Geometry
from avalanche_mas.streams.pictures import Picture

CHUNK = 1 << 24

FORMAT = 1
"""Of the file and of decoding: raised by hand whenever equal pictures would give other pixels."""


class PixelFile:
    """The pictures, uint8 [3, h, w], of a file that :func:`kept_in_file` wrote.

    Loader processes receive it pickled: only the path travels, and each process maps the file itself.

    Args:
        path: the file.

    Raises:
        SafetensorError: it is not a safetensors file, or incomplete.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._bytes: NDArray[np.uint8] | None = None
        with safe_open(path, "pt") as file:
            self.facts: dict[str, str] = file.metadata() or {}
            shapes = file.get_tensor("shapes").tolist()
        self.shapes = [(3, height, width) for height, width in shapes]
        self.ends = list(accumulate(3 * height * width for height, width in shapes))

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, index: int, /) -> Tensor:
        start = self.ends[index - 1] if index else 0
        return torch.from_numpy(
            np.array(self.bytes[start : self.ends[index]]).reshape(self.shapes[index])
        )

    @property
    def bytes(self) -> NDArray[np.uint8]:
        """The pixels of all pictures, mapped into memory."""
        if self._bytes is None:
            with safe_open(self.path, "pt") as file:
                self._bytes = file.get_tensor("pixels").numpy()
        return self._bytes

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_bytes": None}


def kept_in_file(
    pictures: Sequence[Picture], geometry: Geometry, folder: Path, task: str
) -> PixelFile:
    """Return the decoded pictures from a file in ``folder``, writing the file if there is none.

    A damaged file is rewritten with a warning. If the pictures have changed since, they get a new file,
    and a warning names the old one, which stays for streams that use it.

    Args:
        pictures: in the order of their numbers; names are unique.
        geometry: decodes and shrinks.
        folder: where the file is kept; created if need be.
        task: prefix of the file's name.

    Raises:
        FileNotFoundError: a picture is missing.
        ValueError: a picture cannot be decoded.
        OSError: the folder cannot be written.
    """
    names = sha256("\n".join(picture.name for picture in pictures).encode()).hexdigest()
    kind = f"{type(geometry).__name__.lower()}{geometry.side}"
    key = _key(pictures, geometry)
    stem = f"{task}-{kind}-{names[:12]}"
    path = folder / f"{stem}-{key[:12]}.pixels"
    if path.is_file():
        try:
            return _open(path, key)
        except ValueError as problem:
            warnings.warn(f"{path} is rewritten: {problem}", stacklevel=2)
    elif others := sorted(folder.glob(f"{stem}*.pixels")):
        warnings.warn(
            f"{path} is written, as other pictures of the same names, or otherwise decoded, are in "
            f"{', '.join(map(str, others))}; delete what no stream uses",
            stacklevel=2,
        )
    _write(path, key, pictures, geometry)
    return _open(path, key)


def _key(pictures: Sequence[Picture], geometry: Geometry) -> str:
    """Return a digest of everything that determines the pixels, without decoding any."""
    facts = [str(FORMAT), repr(geometry), PIL.__version__]
    facts += [f"{picture.name}\n{picture.state()}" for picture in pictures]
    return sha256("\n".join(facts).encode()).hexdigest()


def _open(path: Path, key: str) -> PixelFile:
    """Check the whole file and map it.

    Raises:
        ValueError: it is damaged, or holds other pictures.
    """
    try:
        pixels = PixelFile(path)
        found = pixels.facts["key"]
        whole = _checksum(found, pixels.shapes, pixels.bytes) == pixels.facts["crc32"]
    except OSError:
        raise
    except Exception as error:  # of safetensors, and of shapes that are none
        raise ValueError("it is damaged or incomplete") from error
    if not whole:
        raise ValueError("it is damaged")
    if found != key:
        raise ValueError("it holds other pictures")
    return pixels


def _checksum(key: str, shapes: Sequence[tuple[int, ...]], pixels: NDArray[np.uint8]) -> str:
    value = crc32(f"{key} {shapes}".encode())
    for start in range(0, len(pixels), CHUNK):
        value = crc32(pixels[start : start + CHUNK].data, value)
    return str(value)


def _write(path: Path, key: str, pictures: Sequence[Picture], geometry: Geometry) -> None:
    """Decode everything into an unnamed file in the same folder, then save its content."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, TemporaryFile(dir=path.parent) as raw:
            shapes = []
            for picture in pictures:
                pixels = geometry(picture).numpy()
                shapes.append(tuple(pixels.shape))
                raw.write(pixels.data)
            raw.flush()
            mapped = np.memmap(raw, np.uint8, "r+")
            facts = {"key": key, "crc32": _checksum(key, shapes, mapped)}
            sides = torch.tensor(shapes)[:, 1:].contiguous()
            save_file({"pixels": torch.from_numpy(mapped), "shapes": sides}, temporary, facts)
    except FileNotFoundError:
        raise
    except (OSError, SafetensorError) as error:
        raise OSError(
            f"the cache folder {path.parent} cannot be written ({error}); name another folder as "
            'cache=, or cache="memory" or None'
        ) from error
