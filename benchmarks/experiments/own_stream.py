"""The stream that a function of the user's makes, as the comparison needs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from avalanche_mas.streams import Sizes, TaskBenchmark, TaskInfo, make_dataset, make_stream
from benchmarks.record.imported import function

PARTS = Sizes._fields


def own_stream(path: str) -> TaskBenchmark:
    """Return the stream made by the function at an import path.

    It may make a `TaskBenchmark`, as `stream_of_datasets` does, or any Avalanche benchmark with a
    train and a test stream, and perhaps a valid stream, of one experience for each task. The tasks of
    the latter are called task-1, task-2, and so on. They have a head each if each has a task label of
    its own; otherwise they share one.

    Raises:
        ValueError: It makes something else, or streams of different lengths, or a part has labels that
            the training data of the head lack.
    """
    made = function("--stream", path)()
    if isinstance(made, TaskBenchmark):
        return made
    streams = getattr(made, "streams", {})
    found = {part: list(streams[part]) for part in PARTS if part in streams}
    lengths = {part: len(one) for part, one in found.items()}
    if not {"train", "test"} <= {*found} or len({*lengths.values()}) > 1:
        raise ValueError(
            f"--stream {path}: it made a {type(made).__name__} with {lengths or 'no streams'}; make a "
            "benchmark with a train and a test stream, and perhaps a valid stream, of one experience "
            "for each task, such as stream_of_datasets makes"
        )
    if not all(hasattr(one.dataset, "targets") for stream in found.values() for one in stream):
        raise ValueError(
            f"--stream {path}: a data set lacks targets, the labels of all samples; give yours that "
            "attribute, and make Avalanche's of it with as_classification_dataset"
        )
    scenario = _scenario(found["train"])
    parts = {part: [_recorded(one.dataset) for one in stream] for part, stream in found.items()}
    labels = {part: [{int(y) for y in one.targets} for one in own] for part, own in parts.items()}
    _check_labels(path, labels, scenario)
    return make_stream(parts, _facts(parts, labels["train"]), scenario)


def _recorded(data: Any) -> Any:
    """Return a data set that records task labels, which distillation reads."""
    if hasattr(data, "targets_task_labels"):
        return data
    return make_dataset(data, {"train": None, "eval": None}, 0, "domain")


def _scenario(experiences: Sequence[Any]) -> str:
    labels = [tuple(getattr(one, "task_labels", (0,))) for one in experiences]
    if len({*labels}) == len(labels) and all(len(own) == 1 for own in labels):
        return "task"
    return "domain"


def _check_labels(path: str, labels: dict[str, list[set[int]]], scenario: str) -> None:
    """Refuse labels that nothing trains; a shared head is trained by all tasks."""
    every = set[int]().union(*labels["train"])
    for part, tasks in labels.items():
        for k, found in enumerate(tasks):
            trained = labels["train"][k] if scenario == "task" else every
            if unknown := sorted(found - trained):
                raise ValueError(
                    f"--stream {path}: {part!r} of task-{k + 1} has the label {unknown[0]}, but its "
                    f"head is trained with {sorted(trained)} only; number the classes alike in all "
                    "parts, and leave out what is not trained"
                )


def _facts(parts: dict[str, list[Any]], labels: list[set[int]]) -> list[TaskInfo]:
    classes = [sorted(own) for own in labels]
    outputs = 1 + max(own[-1] for own in classes)
    return [
        TaskInfo(
            name=f"task-{k + 1}",
            source="own",
            classes=tuple(map(str, own)),
            sizes=Sizes(*(len(parts[part][k]) if part in parts else 0 for part in PARTS)),
            stand_in=False,
            as_published=False,
            # so that a head shared by all tasks has an output for every label of all
            first_label=outputs - len(own),
        )
        for k, own in enumerate(classes)
    ]
