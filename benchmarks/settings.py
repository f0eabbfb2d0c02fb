"""What one run is: the configuration that stands beside its results and makes it repeatable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.experiments import EXPERIMENTS
from benchmarks.methods import METHODS, Method
from benchmarks.options import Options
from benchmarks.tuned import tuned_strength

TUNING_SEED = 1000
"""The seed that strengths are tuned with, and that no reported run may use."""

NOTES = ("root_note", "strength_from")
"""Fields that say where something came from and decide nothing: they may differ in a run folder."""


@dataclass(frozen=True)
class Defaults:
    """What a network is trained with where the command line does not say.

    Attributes:
        image_size: Height and width of the images in pixels.
        epochs: Passes over a task's training images.
        learning_rate: Peak of the one-cycle learning rate.
    """

    image_size: int
    epochs: int
    learning_rate: float


DEFAULTS = {"small-cnn": Defaults(32, 12, 0.05), "squeezenet": Defaults(64, 15, 0.01)}


@dataclass(frozen=True)
class Settings:
    """The configuration of one run, as it stands in `config.json`.

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
        batch_size: Images per training step.
        optimizer: The optimizer; it starts afresh with every task.
        learning_rate: Peak of the learning rate.
        schedule: Course of the learning rate over each task.
        gradient_clip: Largest 2-norm of the gradient, the method's own part included.
        strength: The method's strength, `None` for a method without one.
        strength_from: Where the strength comes from.
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
    optimizer: str = "SGD, momentum 0.9"
    schedule: str = "one-cycle"
    gradient_clip: float = 5.0

    def as_json(self) -> dict[str, Any]:
        """Return the fields as `config.json` holds them."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    def folder(self, output: Path) -> Path:
        """Return the run folder below `output`."""
        return output / self.experiment / self.method / f"seed{self.seed}"


def plan(options: Options) -> list[Settings]:
    """Return the runs that a command line asks for: every method with every seed.

    What only the data can tell, `samples`, and the weight file are still empty.

    Raises:
        ValueError: The experiment cannot have these tasks, an option contradicts another, or a seed
            is the one kept for tuning.
    """
    experiment = EXPERIMENTS[options.experiment]
    tasks = experiment.tasks if options.tasks is None else options.tasks
    experiment.check(tasks)
    if TUNING_SEED in options.seeds:
        raise ValueError(f"seed {TUNING_SEED} is kept for tuning; choose another with --seeds")
    model = options.model or ("small-cnn" if options.root is None else "squeezenet")
    if model != "squeezenet" and options.weights not in ("auto", "none"):
        raise ValueError(f"--weights {options.weights}: {model} has no weight file; leave it out")
    defaults = DEFAULTS[model]
    common = Settings(
        experiment=experiment.name,
        method="",
        seed=0,
        tasks=tasks,
        source="drawn" if options.root is None else "real",
        root_note=_note(options.root),
        stand_ins=options.stand_ins,
        samples={},
        evaluated_on="test",
        image_size=options.image_size or defaults.image_size,
        model=model,
        weights=None,
        epochs=options.epochs or defaults.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate or defaults.learning_rate,
        strength=None,
        strength_from=None,
    )
    given = dict(options.strength)
    return [
        replace(common, method=name, seed=seed, **_strength(METHODS[name], given, common))
        for seed in options.seeds
        for name in dict.fromkeys(options.methods)
    ]


def _note(root: Path | None) -> str | None:
    if root is None:
        return None
    return root.name if root.is_absolute() else root.as_posix()


def _strength(method: Method, given: dict[str, float], run: Settings) -> dict[str, Any]:
    """Return a method's strength and where it is from."""
    if method.strength is None:
        return {"strength": None, "strength_from": None}
    if method.name in given:
        return {"strength": given[method.name], "strength_from": "the command line"}
    tuned = tuned_strength(run.experiment, run.source, method.tuned_as or method.name)
    if tuned is not None:
        return {"strength": tuned, "strength_from": "tuning on validation data"}
    return {"strength": method.centre, "strength_from": "what is usual, not tuned"}


def differences(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """Yield the names of the fields in which two configurations differ, notes aside."""
    for name in [*new, *(name for name in old if name not in new)]:
        if name not in NOTES and old.get(name) != new.get(name):
            yield name
