"""Digits for training, validation and test, from any source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PARTS = ("train", "valid", "test")


class Part(NamedTuple):
    """Images of digits.

    Attributes:
        images: uint8 [N, side, side], white on black.
        labels: int64 [N], the digits 0 to 9.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def only(self, chosen: NDArray[np.bool_]) -> Part:
        """Return the chosen images, in order; without a copy if all are chosen."""
        return self if chosen.all() else Part(self.images[chosen], self.labels[chosen])


@dataclass(frozen=True)
class Digits:
    """All images that a stream of digits is made of.

    Attributes:
        parts: The images for training, validation and test, by name.
        source: "drawn" or "real".
        stand_in: Whether they replace MNIST in its official split.
        complete: Whether they are all of MNIST in its official split.
        agreement: How they compare with MNIST, in words.
    """

    parts: Mapping[str, Part]
    source: str
    stand_in: bool
    complete: bool
    agreement: str


def deal(digits: Part, rule: Sequence[str]) -> dict[str, Part]:
    """Split images into parts, digit by digit.

    Args:
        digits: The images.
        rule: The parts that successive images of a digit go to, repeated to the end.
    """
    place = np.empty(len(digits.labels), dtype=np.int64)
    for digit in np.unique(digits.labels):
        same = digits.labels == digit
        place[same] = np.arange(same.sum())
    goes_to = np.asarray(rule)[place % len(rule)]
    return {part: digits.only(goes_to == part) for part in dict.fromkeys(rule)}
