"""Runs on a real Ray cluster on this machine: two nodes, of which one is killed while it works."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

pytest.importorskip("ray", reason="Ray, the extra `ray`, is not installed")
import ray
from ray.cluster_utils import Cluster

import benchmarks
from avalanche_mas.streams import TaskBenchmark
from benchmarks.commands.engine import choose_engine
from benchmarks.commands.options import parse
from benchmarks.engines import nodes
from benchmarks.engines.engine import FINISHED, News
from benchmarks.engines.jobs import run_all
from benchmarks.engines.nodes import Needs, check_nodes
from benchmarks.engines.ray import RayEngine
from benchmarks.record.code_version import code_version
from benchmarks.record.schema import LOG
from benchmarks.run.job import Job
from benchmarks.run.runner import run
from tests.benchmarks import conftest
from tests.benchmarks import light_jobs as light
from tests.benchmarks.conftest import make_stream
from tests.benchmarks.light_jobs import PATIENCE, light_jobs, wait_for
from tests.benchmarks.sessions import check_interrupted_session, numbers

NODE: dict[str, Any] = {
    "num_cpus": 2,
    "object_store_memory": 100 * 2**20,
    "include_dashboard": False,
}
QUICK = {"health_check_period_ms": 500, "health_check_failure_threshold": 10}
"""A dead node is noticed after seconds; a slow one is not taken for dead."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A head with two processors and a GPU that is not there; tests may add nodes."""
    folder = tempfile.mkdtemp(prefix="ray")  # a short name: sockets lie in it
    for module in (sys.modules[__name__], conftest, light):
        ray.cloudpickle.register_pickle_by_value(module)  # what the nodes cannot import
    head = {**NODE, "num_gpus": 1, "_system_config": QUICK}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", folder)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.delenv("RAY_ADDRESS", raising=False)
        made = Cluster(initialize_head=True, head_node_args=head)
        yield made
        made.shutdown()
    left = psutil.wait_procs(processes_of(folder), timeout=60)[1]
    for process in left:
        process.kill()
    shutil.rmtree(folder)
    assert not left


def processes_of(folder: str) -> list[psutil.Process]:
    """Those that were started with this folder in their environment."""

    def belongs(process: psutil.Process) -> bool:
        try:
            return process.pid != os.getpid() and folder in process.environ().values()
        except psutil.Error:
            return False

    return [process for process in psutil.process_iter() if belongs(process)]


def engine(cluster: Cluster, threads: int = 1, gpus: float = 0.0) -> RayEngine:
    return RayEngine(9, threads, gpus, cluster.address)


