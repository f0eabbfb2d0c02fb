"""What all commands have in common: help in groups, no abbreviations, one rule of exit codes."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from benchmarks.__main__ import COMMANDS, main
from benchmarks.commands import wandb_versions
from benchmarks.commands.options import GROUPS, Options, parse
from benchmarks.commands.parser import CommandError
from tests.processes import python_path

TRAINING = [f"{title}:" for title in GROUPS.values()]
HELP: dict[tuple[str, ...], list[str]] = {
    ("run",): [*TRAINING, "experiments:", "methods:", "  ewc-repaired     EWC repaired"],
    ("tune",): TRAINING,
    ("report",): ["input:", "output:"],
    ("data",): ["    list ", "    fetch ", "    check ", "    show "],
    ("data", "list"): ["data:", "  --root ", "  --stand-ins "],
    ("data", "fetch"): ["  TASK ", "data:", "  --root ", "archives:", "  --keep-archives"],
    ("data", "check"): ["  TASK ", "data:", "  --root ", "output:", "  --counts"],
    ("data", "show"): ["data:", "content:", "sheet:"],
    ("speed",): ["suites:", "content:", "  --quick", "output:", "machine:"],
    ("setups",): ["  --output"],
    ("architectures",): ["  --families", "  --networks", "  --output"],
    ("fuzz",): ["  --files", "  --seed", "  --only", "  --output"],
    ("docs",): ["  --check"],
    ("demo",): ["  -h, --help"],
}


def refused(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> str:
    """What is said where a command line is refused."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_all_commands_are_looked_at() -> None:
    assert {words[0] for words in HELP} == set(COMMANDS)


@pytest.mark.parametrize("words", HELP, ids=" ".join)
def test_help_is_in_groups(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main((*words, "--help"))
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: python -m benchmarks {' '.join(words)} ")
    places = [said.index(f"\n{part}") for part in HELP[words]]
    assert places == sorted(places)


def test_every_option_has_a_sentence_and_stands_in_its_group(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    _, *groups = capsys.readouterr().out.split("\n\n")
    groups = [group for group in groups if group.partition("\n")[0] in TRAINING]
    names = [f"--{field.name.rstrip('_').replace('_', '-')} " for field in fields(Options)[1:]]
    assert [sum(f"\n  {name}" in group for group in groups) for name in names] == [1] * len(names)
    assert "\n  --epochs N            Passes over a task's training images" in groups[2]
    assert "--lambda VALUE" in groups[3]


@pytest.mark.parametrize(
    ("words", "known"),
    [
        (("run", "two-tasks", "--learning", "none"), "--learning-rate"),
        (("tune", "two-tasks", "--meth", "none"), "--methods"),
        (("report", "runs", "--out", "DIR"), "--output"),
        (("data", "fetch", "none", "--root", "DIR", "--keep"), "--keep-archives"),
        (("speed", "none", "--qui"), "--quick"),
        (("docs", "--che"), "--check"),
        (("demo", "--hel"), "--help"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)
def test_abbreviations_are_refused_with_the_option_meant(
    words: tuple[str, ...], known: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(words, capsys)
    cut = next(word for word in words if word != known and known.startswith(word))
    assert f"unknown {cut}" in said
    assert said.endswith(f"; did you mean '{known}'?\n")


def test_an_option_like_no_other_is_refused_with_all(capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(("docs", "--zzz"), capsys)
    assert said.endswith("unknown --zzz; the options are --check, --help, -h\n")


def test_a_script_of_its_own_refuses_abbreviations_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        wandb_versions.main(["0.31.0", "--out", "record.json"])
    assert ended.value.code == 2
    assert "unknown --out record.json; did you mean '--output'?" in capsys.readouterr().err


def test_an_option_of_several_values_may_be_said_several_times() -> None:
    said = ("--methods", "mas", "ewc", "--methods", "joint", "--strength", "mas=1", "ewc=2")
    options = parse("run", "", ["eight-tasks", *said])
    assert options.methods == ("mas", "ewc", "joint")
    assert options.strength == (("mas", 1.0), ("ewc", 2.0))


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        (0, 0),
        (1, 1),
        (ValueError("these contradict each other"), 2),
        (FileNotFoundError("this is not there"), 2),
        (CommandError("this could not be had"), 1),
        (OSError("the disk is full"), 1),
        (KeyboardInterrupt(), 130),
    ],
    ids=repr,
)
@pytest.mark.parametrize("command", COMMANDS)
def test_exit_codes(
    command: str,
    ending: Any,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def end(_: object) -> int:
        if isinstance(ending, BaseException):
            raise ending
        return int(ending)

    module = importlib.import_module(f"benchmarks.commands.{command}")
    monkeypatch.setattr(module, "main", end)
    assert main([command]) == status
    said = capsys.readouterr().err
    if isinstance(ending, Exception):
        assert said == f"error: {ending}\n"
    elif isinstance(ending, KeyboardInterrupt):
        assert "repeat the command to continue" in said


def test_what_is_no_fault_of_the_input_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> int:
        raise TypeError("a mistake in the code")

    monkeypatch.setattr("benchmarks.commands.demo.main", broken)
    with pytest.raises(TypeError, match="a mistake in the code"):
        main(["demo"])


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark"]) == 2
    assert "there is no command 'benchmark'" in capsys.readouterr().err
    said = refused(("data", "get"), capsys)
    assert "'list', 'fetch', 'check', 'show'" in said or "list, fetch, check, show" in said


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("rnu",), "run"),
        (("data", "fetsh"), "fetch"),
        (("run", "two-task"), "two-tasks"),
        (("run", "two-tasks", "--methods", "MAS"), "mas"),
        (("run", "two-tasks", "--sedes=3"), "--seeds"),
        (("run", "two-tasks", "--optimizer", "adm"), "adam"),
        (("run", "two-tasks", "--model", "squeeze-net"), "squeezenet"),
        (("run", "two-tasks", "--strength", "ewk=1"), "ewc"),
        (("run", "two-tasks", "--tasks", "birdz", "cars"), "birds"),
        (("data", "show", "flower"), "flowers"),
        (("speed", "penaltys"), "penalty"),
        (("report", "runs", "--format", "marckdown"), "markdown"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)
def test_a_mistyped_name_is_answered_with_the_one_that_was_meant(
    words: tuple[str, ...], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status: Any = main(words)
    except SystemExit as ended:
        status = ended.code
    assert status == 2
    assert capsys.readouterr().err.rstrip().endswith(f"; did you mean {meant!r}?")


def test_whoever_reads_may_leave_early(tmp_path: Path) -> None:
    """As `head` does, which has seen enough."""
    words = [sys.executable, "-m", "benchmarks", "data", "list", "--root", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": python_path()}
    with subprocess.Popen(words, stdout=PIPE, stderr=PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert b"pipe" not in said.lower()
    assert process.returncode == 1
