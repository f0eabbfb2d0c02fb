"""What an engine is: something that executes runs, each in a process of its own."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from benchmarks.record.schema import LOG

if TYPE_CHECKING:
    from benchmarks.run.job import Job

Work = Callable[["Job", Callable[[str], None], Callable[[float], None]], object]
"""What is done for a job; it is given `say`, which takes a line, and `show`, which takes a share.

An engine calls it once more where a process or a node was lost: it is to go on by itself."""

LINE, SHARE = "line", "share"
FINISHED, FAILED, LOST = "finished", "failed", "lost"


class News(NamedTuple):
    """What has become known of a run.

    Attributes:
        ticket: Which run.
        kind: `LINE`, `SHARE`, or how the run ended: `FINISHED`; `FAILED`, for an error of its own,
            which would come again; `LOST`, where its process or node came to an end.
        content: The line, the share that is done, or what went wrong.
    """

    ticket: int
    kind: str
    content: Any


class Session(Protocol):
    """An engine at work."""

    def start(self, job: Job) -> int:
        """Start a run, or queue it, and return the ticket by which its news are known."""

    def news(self) -> Iterable[News]:
        """Wait a second at most for something new and return it; a run's end comes last of it."""


class Engine(Protocol):
    """Where runs are executed."""

    @property
    def at_a_time(self) -> int:
        """How many runs are started before one of them has ended."""

    @property
    def threads(self) -> int:
        """Threads of each run."""

    def session(self, jobs: Sequence[Job], work: Work) -> AbstractContextManager[Session]:
        """Start working; at the end nothing goes on, whatever had not ended by then.

        Args:
            jobs: What there is to do, to be checked.
            work: What is done for a job.

        Raises:
            ValueError: The jobs cannot be done there.
        """


def attempt(work: Work, job: Job, tell: Callable[[str, Any], None]) -> tuple[str, str]:
    """Do a job in a process of its own; write what goes wrong into its folder.

    Args:
        work: What is done.
        job: The job.
        tell: Takes kind and content of news.

    Returns:
        `FINISHED` and nothing, or `FAILED` and what went wrong.
    """
    try:
        tell(SHARE, 0.0)
        work(job, lambda line: tell(LINE, line), lambda share: tell(SHARE, share))
    except BaseException as error:
        job.folder.mkdir(parents=True, exist_ok=True)
        with (job.folder / LOG).open("a", encoding="utf-8") as log:
            traceback.print_exc(file=log)
        return FAILED, f"{type(error).__name__}: {error}; see {job.folder / LOG}"
    return FINISHED, ""
