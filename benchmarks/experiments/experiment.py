"""What an experiment is: a table or figure of the paper, as runs on sequences of tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from benchmarks.experiments.study import Study


def plain() -> type[Study]:
    """Return the study that only trains and evaluates."""
    from benchmarks.experiments.study import Study

    return Study


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
        sequences: The sequences of tasks that are learned where the command line names none.
        length: How many tasks a sequence must have; `None` for any number from two on.
        methods: The methods that it is about; empty for all.
        importance_on: The data that importance is measured on, a run for each; empty where the
            method decides.
        strength_shares: What the strengths are multiplied by, a run for each.
        strength_of: The experiment whose tuned strengths it uses, where those are not its own.
        study: What its runs do beside training and evaluating.
    """

    name: str
    source: str
    sequences: tuple[tuple[str, ...], ...]
    length: int | None = None
    methods: tuple[str, ...] = ()
    importance_on: tuple[str, ...] = ()
    strength_shares: tuple[float, ...] = ()
    strength_of: str | None = None
    study: Callable[[], type[Study]] = plain

    def check(self, tasks: tuple[str, ...]) -> None:
        """Raise ValueError if `tasks` is not a sequence that this experiment can run."""
        for task in tasks:
            if tasks.count(task) > 1:
                raise ValueError(f"task {task!r} is given twice in {' '.join(tasks)}")
        if len(tasks) < 2 if self.length is None else len(tasks) != self.length:
            wanted = "at least 2" if self.length is None else str(self.length)
            raise ValueError(
                f"{self.name} needs {wanted} task{'' if wanted == '1' else 's'}, "
                f"got {len(tasks)} ({' '.join(tasks)}); name them with --tasks"
            )

    def variants(self) -> Iterator[Variant]:
        """Yield the variants in which a method that measures importance is run."""
        for data, share in product(self.importance_on or (None,), self.strength_shares or (None,)):
            yield Variant(data, share)
