"""Digits for training, validation and test, from any source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PARTS = ("train", "valid", "test")


class DigitSet(NamedTuple):
    """Images, uint8 [N, side, side], white on black, and their digits, int64 [N]."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def only(self, chosen: NDArray[np.bool_]) -> DigitSet:
        """Return the chosen images, in order; without a copy if all are chosen."""
        return self if chosen.all() else DigitSet(self.images[chosen], self.labels[chosen])


@dataclass(frozen=True)
class Digits:
    """All images that a stream of digits is made of, in parts for training, validation and test.

    `stand_in`: they replace MNIST in its official split; `complete`: they are all of it.
    `agreement` compares them with MNIST in words.
    """

    parts: Mapping[str, DigitSet]
    source: str
    stand_in: bool
    complete: bool
    agreement: str


def deal(digits: DigitSet, rule: Sequence[str]) -> dict[str, DigitSet]:
    """Split images into parts, digit by digit: successive ones go to the parts of the rule, repeated."""
    place = np.empty(len(digits.labels), dtype=np.int64)
    for digit in np.unique(digits.labels):
        same = digits.labels == digit
        place[same] = np.arange(same.sum())
    goes_to = np.asarray(rule)[place % len(rule)]
    return {part: digits.only(goes_to == part) for part in dict.fromkeys(rule)}
