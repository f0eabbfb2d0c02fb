"""MIT Indoor-67."""

from __future__ import annotations

from pathlib import Path

from avalanche_mas.streams.files import lines
from avalanche_mas.streams.pictures import FilePicture
from avalanche_mas.streams.task import HALVED, Listed, Reading, Sizes, Task, make_reading


def read(root: Path) -> Reading:
    """Read ``indoorCVPR_09/{TrainImages.txt, TestImages.txt, Images/<class>/<file>}``."""
    folder = root / "indoorCVPR_09"
    train, test = (lines(folder / f"{part}Images.txt") for part in ("Train", "Test"))
    names = sorted({name.split("/")[0] for name in train + test})

    def listed(part: list[str]) -> Listed:
        for name in part:
            yield FilePicture(name, folder / "Images" / name), names.index(name.split("/")[0])

    return make_reading([name.replace("_", " ") for name in names], listed(train), listed(test))


SCENES = Task(
    name="scenes",
    title="MIT Indoor-67",
    num_classes=67,
    sizes=Sizes(5360, 670, 670),
    address="https://web.mit.edu/torralba/www/indoor.html",
    licence="research; the photographs keep their owners' rights",
    split=HALVED,
    folder="indoorCVPR_09",
    read=read,
)
