"""From tasks to an Avalanche benchmark."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from avalanche.benchmarks import CLScenario, benchmark_from_datasets, with_classes_timeline
from avalanche.benchmarks.scenarios import with_task_labels
from avalanche.benchmarks.utils import _make_taskaware_classification_dataset

from avalanche_mas.streams import drawn
from avalanche_mas.streams.dataset import Pictures, Prepare
from avalanche_mas.streams.pictures import ArrayPicture
from avalanche_mas.streams.registry import TASKS, find_task, is_stand_in, read_lists
from avalanche_mas.streams.split import halve
from avalanche_mas.streams.task import Normalisation, Sample, Sizes, Task

IMAGE_SIZES = {"drawn": 32, "real": 224}
"""Default height and width of an image, in pixels."""

SMALLEST = 16
"""The smallest image size taken, in pixels."""


@dataclass(frozen=True)
class TaskData:
    """What was really read for one task of a stream, to be told with every result.

    Attributes:
        name: the task's name.
        source: "drawn" or "real".
        classes: class names; the label is the position.
        sizes: numbers of pictures.
        stand_in: the pictures only take the data set's place; no result on them is one on it.
        as_published: real, no stand-in, and classes and sizes are those of the definition.
    """

    name: str
    source: str
    classes: tuple[str, ...]
    sizes: Sizes
    stand_in: bool
    as_published: bool


class TaskStream(CLScenario):
    """A benchmark of ``train_stream``, ``valid_stream``, ``test_stream``; an experience is a task.

    Each stream has it as its ``benchmark``.

    Attributes:
        tasks: what was read for each task.
    """

    def __init__(self, streams: list[Any], tasks: Sequence[TaskData]) -> None:
        super().__init__(streams)
        for stream in streams:
            stream.benchmark = self  # Avalanche leaves it out
        self.tasks = tuple(tasks)

    @property
    def task_names(self) -> list[str]:
        """The tasks in their order; the position is the task label."""
        return [task.name for task in self.tasks]

    @property
    def class_names(self) -> list[list[str]]:
        """The class names of every task; the position is the label."""
        return [list(task.classes) for task in self.tasks]

    @property
    def stand_ins(self) -> list[str]:
        """Names of the tasks whose place is taken by other pictures."""
        return [task.name for task in self.tasks if task.stand_in]


def eight_tasks(source: str | None = None, **options: Any) -> TaskStream:
    """The paper's sequence: flowers, scenes, birds, cars, aircraft, actions, letters, svhn.

    Args:
        source: as in :func:`task_stream`.
        **options: all other keywords of :func:`task_stream`.
    """
    return task_stream(tuple(TASKS), source=source, **options)


def task_stream(
    tasks: Sequence[str],
    root: str | PathLike[str] | None = None,
    *,
    source: str | None = None,
    image_size: int | None = None,
    seed: int = 0,
    augment: bool = True,
    stand_ins: Collection[str] = (),
    normalise: Normalisation | None = None,
    in_memory: bool = True,
) -> TaskStream:
    """A stream of image tasks, each with its own labels from 0 and its own task label.

    Args:
        tasks: names out of ``TASKS``, in the order in which they are to be learned.
        root: folder under which the official distributions lie unpacked; without it, drawn tasks.
        source: "drawn" or "real"; by default what ``root`` implies.
        image_size: height and width in pixels; 32 if drawn, 224 if real.
        seed: of the halving of official test sets, and of the drawing.
        augment: random shifts in training, and flips where a mirrored picture keeps its class.
        stand_ins: tasks for which pictures that only take the data set's place may be read, from
            ``root/stand-ins`` if they lie there. The stream lists them as ``stand_ins``.
        normalise: mean and deviation for all tasks, instead of each task's own.
        in_memory: decode everything once, now (at most 3 · image_size² bytes a picture);
            with False, decode each picture whenever it is asked for.

    Returns:
        The benchmark. Training data have a transform group "eval" without shifts and flips.

    Raises:
        ValueError: an argument is out of range, or a file cannot be understood.
        FileNotFoundError: the data are missing or incomplete; the message names the file.
    """
    definitions = _definitions(tasks)
    source = _source(source, root)
    side = _image_size(image_size, source)
    _check_stand_ins(stand_ins, tasks, source)
    data: list[TaskData] = []
    parts: dict[str, list[Any]] = {"train": [], "valid": [], "test": []}
    for number, task in enumerate(definitions):
        if root is None:
            facts, samples = _draw(task, seed, side)
        else:
            facts, samples = _read(task, Path(root), seed, task.name in stand_ins)
        data.append(facts)
        constants = normalise or task.normalisation
        plain = Prepare(side, constants)
        moved = Prepare(side, constants, shift=True, flip=task.flip) if augment else plain
        for part, chosen in samples.items():
            parts[part].append(
                _make_taskaware_classification_dataset(
                    Pictures(chosen, side, in_memory),
                    transform_groups={"train": moved if part == "train" else plain, "eval": plain},
                    task_labels=number,
                )
            )
    return _benchmark(parts, data)


def _benchmark(parts: dict[str, list[Any]], data: Sequence[TaskData]) -> TaskStream:
    """Experiences as multi-head models and distillation need them."""
    scenario = with_classes_timeline(with_task_labels(benchmark_from_datasets(**parts)))
    for stream in scenario.streams.values():
        for experience in stream:
            # Avalanche makes this a set, which its MultiHeadClassifier cannot index.
            experience.classes_in_this_experience = sorted(experience.classes_in_this_experience)
    return TaskStream(list(scenario.streams.values()), data)


def _draw(task: Task, seed: int, side: int) -> tuple[TaskData, dict[str, tuple[Sample, ...]]]:
    samples: dict[str, tuple[Sample, ...]] = {}
    for part in ("train", "valid", "test"):
        pixels, labels = drawn.draw(task.name, part, seed=seed, size=side)
        samples[part] = tuple(
            Sample(ArrayPicture(f"{part}/{i:06d}", image), int(label))
            for i, (image, label) in enumerate(zip(pixels, labels, strict=True))
        )
    classes = tuple(drawn.CLASSES[task.name])
    sizes = Sizes(*(len(chosen) for chosen in samples.values()))
    return TaskData(task.name, "drawn", classes, sizes, False, False), samples


def _read(
    task: Task, root: Path, seed: int, stand_in: bool
) -> tuple[TaskData, dict[str, tuple[Sample, ...]]]:
    reading = read_lists(task, root, stand_in)
    stand_in = is_stand_in(task, reading, root, stand_in)
    valid, test = halve(reading.test, seed)
    sizes = Sizes(len(reading.train), len(valid), len(test))
    complete = len(reading.classes) == task.num_classes and sizes == task.sizes
    facts = TaskData(task.name, "real", reading.classes, sizes, stand_in, complete and not stand_in)
    return facts, {"train": reading.train, "valid": valid, "test": test}


def _definitions(tasks: Sequence[str]) -> list[Task]:
    if isinstance(tasks, str):
        raise TypeError(f"tasks must be a list of names, not the string {tasks!r}: say [{tasks!r}]")
    if not tasks:
        raise ValueError(f"a stream needs at least one task; the tasks are {', '.join(TASKS)}")
    for name in tasks:
        if list(tasks).count(name) > 1:
            raise ValueError(f"task {name!r} is given twice in {list(tasks)}")
    return [find_task(name) for name in tasks]


def _source(source: str | None, root: str | PathLike[str] | None) -> str:
    chosen = source if source is not None else "drawn" if root is None else "real"
    if chosen not in IMAGE_SIZES:
        raise ValueError(f"unknown source {chosen!r}; the sources are {', '.join(IMAGE_SIZES)}")
    if chosen == "drawn" and root is not None:
        raise ValueError(f"drawn tasks have no data folder, but root={str(root)!r} was given")
    if chosen == "real" and root is None:
        raise ValueError("real data need root=, the folder that they lie in")
    return chosen


def _image_size(image_size: int | None, source: str) -> int:
    if image_size is None:
        return IMAGE_SIZES[source]
    if isinstance(image_size, bool) or not isinstance(image_size, int) or image_size < SMALLEST:
        raise ValueError(f"image_size must be an int of at least {SMALLEST}, not {image_size!r}")
    return image_size


def _check_stand_ins(stand_ins: Collection[str], tasks: Sequence[str], source: str) -> None:
    if isinstance(stand_ins, str):
        raise TypeError(f"stand_ins must be a list of names, not the string {stand_ins!r}")
    for name in stand_ins:
        if source == "drawn" or name not in tasks:
            raise ValueError(f"stand-in {name!r} is not one of the real tasks of this stream")
