"""Checking every picture and label of a data set for errors and oddities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from avalanche_mas.streams import (
    FilePicture,
    Picture,
    Reading,
    Sample,
    Task,
    find_duplicates,
    is_stand_in,
    locate,
)
from benchmarks.data.disk import sums
from benchmarks.data.record import read_sums

FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".bmp": "BMP", ".gif": "GIF"}
"""Pillow's name of the format for each file suffix."""

SHOWN = 3
"""The number of files to name when several share an oddity."""


@dataclass
class Findings:
    """The findings in one data set, one sentence each.

    Errors are `wrong`, to be fixed before training; warnings make results doubtful; notes are
    harmless. `counts` has the name, the training and the test pictures of every class.
    """

    wrong: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    counts: list[tuple[str, int, int]] = field(default_factory=list)


def check_task(task: Task, root: Path, stand_in: bool = False) -> Findings:
    """Open every picture, and compare lists, files and recorded checksums.

    Raises:
        FileNotFoundError: this task has no folder.
    """
    where = locate(task, root, stand_in)
    try:
        reading = task.read(where)
    except (FileNotFoundError, ValueError) as error:
        return Findings(wrong=[str(error)])
    found = Findings(counts=class_counts(reading))
    samples = reading.train + reading.test
    found.wrong = [*_damages(task, samples), *_changed(task, where)]
    if found.wrong:
        return found
    try:
        is_stand_in(task, reading, root, stand_in)
    except ValueError as error:
        found.wrong.append(str(error))
    same = find_duplicates(reading)
    paths = list(dict.fromkeys(_paths(samples)))
    found.warnings = [
        *_about("no test pictures of {}", [name for name, _, test in found.counts if not test]),
        *(
            f"the same picture is in the training and the test set: {' = '.join(each.train + each.test)}"
            for each in same
            if each.across
        ),
    ]
    within = [" = ".join(each.train or each.test) for each in same if not each.across]
    found.notes = [
        *_spread(found.counts),
        *_left_out(reading),
        *_about(f"{len(within)} pictures are in one set more than once: {{}}", within),
        *_unlisted(where / task.folder, paths),
        *_misnamed(paths),
    ]
    return found


def class_counts(reading: Reading) -> list[tuple[str, int, int]]:
    """Return the name and the numbers of training and test pictures of every class."""
    train, test = (Counter(s.label for s in part) for part in (reading.train, reading.test))
    return [(name, train[label], test[label]) for label, name in enumerate(reading.classes)]


def _damages(task: Task, samples: Sequence[Sample]) -> list[str]:
    bar = tqdm(samples, desc=task.name, unit=" pictures", disable=None, leave=False)
    return list(dict.fromkeys(filter(None, (_damage(sample.picture) for sample in bar))))


def _damage(picture: Picture) -> str:
    """Return what is wrong with a picture, or an empty string."""
    try:
        picture.open()
    except FileNotFoundError as error:
        return f"{error.filename} is missing"
    except ValueError as error:
        return str(error)
    return ""


def _changed(task: Task, root: Path) -> list[str]:
    """Name the files that have changed since they were fetched."""
    wrong = []
    try:
        recorded = list(read_sums(task, root))
    except ValueError as error:
        return [str(error)]
    for name, digest in tqdm(recorded, desc="sums", unit=" files", disable=None, leave=False):
        path = root / name
        if not path.is_file():
            wrong.append(f"{path} was fetched, but is missing")
        elif sums(path, ["sha256"])["sha256"] != digest:
            wrong.append(f"{path} has changed since it was fetched")
    return wrong


def _spread(counts: Sequence[tuple[str, int, int]]) -> list[str]:
    train, test = [row[1] for row in counts], [row[2] for row in counts]
    return [
        f"pictures of each class: {min(train)} to {max(train)} for training, "
        f"{min(test)} to {max(test)} for test"
    ]


def _left_out(reading: Reading) -> list[str]:
    counted = [f"{count} {what}" for what, count in reading.left_out.items()]
    return [f"left out: {', '.join(counted)}"] if counted else []


def _unlisted(folder: Path, listed: Sequence[Path]) -> list[str]:
    images = {path for path in folder.rglob("*") if path.suffix.lower() in FORMATS}
    strays = [str(path) for path in sorted(images - set(listed))] if listed else []
    return _about(f"{len(strays)} images are not in any list: {{}}", strays)


def _misnamed(paths: Sequence[Path]) -> list[str]:
    """Name the pictures whose format differs from their suffix; they can be read anyway."""
    groups: dict[str, list[str]] = {}
    for path in paths:
        with Image.open(path) as image:
            kind = "JPEG" if image.format == "MPO" else str(image.format)
        if kind != FORMATS.get(path.suffix.lower(), kind):
            groups.setdefault(f"{kind} files named {path.suffix}", []).append(str(path))
    return [f"{len(names)} {kind}: {_first(names)}" for kind, names in groups.items()]


def _paths(samples: Iterable[Sample]) -> list[Path]:
    return [s.picture.path for s in samples if isinstance(s.picture, FilePicture)]


def _about(sentence: str, names: Sequence[str]) -> list[str]:
    """Return the sentence with the first names in it; nothing if there are none."""
    return [sentence.format(_first(names))] if names else []


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
