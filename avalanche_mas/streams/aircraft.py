"""FGVC-Aircraft, variants.

The official lists have 3,334 training, 3,333 validation and 3,333 test pictures. Training and
validation together make 6,667, one more than published; which picture was missing there is unknown.
"""

from __future__ import annotations

from pathlib import Path

from avalanche_mas.streams.files import lines, pairs
from avalanche_mas.streams.pictures import FilePicture
from avalanche_mas.streams.task import Listed, Reading, Sizes, Task, make_reading


def read(root: Path) -> Reading:
    """Read ``fgvc-aircraft-2013b/data/{variants.txt, images_variant_*.txt, images/<id>.jpg}``."""
    folder = root / "fgvc-aircraft-2013b" / "data"
    names = lines(folder / "variants.txt")

    def listed(part: str) -> Listed:
        path = folder / f"images_variant_{part}.txt"
        for number, variant in pairs(path):
            if variant not in names:
                raise ValueError(f"{path}, {number}: {variant!r} is not one of variants.txt")
            name = f"{number}.jpg"
            yield FilePicture(name, folder / "images" / name), names.index(variant)

    return make_reading(names, listed("trainval"), listed("test"))


AIRCRAFT = Task(
    name="aircraft",
    title="FGVC-Aircraft, variants",
    num_classes=100,
    sizes=Sizes(6666, 1666, 1667),
    rule_sizes=Sizes(6667, 1666, 1667),
    address="https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/",
    licence="non-commercial research",
    split="official trainval is the training set; "
    "official test set halved into validation and test",
    folder="fgvc-aircraft-2013b",
    read=read,
)
