"""Sweeps: the file as wandb reads it, and its runs as wandb's own agent starts them."""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from wandb.sdk.launch.sweeps.utils import load_sweep_config
from wandb.wandb_agent import Agent

import benchmarks.commands.sweeps
from benchmarks.commands.options import parse
from benchmarks.commands.plan import TUNING_SEED, plan
from benchmarks.commands.sweeps import output_of_run, refuse_several
from benchmarks.record.schema import CONFIG, RESULT
from tests.benchmarks.trackers import in_wandb, wandb_files, wandb_records
from tests.processes import python_path

FILES = sorted(Path(benchmarks.commands.sweeps.__file__).parent.glob("*.yaml"))
TINY = ("--tasks", "letters", "svhn", "--epochs", "1", "--threads", "1")
VALUES = {"lambda": 0.037, "learning-rate": 1.25e-05}


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def sweep(request: pytest.FixtureRequest) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # wandb leaves the file open
        config = load_sweep_config(str(request.param))
    assert config is not None
    return config


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Agent:
    """wandb's agent of the sweep `tried`, in an empty folder; it is not connected to a server."""
    for name in ("WANDB_DIR", "WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH"):
        monkeypatch.setenv(name, "")  # which the agent sets; put back afterwards
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_SWEEP_ID", "tried")
    monkeypatch.setenv(
        "PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    )
    monkeypatch.setenv("PYTHONPATH", python_path())
    monkeypatch.chdir(tmp_path)
    return Agent(api=None, queue=None, sweep_id="tried")


def command_of(agent: Agent, sweep: dict[str, Any], run: str, monkeypatch: Any) -> list[str]:
    """What the agent would execute for a run."""
    started: list[list[str]] = []

    class Process:
        def __init__(self, command: list[str], **_: Any) -> None:
            started.append(command)

    with monkeypatch.context() as patch:
        patch.setattr("wandb.wandb_agent.AgentProcess", Process)
        start(agent, sweep, run)
    return started[0]


def start(agent: Agent, sweep: dict[str, Any], run: str) -> None:
    agent._sweep_command = sweep["command"]
    values = {name: {"value": value} for name, value in VALUES.items()}
    agent._command_run({"run_id": run, "program": sweep["program"], "args": values})


def test_the_command_says_what_is_swept(
    sweep: dict[str, Any], agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sweep["parameters"].keys() == VALUES.keys()
    command = command_of(agent, sweep, "one", monkeypatch)
    assert command[:5] == ["/usr/bin/env", "python", "-m", "benchmarks", "run"]
    options = parse("run", "", command[5:])
    (settings,) = plan(options)
    assert (settings.strength, settings.learning_rate) == tuple(VALUES.values())
    assert (settings.evaluated_on, settings.seed) == ("valid", TUNING_SEED)
    assert options.wandb == "online"


def test_the_limits_are_in_order(sweep: dict[str, Any]) -> None:
    assert sweep["method"] in ("bayes", "random")
    for limits in sweep["parameters"].values():
        assert limits["distribution"] == "log_uniform_values"
        assert 0 < limits["min"] < limits["max"]


def test_a_run_of_the_agent(sweep: dict[str, Any], agent: Agent, tmp_path: Path) -> None:
    """Shortened and offline, but the agent's own process."""
    command = ["offline" if word == "online" else word for word in sweep["command"]]
    start(agent, {**sweep, "command": [*command, *TINY]}, "one")
    assert agent._run_processes["one"]._popen.wait(300) == 0
    (result,) = tmp_path.glob(f"runs/sweeps/sweep-tried/one/*/**/{RESULT}")
    config = json.loads((result.parent / CONFIG).read_text())
    assert (config["strength"], config["learning_rate"]) == tuple(VALUES.values())
    assert [file.stem for file in wandb_files(result.parent)] == ["run-one"]
    run = next(record.run for record in wandb_records(result.parent) if record.HasField("run"))
    assert run.sweep_id == "tried"
    last = json.loads(result.read_text())["accuracy"][-1]
    values = [
        v for (_, name), v in in_wandb(result.parent).items() if name == sweep["metric"]["name"]
    ]
    assert values == [[pytest.approx(sum(last) / len(last))]]


def test_runs_of_a_sweep_have_folders_of_their_own() -> None:
    output = Path("runs")
    assert output_of_run(output, {}) == output
    assert output_of_run(output, {"WANDB_RUN_ID": "a"}) == output
    folder = output_of_run(output, {"WANDB_SWEEP_ID": "s", "WANDB_RUN_ID": "a"})
    assert folder == output / "sweep-s" / "a"


def test_several_runs_are_not_logged_to_one() -> None:
    refuse_several(2, {})
    refuse_several(1, {"WANDB_RUN_ID": "a"})
    with pytest.raises(ValueError, match=r"WANDB_RUN_ID=a names one run .* asks for 2"):
        refuse_several(2, {"WANDB_RUN_ID": "a"})
