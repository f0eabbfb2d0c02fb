"""Street View House Numbers, format 2 (single digits, 32 x 32)."""

from __future__ import annotations

from pathlib import Path
from string import digits

import numpy as np

from avalanche_mas.streams.files import class_index
from avalanche_mas.streams.matlab import matlab
from avalanche_mas.streams.pictures import ArrayPicture
from avalanche_mas.streams.task import HALVED, Listed, Reading, Sizes, Task, make_reading


def read(root: Path) -> Reading:
    """Read ``svhn/{train,test}_32x32.mat``; the official label of the digit 0 is 10."""

    def listed(part: str) -> Listed:
        path = root / "svhn" / f"{part}_32x32.mat"
        pixels, labels = matlab(path, "X", "y")
        whole = pixels.ndim == 4 and pixels.shape[2] == 3 and pixels.shape[3:] == labels.shape
        if not whole or pixels.dtype != np.uint8:
            raise ValueError(
                f"{path}: X has shape {pixels.shape} and y {labels.shape}, of {pixels.dtype}; "
                "expected [H, W, 3, N] and [N], of uint8"
            )
        for i, label in enumerate(labels):
            digit = (class_index(label, digits, f"{path}, picture {i}") + 1) % 10
            yield ArrayPicture(f"{part}/{i:06d}", pixels[..., i]), digit

    return make_reading(digits, listed("train"), listed("test"))


SVHN = Task(
    name="svhn",
    title="Street View House Numbers",
    num_classes=10,
    sizes=Sizes(73257, 13016, 13016),
    address="http://ufldl.stanford.edu/housenumbers/",
    checksums={
        "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
        "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
    },
    licence="non-commercial use",
    split=HALVED,
    folder="svhn",
    read=read,
    flip=False,
)
