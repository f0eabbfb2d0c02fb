"""An experiment: a table or figure of the paper as runs on sequences of tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from avalanche_mas.options import guess
from benchmarks.experiments.sequences import EIGHT, TaskNames

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.experiments.images import MakeStream
    from benchmarks.experiments.studies.study import Study

Arrange: TypeAlias = Callable[[TaskNames | None, Any], tuple[TaskNames, ...]]
"""From the sequence of `--tasks` and the value of the experiment's own option, each None if not
given, to the sequences to learn."""

PageForm: TypeAlias = Literal[
    "comparison", "pairs", "orders", "importance data", "adaptation", "layers"
]

# Loaded when a run begins: they need PyTorch, which listing experiments does not.
_IMAGES = partial(resolve_name, "benchmarks.experiments.images:image_tasks")
_PLAIN = partial(resolve_name, "benchmarks.experiments.studies.study:Study")

STAND_INS = "stand-ins"
"""The folder below which all pictures of the eight data sets are stand-ins, as streams take them."""

READING = ("root", "stand_ins", "image_size")
"""The options that all experiments on data of this project follow."""

DATA_OPTIONS = (*READING, "transforms", "scenario", "classes", "images_per_class", "cache")
"""The options of the command line that say something about the data."""


class Variant(NamedTuple):
    """The data that importance is measured on, and a factor on the strength, if they vary in a table."""

    importance_on: str | None = None
    strength_share: float | None = None


@dataclass(frozen=True)
class Experiment:
    """Sequences of tasks, the methods run on them, and the variants of each run.

    Attributes:
        name: Its name on the command line and in run folders.
        source: The table or figure of the paper that it reproduces.
        sequences: The sequences learned by default. If there are several, the path of a run folder
            names the sequence.
        known: The tasks that `--tasks` may name; empty if the experiment makes its own.
        length: How many tasks a sequence must have; `None` for two or more.
        option: Its own command line option, such as `"orders"`.
        arrange: Turns tasks and that option into sequences; `None` for one sequence, as named.
        stream: Loads the function that makes its data.
        data_set: The data set that all its tasks are part of, and that `--stand-ins` then names;
            `None` if each task is a data set.
        download: Loads the function that fetches that data set to a folder; `None` for data sets
            that `python -m benchmarks data fetch` fetches.
        data_options: The options that say something about its data, and that it can follow.
        scenario: The scenario of its data if no option chooses one.
        defaults: Default values of options, for `"drawn"` and `"real"` data.
        methods: The methods it compares; empty for all.
        importance_on: The data that importance is measured on, one run each; empty if the method
            decides.
        strength_shares: Factors on the strength, one run each.
        strength_of: The experiment whose tuned strengths it uses, if not its own.
        meets_validation: Whether the model sees the first task's validation images, so that early
            stopping must not use them.
        study: Loads the class that says what its runs do besides training and evaluating.
        title: Its name in headings.
        part_title: Its name in headings for another number of tasks, which replaces `{}`; empty for
            `title`.
        page: The form of its page in the report.
        together: Which sequences share a page: none, those of the same tasks, or all.
    """

    name: str
    source: str
    sequences: tuple[TaskNames, ...]
    known: TaskNames = EIGHT
    length: int | None = None
    option: str | None = None
    arrange: Arrange | None = None
    stream: Callable[[], MakeStream] = _IMAGES
    data_set: str | None = None
    download: Callable[[], Callable[[Path], None]] | None = None
    data_options: tuple[str, ...] = DATA_OPTIONS
    scenario: str = "task"
    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    methods: tuple[str, ...] = ()
    importance_on: tuple[str, ...] = ()
    strength_shares: tuple[float, ...] = ()
    strength_of: str | None = None
    meets_validation: bool = False
    study: Callable[[], type[Study]] = _PLAIN
    title: str = ""
    part_title: str = ""
    page: PageForm = "comparison"
    together: Literal["none", "same tasks", "all"] = "none"

    @property
    def of_images(self) -> bool:
        """Whether its tasks are of the eight data sets, which can be read one by one."""
        return self.stream is _IMAGES and bool(self.known)

    def asked(self, tasks: TaskNames | None, value: Any) -> tuple[TaskNames, ...]:
        """Return the sequences that a command line asks for.

        Args:
            tasks: The sequence it names, if any.
            value: The value of the experiment's own option, if given.

        Raises:
            ValueError: The experiment cannot run them.
        """
        if tasks is not None and self.known:
            self._check_names(tasks)
        if self.arrange is not None:
            sequences = self.arrange(tasks, value)
        else:
            sequences = self.sequences if tasks is None else (tasks,)
        for one in sequences:
            if len(one) < 2 if self.length is None else len(one) != self.length:
                raise self._other_length(one)
        return sequences

    def _check_names(self, tasks: TaskNames) -> None:
        for task in tasks:
            if task not in self.known:
                raise ValueError(
                    f"unknown task {task!r}; the tasks are {', '.join(self.known)}"
                    f"{guess(task, self.known)}"
                )
            if tasks.count(task) > 1:
                raise ValueError(f"task {task!r} is given twice in {' '.join(tasks)}")
        if len(tasks) < (self.length or 2):
            raise self._other_length(tasks)

    def _other_length(self, tasks: TaskNames) -> ValueError:
        wanted = "at least 2" if self.length is None else str(self.length)
        return ValueError(
            f"{self.name} needs {wanted} task{'' if wanted == '1' else 's'}, "
            f"got {len(tasks)} ({' '.join(tasks)}); choose them with "
            f"--{'tasks' if self.known else self.option}"
        )

    def title_of(self, tasks: TaskNames) -> str:
        """Return its name in headings for a sequence of these tasks."""
        part = self.part_title and len(tasks) != len(self.sequences[0])
        return self.part_title.format(len(tasks)) if part else self.title or self.name

    def stand_ins(
        self, named: tuple[str, ...], tasks: TaskNames, root: Path | None
    ) -> tuple[str, ...]:
        """Return the tasks that `--stand-ins` or the folder of the data makes stand-ins, in order."""
        if self.data_set is not None:
            return tasks if self.data_set in named else ()
        if self.of_images and root is not None and STAND_INS in root.resolve().parts:
            return tasks
        return tuple(task for task in tasks if task in named)

    def check_data_options(self, given: Iterable[str]) -> None:
        """Raise ValueError if options say something about the data that the experiment cannot follow."""
        for name in given:
            if name not in self.data_options:
                follows = ", ".join(f"--{one.replace('_', '-')}" for one in self.data_options)
                raise ValueError(
                    f"--{name.replace('_', '-')} has no effect on the data of {self.name}; leave it "
                    f"out{f', or choose from {follows}' if follows else ''}"
                )

    def check_stand_ins(self, named: tuple[str, ...], sequences: tuple[TaskNames, ...]) -> None:
        """Raise ValueError if `--stand-ins` names anything else than a task or the data set."""
        for name in named:
            if self.data_set is not None and name != self.data_set:
                raise ValueError(f"--stand-ins {name}: {self.name} knows {self.data_set} only")
            if self.data_set is None and not any(name in tasks for tasks in sequences):
                listed = "; ".join(" ".join(tasks) for tasks in sequences)
                raise ValueError(f"--stand-ins {name}: it is not one of the tasks {listed}")

    def variants(self) -> Iterator[Variant]:
        """Yield the variants of a method that measures importance."""
        for data, share in product(self.importance_on or (None,), self.strength_shares or (None,)):
            yield Variant(data, share)
