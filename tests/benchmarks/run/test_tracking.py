"""Trackers get what the run folder holds, each value once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from avalanche_mas.importance.result.files import load_tensors
from avalanche_mas.logging import section_name
from avalanche_mas.logging.names import STEP, TASK
from avalanche_mas.metrics import summary_row
from avalanche_mas.streams import TaskBenchmark
from benchmarks.record.schema import (
    CONFIG,
    EVENTS,
    METRICS,
    OMEGA,
    OMEGA_ENTRIES,
    RESULT,
    VERSIONS,
)
from benchmarks.run.job import Job
from benchmarks.run.tracking import FINAL
from tests.benchmarks.interruptions import (
    TIMES,
    interrupt,
    interrupt_at_the_result,
    numbers,
    silent,
)
from tests.benchmarks.killed import PLACES, TRACKED
from tests.benchmarks.run.test_resume import job_on_three, three_tasks, uninterrupted
from tests.benchmarks.trackers import (
    Values,
    in_events,
    in_table,
    in_wandb,
    media_in_events,
    media_in_wandb,
    wandb_files,
    wandb_records,
)
from tests.processes import python_path

MakeJob = Callable[..., Job]
TASKS = ("letters", "svhn")
MEASURED = ("Importance_Seconds", "Importance_PeakMegabytes")


def tracked(job: Job) -> Job:
    return replace(job, **TRACKED)


def once(values: Values) -> dict[tuple[int, str], float]:
    """Return what was logged, and check that nothing was logged twice."""
    assert {key for key, found in values.items() if len(found) != 1} == set()
    return {key: found[0] for key, found in values.items()}


def check_trackers_agree(folder: Path) -> dict[tuple[int, str], float]:
    """Check all values that the trackers of a run have, and return those logged more than once."""
    table = once(in_table(folder))
    shown = {(step, section_name(name)): value for (step, name), value in table.items()}
    wandb = once(in_wandb(folder))
    steps = {step: value for (step, name), value in wandb.items() if name == STEP}
    assert steps == {step: step for step, _ in table}
    assert {key: v for key, v in wandb.items() if key[1] not in (STEP, TASK)} == shown
    assert once(in_events(folder)) == {key: np.float32(value) for key, value in shown.items()}
    media = once(media_in_wandb(folder))
    assert media.keys() == media_in_events(folder)
    folders = [file.parent / "files" for file in wandb_files(folder)]
    for entry in media.values():
        assert any((files / entry["path"]).is_file() for files in folders)
    return {key: value for key, value in table.items() if not key[1].startswith(MEASURED)}


def test_all_trackers_hold_what_the_run_folder_holds(
    make_job: MakeJob, stream: TaskBenchmark
) -> None:
    job = tracked(make_job("mas"))
    accuracy = silent(job, stream)["accuracy"]
    table = check_trackers_agree(job.folder)
    for i, row in enumerate(accuracy):
        for j, value in enumerate(row[: i + 1]):
            name = f"Top1_Acc_Exp/eval_phase/test_stream/Task{j:03}/Exp{j:03}"
            assert table[6 * (i + 1), name] == value
    assert table[12, f"{FINAL}TaskMean_Acc/eval_phase/test_stream"] == np.mean(accuracy[1])
    pictures = {name for step, name in media_in_wandb(job.folder) if step == 12}
    assert pictures >= {
        "eval/AccuracyMatrix",
        "eval/AccuracyTable",
        "task/Omega_Histogram",
        "task/Omega_Table",
    }
    forgetting = accuracy[0][0] - accuracy[1][0]
    assert table[12, f"{FINAL}TaskMean_Forgetting/eval_phase/test_stream"] == forgetting


def test_runs_are_grouped_as_tables_are(make_job: MakeJob, stream: TaskBenchmark) -> None:
    job = replace(make_job("mas", seed=3), wandb="offline")
    silent(job, stream)
    (run,) = [record.run for record in wandb_records(job.folder) if record.HasField("run")]
    assert (run.project, run.run_group) == ("avalanche-mas", "two-tasks/letters-svhn")
    assert (run.job_type, run.display_name) == ("mas", "mas/seed3")
    assert list(run.tags) == ["drawn", "small-cnn", "mas"]
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    del config["_wandb"]
    assert config == job.settings.as_json()


def test_omega_and_the_checkpoint_are_artifacts(make_job: MakeJob, stream: TaskBenchmark) -> None:
    job = replace(make_job("mas"), wandb="offline")
    silent(job, stream)
    records = wandb_records(job.folder)
    (run,) = [record.run.run_id for record in records if record.HasField("run")]
    own = {"omega": OMEGA_ENTRIES, "checkpoint": "experience-00002.safetensors"}
    artifacts = {
        record.artifact.name: [entry.path for entry in record.artifact.manifest.contents]
        for record in records
        if record.HasField("artifact") and record.artifact.type in own
    }
    assert artifacts == {f"{kind}-{run}": [file] for kind, file in own.items()}
    omega, description = load_tensors(job.folder / OMEGA_ENTRIES)
    assert description == {"kind": "l2", "accumulation": "sum"}
    layers = json.loads((job.folder / OMEGA).read_text())["layers"][-1]
    entries = sum(layer["entries"] for layer in layers)
    mean = sum(layer["entries"] * layer["mean"] for layer in layers) / entries
    assert sum(float(o.sum()) for o in omega.values()) / entries == pytest.approx(mean)


@pytest.mark.parametrize("method", ["mas", "joint"])
def test_the_table_of_runs_has_the_columns_of_the_report(
    method: str, make_job: MakeJob, stream: TaskBenchmark
) -> None:
    job = replace(make_job(method), wandb="offline")
    accuracy = silent(job, stream)["accuracy"]
    updates = [item for record in wandb_records(job.folder) for item in record.summary.update]
    summary = {item.key: json.loads(item.value_json) for item in updates}
    expected = {name: v for name, v in summary_row(accuracy, TASKS).items() if v is not None}
    assert {name: summary[name] for name in expected} == expected
    assert list(expected) == [
        "Mean accuracy",
        *(("Forgetting", "Learned") if method == "mas" else ()),
        *TASKS,
    ]


@pytest.mark.parametrize("method", ["fine-tuning", "mas", "joint"])
def test_tracking_changes_no_number(method: str, make_job: MakeJob, stream: TaskBenchmark) -> None:
    plain, followed = make_job(method), tracked(make_job(method))
    results = [silent(job, stream) for job in (plain, followed)]
    for result in results:
        for name in TIMES:
            result.pop(name, None)
    assert results[0] == results[1]
    expected = once(in_table(plain.folder))
    found = once(in_table(followed.folder))
    assert {key: found[key] for key in expected} == expected


def test_a_run_that_is_not_tracked_leaves_no_more_than_its_table(
    make_job: MakeJob, stream: TaskBenchmark
) -> None:
    job = make_job("mas")
    silent(job, stream)
    assert not (job.folder / EVENTS).exists()
    assert not (job.folder / "wandb").exists()
    assert not any(name.startswith(FINAL) for _, name in in_table(job.folder))


# --- interrupted ---


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Sums are added in the order of a process with one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_killed_runs_are_as_if_they_had_not_been(tmp_path: Path) -> None:
    """They are killed with `kill -9` in the second task, or before a checkpoint is in place."""
    # without wandb's, as its service that this process may use would be used there, too
    environment = {name: v for name, v in os.environ.items() if not name.startswith("WANDB_")}
    done = subprocess.run(
        [sys.executable, "-u", "-W", "ignore", "-m", "tests.benchmarks.killed"],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": python_path(), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("exit")] == ["exit -9 0"] * 2, done.stderr
    goes_on = [line.rsplit(": ", 1)[1] for line in lines if line.startswith("resuming")]
    assert goes_on == ["experience 1, before its first step", "experience 0, after 3 steps"]
    whole = tracked(job_on_three("mas", tmp_path / "whole"))
    silent(whole, three_tasks())
    expected = check_trackers_agree(whole.folder)
    for folder in (tmp_path / place for place in PLACES):
        assert check_trackers_agree(folder) == expected
        assert len({file.name for file in wandb_files(folder)}) == 1
        assert {**numbers(folder), "metrics": None} == {**uninterrupted("mas"), "metrics": None}
        left = {file.name for file in folder.iterdir()} - {"wandb", EVENTS}
        assert left == {CONFIG, VERSIONS, METRICS, RESULT, OMEGA, OMEGA_ENTRIES}


def test_a_run_stopped_at_its_end_logs_nothing_twice(
    make_job: MakeJob, stream: TaskBenchmark
) -> None:
    whole, broken = (tracked(make_job("mas")) for _ in range(2))
    silent(whole, stream)
    interrupt_at_the_result(broken, stream)
    silent(broken, stream)
    assert check_trackers_agree(broken.folder) == check_trackers_agree(whole.folder)
    assert (broken.folder / RESULT).exists()


def test_what_is_left_out_for_a_while_is_not_lost(make_job: MakeJob, stream: TaskBenchmark) -> None:
    """Earlier values stay; those logged meanwhile are in the table only."""
    job = make_job("mas")
    interrupt(tracked(job), stream, 7)
    interrupt(job, stream, 4)
    silent(tracked(job), stream)
    table = check_trackers_agree(job.folder)
    assert {step for step, _ in table} == {3, 6, 9, 12}


def test_event_files_that_were_cut_are_refused(make_job: MakeJob, stream: TaskBenchmark) -> None:
    job = tracked(make_job("mas"))
    interrupt(job, stream, 7)
    for file in (job.folder / EVENTS).iterdir():
        file.write_bytes(b"")
    with pytest.raises(ValueError, match=r"has 0 bytes, of \d+ .* starts this run over"):
        silent(job, stream)
