"""The eight tasks, and reading one of them from a root.

torchvision has classes for Flowers, Aircraft, Cars and SVHN, and Avalanche one for CUB-200. They are not
used to read, though the tests compare with them: what they offer is a decoded picture and its label by
number, while a stream needs names (the halves are chosen by them), labels without decoding, and errors
that name the file. Theirs also refuse the parts of data sets that have another MD5 (Flowers, SVHN).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from avalanche_mas.streams.actions import ACTIONS
from avalanche_mas.streams.aircraft import AIRCRAFT
from avalanche_mas.streams.birds import BIRDS
from avalanche_mas.streams.cars import CARS
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
"""The folder under a root where pictures lie that take the place of a data set."""

LOOKED_AT = 32
"""So many training pictures, evenly spaced, are looked at to see whether a data set has colour."""


def find_task(name: str) -> Task:
    """The definition of a task.

    Raises:
        ValueError: there is no task of this name.
    """
    if name not in TASKS:
        raise ValueError(f"unknown task {name!r}; the tasks are {', '.join(TASKS)}")
    return TASKS[name]


def locate(task: Task, root: Path, stand_in: bool = False) -> Path:
    """The root under which a task's folder lies: ``root``, or ``root/stand-ins`` for a stand-in.

    Raises:
        FileNotFoundError: the root or the task's folder is not there.
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
    """Read the lists of a task and see that every picture in them is there.

    Raises:
        FileNotFoundError: the folder, a list or a picture is missing; the message names it.
        ValueError: a list cannot be understood; the message names it.
    """
    where = locate(task, root, stand_in)
    try:
        reading = task.read(where)
    except (FileNotFoundError, ValueError) as error:
        raise type(error)(f"{task.name}: {error}") from error
    absent = missing_files(reading)
    if absent:
        raise FileNotFoundError(
            f"{task.name}: {len(absent)} of the listed pictures are missing, the first is "
            f"{absent[0]}; unpack {task.title} ({task.address}) again"
        )
    return reading


def missing_files(reading: Reading) -> list[Path]:
    """The files that the lists name but that are not there."""
    pictures = (sample.picture for sample in reading.train + reading.test)
    paths = {p.path: None for p in pictures if isinstance(p, FilePicture)}
    return [path for path in paths if not path.is_file()]


def is_stand_in(task: Task, reading: Reading, root: Path, asked: bool) -> bool:
    """Whether the pictures only take the data set's place.

    They do if they were asked for as such, or lie under a folder ``stand-ins``. All eight data sets
    are in colour: pictures without any are refused unless they were asked for as a stand-in.

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
