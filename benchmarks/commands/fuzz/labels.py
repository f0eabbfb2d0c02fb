"""Small data sets in the official layouts, without their pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.io import savemat

from avalanche_mas.streams import TASKS, FilePicture

_NAMES = ("alpha", "beta ü")
_PARTS = {"train": range(4), "test": range(4, 8)}
"""The numbers of the pictures; their classes alternate."""


def write_labels(name: str, root: Path) -> None:
    """Write a data set of two classes: its label files, and empty files for its pictures."""
    for file, lines in _TEXTS.get(name, dict)().items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text("\n".join(lines) + "\n", encoding="utf-8")
    for file, variables in _MATS.get(name, dict)().items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        savemat(root / file, variables)
    found = TASKS[name].read(root)
    for sample in (*found.train, *found.test):
        if isinstance(sample.picture, FilePicture):
            sample.picture.path.parent.mkdir(parents=True, exist_ok=True)
            sample.picture.path.touch()


def _scenes() -> dict[str, list[str]]:
    return {
        f"indoorCVPR_09/{part.capitalize()}Images.txt": [
            f"{_NAMES[k % 2]}/a {k}.jpg" for k in numbers
        ]
        for part, numbers in _PARTS.items()
    }


def _birds() -> dict[str, list[str]]:
    folders = [f"{k:03d}.{name}" for k, name in enumerate(_NAMES, start=1)]
    lists = {
        "classes": [f"{k} {name}" for k, name in enumerate(folders, start=1)],
        "images": [f"{k} {folders[k % 2]}/{k}.jpg" for k in range(8)],
        "image_class_labels": [f"{k} {1 + k % 2}" for k in range(8)],
        "train_test_split": [f"{k} {int(k < 4)}" for k in range(8)],
    }
    return {f"CUB_200_2011/{name}.txt": lines for name, lines in lists.items()}


def _aircraft() -> dict[str, list[str]]:
    lists = {"variants": list(_NAMES)} | {
        f"images_variant_{'trainval' if part == 'train' else part}": [
            f"{k:07d} {_NAMES[k % 2]}" for k in numbers
        ]
        for part, numbers in _PARTS.items()
    }
    return {f"fgvc-aircraft-2013b/data/{name}.txt": lines for name, lines in lists.items()}


def _actions() -> dict[str, list[str]]:
    folder, files = "VOCdevkit/VOC2012", {}
    for part, numbers in {"train": _PARTS["train"], "val": _PARTS["test"]}.items():
        files[f"{folder}/ImageSets/Action/{part}.txt"] = [f"2010_{k} 1" for k in numbers]
        for k in numbers:
            box = "<xmin>5</xmin><ymin>6</ymin><xmax>15.5</xmax><ymax>26</ymax>"
            flags = f"<jumping>{k % 2}</jumping><phoning>{1 - k % 2}</phoning>"
            person = f"<bndbox>{box}</bndbox><actions>{flags}</actions>"
            text = f"<annotation><object>{person}</object></annotation>"
            files[f"{folder}/Annotations/2010_{k}.xml"] = [text]
    return files


def _letters() -> dict[str, list[str]]:
    labels = [11 + k % 2 for k in range(8)]
    names = [f"GoodImg/Bmp/Sample{label:03d}/img{k}" for k, label in enumerate(labels)]
    fields = {
        "ALLnames": [f"'{name}'" for name in names],
        "ALLlabels": [f"{label};" for label in labels],
        "TSTind": [f"{k + 1} 0" for k in _PARTS["test"]],
    }
    lines = [f"list.{name} = [{chr(10).join(values)}];" for name, values in fields.items()]
    return {"ListsTXT/list_English_Img.m": lines}


def _flowers() -> dict[str, dict[str, object]]:
    train, test = ([k + 1 for k in numbers] for numbers in _PARTS.values())
    sets = {"trnid": train[:2], "valid": train[2:], "tstid": test}
    return {
        "flowers-102/imagelabels.mat": {"labels": np.array([[1, 2] * 4], np.uint8)},
        "flowers-102/setid.mat": {n: np.array([each], np.uint16) for n, each in sets.items()},
    }


def _cars() -> dict[str, dict[str, object]]:
    def annotations(numbers: Sequence[int]) -> dict[str, object]:
        kind = [("bbox_x1", "O"), ("class", "O"), ("fname", "O")]
        cells = [(1, 1 + k % 2, f"{k:05d}.jpg") for k in numbers]
        return {"annotations": np.array([cells], dtype=kind).reshape(1, -1)}

    return {
        "stanford_cars/devkit/cars_meta.mat": {"class_names": np.array([_NAMES], dtype=object)},
        "stanford_cars/devkit/cars_train_annos.mat": annotations(_PARTS["train"]),
        "stanford_cars/cars_test_annos_withlabels.mat": annotations(_PARTS["test"]),
    }


def _svhn() -> dict[str, dict[str, object]]:
    labels = np.arange(1, 11)[:, None]
    pixels = np.zeros((2, 2, 3, 10), np.uint8)
    return {f"svhn/{part}_32x32.mat": {"X": pixels, "y": labels} for part in _PARTS}


_TEXTS = {
    "scenes": _scenes,
    "birds": _birds,
    "aircraft": _aircraft,
    "actions": _actions,
    "letters": _letters,
}
_MATS = {"flowers": _flowers, "cars": _cars, "svhn": _svhn}
