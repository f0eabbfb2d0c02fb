"""The eight tasks, and reading one of them from a root.

torchvision has classes for Flowers, Aircraft, Cars and SVHN, and Avalanche has one for CUB-200. The tests
compare with them, but they do not read the data here: they give a decoded picture and its label by index,
while a stream needs names (which decide the halves), labels without decoding, and errors that name the
file. They also reject files with another MD5 (Flowers, SVHN), hence parts of data sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from avalanche_mas.options import guess
from avalanche_mas.streams.actions import ACTIONS
from avalanche_mas.streams.aircraft import AIRCRAFT
from avalanche_mas.streams.birds import BIRDS
from avalanche_mas.streams.cars import CARS
from avalanche_mas.streams.files import is_file
from avalanche_mas.streams.flowers import FLOWERS
from avalanche_mas.streams.letters import LETTERS
from avalanche_mas.streams.pictures import FilePicture, is_grey
from avalanche_mas.streams.scenes import SCENES
from avalanche_mas.streams.svhn import SVHN
from avalanche_mas.streams.task import Reading, Task

TASKS: Mapping[str, Task] = MappingProxyType(
    {task.name: task for task in (FLOWERS, SCENES, BIRDS, CARS, AIRCRAFT, ACTIONS, LETTERS, SVHN)}
)
"""The definitions by name, in the order of the paper's eight-task sequence."""

STAND_INS = "stand-ins"
"""The folder under a root for pictures that stand in for a data set."""

LOOKED_AT = 32
"""The number of training pictures, evenly spaced, that are checked for colour."""


def find_task(name: str) -> Task:
    """Return the definition of a task.

    Raises:
        ValueError: no task has this name.
    """
    if name not in TASKS:
        raise ValueError(
            f"unknown task {name!r}; the tasks are {', '.join(TASKS)}{guess(name, TASKS)}"
        )
    return TASKS[name]


def locate(task: Task, root: Path, stand_in: bool = False) -> Path:
    """Return the root of a task's folder: ``root``, or ``root/stand-ins`` for a stand-in.

    Raises:
        FileNotFoundError: the root or the task's folder is missing.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"the data folder {root} does not exist")
    if stand_in and (root / STAND_INS / task.folder).is_dir():
        return root / STAND_INS
    if not (root / task.folder).is_dir():
        raise FileNotFoundError(
            f"{task.name}: there is no folder {root / task.folder}; get {task.title} from "
            f"{task.address} and unpack it there"
        )
    return root


def read_lists(task: Task, root: Path, stand_in: bool = False) -> Reading:
    """Read a task's lists and check that every listed picture exists.

    Raises:
        FileNotFoundError: the folder, a list or a picture is missing; the message names it.
        ValueError: a list cannot be understood; the message names it.
    """
    where = locate(task, root, stand_in)
    try:
        reading = task.read(where)
    except (FileNotFoundError, ValueError) as error:
        kind = FileNotFoundError if isinstance(error, FileNotFoundError) else ValueError
        remedy = f"unpack {task.title} ({task.address}) again under {where}"
        raise kind(f"{task.name}: {error}; {remedy}") from error
    absent = missing_files(reading)
    if absent:
        raise FileNotFoundError(
            f"{task.name}: {len(absent)} of the listed pictures are missing, the first is "
            f"{absent[0]}; unpack {task.title} ({task.address}) again"
        )
    return reading


def missing_files(reading: Reading) -> list[Path]:
    """Return the listed files that do not exist."""
    pictures = (sample.picture for sample in reading.train + reading.test)
    paths = {p.path: None for p in pictures if isinstance(p, FilePicture)}
    return [path for path in paths if not is_file(path)]


def is_stand_in(task: Task, reading: Reading, root: Path, asked: bool) -> bool:
    """Return whether the pictures only stand in for the data set.

    They do if the caller says so, or if they are under a folder ``stand-ins``. All eight data sets
    are in colour, so grey pictures are refused unless the caller declares them a stand-in.

    Raises:
        ValueError: no picture has colour.
    """
    if asked or STAND_INS in root.resolve().parts:
        return True
    step = max(1, len(reading.train) // LOOKED_AT)
    if all(is_grey(sample.picture) for sample in reading.train[::step]):
        raise ValueError(
            f"{task.name}: no picture under {root / task.folder} has any colour, so they are not "
            f"those of {task.title}; to use them in its place, name {task.name!r} in stand_ins"
        )
    return False
