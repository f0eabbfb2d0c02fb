"""Checkpoints: whose they are, what they hold, and what happens if one is damaged."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from avalanche.core import SupervisedPlugin
from torch import nn

import benchmarks.run.checkpoint
import benchmarks.run.learner
from avalanche_mas.files import TEMPORARY
from avalanche_mas.streams import TaskBenchmark
from benchmarks.__main__ import main
from benchmarks.methods import METHODS, Method
from benchmarks.record.folders import is_finished, start_folder
from benchmarks.record.schema import CHECKPOINT, CONFIG, METRICS, RESULT, VERSIONS
from benchmarks.run.checkpoint import put_back, state_of
from benchmarks.run.job import Job
from benchmarks.run.learner import Learner
from benchmarks.run.training.networks import network_for
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
    assert said_by(job, stream)[0] == "continues after 1 of 2 tasks"
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
    assert said_by(broken, stream)[0] == "continues after 1 of 2 tasks"
    assert is_finished(broken.folder, broken.settings)


# --- damage ---


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def turned(content: bytes) -> bytes:
    """Flip one bit of a tensor in it."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [cut, turned, lambda _: b"", lambda _: b"thesis"])
def test_damage_is_told_with_the_file_and_the_next_step(
    damage: Callable[[bytes], bytes], broken: Job, stream: TaskBenchmark
) -> None:
    file = broken.folder / CHECKPOINT
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ValueError, match=r"checkpoint\.zip is damaged.*; remove it, and the same"):
        silent(broken, stream)
    assert file.exists()
    file.unlink()
    assert len(said_by(broken, stream)) == 2


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
    left = broken.folder / f"{CHECKPOINT}abc{TEMPORARY}"
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


class Pair(SupervisedPlugin):
    def __init__(self, other: SupervisedPlugin) -> None:
        super().__init__()
        self.other = other


def test_a_plugin_that_holds_another_is_refused_before_training(
    make_job: MakeJob, stream: TaskBenchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pair(_: float) -> list[SupervisedPlugin]:
        one = SupervisedPlugin()
        return [one, Pair(one)]

    monkeypatch.setitem(METHODS, "pair", Method("pair", "", "", pair))
    job = make_job("fine-tuning", method="pair")
    with pytest.raises(TypeError, match=r"Pair\.other is another plugin .* in __getstate__"):
        said_by(job, stream)
    assert len((job.folder / METRICS).read_text().splitlines()) == 1


def test_what_cannot_be_pickled_is_refused_before_training(
    make_job: MakeJob, stream: TaskBenchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Local(nn.Identity):
        pass

    def network(*arguments: Any) -> nn.Module:
        made = network_for(*arguments)
        made.body.append(Local())
        return made

    monkeypatch.setattr(benchmarks.run.learner, "network_for", network)
    job = make_job("fine-tuning")
    with pytest.raises(TypeError, match=r"cannot be pickled \(.*Local.*\); define classes"):
        silent(job, stream)
    assert len((job.folder / METRICS).read_text().splitlines()) == 1
    assert not (job.folder / CHECKPOINT).exists()


def test_what_shares_memory_still_does(make_job: MakeJob, stream: TaskBenchmark) -> None:
    """SI as shipped keeps views of the model's weights."""

    def views(learner: Learner) -> list[bool]:
        places = {p.data_ptr() for p in learner.strategy.model.parameters()}
        kept = learner.plugins[0].syn_data["new_theta"].values()
        return [held.data.data_ptr() in places for held in kept]

    job = make_job("si")
    first, second = (Learner(job.settings, None, stream) for _ in range(2))
    first.learn(first.parts[0])
    content = io.BytesIO()
    torch.save(first.state(), content)
    content.seek(0)
    second.load(torch.load(content, weights_only=False))
    assert views(second) == views(first)
    assert True in views(first)
    optimized = {id(p) for g in second.strategy.optimizer.param_groups for p in g["params"]}
    assert optimized == {id(p) for p in second.strategy.model.parameters()}


class Plain:
    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)


class Partly(Plain):
    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "data"}


class Own(Plain):
    def __setstate__(self, state: dict[str, Any]) -> None:
        self.loaded = state


def test_states_are_put_back_in_place() -> None:
    one = Plain(a=1, later=2)
    put_back(one, state_of(Plain(a=3, b=4)))
    assert vars(one) == {"a": 3, "b": 4}
    two = Partly(a=1, data="kept", later=2)
    put_back(two, state_of(Partly(a=5, data="other")))
    assert vars(two) == {"a": 5, "data": "kept"}
    three = Own(a=1)
    put_back(three, state_of(Own(a=6)))
    assert vars(three) == {"a": 1, "loaded": {"a": 6}}
    empty = Plain(a=1)
    put_back(empty, state_of(Plain()))
    assert vars(empty) == {}


def test_a_checkpoint_beside_a_result_is_removed_by_the_command(
    tiny: list[Job], tmp_path: Path
) -> None:
    arguments = ["run", "two-tasks", "--tasks", "letters", "svhn", "--methods", "mas"]
    arguments += ["--epochs", "1", "--wandb", "disabled", "--output", str(tmp_path)]
    assert main(arguments) == 0
    (job,) = tiny
    assert (job.folder / RESULT).exists()
    (job.folder / CHECKPOINT).touch()
    assert main(arguments) == 0
    assert not (job.folder / CHECKPOINT).exists()
    assert len(tiny) == 1
