"""Chars74K, characters in natural images (EnglishImg): the letters A-Z and a-z."""

from __future__ import annotations

import re
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase, digits

from avalanche_mas.streams.files import class_index, lines
from avalanche_mas.streams.pictures import FilePicture, Picture
from avalanche_mas.streams.task import Reading, Sizes, Task, make_reading

CHARACTERS = digits + ascii_uppercase + ascii_lowercase


def read(root: Path) -> Reading:
    """Read ``ListsTXT/list_English_Img.m`` and the pictures that it names under ``English/Img``.

    The test set is the official one (15 pictures a class); every other picture that is marked good
    is for training (the official training lists hold 5 to 15 of them a class). Digits are left out.
    """
    path = root / "ListsTXT" / "list_English_Img.m"
    text = "\n".join(lines(path))
    names = re.findall(r"'\s*([^']+?)\s*'", _field(text, "ALLnames", path))
    labels = _numbers(_field(text, "ALLlabels", path))
    good = _numbers(_field(text, "is_good", path)) if "list.is_good" in text else [1] * len(names)
    if not len(names) == len(labels) == len(good):
        raise ValueError(f"{path}: {len(names)} names, {len(labels)} labels, {len(good)} good")
    test_numbers = set(_numbers(_field(text, "TSTind", path)))  # 0 fills a column: no picture
    train: list[tuple[Picture, int]] = []
    test: list[tuple[Picture, int]] = []
    for number, (name, label) in enumerate(zip(names, labels, strict=True), start=1):
        index = class_index(label, CHARACTERS, f"{path.name}, {name}")
        if CHARACTERS[index] in digits or not good[number - 1]:
            continue
        picture = FilePicture(f"{name}.png", root / "English" / "Img" / f"{name}.png")
        (test if number in test_numbers else train).append((picture, index))
    return make_reading(CHARACTERS, train, test)


def _field(text: str, name: str, path: Path) -> str:
    """What stands between the brackets of ``list.<name> = [...]``."""
    found = re.search(rf"list\.{name}\s*=\s*\[([^\]]*)\]", text)
    if found is None:
        raise ValueError(f"{path}: there is no list.{name} in it")
    return found[1]


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"-?\d+", text)]


LETTERS = Task(
    name="letters",
    title="Chars74K, letters in natural images",
    num_classes=52,
    sizes=Sizes(6850, 580, 570),
    address="https://teodecampos.github.io/chars74k/",
    licence="research, with citation",
    split="digits left out; official test list (15 a class) halved into validation and test; "
    "all other good pictures are the training set; the published sizes are of another split",
    folder="English",
    read=read,
    flip=False,
)
