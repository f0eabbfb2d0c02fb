"""A wandb run that loses no row, even if its server, wandb or this process fails."""

from __future__ import annotations

import atexit
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wandb.sdk.mailbox import HandleAbandonedError, MailboxClosedError

from avalanche_mas.logging.history import BEGIN, read_rows, run_files, run_history
from avalanche_mas.logging.names import STEP, TASK, axis_of
from avalanche_mas.logging.runs import (
    LOGGED,
    before_end,
    forget_service,
    how_to_send,
    joined_run,
    start_offline,
    start_run,
    step_of,
)
from avalanche_mas.logging.values import shown

KEPT = 1000
"""The number of latest rows kept of an online run; which of them the server has is unknown."""

Row = dict[str, Any]

_GONE = (OSError, HandleAbandonedError, MailboxClosedError)
"""What is raised where wandb's own process has ended."""


class KeptRun:
    """A run, with the rows that may not be on disk yet.

    wandb's own process writes rows to the run's file with a delay, and loses them if it is killed
    together with this one. So rows are kept until they appear in the file (online, the latest
    thousand), and a pickle of this object includes them. An unpickled copy continues the same run
    id on first use, in a file of its own, and sends the rows that the run lacks.

    Others may log to the run as well, which moves wandb's step ahead. Rows therefore hold their own
    step as `STEP`, and come at wandb's where that is later.

    Args:
        arguments: arguments of `wandb.init`, with `settings` as a dictionary. The run's id is added.
        flush: sends what is not sent yet; called before the run ends.

    Attributes:
        arguments: as above.
        closed: whether the run was closed, or finished by someone else.
        shifted: whether a row came at a later step of wandb than its own.
    """

    def __init__(self, arguments: dict[str, Any], flush: Callable[[], None]) -> None:
        self.arguments = arguments
        self.closed = self.shifted = False
        self._flush = flush
        self._run: Any = None
        self._unsaved: dict[int, Row] = {}
        self.open()

    @property
    def wandb(self) -> Any:
        """The wandb run.

        Raises:
            RuntimeError: the run was closed.
        """
        self.open()
        return self._run

    @property
    def waiting(self) -> bool:
        """Whether there is a run to finish or a row to send."""
        return self._run is not None or bool(self._unsaved)

    def open(self) -> None:
        """Join or start the run unless it is open.

        Raises:
            RuntimeError: the run was closed.
        """
        if self.closed:
            raise RuntimeError(
                f"the logger of run {self.arguments['id']} is closed, or the run was finished; make"
                " another logger to log more"
            )
        if self._run is None:
            joined = joined_run(self.arguments)
            self._begin(joined or start_run(self.arguments), joined is not None)

    def _begin(self, run: Any, joined: bool) -> None:
        """Go on in a run that was just joined or started, first sending the rows that it lacks."""
        self._run, self._joined, self._defined = run, joined, set[str]()
        self._file = None if run.disabled else Path(run.settings.sync_file).resolve()
        self._read = BEGIN
        goes_on = joined or self.arguments.get("resume") not in (None, False, "never")
        self._has = self._earlier_rows() if goes_on and run.offline else {}
        self._newest = self._newest_step()
        self.arguments |= {"id": run.id, "resume": "allow"}
        if joined:
            names = {"project": run.project, "entity": run.entity, "name": run.name}
            self.arguments |= names | {"dir": run.settings.root_dir, "mode": run.settings.mode}
        if not run.disabled:
            LOGGED.add(run.id)
        before_end(run, self._finished, self._flush)
        self._send_unsaved()

    def _newest_step(self) -> int:
        """Return the latest step that the server has of the run."""
        newest = int(self._run.starting_step) - 1
        return int(self._run.summary.get(STEP, newest)) if self.shifted and newest >= 0 else newest

    def _finished(self) -> None:
        """Send the rest to a run that someone is about to finish."""
        if self._run is not None:
            self._flush()
            self._release()

    def _release(self) -> None:
        """Leave the run to others."""
        atexit.unregister(self._flush)
        LOGGED.discard(self._run.id)
        self.closed = True

    def _send_unsaved(self) -> None:
        rows, self._unsaved = self._unsaved, {}
        for step in sorted(rows):
            self.send(step, rows[step])

    @property
    def unsaved(self) -> dict[int, Row]:
        """The rows that may not be on disk yet, by step."""
        self._forget_saved()
        return dict(self._unsaved)

    def go_on(self, run_id: str, rows: dict[int, Row], shifted: bool) -> None:
        """Go on with the run of another process, first sending those of its rows that the run lacks.

        A run of another id that this object has begun is ended; one that it has joined is left.

        Args:
            run_id: the run's id.
            rows: the rows that may not be on disk yet.
            shifted: as the attribute.
        """
        if self._run is not None and self._run.id != run_id:
            run, self._run = self._run, None
            LOGGED.discard(run.id)
            if not self._joined:
                run.finish()
        self.arguments |= {"id": run_id, "resume": "allow"}
        self._unsaved, self.shifted = rows, shifted
        if self._run is not None:
            self._has = self._earlier_rows() if self._run.offline else {}
            self._newest = self._newest_step()
            self._send_unsaved()

    def _earlier_rows(self) -> dict[int, Row]:
        """Return the rows that other processes have logged to the run."""
        if self._file is None:
            return {}
        files = run_files(self._file.parents[1], self._run.id)
        return run_history(*(file for file in files if file != self._file))

    def send(self, step: int, row: Row) -> None:
        """Send those values of a step, as returned by `kept`, that the run lacks."""
        run, has = self.wandb, self._has.get(step, {})
        row = {name: value for name, value in row.items() if name == TASK or name not in has}
        if not row.keys() - {TASK} or step <= self._newest:
            return
        if self._file is not None:
            self._unsaved[step] = row
        try:
            self._define_axes(row)
            at = max(step, step_of(run))
            self.shifted |= at > step
            values = {name: shown(value) for name, value in row.items()}
            run.log({STEP: step, **values}, step=at, commit=True)
        except _GONE as error:
            self._replace(error)
        if len(self._unsaved) > 2 * KEPT:
            self._forget_saved()

    def _define_axes(self, row: Row) -> None:
        """Tell wandb the x-axis of each section that is new."""
        axes = {name.partition("/")[0]: axis_of(name) for name in row}
        for section, axis in axes.items():
            if axis is not None and section not in self._defined:
                self._run.define_metric(axis, hidden=True)
                self._run.define_metric(f"{section}/*", step_metric=axis)
                self._defined.add(section)

    def send_artifact(self, artifact: Any) -> None:
        """Send an artifact; a disabled run ignores it."""
        if not self.wandb.disabled:
            try:
                self.wandb.log_artifact(artifact)
            except _GONE as error:
                self._replace(error)
                self.wandb.log_artifact(artifact)

    def _forget_saved(self) -> None:
        """Drop the rows that are safe: those in the file or, online, all but the latest."""
        if self._run is None or self._file is None:
            return
        if self._run.offline:
            rows, self._read = read_rows(self._file, self._read)
            safe = [step for step, row in rows if STEP in row]
        else:
            safe = list(self._unsaved)[:-KEPT]
        for step in safe:
            self._unsaved.pop(step, None)

    def _replace(self, error: Exception) -> None:
        """Continue offline in another folder after wandb's own process has ended."""
        forget_service()
        why = f"wandb's own process has ended ({error or type(error).__name__})"
        self._begin(start_offline(self.arguments, why), joined=False)

    def close(self, exit_code: int) -> None:
        """Finish the run, unless it was joined or is finished.

        Args:
            exit_code: anything but 0 marks the run as failed.
        """
        if not self.closed and self.waiting:
            self.open()
            if not self._joined:
                self._finish(exit_code)
            self._release()
        self._run, self.closed = None, True

    def _finish(self, exit_code: int) -> None:
        try:
            self._run.finish(exit_code=exit_code)
        except TimeoutError:
            warnings.warn(
                f"the wandb server did not receive all of run {self._run.id}, which is "
                f"{how_to_send(self._run)}",
                stacklevel=4,
            )
        except _GONE as error:
            self.closed = False
            self._replace(error)
            self._run.finish(exit_code=exit_code)

    def __getstate__(self) -> dict[str, Any]:
        self._forget_saved()
        return {**self.__dict__, "_run": None, "_has": {}}
