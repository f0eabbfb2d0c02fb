"""A tiny stream of two tasks, and a command line that trains on it without starting processes."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from avalanche.benchmarks.utils import _make_taskaware_classification_dataset
from torch.utils.data import TensorDataset

import benchmarks.engines.jobs
import benchmarks.run.data
import benchmarks.run.runner
from avalanche_mas import streams
from avalanche_mas.streams import Sizes, TaskBenchmark, TaskInfo
from benchmarks.commands.options import Options
from benchmarks.commands.plan import plan
from benchmarks.record.settings import Settings
from benchmarks.report import print_report
from benchmarks.run.data import with_data
from benchmarks.run.job import Job
from tests.benchmarks.run_folders import write_everything

NAMES, CLASSES, SIZES = ("letters", "svhn"), (3, 4), Sizes(train=24, valid=12, test=12)


def _part(classes: int, task: int, count: int, seed: int) -> Any:
    """Return noise around one random image per class, labels in turn."""
    pictures = torch.randn(classes, 3, 16, 16, generator=torch.Generator().manual_seed(classes))
    labels = torch.arange(count) % classes
    noise = torch.randn(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed))
    data = TensorDataset(pictures[labels] + 0.3 * noise, labels)
    data.targets = labels.tolist()
    data.place = (task, seed)  # by which a test can tell whose images are looked at
    return _make_taskaware_classification_dataset(data, task_labels=task)


def make_stream(names: Sequence[str] = NAMES, classes: Sequence[int] = CLASSES) -> TaskBenchmark:
    parts = {
        part: [_part(c, task, count, seed) for task, c in enumerate(classes)]
        for seed, (part, count) in enumerate(SIZES._asdict().items())
    }
    facts = [
        TaskInfo(
            name, "drawn", tuple(map(str, range(c))), SIZES, False, False, split=f"split of {name}"
        )
        for name, c in zip(names, classes, strict=True)
    ]
    return streams.make_stream(parts, facts, "task")


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folders of every kind."""
    root = tmp_path_factory.mktemp("everything")
    write_everything(root)
    return root


@pytest.fixture(scope="session")
def report_page(everything: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The HTML report of these run folders."""
    output = tmp_path_factory.mktemp("report")
    options = {"formats": ["html"], "omega": True, "stream": io.StringIO()}
    (written,) = print_report([everything], output, **options)
    return written


@pytest.fixture(scope="session")
def stream() -> TaskBenchmark:
    return make_stream()


@pytest.fixture(scope="session")
def one_task() -> TaskBenchmark:
    return make_stream(NAMES[:1], CLASSES[:1])


@pytest.fixture(scope="session")
def three_tasks() -> TaskBenchmark:
    return make_stream((*NAMES, "cars"), (*CLASSES, 5))


@pytest.fixture
def make_job(stream: TaskBenchmark, tmp_path: Path) -> Callable[..., Job]:
    """A maker of jobs on the tiny stream, each with its own folder: `make_job("mas", epochs=2)`."""
    made = iter(range(1000))

    def make(method: str, /, **changes: Any) -> Job:
        options = Options("two-tasks", (method,), NAMES, epochs=2, batch_size=8, penalty="explicit")
        settings = with_data(plan(options)[0], stream)
        return Job(Settings(**{**settings.__dict__, **changes}), tmp_path / f"run{next(made)}")

    return make


@pytest.fixture
def tiny(stream: TaskBenchmark, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Job]]:
    """Make the command line run on the tiny stream in this process; yield the jobs as they run."""
    done: list[Job] = []

    def run_all(jobs: Sequence[Job], *_: Any) -> list[Job]:
        for job in jobs:
            benchmarks.run.runner.run(job, stream=stream)
            done.append(job)
        return []

    monkeypatch.setattr(benchmarks.engines.jobs, "run_all", run_all)
    monkeypatch.setattr(benchmarks.run.data, "load_stream", lambda *_: stream)
    threads = torch.get_num_threads()
    yield done
    torch.set_num_threads(threads)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Make the command line run in this process; return the list of runs done."""
    done: list[Job] = []

    def run_all(jobs: Sequence[Job], *_: Any) -> list[Job]:
        for job in jobs:
            benchmarks.run.runner.run(job, say=lambda _: None)
            done.append(job)
        return []

    monkeypatch.setattr(benchmarks.engines.jobs, "run_all", run_all)
    return done
