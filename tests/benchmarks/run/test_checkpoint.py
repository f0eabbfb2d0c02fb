"""Checkpoints: whose they are, what they hold, and what happens if one is damaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from avalanche.core import SupervisedPlugin

import benchmarks.run.checkpoint
import benchmarks.run.runner
from avalanche_mas.checkpoint import Checkpoints
from avalanche_mas.files import TEMPORARY
from avalanche_mas.streams import TaskBenchmark
from benchmarks.__main__ import main
from benchmarks.methods import METHODS, Method
from benchmarks.record.folders import is_finished, start_folder
from benchmarks.record.schema import CHECKPOINTS, CONFIG, METRICS, RESULT, VERSIONS
from benchmarks.run.job import Job
from tests.benchmarks.interruptions import (
    InterruptedRunError,
    interrupt,
    numbers,
    raise_interrupted,
    said_by,
    silent,
)

# Avalanche's Synaptic Intelligence hands a tensor to np.square.
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")

MakeJob = Callable[..., Job]
SECOND_TASK = 9  # as a step


@pytest.fixture
def broken(make_job: MakeJob, stream: TaskBenchmark) -> Job:
    """A run that was interrupted in its second task."""
    job = make_job("mas")
    interrupt(job, stream, SECOND_TASK)
    return job


def going_on(job: Job) -> str:
    place = "experience 1, before its first step"
    return f"resuming from {job.folder / CHECKPOINTS}: {place}"


def newest(job: Job) -> Path:
    return max((job.folder / CHECKPOINTS).glob("*.safetensors"))


# --- whose it is ---


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("code_digest", "another", "begun with other code of this project,"),
        ("package_versions", {"torch": "1.0"}, "begun with other torch, python"),
    ],
)
def test_of_another_version_the_run_starts_anew(
    name: str,
    value: Any,
    said: str,
    broken: Job,
    make_job: MakeJob,
    stream: TaskBenchmark,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = make_job("mas")
    silent(whole, stream)
    monkeypatch.setattr(benchmarks.run.checkpoint, name, lambda: value)
    lines = said_by(broken, stream)
    assert lines[0].startswith(f"starts over: {said}")
    assert len(lines) == 1 + 2
    assert numbers(broken.folder) == numbers(whole.folder)


def test_of_another_configuration_the_run_starts_anew_and_the_command_refuses(
    broken: Job, make_job: MakeJob, stream: TaskBenchmark
) -> None:
    other = make_job("mas", learning_rate=0.02)
    shutil.copytree(broken.folder, other.folder)
    with pytest.raises(ValueError, match=r"learning_rate is 0\.05 there, 0\.02 was asked for"):
        is_finished(other.folder, other.settings)
    assert not is_finished(broken.folder, broken.settings)
    assert "begun with other configuration," in said_by(other, stream)[0]


def test_of_other_data_the_run_starts_anew(
    broken: Job, stream: TaskBenchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = [replace(task, split="another split") for task in stream.tasks]
    monkeypatch.setattr(stream, "tasks", tasks)
    assert "begun with other data," in said_by(broken, stream)[0]


def test_the_machine_and_where_something_comes_from_may_differ(
    broken: Job, stream: TaskBenchmark
) -> None:
    settings = replace(broken.settings, strength_from="somewhere else")
    job = replace(broken, settings=settings, threads=7)
    assert said_by(job, stream)[0] == going_on(job)
    noted = json.loads((job.folder / VERSIONS).read_text())
    assert (noted["threads"], noted["continued"][0]["threads"]) == (1, 7)


def test_a_folder_from_before_some_settings_were_added_continues(
    broken: Job, stream: TaskBenchmark
) -> None:
    config = json.loads((broken.folder / CONFIG).read_text())
    for added in ("penalty", "precision", "gradient_clip"):
        del config[added]
    (broken.folder / CONFIG).write_text(json.dumps(config))
    assert not is_finished(broken.folder, broken.settings)
    assert said_by(broken, stream)[0] == going_on(broken)
    assert is_finished(broken.folder, broken.settings)


# --- damage ---


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def turned(content: bytes) -> bytes:
    """Flip one bit of a tensor in it."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGES = [cut, turned, lambda _: b"", lambda _: b"thesis"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_of_a_damaged_checkpoint_the_run_goes_back_to_the_one_before(
    damage: Callable[[bytes], bytes], broken: Job, make_job: MakeJob, stream: TaskBenchmark
) -> None:
    whole = make_job("mas")
    silent(whole, stream)
    file = newest(broken)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.warns(UserWarning, match=rf"{file.name} .*damaged.*looking for an earlier"):
        silent(broken, stream)
    assert numbers(broken.folder) == numbers(whole.folder)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.filterwarnings("ignore:.*looking for an earlier checkpoint")
def test_where_none_can_be_read_the_next_step_is_told(
    damage: Callable[[bytes], bytes], broken: Job, stream: TaskBenchmark
) -> None:
    for file in (broken.folder / CHECKPOINTS).glob("*.safetensors"):
        file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ValueError, match="can be read; remove the folder to start over"):
        silent(broken, stream)
    assert newest(broken).exists()
    shutil.rmtree(broken.folder / CHECKPOINTS)
    assert len(said_by(broken, stream)) == 2


@pytest.mark.parametrize("damage", [cut, lambda _: b"", lambda _: b"{}", lambda _: b"[[1]]"])
def test_of_whom_no_file_tells_any_more(
    damage: Callable[[bytes], bytes], broken: Job, stream: TaskBenchmark
) -> None:
    file = broken.folder / CHECKPOINTS / "run.json"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(
        ValueError, match=r"run\.json is damaged.*remove .*checkpoints, and the same"
    ) as caught:
        silent(broken, stream)
    assert str(caught.value).count("run.json") == 1


