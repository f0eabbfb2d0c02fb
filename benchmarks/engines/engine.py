"""The protocol of engines, which execute runs, each in a process of its own."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from benchmarks.record.lock import InUseError
from benchmarks.record.schema import LOG

if TYPE_CHECKING:
    from benchmarks.run.job import Job

Work = Callable[["Job", Callable[[str], None], Callable[[float], None]], object]
"""The work on a job; it gets `say`, which takes a line, and `show`, which takes the share done.

After a lost process or node, an engine calls it again; it resumes by itself."""

LINE, SHARE = "line", "share"
FINISHED, FAILED, LOST = "finished", "failed", "lost"


class News(NamedTuple):
    """A message about a run, with its ticket.

    `kind` is `LINE`, `SHARE`, or how the run ended: `FINISHED`; `FAILED` if it raised an error,
    which would recur; `LOST` if its process or node died. The content is the line, the share
    done, or what went wrong.
    """

    ticket: int
    kind: str
    content: Any


class Session(Protocol):
    """An engine at work."""

    def start(self, job: Job) -> int:
        """Start or queue a run, and return the ticket that its news carry."""

    def news(self) -> Iterable[News]:
        """Wait up to a second for news and return them; the end of a run is its last news."""


class Engine(Protocol):
    """A place to execute runs."""

    @property
    def at_a_time(self) -> int:
        """The number of runs to start before one has ended."""

    @property
    def threads(self) -> int:
        """The number of threads per run."""

    def session(self, jobs: Sequence[Job], work: Work) -> AbstractContextManager[Session]:
        """Start a session; when it ends, it stops all runs that are left.

        `jobs` are all jobs to come, to be checked beforehand.

        Raises:
            ValueError: The engine cannot do these jobs.
            ConnectionError: The engine is lost during the session.
        """


def attempt(work: Work, job: Job, tell: Callable[[str, Any], None]) -> tuple[str, str]:
    """Do a job in its own process, and write the traceback of an error into its folder.

    Nothing is written if another process is at work in that folder.

    `tell` takes the kind and the content of news. Return `FINISHED` and an empty string, or
    `FAILED` or, if a signal asked the process to end, `LOST`, and what went wrong.
    """
    try:
        tell(SHARE, 0.0)
        work(job, lambda line: tell(LINE, line), lambda share: tell(SHARE, share))
    except InUseError as error:
        return FAILED, str(error)
    except SystemExit as end:
        return (
            LOST,
            f"its process was asked to end (exit status {end.code}), and saved what it had learned",
        )
    except BaseException as error:
        return FAILED, f"{type(error).__name__}: {error}; {_log(error, job.folder / LOG)}"
    return FINISHED, ""


def _log(error: BaseException, file: Path) -> str:
    """Add the traceback of an error to a file, and return where it is."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as log:
            traceback.print_exception(error, file=log)
    except OSError as another:
        return f"its traceback is lost, as {file} cannot be written ({another.strerror})"
    return f"see {file}"
