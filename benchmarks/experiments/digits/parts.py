"""Digits in three parts, whatever they come from, and how they are dealt out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PARTS = ("train", "valid", "test")


class Part(NamedTuple):
    """Pictures of digits.

    Attributes:
        images: uint8 [N, side, side], white on black.
        labels: int64 [N], the digits 0 to 9.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def only(self, chosen: NDArray[np.bool_]) -> Part:
        """Return the pictures that are chosen, in their order; nothing is copied for all of them."""
        return self if chosen.all() else Part(self.images[chosen], self.labels[chosen])


@dataclass(frozen=True)
class Digits:
    """All pictures that a stream of digits is made of.

    Attributes:
        parts: those for training, validation and test.
        source: "drawn" or "real".
        stand_in: they only take the place of MNIST as it is divided officially.
        complete: they are all of MNIST, divided officially.
        agreement: in words, how they compare with MNIST.
    """

    parts: Mapping[str, Part]
    source: str
    stand_in: bool
    complete: bool
    agreement: str


def deal(digits: Part, rule: Sequence[str]) -> dict[str, Part]:
    """Deal pictures out by their place among those of the same digit, over and over.

    Args:
        digits: The pictures.
        rule: The part that the first picture of each digit goes to, the second, and so on; after
            the last it begins again.
    """
    place = np.empty(len(digits.labels), dtype=np.int64)
    for digit in np.unique(digits.labels):
        same = digits.labels == digit
        place[same] = np.arange(same.sum())
    goes_to = np.asarray(rule)[place % len(rule)]
    return {part: digits.only(goes_to == part) for part in dict.fromkeys(rule)}