def test_a_file_of_someone_else_runs_no_code(broken: Job, stream: TaskBenchmark) -> None:
    class Harm:
        def __reduce__(self) -> Any:
            return (Path.touch, (broken.folder / "harmed",))

    torch.save(Harm(), newest(broken))
    with pytest.warns(UserWarning, match="looking for an earlier"):
        silent(broken, stream)
    assert not (broken.folder / "harmed").exists()


def test_metrics_that_were_cut_are_told(broken: Job, stream: TaskBenchmark) -> None:
    file = broken.folder / METRICS
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(
        ValueError, match=r"metrics\.csv has 40 bytes, of \d+ that had been written"
    ):
        silent(broken, stream)


def test_metrics_after_the_checkpoint_are_dropped(broken: Job, stream: TaskBenchmark) -> None:
    with (broken.folder / METRICS).open("a") as file:
        file.write("12,1,half a li")
    silent(broken, stream)
    assert "half" not in (broken.folder / METRICS).read_text()


def test_what_was_not_completed_is_removed(broken: Job, stream: TaskBenchmark) -> None:
    left = broken.folder / f"{RESULT}abc{TEMPORARY}"
    left.write_bytes(b"half")
    silent(broken, stream)
    assert not left.exists()


def stopped_at(change: int, patch: pytest.MonkeyPatch) -> None:
    """Stop before a change of the file system, counted from 0."""
    changes = iter(range(1000))

    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        def one(*arguments: Any, **keywords: Any) -> Any:
            if next(changes) == change:
                raise_interrupted()
            return original(*arguments, **keywords)

        return one

    patch.setattr(Path, "iterdir", lambda folder: iter(sorted(folder.glob("*"))))
    for owner, name in ((Path, "unlink"), (Path, "replace"), (shutil, "rmtree")):
        patch.setattr(owner, name, counted(getattr(owner, name)))


def test_a_folder_is_known_as_one_wherever_its_making_stops(broken: Job, tmp_path: Path) -> None:
    (broken.folder / "wandb").mkdir()
    for change in range(6):  # three files and a folder are removed, two files are written
        folder = tmp_path / str(change)
        shutil.copytree(broken.folder, folder)
        with pytest.MonkeyPatch.context() as patch:
            stopped_at(change, patch)
            with pytest.raises(InterruptedRunError):
                start_folder(folder, broken.settings, 1)
        assert not is_finished(folder, broken.settings)
        start_folder(folder, broken.settings, 1)
        assert {file.name for file in folder.iterdir()} == {CONFIG, VERSIONS}
    (folder / CONFIG).rename(folder / f"{CONFIG}abc{TEMPORARY}")  # killed while it was written
    (folder / VERSIONS).unlink()
    assert not is_finished(folder, broken.settings)


# --- what is in it ---


class Odd:
    """Something that no checkpoint can hold."""


class Holding(SupervisedPlugin):
    def __init__(self, held: Any) -> None:
        super().__init__()
        self.held = held


def with_plugins(patch: pytest.MonkeyPatch, *plugins: SupervisedPlugin) -> None:
    patch.setitem(METHODS, "made", Method("made", "", "", lambda _: list(plugins)))


def test_what_cannot_be_saved_is_refused_before_training(
    make_job: MakeJob, stream: TaskBenchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_plugins(monkeypatch, Holding(Odd()))
    job = make_job("fine-tuning", method="made")
    with pytest.raises(ValueError, match=r"Holding\.held is a Odd.*state_dict\(\)"):
        said_by(job, stream)
    assert len((job.folder / METRICS).read_text().splitlines()) == 1
    assert not list((job.folder / CHECKPOINTS).glob("*.safetensors"))


def test_a_plugin_of_anyone_goes_on_with_its_attributes(
    make_job: MakeJob, stream: TaskBenchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may hold another plugin, too."""
    first = Holding([1, torch.ones(2)])
    with_plugins(monkeypatch, first, Holding(first))
    job = make_job("fine-tuning", method="made")
    interrupt(job, stream, SECOND_TASK)
    second = Holding([])
    third = Holding(second)
    with_plugins(monkeypatch, second, third)
    silent(job, stream)
    assert second.held[0] == 1
    assert torch.equal(second.held[1], torch.ones(2))
    assert third.held is second


@pytest.mark.parametrize("step", [8, 9], ids=["in the first task", "in the second"])
def test_what_shares_memory_still_does(
    make_job: MakeJob, stream: TaskBenchmark, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """SI as shipped keeps views of the model's weights, which count as no memory of its own."""
    whole, job = make_job("si"), make_job("si")
    monkeypatch.setattr(benchmarks.run.runner, "Checkpoints", partial(Checkpoints, every_steps=1))
    silent(whole, stream)
    interrupt(job, stream, step)
    silent(job, stream)
    assert numbers(job.folder) == numbers(whole.folder)


def test_a_checkpoint_beside_a_result_is_removed_by_the_command(
    tiny: list[Job], tmp_path: Path
) -> None:
    arguments = ["run", "two-tasks", "--tasks", "letters", "svhn", "--methods", "mas"]
    arguments += ["--epochs", "1", "--wandb", "disabled", "--output", str(tmp_path)]
    assert main(arguments) == 0
    (job,) = tiny
    assert (job.folder / RESULT).exists()
    (job.folder / CHECKPOINTS).mkdir()
    assert main(arguments) == 0
    assert not (job.folder / CHECKPOINTS).exists()
    assert len(tiny) == 1
