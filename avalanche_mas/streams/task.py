"""The definition of a task, and what its reader returns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from avalanche_mas.streams.pictures import Picture


class Sizes(NamedTuple):
    """The numbers of pictures in the three parts of a task."""

    train: int
    valid: int
    test: int

    def __str__(self) -> str:
        return f"{self.train} train, {self.valid} validation, {self.test} test"


class Normalisation(NamedTuple):
    """The mean and standard deviation per channel (red, green, blue) of pixels in [0, 1]."""

    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""The constants of backbones trained on ImageNet, used for all tasks as they share a backbone."""


class Sample(NamedTuple):
    """A picture and its 0-based class."""

    picture: Picture
    label: int


@dataclass(frozen=True)
class Reading:
    """The lists of a data set as found on disk; no picture has been decoded yet.

    Attributes:
        classes: names of the classes that have training pictures; ``label`` indexes them.
        train: the official training set.
        test: the official test set, still to be halved into validation and test.
        left_out: what the lists name but the task lacks, with counts.
    """

    classes: tuple[str, ...]
    train: tuple[Sample, ...]
    test: tuple[Sample, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """The definition of a data set.

    Attributes:
        name: short name for use in streams.
        title: name of the data set.
        num_classes: number of classes of the complete data set.
        sizes: sizes published by De Lange et al. (TPAMI 2021) for the eight-task sequence.
        rule_sizes: sizes that ``split`` gives on the complete official files, where they differ from
            the published ones; the definition's file says how they were counted.
        address: the official page.
        checksums: MD5 of the official files, where torchvision or Avalanche state it.
        licence: terms of use, in a few words.
        split: how train, validation and test are made from the official files.
        folder: the folder under ``root`` that the official distribution unpacks to.
        read: reads the official lists under a root.
        flip: whether a mirrored picture keeps its class.
        normalisation: constants for normalising the pixels.
    """

    name: str
    title: str
    num_classes: int
    sizes: Sizes
    address: str
    licence: str
    split: str
    folder: str
    read: Callable[[Path], Reading]
    checksums: Mapping[str, str] = field(default_factory=dict)
    flip: bool = True
    normalisation: Normalisation = IMAGENET
    rule_sizes: Sizes | None = None

    @property
    def complete_sizes(self) -> Sizes:
        """The sizes of the complete official files."""
        return self.rule_sizes or self.sizes

    def agreement(self, classes: int, sizes: Sizes) -> str:
        """Describe how the data compare with what was published and with the complete files.

        Args:
            classes: number of classes read.
            sizes: numbers of pictures read.
        """
        if classes == self.num_classes and sizes == self.sizes:
            return "as published"
        if classes == self.num_classes and sizes == self.complete_sizes:
            return f"complete; published: {self.sizes}"
        told = f"{self.num_classes} classes, {self.complete_sizes}"
        if self.rule_sizes is not None:
            told += f" (published: {self.sizes})"
        return f"not complete; the complete files give {told}"


Listed = Iterable[tuple[Picture, int]]
"""Pictures, each with the index of its class among the official names."""

HALVED = "official training set; official test set halved into validation and test"


def make_reading(
    names: Sequence[str],
    train: Listed,
    test: Listed,
    left_out: Mapping[str, int] | None = None,
) -> Reading:
    """Number the classes that have training pictures from 0, in the order of ``names``.

    Args:
        names: all class names of the data set, in their official order.
        train: the official training set.
        test: the official test set.
        left_out: what was skipped, and how many of each; it is read after ``train`` and ``test``, so
            they may count while they are read. Classes without pictures are added.

    Raises:
        ValueError: a list is empty, a class has test pictures but no training pictures, or a
            picture is listed twice.
    """
    train, test = tuple(train), tuple(test)
    if not train or not test:
        raise ValueError(f"the lists name {len(train)} training and {len(test)} test pictures")
    present = sorted({label for _, label in train})
    strays = sorted({label for _, label in test} - set(present))
    if strays:
        raise ValueError(f"class {names[strays[0]]!r} has test pictures but no training pictures")
    [(name, times)] = Counter(picture.name for picture, _ in [*train, *test]).most_common(1)
    if times > 1:
        raise ValueError(f"the picture {name} is listed {times} times")
    counts = {
        **(left_out or {}),
        "classes without pictures": len(names) - len(present),
        "classes without test pictures": len(present) - len({label for _, label in test}),
    }
    number = {label: new for new, label in enumerate(present)}
    return Reading(
        classes=tuple(names[label] for label in present),
        train=tuple(Sample(picture, number[label]) for picture, label in train),
        test=tuple(Sample(picture, number[label]) for picture, label in test),
        left_out={what: count for what, count in counts.items() if count},
    )
