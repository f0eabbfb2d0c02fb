"""What an experiment is: a table or figure of the paper, as runs on sequences of tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from benchmarks.experiments.sequences import EIGHT, TaskNames

if TYPE_CHECKING:
    from benchmarks.experiments.images import MakeStream
    from benchmarks.experiments.studies.study import Study

Arrange: TypeAlias = Callable[[TaskNames | None, Any], tuple[TaskNames, ...]]
"""From the sequence that `--tasks` names and the value of the experiment's own option, each None
where it is not given, to the sequences to learn."""

PageForm: TypeAlias = Literal[
    "comparison", "pairs", "orders", "importance data", "adaptation", "layers"
]

# Loaded when a run begins: they need PyTorch, which listing experiments does not.
_IMAGES = partial(resolve_name, "benchmarks.experiments.images:image_tasks")
_PLAIN = partial(resolve_name, "benchmarks.experiments.studies.study:Study")


class Variant(NamedTuple):
    """What may vary in a table beside the method and the seed.

    Attributes:
        importance_on: The data that importance is measured on; `None` where the method decides.
        strength_share: What the method's strength is multiplied by; `None` where that is nothing.
    """

    importance_on: str | None = None
    strength_share: float | None = None


@dataclass(frozen=True)
class Experiment:
    """Sequences of tasks on which methods are run, and in which variants.

    Attributes:
        name: Its name on the command line and in the run folders.
        source: The table or figure of the paper that it is about.
        sequences: The sequences of tasks that are learned where the command line names none. Where
            there are several, run folders have the sequence in their path.
        known: The names of the tasks that `--tasks` may name; empty where it makes its own.
        length: How many tasks a sequence must have; `None` for any number from two on.
        option: The option of the command line that is its own, such as `"orders"`.
        arrange: How tasks and that option give sequences; `None`: one sequence, the tasks named.
        stream: What makes its data.
        data_set: The one data set that all its tasks are parts of, which is what `--stand-ins`
            names then; `None` where each task is a data set.
        defaults: What the options are where the command line leaves them out, by option, for
            `"drawn"` and for `"real"` data.
        methods: The methods that it is about; empty for all.
        importance_on: The data that importance is measured on, a run for each; empty where the
            method decides.
        strength_shares: What the strengths are multiplied by, a run for each.
        strength_of: The experiment whose tuned strengths it uses, where those are not its own.
        meets_validation: Whether the model meets the first task's validation images, so that early
            stopping may not choose by them.
        study: What its runs do beside training and evaluating.
        title: Its name in headings.
        part_title: The same where it learns another number of tasks than its own, which stands in
            place of `{}`; empty where that makes no difference.
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

    def asked(self, tasks: TaskNames | None, value: Any) -> tuple[TaskNames, ...]:
        """Return the sequences that a command line asks for.

        Args:
            tasks: The one that it names, if any.
            value: What it says to the experiment's own option, if anything.

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
                raise ValueError(f"unknown task {task!r}; the tasks are {', '.join(self.known)}")
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
        """Return its name in headings where it learns these tasks."""
        part = self.part_title and len(tasks) != len(self.sequences[0])
        return self.part_title.format(len(tasks)) if part else self.title or self.name

    def stand_ins(self, named: tuple[str, ...], tasks: TaskNames) -> tuple[str, ...]:
        """Return those of the tasks that `--stand-ins` means."""
        if self.data_set is not None:
            return tasks if self.data_set in named else ()
        return tuple(task for task in named if task in tasks)

    def check_stand_ins(self, named: tuple[str, ...], sequences: tuple[TaskNames, ...]) -> None:
        """Raise ValueError if `--stand-ins` names something that is not there."""
        for name in named:
            if self.data_set is not None and name != self.data_set:
                raise ValueError(f"--stand-ins {name}: {self.name} knows {self.data_set} only")
            if self.data_set is None and not any(name in tasks for tasks in sequences):
                listed = "; ".join(" ".join(tasks) for tasks in sequences)
                raise ValueError(f"--stand-ins {name}: it is not one of the tasks {listed}")

    def variants(self) -> Iterator[Variant]:
        """Yield the variants in which a method that measures importance is run."""
        for data, share in product(self.importance_on or (None,), self.strength_shares or (None,)):
            yield Variant(data, share)
