"""Streams of your own data sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch.utils.data import Dataset

from avalanche_mas.options import check_option
from avalanche_mas.streams.stream import TaskBenchmark, TaskInfo, make_dataset, make_stream
from avalanche_mas.streams.task import Sizes

PARTS = Sizes._fields


def stream_of_datasets(
    tasks: Mapping[str, Mapping[str, Dataset[Any]]], scenario: str = "task"
) -> TaskBenchmark:
    """Make a stream of your data sets, prepared for multi-head models and LwF.

    Args:
        tasks: the data sets of each task by name, in the order of learning: ``"train"``, ``"valid"``
            and ``"test"``. Samples are (x, y), and ``targets`` holds all y, integers from 0. Parts
            may name their classes in ``classes``, all alike.
        scenario: ``"task"`` for one head and one task label per task; ``"domain"`` for one head that
            all tasks share, without task labels.

    Raises:
        ValueError: a task lacks a part or its labels, a part is empty, the training labels do not
            start at 0 or have gaps, another part has a label that they lack, two parts name their
            classes differently, or the scenario is unknown.
    """
    check_option("scenario", scenario, ("task", "domain"))
    if not tasks:
        raise ValueError("no tasks: a stream needs at least one")
    facts = [_facts(name, parts) for name, parts in tasks.items()]
    data = {
        part: [
            make_dataset(parts[part], {"train": None, "eval": None}, number, scenario)
            for number, parts in enumerate(tasks.values())
        ]
        for part in PARTS
    }
    return make_stream(data, facts, scenario)


def _facts(name: str, parts: Mapping[str, Dataset[Any]]) -> TaskInfo:
    labels = {}
    for part in PARTS:
        targets = getattr(parts.get(part), "targets", None)
        if targets is None or not len(targets):
            raise ValueError(
                f"{name}: {part!r} needs a data set with samples, and with all labels in its "
                f"attribute targets; the task has the parts {sorted(parts)}"
            )
        labels[part] = [int(label) for label in targets]
    count = len(set(labels["train"]))
    for part, found in labels.items():
        wrong = sorted(set(found) - set(range(count)))
        if wrong:
            raise ValueError(
                f"{name}: the labels of {part!r} must be 0 to {count - 1}, as the training data has "
                f"{count} different ones, but one is {wrong[0]}; number the classes of every task "
                "from 0"
            )
    classes = _classes(name, parts) or tuple(map(str, range(count)))
    if len(classes) != count:
        raise ValueError(f"{name}: {len(classes)} class names for {count} classes")
    sizes = Sizes(*(len(labels[part]) for part in PARTS))
    return TaskInfo(name, "own", classes, sizes, stand_in=False, as_published=False)


def _classes(name: str, parts: Mapping[str, Dataset[Any]]) -> tuple[str, ...]:
    """Return the class names that the parts agree on, if any part has them."""
    named = {part: getattr(parts[part], "classes", None) for part in PARTS}
    found = {part: tuple(map(str, names)) for part, names in named.items() if names}
    if len(set(found.values())) > 1:
        (part, classes), *others = found.items()
        other, different = next(pair for pair in others if pair[1] != classes)
        raise ValueError(
            f"{name}: the classes of {part!r} are {classes}, but those of {other!r} are "
            f"{different}, so that one label would mean two classes; number the classes alike in all "
            "parts (ImageFolder numbers the folders that it finds: give every part a folder for each "
            "class, and allow_empty=True where one is empty)"
        )
    return next(iter(found.values()), ())
