"""What one run is: the configuration that stands beside its results and makes it repeatable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

from benchmarks.record.recipe import Recipe

NOTES = ("root_note", "strength_from")
"""Fields that say where something came from and decide nothing: they may differ in a run folder."""


@dataclass(frozen=True)
class Settings(Recipe):
    """The configuration of one run, as it stands in `config.json`; see `Recipe` for the rest of it.

    Attributes:
        experiment: The sequence of tasks, by name.
        method: What is done about forgetting, by name.
        seed: Decides the initial weights, the order of the batches and the augmentation.
        tasks: The tasks in the order in which they are learned.
        source: `"drawn"` for images drawn by code, `"real"` for real data sets.
        root_note: The folder of the real data, as named on the command line if that was relative.
        stand_ins: The tasks whose place is taken by other pictures.
        samples: How many images each task has for training, validation and test.
        evaluated_on: The part of the data that the accuracies are of, `"test"` or `"valid"`.
        image_size: Height and width of the images in pixels.
        model: The network, by name.
        weights: Name and SHA-256 of the file with the initial weights, `None` for random ones.
        epochs: Passes over a task's training images; joint training passes as often over all of
            them.
        first_epochs: Passes over the first task's, `None` for as many.
        batch_size: Images per training step.
        learning_rate: The highest learning rate of the heads, and of all else where nothing else is
            said.
        strength: The method's strength, `None` for a method without one.
        strength_from: Where the strength comes from.
        importance_on: The data that importance is measured on; `None` for a method that measures
            none, and where the experiment leaves it to the method.
        strength_share: What share of the strength that was chosen this one is; `None` for all.
        strength_grid: `True` for a run that is one of several strengths, whose trade-off is looked
            at; `None` for all others.
        choose: `"framework"` where learning rate and strength are chosen for each task by trials on
            its validation data: then `learning_rate` is the highest of the grid, and `strength` is
            `None`; what was chosen is in the result. `None` where both are fixed.
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
    image_size: int
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

    def as_json(self) -> dict[str, Any]:
        """Return the fields as `config.json` holds them."""
        content = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}
        recipe = {field.name: content.pop(field.name) for field in fields(Recipe)}
        return {**content, **recipe}


def differences(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """Yield the names of the fields in which two configurations differ, notes aside."""
    for name in [*new, *(name for name in old if name not in new)]:
        if name not in NOTES and old.get(name) != new.get(name):
            yield name
