"""Contact sheets of what a network sees of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

from PIL import Image

from avalanche_mas.streams import (
    IMAGE_SIZES,
    SMALLEST,
    TASKS,
    ArrayPicture,
    Normalisation,
    Picture,
    Sample,
    Task,
    drawn,
    is_stand_in,
    locate,
    read_lists,
    task_transforms,
)
from benchmarks.data.sheet import PictureRow, by_class, by_task
from benchmarks.experiments.sequences import task_title

UNCHANGED = Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
"""A normalisation that keeps prepared pictures viewable."""

DOZEN = 12
"""Pictures per row of the sheet of all tasks."""


def sheet_of_task(
    task: Task,
    root: Path | None,
    stand_in: bool = False,
    *,
    classes: int,
    each: int,
    image_size: int | None = None,
    transforms: str = "shift",
    tile: int,
) -> tuple[Image.Image, str]:
    """Draw a sheet of training pictures as a network gets them in evaluation, and describe it.

    There are at most `classes` classes, evenly spaced, with their first `each` pictures. The
    network's input has `image_size` pixels, by default those of a stream; without a root,
    pictures are drawn.
    """
    names, samples, kind = _samples(task, root, stand_in, each, image_size)
    side = image_size or IMAGE_SIZES["drawn" if root is None else "real"]
    chosen = _spread(len(names), classes)
    rows = []
    for label in chosen:
        pictures = [sample.picture for sample in samples if sample.label == label][:each]
        rows.append(PictureRow(names[label], _seen(pictures, side, transforms)))
    part = f"{len(chosen)} of" if len(chosen) < len(names) else "all"
    title = f"{task.title}, {kind}: {part} {len(names)} classes, {side} x {side} pixels"
    return by_class(title, rows, tile), title


def sheet_of_all(
    root: Path | None, stand_ins: Sequence[str], image_size: int, tile: int
) -> tuple[Image.Image, str]:
    """Draw a sheet of a dozen training pictures of every task, drawn or from a root.

    Raises:
        FileNotFoundError: no data set is under the root.
    """
    rows = []
    for task in TASKS.values():
        if root is not None and not _present(task, root, task.name in stand_ins):
            continue
        names, samples, kind = _samples(task, root, task.name in stand_ins, 2, image_size)
        labels = _spread(len(names), DOZEN)
        of = {n: cycle([s.picture for s in samples if s.label == n]) for n in labels}
        pictures = [next(of[label]) for label in islice(cycle(labels), DOZEN)]
        mark = " (stand-in)" if kind.startswith("STAND-IN") else ""
        rows.append(PictureRow(task_title(task.name) + mark, _seen(pictures, image_size, "shift")))
    if not rows:
        raise FileNotFoundError(f"none of the data sets is in {root}")
    return by_task(rows, tile), f"{len(rows)} tasks, {DOZEN} pictures each"


def _present(task: Task, root: Path, stand_in: bool) -> bool:
    try:
        locate(task, root, stand_in)
    except FileNotFoundError:
        if not root.is_dir():
            raise
        return False
    return True


def _samples(
    task: Task, root: Path | None, stand_in: bool, each: int, image_size: int | None
) -> tuple[tuple[str, ...], Sequence[Sample], str]:
    """Return class names, training samples, and a description of them."""
    if image_size is not None and image_size < SMALLEST:
        raise ValueError(f"--image-size must be at least {SMALLEST}, not {image_size}")
    if root is None:
        names, samples = _drawn(task, each, image_size or IMAGE_SIZES["drawn"])
        return names, samples, "drawn by code in its place"
    reading = read_lists(task, root, stand_in)
    stands_in = is_stand_in(task, reading, root, stand_in)
    kind = "STAND-IN, other pictures in its place" if stands_in else "real"
    return reading.classes, reading.train, kind


def _drawn(task: Task, each: int, side: int) -> tuple[tuple[str, ...], list[Sample]]:
    most = drawn.IMAGES_PER_CLASS["train"]
    if each > most:
        raise ValueError(f"there are only {most} drawn pictures of each class, not {each}")
    split = "valid" if each <= drawn.IMAGES_PER_CLASS["valid"] else "train"
    pixels, labels = drawn.draw(task.name, split, size=side)
    samples = [
        Sample(ArrayPicture(str(i), image), int(label))
        for i, (image, label) in enumerate(zip(pixels, labels, strict=True))
    ]
    return drawn.CLASSES[task.name], samples


def _spread(count: int, wanted: int) -> list[int]:
    """Return at most ``wanted`` evenly spaced numbers below ``count``."""
    chosen = min(count, wanted)
    return [i * count // chosen for i in range(chosen)]


def _seen(pictures: Sequence[Picture], side: int, transforms: str) -> list[Image.Image]:
    """Return the pictures as the evaluation transforms prepare them."""
    prepare = task_transforms(transforms, side, UNCHANGED, augment=False, flip=False)
    inputs = [prepare.evaluate(prepare.geometry(picture)) for picture in pictures]
    return [
        Image.fromarray((255 * pixels).round().byte().permute(1, 2, 0).numpy()) for pixels in inputs
    ]
