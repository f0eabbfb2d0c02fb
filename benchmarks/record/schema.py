"""What a run folder holds: the names of its files, and their contents.

| File | What it holds | Written |
| --- | --- | --- |
| `config.json` | the run's configuration, see `settings.Settings` | first of all, and removed last |
| `versions.json` | versions of libraries, code, own modules; the machine; see `folders` | at the start |
| `metrics.csv` | every metric that is a number, a line each | as it is measured |
| `omega.json` | Ω layer by layer, see `OmegaByLayer` | after each training |
| `decisions.json` | a `Decision` for each training, where rates and strengths are chosen | before it |
| `checkpoints` | what an unfinished run resumes from | as it trains, until the end |
| `omega.safetensors` | Ω entry by entry, of a run that is tracked | at the end |
| `tensorboard`, `wandb` | folders of the trackers, if they were asked for | as it is measured |
| `result.json` | the outcome, see `Result`; a run folder that has it is finished | last |
| `error.log` | tracebacks of attempts that failed | when they fail |
"""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

CONFIG = "config.json"
VERSIONS = "versions.json"
METRICS = "metrics.csv"
OMEGA = "omega.json"
DECISIONS = "decisions.json"
CHECKPOINTS = "checkpoints"
OMEGA_ENTRIES = "omega.safetensors"
EVENTS = "tensorboard"
RESULT = "result.json"
LOG = "error.log"


class Seconds(TypedDict):
    """How long a run took, in seconds, without time lost to interruptions.

    By training: the training without the method's own work, that work (`importance`), the
    evaluation after it, and the choice of rate and strength, if there is one.
    """

    train: list[float]
    importance: list[float]
    eval: list[float]
    choosing: NotRequired[list[float]]
    total: float


class DataOfTask(TypedDict):
    """What was read for a task; images left out are counted by reason.

    `agreement` compares the data in words with the complete data set.
    """

    split: str
    agreement: str
    left_out: dict[str, int]


class Trial(TypedDict):
    """One training on a new task, from what was learned before it; fine-tuning has no strength.

    The accuracy is on the new task's validation data, in [0, 1].
    """

    learning_rate: float
    strength: float | None
    accuracy: float


class Choice(TypedDict):
    """The learning rate and the strength chosen for a task, and why; see `benchmarks.run.framework`.

    Attributes:
        learning_rate: The best rate for fine-tuning, the first in the grid if several are equal.
        strength: The first strength that was low enough, or the last; `None` if none was tried.
        best_accuracy: The accuracy of fine-tuning with that rate, A*.
        enough: The accuracy that the method must reach, 0.8 A*; `None` if no strength was tried.
        reached: Whether it reached that; `None` if no strength was tried.
        trials: All trainings, in order.
    """

    learning_rate: float
    strength: float | None
    best_accuracy: float
    enough: float | None
    reached: bool | None
    trials: list[Trial]


class Decision(Choice):
    """The tasks of a training, and the choice made for it."""

    tasks: list[str]


class FirstTask(TypedDict):
    """The counts of the first task of `adaptation`, whose model met some classes without labels.

    `subset` are these classes, met in `unlabelled` images; `samples` and, after each task,
    `correct` count test images and correct answers by class.
    """

    subset: list[int]
    unlabelled: int
    samples: list[int]
    correct: list[list[int]]


class Distribution(TypedDict):
    """How one importance is distributed over a parameter.

    Quantiles and histogram are of the decimal logarithms of entries above zero, `zeros` is the share
    of the others.
    """

    sum: float
    zeros: float
    quantiles: list[float] | None
    counts: list[int]


TwoOmegas = TypedDict(
    "TwoOmegas",
    {
        "name": str,
        "shape": list[int],
        "spearman": float | None,
        "pearson": float | None,
        "edges": list[float],
        "density": list[str],
        "global": Distribution,
        "local": Distribution,
    },
)
"""The two importances of a parameter; see `benchmarks.experiments.studies.local_vs_global.compare`."""


class StudyResult(TypedDict, total=False):
    """What `adaptation` (its first task) and `local-vs-global` (the others) add to a run's result."""

    first_task: FirstTask
    importances: list[TwoOmegas]
    importance_seconds: dict[str, float]


class Result(StudyResult):
    """What `result.json` holds; older runs lack some of what is `NotRequired`.

    Attributes:
        accuracy: The accuracy matrix [T, T], a row per task learned, `None` for tasks not evaluated.
        tasks: The tasks' names.
        classes: The number of classes of each.
        stand_ins: The tasks with other images in place of the data set's.
        data: What was read for each task.
        seconds: How long it took.
        peak_memory_mb: The process's peak memory, in 10⁶ bytes.
        stored_mb: The tensors that the method keeps from task to task, in 10⁶ bytes.
        memory_mb: After each training, the size of the `network` and of what the method has `stored`.
        stored_from: The newer run that measured `stored_mb` and `memory_mb`.
        clipped: The share of each training's steps whose gradient was clipped, in [0, 1]; absent if
            gradients are not clipped.
        finished: When it ended, in ISO 8601.
        decisions: The choice made for each training.
    """

    accuracy: list[list[float | None]]
    tasks: list[str]
    classes: list[int]
    stand_ins: list[str]
    data: NotRequired[list[DataOfTask]]
    seconds: Seconds
    peak_memory_mb: float
    stored_mb: float
    memory_mb: NotRequired[dict[str, list[float]]]
    stored_from: NotRequired[str]
    clipped: NotRequired[list[float]]
    finished: str
    decisions: NotRequired[list[Decision]]


class OmegaOfLayer(TypedDict):
    """Ω of one layer, accumulated over the tasks so far; `None` if the layer has no entries.

    `mean`, quantiles and maximum are over its entries; `share` is of the sum of Ω over all
    layers.
    """

    layer: str
    entries: int
    mean: float | None
    q05: float | None
    q50: float | None
    q95: float | None
    q99: float | None
    maximum: float | None
    share: float


class OmegaByLayer(TypedDict):
    """What `omega.json` holds: the layers after each training, in the network's order."""

    layers: list[list[OmegaOfLayer]]
