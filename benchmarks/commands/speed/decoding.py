"""The speed of a loader whose pictures are decoded every time, cached in memory or in a mapped file.

It loads training pictures of 224 pixels, with their random transforms, from JPEGs as large as the
data sets' photographs. These contain noise at all scales, so that decoding takes as long as for real
ones.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader

from avalanche_mas.streams import task_stream
from benchmarks.commands.speed.setup import Setup, measure_rows
from benchmarks.commands.speed.timing import name_column, named, ratio, ratio_text, take_turns
from benchmarks.report.formats import bare_markdown
from benchmarks.report.tables import Column

NAME = "decoding"
DESCRIPTION = "images per second of a loader, with and without cached decoding"
SECONDS = 0.0  # uses no GPU

SIZE = (500, 375)
"""Width and height of a photograph, in pixels."""

QUALITY = 90
FALL = 0.25
"""How fast the noise weakens as it gets finer, chosen so that the JPEGs are as large as real ones."""

IMAGE_SIZE = 224
BATCH = 32
TRANSFORMS = ("shift", "paper")
TEST = ("a.jpg", "b.jpg")
DECODED, MEMORY, FILE = "decoded every time", "in memory", "in a mapped file"


def measure(setup: Setup) -> Iterator[dict[str, Any]]:
    """Measure an epoch of a loader without workers; the three ways take turns."""
    images, rounds = (8, 1) if setup.quick else (256, 5)
    found: dict[str, Any] = {"images": images, "image_size": IMAGE_SIZE, "batch": BATCH}
    with TemporaryDirectory() as folder:
        root = Path(folder)
        setup.progress(f"{images} photographs of {SIZE[0]} x {SIZE[1]} pixels")
        found["jpeg_bytes"] = _write_photographs(root, images)
        rows = {kind: partial(_measure, root, kind, rounds) for kind in TRANSFORMS}
        yield from measure_rows(found, rows, setup, key="transforms")


def table(found: dict[str, Any]) -> str:
    """Show the images per second of the three ways, and the speed-up of the caches."""

    def cell(way: str, row: Mapping[str, Any]) -> str:
        rate = f"{found['images'] / statistics.median(row['seconds'][way]):.0f}"
        if way == DECODED:
            return rate
        return f"{rate}, {ratio_text(row['times_as_fast'][way])} times as fast"

    ways = (DECODED, MEMORY, FILE)
    columns: list[Column[Any]] = [Column(f"{w}, images/s", partial(cell, w)) for w in ways]
    rates = bare_markdown([name_column("transforms"), *columns], named(found["transforms"]))
    return (
        f"{found['images']} JPEGs of {SIZE[0]} x {SIZE[1]} pixels, "
        f"{found['jpeg_bytes'] / found['images'] / 1000:.0f} kB each, "
        f"to {found['image_size']} pixels; one process\n\n{rates}"
    )


def _measure(root: Path, transforms: str, rounds: int) -> dict[str, Any]:
    epochs: dict[str, Callable[[], object]] = {}
    for way, cache in {DECODED: None, MEMORY: "memory", FILE: root / "cache"}.items():
        stream = task_stream(
            ["scenes"], root, image_size=IMAGE_SIZE, transforms=transforms, cache=cache
        )
        loader = DataLoader(stream.train_stream[0].dataset, batch_size=BATCH, shuffle=True)
        epochs[way] = lambda loader=loader: [None for _ in loader]  # type: ignore[misc]
    seconds = take_turns(epochs, rounds)
    return {
        "seconds": seconds,
        "times_as_fast": {way: ratio(seconds[DECODED], seconds[way]) for way in (MEMORY, FILE)},
    }


def _write_photographs(root: Path, images: int) -> int:
    """Write pictures for training, and two for testing, as MIT Indoor does; return the bytes."""
    folder = root / "indoorCVPR_09"
    picture = folder / "Images" / "room"
    picture.mkdir(parents=True)
    for number in range(images):
        photograph = Image.fromarray(_photograph(np.random.default_rng(number)))
        photograph.save(picture / f"{number}.jpg", quality=QUALITY)
    for name in TEST:
        Image.new("RGB", (8, 8), "red").save(picture / name)
    (folder / "TrainImages.txt").write_text("".join(f"room/{i}.jpg\n" for i in range(images)))
    (folder / "TestImages.txt").write_text("".join(f"room/{name}\n" for name in TEST))
    return sum((picture / f"{i}.jpg").stat().st_size for i in range(images))


def _photograph(generator: np.random.Generator) -> NDArray[np.uint8]:
    """Return noise that is weaker the finer it is, as in photographs; [H, W, 3]."""
    width, height = SIZE
    total = np.zeros((height, width, 3))
    for cells in (3, 6, 12, 25, 50, 100, 200, 400):
        noise = generator.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        scaled = Image.fromarray(noise).resize(SIZE, Image.Resampling.BICUBIC)
        total += np.asarray(scaled) / cells**FALL
    low, high = total.min(), total.max()
    return np.asarray(255 * (total - low) / (high - low), dtype=np.uint8)
