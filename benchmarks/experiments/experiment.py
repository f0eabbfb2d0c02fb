"""What an experiment is: a table or figure of the paper, as a sequence of tasks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Experiment:
    """One sequence of tasks on which all methods are run.

    Attributes:
        name: Its name on the command line and in the run folders.
        source: The table or figure of the paper that it is about.
        tasks: The tasks that are learned, in order, where the command line names none.
        length: How many tasks it must have; `None` for any number from two on.
    """

    name: str
    source: str
    tasks: tuple[str, ...]
    length: int | None = None

    def check(self, tasks: tuple[str, ...]) -> None:
        """Raise ValueError if `tasks` is not a sequence that this experiment can run."""
        for task in tasks:
            if tasks.count(task) > 1:
                raise ValueError(f"task {task!r} is given twice in {' '.join(tasks)}")
        wanted = "at least 2" if self.length is None else str(self.length)
        if len(tasks) < 2 or self.length not in (None, len(tasks)):
            raise ValueError(
                f"{self.name} needs {wanted} tasks, got {len(tasks)} ({' '.join(tasks)}); "
                "name them with --tasks"
            )
