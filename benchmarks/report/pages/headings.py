"""What groups have in common, in words: the experiment, its tasks, its data and its budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.report.names import experiment_named
from benchmarks.report.numbers.groups import Group


def setting(group: Group) -> str:
    """Tasks, data and budget in one sentence."""
    return f"{' → '.join(group.labels)} ({budget([group])})"


def heading(groups: Sequence[Group]) -> str:
    """The experiment in words, with its tasks where the groups have one sequence of them."""
    config = groups[0].config
    sequences = {tuple(group.tasks) for group in groups}
    experiment = experiment_named(config["experiment"]).title_of(tuple(groups[0].tasks))
    tasks = f": {' → '.join(groups[0].labels)}" if len(sequences) == 1 else ""
    chosen = f", λ chosen by the {config['choose']}" if config.get("choose") else ""
    return f"{experiment}{tasks} ({_images(groups)}{chosen})"


def budget(groups: Sequence[Group]) -> str:
    """Network, data and budget of groups that have them in common, in a list."""
    config = groups[0].config
    details = [
        f"{config['model']}" if "model" in config else "",
        f"{config['image_size']} px" if "image_size" in config else "",
        _epochs(config),
        f"batch {config['batch_size']}" if "batch_size" in config else "",
        _learning_rate(config),
        _images(groups),
    ]
    return ", ".join(filter(None, details))


def _images(groups: Sequence[Group]) -> str:
    """What the images are, by the marks of the tasks."""
    source = str(groups[0].config["source"])
    marked = {label.endswith("†") for group in groups for label in group.labels}
    return " and ".join("† stand-ins" if mark else f"{source} images" for mark in sorted(marked))


def _learning_rate(config: dict[str, Any]) -> str:
    if "learning_rate" not in config:
        return ""
    rate = f"{config['learning_rate']:g}"
    if config.get("choose"):
        return f"learning rate up to {rate}, as λ chosen for each task by the {config['choose']}"
    return f"learning rate {rate}"


def _epochs(config: dict[str, Any]) -> str:
    if "epochs" not in config:
        return ""
    count, first = config["epochs"], config.get("first_epochs")
    text = f"{count} epoch{'' if count == 1 else 's'} a task"
    return text if first in (None, count) else f"{text} ({first} on the first)"
