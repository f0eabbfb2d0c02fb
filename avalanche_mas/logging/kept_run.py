"""A wandb run that loses no row, even if its server, wandb or this process fails."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from avalanche_mas.logging.history import BEGIN, read_rows, run_files, run_history
from avalanche_mas.logging.runs import forget_service, how_to_send, start_offline, start_run
from avalanche_mas.logging.values import shown

KEPT = 1000
"""The number of latest rows kept of an online run; which of them the server has is unknown."""

Row = dict[str, Any]


class KeptRun:
    """A run, with the rows that may not be on disk yet.

    wandb's own process writes rows to the run's file with a delay, and loses them if it is killed
    together with this one. So rows are kept until they appear in the file (online, the latest
    thousand), and a pickle of this object includes them. An unpickled copy continues the same run
    id on first use, in a file of its own, and sends the rows that the run lacks.

    Args:
        arguments: arguments of `wandb.init`, with `settings` as a dictionary. The run's id is added.

    Attributes:
        arguments: as above.
        closed: whether the run was closed.
    """

    def __init__(self, arguments: dict[str, Any]) -> None:
        self.arguments = arguments
        self.closed = False
        self._run: Any = None
        self._unsaved: dict[int, Row] = {}
        self._open(start_run(arguments))

    @property
    def wandb(self) -> Any:
        """The wandb run.

        Raises:
            RuntimeError: the run was closed.
        """
        if self.closed:
            raise RuntimeError(f"the logger of run {self.arguments['id']} is closed")
        if self._run is None:
            self._open(start_run(self.arguments))
        return self._run

    @property
    def waiting(self) -> bool:
        """Whether there is a run to finish or a row to send."""
        return self._run is not None or bool(self._unsaved)

    def _open(self, run: Any) -> None:
        """Continue in a run that was just started, first sending the rows that it lacks."""
        self._run = run
        self._file = None if run.disabled else Path(run.settings.sync_file).resolve()
        self._read = BEGIN
        goes_on = self.arguments.get("resume") not in (None, False, "never")
        self._has = self._earlier_rows() if goes_on and run.offline else {}
        self.arguments |= {"id": run.id, "resume": "allow"}
        self._send_unsaved()

    def _send_unsaved(self) -> None:
        rows, self._unsaved = self._unsaved, {}
        for step in sorted(rows):
            self.send(step, rows[step])

    @property
    def unsaved(self) -> dict[int, Row]:
        """The rows that may not be on disk yet, by step."""
        self._forget_saved()
        return dict(self._unsaved)

    def go_on(self, run_id: str, rows: dict[int, Row]) -> None:
        """Go on with the run of another process, first sending those of its rows that the run lacks.

        A run of another id that this object has begun is ended.
        """
        if self._run is not None and self._run.id != run_id:
            self._run.finish()
            self._run = None
        self.arguments |= {"id": run_id, "resume": "allow"}
        self._unsaved = rows
        if self._run is not None:
            self._has = self._earlier_rows() if self._run.offline else {}
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
        row = {name: value for name, value in row.items() if name not in has}
        if not row or step < run.starting_step:  # wandb drops steps before the server's latest
            return
        if self._file is not None:
            self._unsaved[step] = row
        try:
            run.log({name: shown(value) for name, value in row.items()}, step=step, commit=True)
        except OSError as error:
            self._replace(error)
        if len(self._unsaved) > 2 * KEPT:
            self._forget_saved()

    def send_artifact(self, artifact: Any) -> None:
        """Send an artifact; a disabled run ignores it."""
        if not self.wandb.disabled:
            try:
                self.wandb.log_artifact(artifact)
            except OSError as error:
                self._replace(error)
                self.wandb.log_artifact(artifact)

    def _forget_saved(self) -> None:
        """Drop the rows that are safe: those in the file or, online, all but the latest."""
        if self._run is None or self._file is None:
            return
        if self._run.offline:
            rows, self._read = read_rows(self._file, self._read)
            safe = [step for step, _ in rows]
        else:
            safe = list(self._unsaved)[:-KEPT]
        for step in safe:
            self._unsaved.pop(step, None)

    def _replace(self, error: OSError) -> None:
        """Continue offline in another folder after wandb's own process has ended."""
        forget_service()
        self._open(start_offline(self.arguments, f"wandb's own process has ended ({error})"))

    def close(self, exit_code: int) -> None:
        """Finish the run.

        Args:
            exit_code: anything but 0 marks the run as failed.
        """
        if not self.closed and self.waiting:
            try:
                self.wandb.finish(exit_code=exit_code)
            except TimeoutError:
                warnings.warn(
                    f"the wandb server did not receive all of run {self._run.id}, which is "
                    f"{how_to_send(self._run)}",
                    stacklevel=3,
                )
            except OSError as error:
                self._replace(error)
                self.wandb.finish(exit_code=exit_code)
        self._run, self.closed = None, True

    def __getstate__(self) -> dict[str, Any]:
        self._forget_saved()
        return {**self.__dict__, "_run": None, "_has": {}}
