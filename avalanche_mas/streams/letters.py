"""Chars74K, characters in natural images (EnglishImg): the letters A-Z and a-z.

The test set is the official one: 15 good pictures of each of 52 letters, 780 in all. All other pictures,
good and bad (``GoodImg``, ``BadImag``), are for training. The official list has 12,503 pictures, of which
7,705 are good. 593 good and 292 bad pictures show digits (counted in a copy of the official folders); the
remaining 7,112 good and 4,506 bad ones show letters, and 10,838 of these are for training. The published
sizes add up to 8,000; how that selection was made is unknown.
"""

from __future__ import annotations

import re
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase, digits

from avalanche_mas.streams.files import class_index, lines
from avalanche_mas.streams.pictures import FilePicture, Picture
from avalanche_mas.streams.task import Reading, Sizes, Task, make_reading

ALPHABET = ascii_uppercase + ascii_lowercase
CHARACTERS = digits + ALPHABET


def read(root: Path) -> Reading:
    """Read ``ListsTXT/list_English_Img.m`` and the pictures that it names under ``English/Img``."""
    path = root / "ListsTXT" / "list_English_Img.m"
    text = "\n".join(lines(path))
    names = re.findall(r"'\s*([^']+?)\s*'", _field(text, "ALLnames", path))
    labels = _numbers(text, "ALLlabels", path)
    if len(names) != len(labels):
        raise ValueError(f"{path}: {len(names)} names, {len(labels)} labels")
    test_numbers = set(_numbers(text, "TSTind", path))  # 0 fills a column: no picture
    if max(test_numbers, default=0) > len(names):
        raise ValueError(
            f"{path}: TSTind has {max(test_numbers)}, but there are {len(names)} names"
        )
    train: list[tuple[Picture, int]] = []
    test: list[tuple[Picture, int]] = []
    left_out = {"digits": 0}
    for number, (name, label) in enumerate(zip(names, labels, strict=True), start=1):
        index = class_index(label, CHARACTERS, f"{path.name}, {name}")
        if f"Sample{label:03d}" not in name.split("/"):
            raise ValueError(
                f"{path}: {name} has label {label}, but is not under Sample{label:03d}"
            )
        if index < len(digits):
            left_out["digits"] += 1
            continue
        picture = FilePicture(f"{name}.png", root / "English" / "Img" / f"{name}.png")
        (test if number in test_numbers else train).append((picture, index - len(digits)))
    return make_reading(ALPHABET, train, test, left_out)


def _field(text: str, name: str, path: Path) -> str:
    """Return the text between the brackets of ``list.<name> = [...]``."""
    found = re.search(rf"list\.{name}\s*=\s*\[([^\]]*)\]", text)
    if found is None:
        raise ValueError(f"{path} has no list.{name}")
    return found[1]


def _numbers(text: str, name: str, path: Path) -> list[int]:
    try:
        return [int(number) for number in re.findall(r"-?\d+", _field(text, name, path))]
    except ValueError as error:  # thousands of digits
        raise ValueError(f"{path}: list.{name}: {error}") from error


LETTERS = Task(
    name="letters",
    title="Chars74K, letters in natural images",
    num_classes=52,
    sizes=Sizes(6850, 580, 570),
    rule_sizes=Sizes(10838, 390, 390),
    address="https://teodecampos.github.io/chars74k/",
    licence="research, with citation",
    split="digits left out; official test list (15 a class) halved into validation and test; "
    "all other pictures, good and bad, are the training set",
    folder="English",
    read=read,
    flip=False,
)
