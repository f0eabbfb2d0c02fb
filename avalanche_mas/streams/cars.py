"""Stanford Cars."""

from __future__ import annotations

from pathlib import Path

from avalanche_mas.streams.files import as_text, class_index
from avalanche_mas.streams.matlab import matlab
from avalanche_mas.streams.pictures import FilePicture
from avalanche_mas.streams.task import HALVED, Listed, Reading, Sizes, Task, make_reading


def read(root: Path) -> Reading:
    """Read ``stanford_cars/{devkit, cars_train, cars_test, cars_test_annos_withlabels.mat}``.

    Whole pictures are taken, as the published comparisons do; the boxes are not used.
    """
    folder = root / "stanford_cars"
    meta = folder / "devkit" / "cars_meta.mat"
    [titles] = matlab(meta, "class_names")
    names = [as_text(title, meta) for title in titles]

    def listed(annotations: Path, images: str) -> Listed:
        [rows] = matlab(annotations, "annotations")
        if not all(isinstance(row, dict) and {"fname", "class"} <= row.keys() for row in rows):
            raise ValueError(f"{annotations} has no field 'class': it is the file without labels")
        for row in rows:
            name = f"{images}/{as_text(row['fname'], annotations)}"
            label = class_index(row["class"], names, f"{annotations.name}, {name}")
            yield FilePicture(name, folder / name), label

    train = listed(folder / "devkit" / "cars_train_annos.mat", "cars_train")
    test = listed(folder / "cars_test_annos_withlabels.mat", "cars_test")
    return make_reading(names, train, test)


CARS = Task(
    name="cars",
    title="Stanford Cars",
    num_classes=196,
    sizes=Sizes(8144, 4020, 4021),
    address="https://ai.stanford.edu/~jkrause/cars/car_dataset.html",
    licence="non-commercial research; the photographs keep their owners' rights",
    split=HALVED,
    folder="stanford_cars",
    read=read,
)
