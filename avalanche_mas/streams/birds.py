"""CUB-200-2011."""

from __future__ import annotations

from pathlib import Path

from avalanche_mas.streams.files import class_index, read_table
from avalanche_mas.streams.pictures import FilePicture, Picture
from avalanche_mas.streams.task import HALVED, Reading, Sizes, Task, make_reading


def read(root: Path) -> Reading:
    """Read ``CUB_200_2011/`` with its four lists (images, classes, labels, split)."""
    folder = root / "CUB_200_2011"
    folders = list(read_table(folder / "classes.txt").values())
    images = read_table(folder / "images.txt")
    labels = read_table(folder / "image_class_labels.txt")
    training = read_table(folder / "train_test_split.txt")
    parts: dict[str, list[tuple[Picture, int]]] = {"1": [], "0": []}
    for number, name in images.items():
        if number not in labels:
            raise ValueError(f"{folder / 'image_class_labels.txt'}: no label for image {number}")
        if training.get(number) not in parts:
            raise ValueError(f"{folder / 'train_test_split.txt'}: no 0 or 1 for image {number}")
        label = class_index(labels[number], folders, f"image_class_labels.txt, image {number}")
        if name.split("/")[0] != folders[label]:
            raise ValueError(
                f"{folder / 'image_class_labels.txt'}: image {number}, {name}, is not of class "
                f"{folders[label]}"
            )
        parts[training[number]].append((FilePicture(name, folder / "images" / name), label))
    names = [name.split(".", 1)[-1].replace("_", " ") for name in folders]
    without = {"labels without an image": len(labels.keys() - images.keys())}
    return make_reading(names, parts["1"], parts["0"], without)


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
