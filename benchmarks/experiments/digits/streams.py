"""Streams of digits: pairs of digits in turn, or all digits under permuted pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate
from torch.utils.data import Dataset

from avalanche_mas.streams import Sizes, TaskBenchmark, TaskInfo, make_dataset, make_stream
from benchmarks.experiments.digits.drawn import draw_digits
from benchmarks.experiments.digits.mnist import read_mnist, read_stand_in
from benchmarks.experiments.digits.parts import PARTS, Digits, DigitSet

MEAN, DEVIATION = 0.1307, 0.3081
"""Of MNIST's training pixels in [0, 1], as in the authors' demo."""


class Pixels(Dataset[tuple[Tensor, int]]):
    """Digits as normalised float32 [1, side, side], and their labels.

    A label is the digit's place in `classes`, plus `first_label`.
    `order`, int64 [side²], is the pixel shown at each place; None for its own.
    """

    def __init__(
        self,
        part: DigitSet,
        classes: Sequence[int],
        order: NDArray[np.int64] | None = None,
        first_label: int = 0,
    ) -> None:
        self.images = torch.from_numpy(part.images)
        self.targets = [first_label + classes.index(int(digit)) for digit in part.labels]
        self.order = None if order is None else torch.from_numpy(order)

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self.images[index]
        if self.order is not None:
            image = image.flatten()[self.order].view_as(image)
        return (image[None] / 255 - MEAN) / DEVIATION, self.targets[index]


def digit_pairs(
    tasks: tuple[str, ...],
    root: Path | None,
    stand_ins: tuple[str, ...],
    side: int,
    scenario: str = "task",
) -> TaskBenchmark:
    """Return a stream of tasks such as "1-2", each with two digits.

    A digit's label is its place in the name; with "class", plus two for every task before. With
    stand-ins, the official test images alone are split.
    """
    whole = load_digits(root, bool(stand_ins), side)
    return _stream(
        whole, [(name, tuple(map(int, name.split("-"))), None) for name in tasks], scenario
    )


def permuted_digits(
    tasks: tuple[str, ...],
    root: Path | None,
    stand_ins: tuple[str, ...],
    side: int,
    scenario: str = "domain",
) -> TaskBenchmark:
    """Return a stream of tasks such as "p3": all digits under a permutation of the pixels.

    The arguments are those of `digit_pairs`. The number in the name seeds the permutation.
    """
    whole = load_digits(root, bool(stand_ins), side)
    orders = [np.random.default_rng(int(name[1:])).permutation(side * side) for name in tasks]
    return _stream(
        whole,
        [(name, tuple(range(10)), order) for name, order in zip(tasks, orders, strict=True)],
        scenario,
    )


@cache
def load_digits(root: Path | None, stand_in: bool, side: int) -> Digits:
    """Read or draw the digits, once per process and its forks."""
    if root is None:
        return draw_digits(side)
    found = read_stand_in(root) if stand_in else read_mnist(root)
    parts = {
        name: DigitSet(_resized(part.images, side), part.labels)
        for name, part in found.parts.items()
    }
    return replace(found, parts=parts)


def _resized(images: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    if images.shape[1:] == (side, side):
        return images
    pictures = torch.from_numpy(images)[:, None].float()
    sized = interpolate(pictures, size=(side, side), mode="bilinear", antialias=True)
    resized: NDArray[np.uint8] = sized[:, 0].round().clamp(0, 255).byte().numpy()
    return resized


_Wanted = tuple[str, tuple[int, ...], NDArray[np.int64] | None]
"""A task's name, digits and pixel order."""


def _stream(whole: Digits, wanted: Sequence[_Wanted], scenario: str) -> TaskBenchmark:
    parts: dict[str, list[object]] = {part: [] for part in PARTS}
    facts: list[TaskInfo] = []
    for number, (name, digits, order) in enumerate(wanted):
        chosen = {
            part: whole.parts[part].only(np.isin(whole.parts[part].labels, digits))
            for part in PARTS
        }
        first = sum(len(one.classes) for one in facts) if scenario == "class" else 0
        facts.append(_facts(whole, name, digits, chosen, order, first))
        for part, pictures in chosen.items():
            data = Pixels(pictures, digits, order, first)
            parts[part].append(make_dataset(data, {"train": None, "eval": None}, number, scenario))
    return make_stream(parts, facts, scenario)


def _facts(
    whole: Digits,
    name: str,
    digits: tuple[int, ...],
    chosen: dict[str, DigitSet],
    order: NDArray[np.int64] | None,
    first_label: int,
) -> TaskInfo:
    sizes = Sizes(*(len(chosen[part].labels) for part in PARTS))
    if not all(sizes):
        raise ValueError(f"{name}: a stream needs pictures in every part, but has {sizes}")
    return TaskInfo(
        name=name,
        source=whole.source,
        classes=tuple(map(str, digits)),
        sizes=sizes,
        stand_in=whole.stand_in,
        as_published=whole.complete,
        complete=whole.complete,
        agreement=whole.agreement,
        split=_digest(chosen, order),
        first_label=first_label,
    )


def _digest(chosen: dict[str, DigitSet], order: NDArray[np.int64] | None) -> str:
    """Return 16 hex digits that identify the images, labels and parts, and the pixel order."""
    digest = sha256(b"" if order is None else order.tobytes())
    for part in PARTS:
        digest.update(part.encode())
        digest.update(chosen[part].labels.tobytes())
        digest.update(chosen[part].images.tobytes())
    return digest.hexdigest()[:16]
