"""Pictures with the same content: one in both training and test set makes the test too easy."""

from __future__ import annotations

from collections import Counter, defaultdict
from hashlib import sha256
from typing import NamedTuple

from avalanche_mas.streams.pictures import FilePicture, Picture
from avalanche_mas.streams.task import Reading


class Duplicate(NamedTuple):
    """The names of pictures with the same content.

    Attributes:
        train: names in the official training set.
        test: names in the official test set.
    """

    train: tuple[str, ...]
    test: tuple[str, ...]

    @property
    def across(self) -> bool:
        """Whether training and test set share the content."""
        return bool(self.train and self.test)


def find_duplicates(reading: Reading) -> tuple[Duplicate, ...]:
    """Return the contents found in two files, or in both sets, in the order of the lists.

    Files of equal length are compared by SHA-256, arrays by their pixels. Persons cropped from the
    same file count as duplicates only if they are in different sets.

    Raises:
        FileNotFoundError: a picture is missing.
    """
    pictures = [sample.picture for sample in reading.train + reading.test]
    groups: dict[object, list[int]] = defaultdict(list)
    for number, content in enumerate(_contents(pictures)):
        groups[content].append(number)
    found = []
    for numbers in groups.values():
        train = tuple(pictures[n].name for n in numbers if n < len(reading.train))
        test = tuple(pictures[n].name for n in numbers if n >= len(reading.train))
        if (train and test) or len({_source(pictures[n]) for n in numbers}) > 1:
            found.append(Duplicate(train, test))
    return tuple(found)


def _source(picture: Picture) -> object:
    return picture.path if isinstance(picture, FilePicture) else picture.name


def _contents(pictures: list[Picture]) -> list[object]:
    """Return a key for each content; files whose length is unique are not read."""
    lengths = {p.path: p.path.stat().st_size for p in pictures if isinstance(p, FilePicture)}
    shared = Counter(lengths.values())
    digests = {
        path: sha256(path.read_bytes()).digest() if shared[length] > 1 else path
        for path, length in lengths.items()
    }
    return [digests[p.path] if isinstance(p, FilePicture) else p.state() for p in pictures]
