"""CUB-200-2011."""

from __future__ import annotations

from pathlib import Path

from avalanche_mas.streams.files import class_index, pairs
from avalanche_mas.streams.pictures import FilePicture, Picture
from avalanche_mas.streams.task import HALVED, Reading, Sizes, Task, make_reading


def read(root: Path) -> Reading:
    """Read ``CUB_200_2011/`` with its four lists (images, classes, labels, split)."""
    folder = root / "CUB_200_2011"
    names = [name.split(".", 1)[-1].replace("_", " ") for _, name in pairs(folder / "classes.txt")]
    labels = dict(pairs(folder / "image_class_labels.txt"))
    training = dict(pairs(folder / "train_test_split.txt"))
    parts: dict[str, list[tuple[Picture, int]]] = {"1": [], "0": []}
    for number, name in pairs(folder / "images.txt"):
        if number not in labels:
            raise ValueError(f"{folder / 'image_class_labels.txt'}: no label for image {number}")
        if training.get(number) not in parts:
            raise ValueError(f"{folder / 'train_test_split.txt'}: no 0 or 1 for image {number}")
        label = class_index(labels[number], names, f"image_class_labels.txt, image {number}")
        parts[training[number]].append((FilePicture(name, folder / "images" / name), label))
    return make_reading(names, parts["1"], parts["0"])


BIRDS = Task(
    name="birds",
    title="CUB-200-2011",
    num_classes=200,
    sizes=Sizes(5994, 2897, 2897),
    address="https://www.vision.caltech.edu/datasets/cub_200_2011/",
    checksums={"CUB_200_2011.tgz": "97eceeb196236b17998738112f37df78"},
    licence="non-commercial research and education",
    split=HALVED,
    folder="CUB_200_2011",
    read=read,
)
