"""The command line at work: what it runs, skips and continues."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import COMMANDS, main
from benchmarks.record.schema import CHECKPOINTS, CONFIG, LOG, RESULT
from benchmarks.run.job import Job
from tests.benchmarks.command_lines import run
from tests.processes import run_python

# Avalanche's Synaptic Intelligence hands a tensor to np.square.
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")


@pytest.mark.usefixtures("nothing_tuned")
def test_a_finished_run_is_skipped(
    tiny: list[Job], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "--methods", "mas") == 0
    assert len(tiny) == 1
    assert run(tmp_path, "--methods", "mas", "ewc", "--seeds", "2", "--jobs", "2") == 0
    assert "mas (1), seed 0: already there, in" in capsys.readouterr().out
    names = [(job.settings.method, job.settings.seed) for job in tiny[1:]]
    assert names == [("ewc", 0), ("mas", 1), ("ewc", 1)]


def test_another_configuration_is_refused_before_any_run(
    tiny: list[Job], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "--methods", "mas", "--learning-rate", "0.02") == 0
    assert run(tmp_path, "--methods", "ewc", "mas", "--learning-rate", "0.03") == 2
    said, error = capsys.readouterr()
    assert "reading the data" not in said.partition("all runs are in")[2], "it read the data first"
    assert "seed0 holds a run with another configuration: learning_rate is 0.02 there" in error
    assert "0.03 was asked for; choose another --output" in error
    assert len(tiny) == 1


def test_a_result_on_images_divided_otherwise_is_refused(
    tiny: list[Job], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "--methods", "mas") == 0
    file = tiny[0].folder / RESULT
    file.write_text(file.read_text().replace("split of svhn", "another"))
    assert run(tmp_path, "--methods", "ewc", "mas") == 2
    error = capsys.readouterr().err
    assert (
        "the images of svhn are divided otherwise, 'another' there, 'split of svhn' here" in error
    )
    assert len(tiny) == 1


@pytest.mark.usefixtures("nothing_tuned")
def test_where_something_comes_from_is_no_difference(tiny: list[Job], tmp_path: Path) -> None:
    assert run(tmp_path, "--methods", "mas") == 0
    assert run(tmp_path, "--methods", "mas", "--strength", "mas=1") == 0
    assert len(tiny) == 1


def test_an_unfinished_run_is_done_again(tiny: list[Job], tmp_path: Path) -> None:
    assert run(tmp_path, "--methods", "fine-tuning") == 0
    result = tiny[0].folder / RESULT
    result.unlink()
    assert run(tmp_path, "--methods", "fine-tuning") == 0
    assert len(tiny) == 2
    assert result.is_file()


def as_if_failed(folder: Path) -> None:
    (folder / RESULT).unlink()
    (folder / LOG).write_text("FloatingPointError: the loss is nan\n")


def test_a_run_that_failed_at_once_may_be_tried_in_another_way(
    tiny: list[Job], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "--methods", "mas", "--learning-rate", "0.02") == 0
    as_if_failed(tiny[0].folder)
    assert run(tmp_path, "--methods", "mas", "--learning-rate", "0.01", "--dry-run") == 0
    assert "holds another run" not in capsys.readouterr().out
    assert run(tmp_path, "--methods", "mas", "--learning-rate", "0.01") == 0
    assert json.loads((tiny[0].folder / CONFIG).read_text())["learning_rate"] == 0.01


def test_another_way_of_a_run_that_can_be_resumed_is_refused(
    tiny: list[Job], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "--methods", "mas", "--learning-rate", "0.02") == 0
    as_if_failed(tiny[0].folder)
    (tiny[0].folder / CHECKPOINTS).mkdir()
    (tiny[0].folder / CHECKPOINTS / "1.safetensors").touch()
    assert run(tmp_path, "--methods", "mas", "--learning-rate", "0.01") == 2
    assert "holds a run with another configuration" in capsys.readouterr().err


def test_a_folder_of_something_else_is_left_alone(
    tiny: list[Job], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "two-tasks" / "letters-svhn" / "mas" / "seed0"
    folder.mkdir(parents=True)
    (folder / "thesis.tex").touch()
    assert run(tmp_path, "--methods", "mas") == 2
    assert "is not a run folder" in capsys.readouterr().err
    assert (folder / "thesis.tex").is_file()
    assert tiny == []


def test_a_broken_configuration_is_named(
    tiny: list[Job], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "two-tasks" / "letters-svhn" / "mas" / "seed0"
    folder.mkdir(parents=True)
    (folder / CONFIG).write_text("{")
    assert run(tmp_path, "--methods", "mas") == 2
    assert "config.json cannot be read" in capsys.readouterr().err
    assert tiny == []


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_an_output_that_cannot_be_written_is_told_before_anything_is_done(
    code: int,
    tiny: list[Job],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Simulated: permissions do not hold a superuser. What is finished needs no writing."""

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code))

    assert run(tmp_path, "--methods", "mas") == 0
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    assert run(tmp_path, "--methods", "mas") == 0
    capsys.readouterr()
    assert run(tmp_path, "--methods", "mas", "ewc") == 1
    said, error = capsys.readouterr()
    why = f"cannot be written to ({os.strerror(code)}); choose another --output\n"
    assert error == f"error: {tmp_path / 'two-tasks' / 'letters-svhn'} {why}"
    assert said == ""
    assert len(tiny) == 1


def test_commands_are_listed_and_an_unknown_one_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--help"]) == 0
    assert main([]) == 2
    assert capsys.readouterr().out.count("python -m benchmarks COMMAND") == 2
    assert main(["train"]) == 2
    error = capsys.readouterr().err
    assert "there is no command 'train'" in error
    assert all(name in error for name in COMMANDS)


def test_nothing_is_said_of_solvers_that_nothing_here_uses() -> None:
    """The second command is what a spawned process does before its run."""
    commands = (
        ["-m", "benchmarks", "data", "--help"],
        ["-c", "import benchmarks.engines.jobs, sys; assert 'qpsolvers' in sys.modules"],
    )
    for words in commands:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
        assert done.stderr == ""


SESSION = """
import json, signal, sys
from benchmarks.__main__ import main

def interrupt(*_):
    raise KeyboardInterrupt

arguments = ["run", "two-tasks", "--tasks", "letters", "svhn", "--jobs", "2", "--wandb", "offline"]
small = [*arguments, "--methods", "fine-tuning", "mas", "--epochs", "1"]
statuses = [main([*small, "--output", "done"]), main([*small, "--output", "done"])]
signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 3)
statuses.append(main([*arguments, "--epochs", "1000", "--output", "stopped"]))
print(json.dumps(statuses))
"""


def test_whole_sessions_with_processes(tmp_path: Path) -> None:
    """Run two at a time on drawn data, the same again, and one that Ctrl-C stops."""
    done = run_python("-c", SESSION, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [0, 0, 130]
    assert "fine-tuning, seed 0: letters" in done.stdout
    assert done.stdout.count("already there") == 2
    assert "repeat the command to continue" in done.stderr
    results = sorted(tmp_path.glob(f"done/two-tasks/*/*/seed0/{RESULT}"))
    assert [file.parents[1].name for file in results] == ["fine-tuning", "mas"]
    for file in results:
        assert list(file.parent.glob("wandb/offline-run-*"))
        first, last = json.loads(file.read_text())["accuracy"]
        assert first[0] is not None
        assert None not in last
    assert list(tmp_path.glob(f"stopped/two-tasks/*/*/seed0/{CONFIG}"))
    assert not list(tmp_path.glob(f"stopped/two-tasks/*/*/seed0/{RESULT}"))
