"""Reading damaged files in a process with limits of time and memory."""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import tempfile
import traceback
import warnings
from contextlib import redirect_stderr, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import torch

from avalanche_mas.peak import peak_bytes
from benchmarks.commands.fuzz.mutations import MUTATIONS
from benchmarks.commands.fuzz.readers import READERS, Reader
from benchmarks.data.disk import FetchError
from benchmarks.record.files import ROOT

_CPU = torch.device("cpu")
_PATIENCE = 300.0  # seconds, until the good files are made
SAME, OTHER, REFUSED, WRONG = "same", "other", "refused", "wrong"

_OURS = tuple(str(ROOT / name) + os.sep for name in ("avalanche_mas", "benchmarks"))
_NOTED = r".*(is rewritten|looking for an earlier checkpoint)"
"""Warnings by which a reader says that it does without a damaged file."""


class Trial(NamedTuple):
    """One damaged file: what is read, how it is damaged, and the seed of the damage."""

    reader: str
    mutation: str
    seed: int


class Outcome(NamedTuple):
    """What came of it: `SAME`, `OTHER`, `REFUSED` or `WRONG`; and what was said."""

    kind: str
    said: str = ""


class Workers:
    """A process at a time that reads damaged files.

    Args:
        seconds: The time for a file.
        megabytes: The memory for it, beyond what the process has.
    """

    def __init__(self, seconds: float, megabytes: int) -> None:
        self.seconds, self.megabytes = seconds, megabytes
        self._process: Any = None

    def __enter__(self) -> Workers:
        self._folder = tempfile.TemporaryDirectory()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop()
        self._folder.cleanup()

    def run(self, trial: Trial) -> Outcome | None:
        """Return what comes of a trial; None where the damage does not apply to any of the files."""
        if self._process is None:
            self._start()
        self._connection.send(trial)
        try:
            if self._connection.poll(self.seconds):
                found: Outcome | None = self._connection.recv()
                return found
            ended = f"not done after {self.seconds} s"
        except (EOFError, ConnectionResetError):
            self._process.join()
            ended = f"the process ended with {self._process.exitcode}"
        self._stop()
        return Outcome(WRONG, ended)

    def _start(self) -> None:
        context = multiprocessing.get_context("fork")
        self._connection, theirs = context.Pipe()
        folder = Path(tempfile.mkdtemp(dir=self._folder.name))
        served = (theirs, folder, self.megabytes)
        self._process = context.Process(target=_serve, args=served, daemon=True)
        self._process.start()
        theirs.close()
        if not self._connection.poll(_PATIENCE):
            raise TimeoutError(f"the process that reads files was not ready after {_PATIENCE:g} s")
        self._connection.recv()

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
            self._process = None


def _serve(connection: Connection, folder: Path, megabytes: int) -> None:
    torch.set_num_threads(1)  # threads of the process that was forked are not here
    warnings.simplefilter("ignore")
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):  # noqa: PTH123
        good = {}
        for number, (name, reader) in enumerate(READERS.items()):
            good[name] = _good(reader, folder / str(number))
        _limit(megabytes)
        connection.send("ready")
        with suppress(EOFError):
            while True:
                trial = connection.recv()
                found = _tried(trial, *good[trial.reader], folder / "damaged", megabytes)
                connection.send(found)


def _good(reader: Reader, folder: Path) -> tuple[Path, Any]:
    """Return a folder with good files, and what they mean."""
    folder.mkdir()
    reader.write(folder)
    copy = folder.with_suffix(".read")
    shutil.copytree(folder, copy)
    return folder, reader.read(copy)


def _limit(megabytes: int) -> None:
    """Let allocations fail that are far above the limit; few of those below it are ever used."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + 5 * megabytes * 10**6
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _tried(trial: Trial, good: Path, meaning: Any, folder: Path, most: float) -> Outcome | None:
    reader, random = READERS[trial.reader], Random(repr(trial))
    shutil.copytree(good, folder)
    try:
        file = random.choice(sorted(f for f in folder.glob(reader.damaged) if f.is_file()))
        damaged = MUTATIONS[trial.mutation](file.read_bytes(), random)
        if damaged is None and trial.mutation != "folder":
            return None
        file.unlink()
        file.mkdir() if damaged is None else file.write_bytes(damaged)
        return _outcome(reader, folder, file, meaning, most)
    finally:
        shutil.rmtree(folder)


def _outcome(reader: Reader, folder: Path, file: Path, meaning: Any, most: float) -> Outcome:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    before = peak_bytes(_CPU)
    found = _read(reader, folder, file, meaning)
    megabytes = (peak_bytes(_CPU) - before) / 10**6
    return Outcome(WRONG, f"it took {megabytes:.0f} MB") if megabytes > most else found


def _read(reader: Reader, folder: Path, file: Path, meaning: Any) -> Outcome:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=_NOTED)
        try:
            found = reader.read(folder)
        except BaseException as error:
            said = f"{type(error).__name__}: {error}".replace(str(folder), "")
            return Outcome(REFUSED if _is_ours(error, folder, file) else WRONG, said)
    if found == meaning:
        return Outcome(SAME)
    return Outcome(WRONG if reader.sure else OTHER, "another meaning")


def _is_ours(error: BaseException, folder: Path, file: Path) -> bool:
    """Return whether an error is one that this project raises, and names the file.

    Where files do not go together, the error may name their folder instead.
    """
    first = error
    while first.__cause__ is not None:
        first = first.__cause__
    last, raised = (traceback.extract_tb(one.__traceback__)[-1] for one in (error, first))
    thought_of = raised.filename.startswith(_OURS) and (raised.line or "").startswith("raise ")
    named = file.name in str(error) or (thought_of and str(folder) in str(error))
    kinds = (ValueError, OSError, FetchError, UserWarning)
    return isinstance(error, kinds) and last.filename.startswith(_OURS) and named
