"""Decoded pictures in one memory-mapped file, so that JPEGs are decoded once and not every epoch.

The file holds the pixels of all pictures one after another, then a JSON text that says which they are,
then that text's length and CRC-32 (8 and 4 bytes, little-endian) and a mark. It is written under another
name and moved into its place when complete, so processes that write it at the same time do no harm.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Sequence
from hashlib import sha256
from itertools import accumulate
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any
from zlib import crc32

import numpy as np
import PIL
import torch
from numpy.typing import NDArray
from torch import Tensor

from avalanche_mas.streams.geometry import Geometry
from avalanche_mas.streams.pictures import Picture

MARK = b"PIXELS01"
TAIL = 8 + 4 + len(MARK)
CHUNK = 1 << 24


class PixelFile:
    """Pictures as uint8 [3, h, w] out of a file that :func:`kept_in_file` wrote.

    It can be pickled for the processes of a loader: only the path travels, each maps the file anew.

    Args:
        path: the file.
        shapes: height and width of every picture.
    """

    def __init__(self, path: Path, shapes: Sequence[Sequence[int]]) -> None:
        self.path = path
        self.shapes = [(3, height, width) for height, width in shapes]
        self.ends = list(accumulate(3 * height * width for height, width in shapes))
        self._bytes: NDArray[np.uint8] | None = None

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
            size = self.ends[-1]
            self._bytes = np.memmap(self.path, dtype=np.uint8, mode="r", shape=(size,))
        return self._bytes

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_bytes": None}


def kept_in_file(
    pictures: Sequence[Picture], geometry: Geometry, folder: Path, task: str
) -> PixelFile:
    """The decoded pictures, out of a file in ``folder``, which is written where it is not there.

    A file that is damaged, or older than a change of the pictures, is written anew with a warning.

    Args:
        pictures: in the order in which they are numbered; no two have the same name.
        geometry: decodes and shrinks.
        folder: where the file lies; it is made where it does not exist.
        task: what the file's name begins with.

    Raises:
        FileNotFoundError: a picture is not there.
        ValueError: a picture cannot be decoded.
        OSError: the folder cannot be written.
    """
    names = sha256("\n".join(picture.name for picture in pictures).encode()).hexdigest()
    kind = f"{type(geometry).__name__.lower()}{geometry.side}"
    path = folder / f"{task}-{kind}-{names[:12]}.pixels"
    key = _key(pictures, geometry)
    if path.is_file():
        try:
            return _open(path, key)
        except ValueError as problem:
            warnings.warn(f"{path} is written anew: {problem}", stacklevel=2)
    _write(path, key, pictures, geometry)
    return _open(path, key)


def _key(pictures: Sequence[Picture], geometry: Geometry) -> str:
    """A digest of all that decides about the pixels, without decoding any."""
    facts = [repr(geometry), PIL.__version__]
    facts += [f"{picture.name}\n{picture.state()}" for picture in pictures]
    return sha256("\n".join(facts).encode()).hexdigest()


def _open(path: Path, key: str) -> PixelFile:
    """Check the whole file and map it.

    Raises:
        ValueError: it is damaged, or holds other pictures.
    """
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END) - TAIL
        file.seek(max(end, 0))
        tail = file.read()
        length, checksum = (int.from_bytes(part, "little") for part in (tail[:8], tail[8:12]))
        if tail[12:] != MARK or length > end:
            raise ValueError("it is not complete")
        file.seek(end - length)
        text = file.read(length)
    if crc32(text) != checksum:
        raise ValueError("it is damaged")
    facts = json.loads(text)
    if facts["key"] != key:
        raise ValueError("the pictures have changed since")
    pixels = PixelFile(path, facts["shapes"])
    if pixels.ends[-1] != end - length or _checksum(pixels.bytes) != facts["crc32"]:
        raise ValueError("it is damaged")
    return pixels


def _checksum(pixels: NDArray[np.uint8]) -> int:
    value = 0
    for start in range(0, len(pixels), CHUNK):
        value = crc32(pixels[start : start + CHUNK].data, value)
    return value


def _write(path: Path, key: str, pictures: Sequence[Picture], geometry: Geometry) -> None:
    """Decode everything into a file beside, then move it to its place."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False
        ) as file:
            temporary = Path(file.name)
            shapes, checksum = [], 0
            for picture in pictures:
                pixels = geometry(picture).numpy()
                shapes.append(pixels.shape[1:])
                checksum = crc32(pixels.data, checksum)
                file.write(pixels.data)
            text = json.dumps({"key": key, "crc32": checksum, "shapes": shapes}).encode()
            file.write(text + len(text).to_bytes(8, "little") + crc32(text).to_bytes(4, "little"))
            file.write(MARK)
        temporary.replace(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise OSError(
            f"the cache folder {path.parent} cannot be written ({error}); name another folder as "
            'cache=, or cache="memory" or None'
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
