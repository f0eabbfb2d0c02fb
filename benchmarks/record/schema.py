"""What a run folder holds: the names of its files, and their contents.

| File | What it holds | Written |
| --- | --- | --- |
| `config.json` | the run's configuration, see `settings.Settings` | first of all, and removed last |
| `versions.json` | versions of libraries and code, the machine; see `folders.versions` | at the start |
| `metrics.csv` | every metric that is a number, a line each | as it is measured |
| `omega.json` | Ω layer by layer, see `OmegaByLayer` | after each training |
| `decisions.json` | a `Decision` for each training, where rates and strengths are chosen | before it |
| `checkpoint.zip` | what an unfinished run continues from | after each training, removed at the end |
| `omega.safetensors` | Ω entry by entry, of a run that is tracked | at the end |
| `tensorboard`, `wandb` | folders of the trackers, if they were asked for | as it is measured |
| `result.json` | the outcome, see `Result`; a run folder that has it is finished | last |
| `error.log` | tracebacks of attempts that failed | when they fail |
"""

from __future__ import annotations

from typing import Any

from typing_extensions import NotRequired, TypedDict

CONFIG = "config.json"
VERSIONS = "versions.json"
METRICS = "metrics.csv"
OMEGA = "omega.json"
DECISIONS = "decisions.json"
CHECKPOINT = "checkpoint.zip"
OMEGA_ENTRIES = "omega.safetensors"
EVENTS = "tensorboard"
RESULT = "result.json"
LOG = "error.log"


class Seconds(TypedDict):
    """How long a run took, in seconds.

    Attributes:
        train: Each training, without the method's own work.
        importance: The method's own work after each training.
        eval: The evaluation after each training.
        choosing: The choice of rate and strength for each, if there is one.
        total: The whole run, without time lost to interruptions.
    """

    train: list[float]
    importance: list[float]
    eval: list[float]
    choosing: NotRequired[list[float]]
    total: float


class DataOfTask(TypedDict):
    """What was read for a task.

    Attributes:
        split: The split into training, validation and test data.
        agreement: How it compares with the complete data set.
        left_out: The number of images left out, by reason.
    """

    split: str
    agreement: str
    left_out: dict[str, int]


class Trial(TypedDict):
    """See `benchmarks.run.framework.Trial`."""

    learning_rate: float
    strength: float | None
    accuracy: float


class Decision(TypedDict):
    """The tasks of a training and the choice made for it; see `benchmarks.run.framework.Decision`."""

    tasks: list[str]
    learning_rate: float
    strength: float | None
    best_accuracy: float
    enough: float | None
    reached: bool | None
    trials: list[Trial]


class StudyResult(TypedDict, total=False):
    """What single experiments add to a run's result.

    Attributes:
        first_task: Of `adaptation`: the counts of its first task.
        importances: Of `local-vs-global`: the two importances compared by parameter.
        importance_seconds: Of `local-vs-global`: how long each took to measure.
    """

    first_task: dict[str, Any]
    importances: list[dict[str, Any]]
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

    Attributes:
        layer: Its name.
        entries: How many parameters it has.
        mean: Their mean importance; then its quantiles and the maximum.
        share: Of the sum of Ω over all layers, in [0, 1].
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
