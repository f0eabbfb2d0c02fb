"""The configuration of a run, recorded beside its results so that it can be repeated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

from benchmarks.record.imported import is_path
from benchmarks.record.recipe import Recipe

NOTES = ("root_note", "strength_from", "method_title", "protocol")
"""Fields that only say where a value came from, so that a run folder may differ in them."""


@dataclass(frozen=True)
class Settings(Recipe):
    """The configuration of a run, as `config.json` holds it; see `Recipe` for the rest.

    Attributes:
        method: Its name, or the import path of a method of one's own.
        seed: The seed of initial weights, batch order and augmentation.
        source: `"drawn"` for images drawn by code, `"real"` for real data sets, `"own"` for a
            stream given by import path.
        root_note: The folder of the real data, as on the command line if that was relative.
        stand_ins: The tasks with other images in place of the data set's.
        samples: The number of images per task for training, validation and test.
        evaluated_on: The data that accuracies are measured on, `"test"` or `"valid"`.
        image_size: Height and width of the images; `None` if those of an own stream.
        model: The network's name, or the import path of the function that makes it.
        weights: Name and SHA-256 of the file with the initial weights, `None` for random ones, or
            those that an own network brings along.
        epochs: Passes over a task's training images; for joint training, over all of them.
        first_epochs: Passes over those of the first task; `None` for `epochs`.
        learning_rate: The peak learning rate of the heads, and of the rest by default.
        importance_on: The data that importance is measured on; `None` if the method decides or
            measures none.
        strength_share: The factor applied to the chosen strength; `None` for 1.
        strength_grid: `True` for a run of a grid of strengths, to show their trade-off; else `None`.
        choose: `"framework"` if trials on each task's validation data choose its learning rate and
            strength: then `learning_rate` is the grid's highest, `strength` is `None`, and the
            result holds the choices. `None` if both are fixed.
        transforms: `"paper"` for resizing and cropping as the paper does; `None` for the stream's own.
        scenario: "task", "domain" or "class"; `None` for that of the experiment.
        classes: How many classes of each data set are used; `None` for all.
        images_per_class: How many training images of each class are used; `None` for all.
        stream: The import path of the function that makes an own stream.
        method_title: The title of a method given by import path.
        protocol: The protocol that the defaults came from, and in what the run is unlike it; `None`
            for this project's own.
    """

    experiment: str
    method: str
    seed: int
    tasks: tuple[str, ...]
    source: str
    root_note: str | None
    stand_ins: tuple[str, ...]
    samples: dict[str, list[int]]
    evaluated_on: str
    image_size: int | None
    model: str
    weights: str | None
    epochs: int
    batch_size: int
    learning_rate: float
    strength: float | None
    strength_from: str | None
    importance_on: str | None = None
    strength_share: float | None = None
    first_epochs: int | None = None
    strength_grid: bool | None = None
    choose: str | None = None
    transforms: str | None = None
    scenario: str | None = None
    classes: int | None = None
    images_per_class: int | None = None
    stream: str | None = None
    method_title: str | None = None
    protocol: str | None = None

    @property
    def imports(self) -> tuple[str, ...]:
        """What is given by import path."""
        return tuple(filter(is_path, (self.method, self.model, self.stream or "")))

    def as_json(self) -> dict[str, Any]:
        """Return the fields as `config.json` holds them."""
        content = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}
        recipe = {field.name: content.pop(field.name) for field in fields(Recipe)}
        return {**content, **recipe}


def differences(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """Yield the names of the fields in which two configurations differ, except `NOTES`."""
    for name in [*new, *(name for name in old if name not in new)]:
        if name not in NOTES and old.get(name) != new.get(name):
            yield name
