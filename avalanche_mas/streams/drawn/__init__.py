"""Eight small fine-grained tasks drawn by code: the default data, which needs no download.

Each is a small version of the data set it is named after. Colour, background, light, position, size
and angle vary within a class, so that only shape and detail tell the classes apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from avalanche_mas.options import check_option
from avalanche_mas.streams.drawn import (
    actions,
    aircraft,
    birds,
    cars,
    flowers,
    letters,
    scenes,
    svhn,
)
from avalanche_mas.streams.drawn.canvas import Canvas
from avalanche_mas.streams.drawn.colours import photograph
from avalanche_mas.streams.drawn.fonts import FONTS, font

__all__ = ["CLASSES", "FONTS", "IMAGES_PER_CLASS", "SIZES", "Canvas", "draw", "font"]


def __dir__() -> list[str]:
    return __all__


_PAINTERS = {
    "flowers": flowers,
    "scenes": scenes,
    "birds": birds,
    "cars": cars,
    "aircraft": aircraft,
    "actions": actions,
    "letters": letters,
    "svhn": svhn,
}

CLASSES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {name: module.CLASSES for name, module in _PAINTERS.items()}
)
"""The names of the classes of every task, in the order of their labels."""

IMAGES_PER_CLASS: Mapping[str, int] = MappingProxyType({"train": 50, "valid": 15, "test": 25})
"""Pictures per class in each split."""

SIZES = range(16, 257)
"""The sides that pictures may have, in pixels."""


def draw(
    task: str, split: str, *, seed: int = 0, size: int = 32
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw one split of one task.

    Every picture has its own random stream, seeded by the task, the split, the seed, the class and
    its number in the class, so no picture depends on another or on the order of calls. Another size
    gives the same scenes.

    Args:
        task: a key of `CLASSES`.
        split: "train", "valid" or "test".
        seed: at least 0. Another seed gives other pictures of the same classes.
        size: side of the pictures in pixels, one of `SIZES`.

    Returns:
        The pictures, uint8 [N, size, size, 3], and their labels, int64 [N], in 0..C-1. The classes
        alternate and have equally many pictures.

    Raises:
        ValueError: for an unknown task or split, a negative seed or a size out of range.
    """
    _check(task, split, seed, size)
    classes, count = len(CLASSES[task]), IMAGES_PER_CLASS[split]
    labels = np.tile(np.arange(classes, dtype=np.int64), count)
    images = np.empty((len(labels), size, size, 3), dtype=np.uint8)
    for i, label in enumerate(labels):
        key = (crc32(task.encode()), crc32(split.encode()), seed, int(label), i // classes)
        images[i] = _picture(task, int(label), key, size)
    return images, labels


def _picture(task: str, label: int, key: tuple[int, ...], size: int) -> NDArray[np.uint8]:
    scene, camera = (np.random.default_rng(s) for s in np.random.SeedSequence(key).spawn(2))
    canvas = Canvas.blank(size * (4 if size <= 64 else 3))
    _PAINTERS[task].paint(canvas, scene, label)
    return photograph(canvas.image, size, camera)


def _check(task: str, split: str, seed: int, size: int) -> None:
    check_option("task", task, CLASSES)
    check_option("split", split, IMAGES_PER_CLASS)
    if seed < 0:
        raise ValueError(f"the seed must not be negative, got {seed}")
    if size not in SIZES:
        raise ValueError(f"size must be {SIZES[0]} to {SIZES[-1]} pixels, got {size}")
