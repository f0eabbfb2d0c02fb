"""What groups share, in words: the experiment, its tasks, its data and its budget."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.report.names import experiment_named
from benchmarks.report.numbers.groups import Group

_UNUSUAL = {
    "transforms": "the {}'s transforms",
    "scenario": "{}-incremental",
    "classes": "{} classes per task",
    "images_per_class": "{} images per class",
}
"""What a budget tells of a configuration where it says so."""


def setting(group: Group) -> str:
    """Describe tasks, data and budget of a group."""
    return f"{' → '.join(group.labels)} ({budget([group])})"


def heading(groups: Sequence[Group]) -> str:
    """Describe the experiment, with its tasks if the groups share one sequence of them."""
    config = groups[0].config
    sequences = {tuple(group.tasks) for group in groups}
    experiment = experiment_named(config["experiment"]).title_of(tuple(groups[0].tasks))
    tasks = f": {' → '.join(groups[0].labels)}" if len(sequences) == 1 else ""
    chosen = f", λ chosen by the {config['choose']}" if config.get("choose") else ""
    return f"{experiment}{tasks} ({_images(groups)}{chosen})"


def budget(groups: Sequence[Group]) -> str:
    """List the network, the budget and the data that groups share."""
    config = groups[0].config
    count, first = config["epochs"], config.get("first_epochs")
    epochs = f"{count} epoch{'' if count == 1 else 's'} per task"
    if first not in (None, count):
        epochs += f" ({first} on the first)"
    rate = f"{config['learning_rate']:g}"
    if config.get("choose"):
        rate = f"up to {rate}, as λ chosen for each task by the {config['choose']}"
    side = config["image_size"]
    parts = [
        config["model"],
        f"{side} px" if side else "",
        epochs,
        f"batch {config['batch_size']}",
        f"learning rate {rate}",
        *(form.format(config[name]) for name, form in _UNUSUAL.items() if config.get(name)),
        "" if config.get("optimizer", "sgd") == "sgd" else config["optimizer"],
        _images(groups),
    ]
    return ", ".join(filter(None, parts))


def _images(groups: Sequence[Group]) -> str:
    """Describe the images by the marks of the tasks."""
    source = str(groups[0].config["source"])
    marked = {label.endswith("†") for group in groups for label in group.labels}
    return " and ".join("† stand-ins" if mark else f"{source} images" for mark in sorted(marked))
