"""Reading MATLAB files of version 5: numbers, texts, cells and structures.

`scipy.io.loadmat` crashes the process, hangs, or takes all memory on some damaged files.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path
from struct import error as StructError
from struct import unpack_from
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from avalanche_mas.streams.files import require

MOST_BYTES = 1 << 30
"""The most that a compressed variable may hold; those of the data sets have a quarter of it."""

_DEEPEST = 8
_HEADER = 128
_ORDERS = {b"\0\1IM": "<", b"\1\0MI": ">"}
_CELL, _STRUCTURE, _TEXT = 1, 2, 4
_MATRIX, _COMPRESSED = 14, 15
_KINDS = ("i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8", "i8", "u8")
_NUMBERS = dict(zip((*range(1, 8), 9, 12, 13), _KINDS, strict=True))
_LETTERS = {
    "<": {
        1: "latin-1",
        2: "latin-1",
        4: "utf-16-le",
        16: "utf-8",
        17: "utf-16-le",
        18: "utf-32-le",
    },
    ">": {
        1: "latin-1",
        2: "latin-1",
        4: "utf-16-be",
        16: "utf-8",
        17: "utf-16-be",
        18: "utf-32-be",
    },
}


def matlab(path: Path, *variables: str) -> list[NDArray[Any]]:
    """Return variables of a MATLAB file, without axes of length one; texts and structures as objects.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or lacks a variable.
    """
    content = require(path).read_bytes()
    try:
        order = _ORDERS[content[_HEADER - 4 : _HEADER]]
        arrays = _arrays(memoryview(content)[_HEADER:], order)
        found = {each.name: each.value() for each in arrays if each.name in variables}
    except (ValueError, LookupError, StructError, zlib.error) as error:
        raise ValueError(f"{path} is not a readable MATLAB file: {error!r}") from error
    for variable in variables:
        if variable not in found:
            raise ValueError(f"{path} has no variable {variable!r}")
    return [np.atleast_1d(found[variable]) for variable in variables]


class _Element(NamedTuple):
    """A piece of a file, and what it holds by MATLAB's number."""

    kind: int
    content: memoryview


def _elements(content: memoryview, order: str) -> Iterator[_Element]:
    place = 0
    while place < len(content):
        kind, size = unpack_from(f"{order}II", content, place)
        begin = place + 8
        if kind >> 16:  # up to four bytes, within the head
            kind, size, begin = kind & 0xFFFF, kind >> 16, place + 4
        end = begin + size
        if end > len(content) or (begin == place + 4 and size > 4):
            raise ValueError(f"an element of {size} bytes ends too early")
        yield _Element(kind, content[begin:end])
        place = end if kind == _COMPRESSED else end + -end % 8


def _arrays(content: memoryview, order: str, deepest: int = _DEEPEST) -> Iterator[_Array]:
    """Yield the arrays in a piece of a file, compressed or not."""
    for element in _elements(content, order):
        if deepest == 0 or element.kind not in (_MATRIX, _COMPRESSED):
            raise ValueError(f"an element of type {element.kind} where an array is expected")
        if element.kind == _COMPRESSED:
            yield from _arrays(_unpacked(element.content), order, deepest - 1)
        else:
            yield _Array(element.content, order, deepest - 1)


def _unpacked(content: memoryview) -> memoryview:
    stream = zlib.decompressobj()
    found = stream.decompress(content, MOST_BYTES)
    if not stream.eof:
        raise ValueError(f"a variable ends too early, or has more than {MOST_BYTES:,} bytes")
    return memoryview(found)


class _Array:
    """An array: its name, its class and shape, and the pieces that its value is made of."""

    def __init__(self, content: memoryview, order: str, deepest: int) -> None:
        self.order, self.deepest = order, deepest
        self.name, self.kind, self.shape = "", 0, (0,)
        self.pieces: Sequence[_Element] = ()
        if not content:  # an empty array within another one
            return
        flags, shape, name, *self.pieces = _elements(content, order)
        self.kind = unpack_from(f"{order}I", flags.content)[0] & 0xFF
        self.shape = tuple(np.frombuffer(shape.content, f"{order}i4").tolist())
        self.name = str(name.content, "latin-1")
        if min(self.shape, default=0) < 0:
            raise ValueError(f"{self.name!r} has the shape {self.shape}")

    def value(self) -> Any:
        """Return a text, or an array of numbers or objects, without axes of length one."""
        if self.kind == _TEXT:
            return self._text()
        if self.kind in (_CELL, _STRUCTURE):
            found = self._cells() if self.kind == _CELL else self._structures()
            values = np.empty(len(found), dtype=object)
            values[:] = found
        elif self.pieces:
            (piece,) = self.pieces  # two if they are complex
            values = np.frombuffer(piece.content, self.order + _NUMBERS[piece.kind])
        else:
            values = np.empty(0)
        return values.reshape(self.shape, order="F").squeeze()

    def _cells(self) -> list[Any]:
        return [self._inside(piece) for piece in self.pieces]

    def _structures(self) -> list[dict[str, Any]]:
        length, names, *cells = self.pieces
        (size,) = unpack_from(f"{self.order}i", length.content)
        text = str(names.content, "latin-1")
        fields = [text[k : k + size].partition("\0")[0] for k in range(0, len(text), size)]
        count = prod(self.shape)
        if len(cells) != count * len(fields):
            raise ValueError(f"{len(cells)} values for {count} structures of {len(fields)} fields")
        values = iter(map(self._inside, cells))
        return [dict(zip(fields, values, strict=False)) for _ in range(count if fields else 0)]

    def _inside(self, piece: _Element) -> Any:
        if piece.kind != _MATRIX or self.deepest == 0:
            raise ValueError(f"an element of type {piece.kind} where an array is expected")
        return _Array(piece.content, self.order, self.deepest - 1).value()

    def _text(self) -> str:
        if self.shape[0] > 1:
            raise ValueError(f"{self.name!r} is a text of shape {self.shape}, not of one line")
        return "".join(str(each.content, _LETTERS[self.order][each.kind]) for each in self.pieces)
