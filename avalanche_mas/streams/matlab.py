"""Reading MATLAB files of version 5, whose structure is checked first: scipy crashes on some damage."""

from __future__ import annotations

import zlib
from pathlib import Path
from struct import unpack_from
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from avalanche_mas.streams.files import require

MOST_BYTES = 1 << 30
"""The most that a compressed variable may hold; those of the data sets have a quarter of it."""

_DEEPEST = 8
_HEADER = 128
_TYPES = {1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 14, 15, 16, 17, 18}
_UINT32, _MATRIX, _COMPRESSED = 6, 14, 15


def matlab(path: Path, *variables: str) -> list[NDArray[Any]]:
    """Return variables of a MATLAB file, without axes of length one.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or lacks a variable.
    """
    content = require(path).read_bytes()
    try:
        _check(content)
        found = loadmat(path, squeeze_me=True, variable_names=variables)
    except Exception as error:  # scipy raises many types for a damaged file
        raise ValueError(f"{path} is not a readable MATLAB file: {error!r}") from error
    for variable in variables:
        if variable not in found:
            raise ValueError(f"{path} has no variable {variable!r}")
    return [np.atleast_1d(found[variable]) for variable in variables]


def _check(content: bytes) -> None:
    orders: dict[bytes, Literal["<", ">"]] = {b"\0\1IM": "<", b"\1\0MI": ">"}
    order = orders.get(content[_HEADER - 4 : _HEADER])
    if order is None:
        raise ValueError("it has no header of version 5")
    _check_elements(memoryview(content)[_HEADER:], order, _DEEPEST)


def _check_elements(content: memoryview, order: Literal["<", ">"], deepest: int) -> None:
    """Check that elements, and those inside them, are of known types and within their bounds."""
    place = 0
    while place < len(content):
        kind, size = unpack_from(f"{order}II", content, place)
        begin = place + 8
        if kind >> 16:  # a small one, within its tag
            kind, size, begin = kind & 0xFFFF, kind >> 16, place + 4
        inside = content[begin : begin + size]
        if kind not in _TYPES or len(inside) < size or deepest == 0:
            raise ValueError(f"it has an element of type {kind} and {size} bytes at {place}")
        if kind == _COMPRESSED:
            _check_elements(memoryview(_unpacked(inside)), order, deepest - 1)
            place = begin + size
            continue
        if kind == _MATRIX and size:
            if unpack_from(f"{order}II", inside) != (_UINT32, 8):
                raise ValueError(f"it has an array without flags at {place}")
            _check_elements(inside, order, deepest - 1)
        place = begin + size + -(begin + size) % 8


def _unpacked(content: memoryview) -> bytes:
    stream = zlib.decompressobj()
    found = stream.decompress(content, MOST_BYTES)
    if not stream.eof:
        raise ValueError(
            f"a compressed variable ends too early, or has more than {MOST_BYTES:,} bytes"
        )
    return found