def test_two_runs_share_a_gpu_and_the_code_of_the_command(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(job: Any, say: Callable[[str], None], show: Any) -> None:  # noqa: ARG001
        job.folder.mkdir()
        if job.name == "wrong":
            raise KeyError("missing")
        (job.folder / "begun").touch()
        wait_for(*(job.folder.parent / name / "begun" for name in "ab"))  # at the same time
        say(f"GPU {os.environ['CUDA_VISIBLE_DEVICES']}")
        say(f"copy {benchmarks.__file__ != original} of {code_version()}")

    original = benchmarks.__file__
    jobs = light_jobs(tmp_path, "a", "b", "wrong")
    assert run_all(jobs, engine(cluster, gpus=0.5), 3, work) == jobs[2:]
    said = capsys.readouterr().out
    for name in "ab":
        assert f"{name}: GPU 0\n" in said
        assert f"{name}: copy True of {code_version()}\n" in said
    assert f"wrong FAILED: KeyError: 'missing'; see {jobs[2].folder / LOG}" in said
    assert "KeyError: 'missing'" in (jobs[2].folder / LOG).read_text()
    assert "retry" not in said
    assert not ray.is_initialized()


def test_the_nodes_are_looked_at_before_anything_runs(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(job: Any, say: Callable[[str], None], show: Any) -> None:  # noqa: ARG001
        say(f"GPU {os.environ['CUDA_VISIBLE_DEVICES']!r}")

    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (job,) = light_jobs(tmp_path / "shared", "a")
    elsewhere = Path("/proc/self/cwd")  # another folder in every process
    needs = Needs(1, 0)
    with engine(cluster).session([job], work) as session:
        session.start(job)
        heard: list[News] = []
        while not heard or heard[-1].kind != FINISHED:
            heard += session.news()
        assert "GPU ''" in {news.content for news in heard}, "a run that asked for no GPU sees one"
        with pytest.raises(ValueError, match="no node of the cluster has 64 processors and 0 GPUs"):
            check_nodes(Needs(64, 0), [job])
        with pytest.raises(ValueError, match=r": 2 and 1; lower --threads or --gpus"):
            check_nodes(Needs(1, 2), [job])
        with pytest.raises(
            ValueError, match=r"out is not the same folder on the node .* all nodes"
        ):
            check_nodes(needs, light_jobs(elsewhere / "out", "a"))
        for name in ("root", "code"):
            with pytest.raises(
                ValueError, match=r"data is not there on the node .* all nodes share"
            ):
                check_nodes(needs, [replace(job, **{name: elsewhere / "data"})])
        monkeypatch.setattr(nodes, "package_versions", lambda: {"torch": "1.0", "numpy": "1.0"})
        with pytest.raises(ValueError, match=r"has torch .*, and not 1\.0 as here"):
            check_nodes(needs, [job])
    assert not list((tmp_path / "shared").iterdir()), "the probe is still there"


class Killer(threading.Thread):
    """Kills a node, with all that runs on it, as soon as a file is there."""

    def __init__(self, node: Any, file: Path) -> None:
        super().__init__()
        self.node, self.file = node, file
        self.killed: list[int] = []

    def run(self) -> None:
        wait_for(self.file)
        raylet = psutil.Process(self.node.all_processes["raylet"][0].process.pid)
        for process in [raylet, *raylet.children(recursive=True)]:
            self.killed.append(process.pid)
            process.send_signal(signal.SIGKILL)


def test_the_runs_of_a_node_that_is_killed_are_done_by_another(
    cluster: Cluster,
    make_job: Callable[..., Job],
    stream: TaskBenchmark,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each node holds one run. One learns its first task, and then its node is killed."""

    def work(job: Job, say: Callable[[str], None], show: Any) -> None:
        def said(line: str) -> None:
            say(line)
            if ray.get_runtime_context().get_node_id() == doomed:
                file.with_suffix(".new").write_text(str(os.getpid()))
                file.with_suffix(".new").replace(file)
                time.sleep(PATIENCE)

        run(job, said, show, make_stream())

    file = tmp_path / "process"
    node = cluster.add_node(**NODE)
    doomed = node.node_id
    killer = Killer(node, file)
    killer.start()
    jobs = [make_job("fine-tuning"), make_job("mas")]
    assert run_all(jobs, engine(cluster, threads=2), 1, work) == []
    killer.join()
    cluster.remove_node(node)
    assert int(file.read_text()) in killer.killed, "the run was not on the node that was killed"
    said = capsys.readouterr().out
    assert said.count("retry 1 of 1") == 1
    for job in jobs:
        alone = replace(job, folder=job.folder.with_name(f"{job.folder.name}-alone"))
        run(alone, stream=stream)
        assert numbers(job.folder) == numbers(alone.folder)


def test_runs_that_fit_on_no_node_that_is_left_are_given_up(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(job: Any, say: Any, show: Any) -> None:  # noqa: ARG001
        file.touch()
        time.sleep(PATIENCE)

    file = tmp_path / "begun"
    node = cluster.add_node(**{**NODE, "num_cpus": 3})
    killer = Killer(node, file)
    killer.start()
    jobs = light_jobs(tmp_path, "a")
    assert run_all(jobs, engine(cluster, threads=3), 1, work) == jobs
    killer.join()
    cluster.remove_node(node)
    said = capsys.readouterr().out
    assert "a FAILED: no node is left with 3 processors and 0 GPUs for a run" in said


def test_a_cluster_that_is_lost_is_said_with_what_to_do(cluster: Cluster, tmp_path: Path) -> None:
    """Where the news are kept is lost with it."""

    def lose() -> None:
        with engine(cluster).session(light_jobs(tmp_path, "a"), print) as session:
            ray.kill(session._mailbox)
            while True:
                list(session.news())

    with pytest.raises(
        ConnectionError, match=r"Ray: .*; start the cluster again .* the same command"
    ):
        lose()
    assert not ray.is_initialized()


def test_the_commands_of_the_documentation_are_understood() -> None:
    from ray.scripts.scripts import start

    document = Path(__file__).parents[3] / "docs" / "cluster.md"
    blocks = re.findall(r"```console\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)
    commands = [shlex.split(line) for line in "".join(blocks).splitlines()]
    runs = [words[4:] for words in commands if words[:4] == ["python", "-m", "benchmarks", "run"]]
    starts = [words[2:] for words in commands if words[:2] == ["ray", "start"]]
    installs = [words for words in commands if words[0] == "pip"]
    assert len(runs) == 3
    assert len(starts) == 2
    assert len(commands) == len(runs) + len(starts) + len(installs)
    for words in runs:
        assert choose_engine(parse("run", "", words), 1)
    for words in starts:
        start.make_context("ray start", words)


def test_a_cluster_of_its_own_is_stopped_with_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tempfile.mkdtemp(prefix="ray")
    monkeypatch.setenv("RAY_TMPDIR", folder)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    check_interrupted_session(tmp_path, "--engine", "ray")
    left = psutil.wait_procs(processes_of(folder), timeout=60)[1]
    for process in left:
        process.kill()
    shutil.rmtree(folder)
    assert not left
    assert (tmp_path / "address").read_text() == "127.0.0.1", "the network can reach it"


def test_options_of_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    given = ["two-tasks", "--engine", "ray", "--gpus", "0.5", "--device", "cuda"]
    assert choose_engine(parse("run", "", given), 7) == RayEngine(7, 1, 0.5, "head:6379")
    more = ["--address", "auto", "--jobs", "3", "--threads", "4"]
    assert choose_engine(parse("run", "", [*given, *more]), 7) == RayEngine(3, 4, 0.5, "auto")
    monkeypatch.delenv("RAY_ADDRESS")
    assert choose_engine(parse("run", "", given), 7) == RayEngine(7, 1, 0.5, None)
    monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001")
    with pytest.raises(ValueError, match=r"RAY_ADDRESS: 'ray://head:10001' is not HOST:PORT or"):
        choose_engine(parse("run", "", given), 7)
    assert choose_engine(parse("run", "", [*given, *more]), 7) == RayEngine(3, 4, 0.5, "auto")
    monkeypatch.setenv("RAY_ADDRESS", "")
    assert choose_engine(parse("run", "", given), 7) == RayEngine(7, 1, 0.5, None)
    with pytest.raises(ValueError, match=r"--gpus 0\.5 would set GPUs aside that --device cpu"):
        choose_engine(parse("run", "", given[:-2]), 7)


def test_a_cluster_that_is_not_there_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(**_: Any) -> None:
        raise ConnectionError("could not find any running Ray instance\nand more")

    monkeypatch.setattr(ray, "init", nothing)
    with (
        pytest.raises(
            ValueError,
            match=r"Ray: could not find any running Ray instance; start a node",
        ),
        RayEngine(1, 1, 0.0, "auto").session(light_jobs(tmp_path, "a"), print),
    ):
        pass
