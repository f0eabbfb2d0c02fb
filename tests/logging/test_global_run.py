"""The logger beside a user's own calls of wandb, whatever their order: nothing is lost."""

import os
import pickle
import subprocess
import sys

import pytest
import torch
import wandb

from avalanche_mas.logging import WandBLogger, run_history
from avalanche_mas.logging.history import read_rows
from avalanche_mas.logging.names import STEP, TASK
from avalanche_mas.logging.runs import usual_mode
from tests.logging.reading import all_files, exit_codes, finished_records, history, log
from tests.processes import python_path

OFFLINE = {"mode": "offline", "settings": {"silent": True, "console": "off"}}
EXP = "Loss_Exp/eval_phase/test_stream/Exp000"


def files_by_run(folder):
    return {file.stem.removeprefix("run-"): file for file in all_files(folder)}


def rows_of(folder, run_id):
    file = files_by_run(folder)[run_id]
    finished_records(file)
    return run_history(file)


def test_the_run_is_the_global_one_until_it_is_closed(quiet_logger):
    logger = quiet_logger()
    assert wandb.run is logger.run
    logger.close()
    assert wandb.run is None


def test_finish_right_after_the_last_value(tmp_path, quiet_logger):
    logger = quiet_logger()
    log(logger, "x", 1, 3)
    log(logger, "x", 2, 4)
    wandb.finish(exit_code=2)
    assert history(tmp_path) == {"x": {3: 1, 4: 2}}
    with pytest.raises(RuntimeError, match="or the run was finished; make another logger"):
        log(logger, "x", 3, 5)
    logger.close()
    assert history(tmp_path) == {"x": {3: 1, 4: 2}}
    assert exit_codes(tmp_path) == [2]


def test_beside_a_disabled_run_the_logger_is_disabled_too(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    with wandb.init(mode="disabled"), WandBLogger(dir=tmp_path / "w") as logger:
        log(logger, "x", 1, 3)
        assert logger.run.disabled
    assert not all_files(tmp_path)


def test_an_empty_mode_in_the_environment_is_none(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "")
    assert usual_mode() is None


def test_the_end_of_a_run_that_is_a_context(tmp_path, quiet_logger):
    logger = quiet_logger()
    with logger.run:
        log(logger, "x", 1, 3)
    logger.close()
    assert history(tmp_path) == {"x": {3: 1}}


def test_after_finish_the_next_logger_has_the_next_run(tmp_path, quiet_logger):
    for value in (1, 2):
        logger = quiet_logger(dir=tmp_path / str(value))
        assert wandb.run is logger.run
        log(logger, "x", value)
        wandb.finish()
    assert [history(tmp_path / name) for name in "12"] == [{"x": {0: 1}}, {"x": {0: 2}}]


def test_own_rows_and_the_loggers_are_all_there(tmp_path, quiet_logger):
    """A call without a step moves wandb's ahead of training."""
    logger = quiet_logger()
    for step in range(5):
        log(logger, "x", step / 7, step)
        wandb.log({"mine": step})
        wandb.log({"more": step})
    wandb.finish()
    found = history(tmp_path)
    assert found["x"] == {step: step / 7 for step in range(5)}
    assert sorted(found["mine"].values()) == sorted(found["more"].values()) == [0, 1, 2, 3, 4]


def test_own_rows_of_the_same_step_join_the_loggers(tmp_path, quiet_logger):
    logger = quiet_logger()
    for step in range(3):
        log(logger, "x", step / 7, step)
        wandb.log({"mine": step}, step=step)
    logger.close()
    expected = {step: step / 7 for step in range(3)}
    assert history(tmp_path) == {"x": expected, "mine": {0: 0, 1: 1, 2: 2}}


def test_own_rows_of_the_next_step_push_none_out(tmp_path, quiet_logger):
    logger = quiet_logger()
    for step in range(3):
        wandb.log({"mine": step}, step=step)
        log(logger, "x", step / 7, step)
    logger.close()
    assert history(tmp_path)["x"] == {step: step / 7 for step in range(3)}
    rows, _ = read_rows(*all_files(tmp_path))
    assert [row["mine"] for _, row in rows if "mine" in row] == [0, 1, 2]


def test_summary_config_and_watch(tmp_path, quiet_logger):
    model = torch.nn.Linear(2, 1)
    logger = quiet_logger(config={"rate": 0.1})
    wandb.config.update({"mine": 3})
    wandb.summary["best"] = 0.75
    wandb.watch(model, log="all", log_freq=1)
    for step in range(3):
        model(torch.ones(1, 2)).sum().backward()
        log(logger, "x", step, step)
    wandb.unwatch(model)
    wandb.finish()
    found = history(tmp_path)
    assert found["x"] == {0: 0, 1: 1, 2: 2}
    assert {"gradients/weight", "parameters/bias"} <= set(found)
    records = finished_records(*all_files(tmp_path))
    updates = [item for record in records for item in record.summary.update]
    assert {item.key: item.value_json for item in updates}["best"] == "0.75"
    own = {item.key: item.value_json for record in records for item in record.config.update}
    assert own["mine"] == "3"


def test_a_run_that_is_active_is_joined_and_left_open(tmp_path, quiet_logger):
    with wandb.init(project="mine", dir=tmp_path, config={"seed": 1, "rate": 1}, **OFFLINE) as run:
        with quiet_logger(dir=None, params=None, config={"rate": 0.1}) as logger:
            assert logger.run is wandb.run is run
            log(logger, "x", 1, 3)
        with quiet_logger(dir=None, params=None) as again:
            assert again.run is run
            log(again, "y", 2, 4)
        assert dict(run.config) == {"seed": 1, "rate": 0.1}
        wandb.log({"mine": 3}, step=5)
    assert history(tmp_path) == {"x": {3: 1}, "y": {4: 2}, "mine": {5: 3}}


def test_a_joined_run_that_is_finished_has_the_last_row(tmp_path, quiet_logger):
    run = wandb.init(dir=tmp_path, **OFFLINE)
    log(quiet_logger(dir=None, params=None), "x", 1, 3)
    run.finish()
    assert history(tmp_path) == {"x": {3: 1}}


def test_a_pickled_copy_of_a_logger_that_joined_goes_on_with_that_run(tmp_path, quiet_logger):
    run = wandb.init(project="mine", dir=tmp_path, **OFFLINE)
    logger = quiet_logger(dir=None, params={"settings": {"silent": True}})
    log(logger, "x", 1, 3)
    state = pickle.dumps(logger)
    run.finish()
    copy = pickle.loads(state)
    log(copy, "x", 2, 4)
    assert (copy.run.id, copy.run.project) == (run.id, "mine")
    copy.close()
    files = all_files(tmp_path)
    finished_records(files[-1])
    assert [run_history(file) for file in files] == [{3: {"x": 1}}, {4: {"x": 2}}]


@pytest.mark.parametrize(
    "params", [{"reinit": "create_new"}, {"id": "another"}], ids=["asked for", "another id"]
)
def test_a_run_of_its_own_beside_an_active_one(tmp_path, quiet_logger, params):
    run = wandb.init(dir=tmp_path, **OFFLINE)
    logger = quiet_logger(params={"mode": "offline", **params})
    assert wandb.run is run is not logger.run
    log(logger, "x", 1)
    wandb.log({"mine": 2})
    own = logger.run.id
    logger.close()
    assert wandb.run is run
    run.finish()
    assert rows_of(tmp_path, own) == {0: {"x": 1}}
    assert rows_of(tmp_path, run.id) == {0: {"mine": 2}}


def test_a_run_of_its_own_where_none_is_active(tmp_path, quiet_logger):
    logger = quiet_logger(params={"mode": "offline", "reinit": "create_new"})
    assert wandb.run is None
    log(logger, "x", 1)
    logger.close()
    assert history(tmp_path) == {"x": {0: 1}}


def test_a_disabled_logger_leaves_an_active_run_alone(tmp_path, quiet_logger):
    run = wandb.init(dir=tmp_path, **OFFLINE)
    logger = quiet_logger(params={"mode": "disabled"})
    log(logger, "x", 1)
    wandb.log({"mine": 2})
    logger.close()
    run.finish()
    assert history(tmp_path) == {"mine": {0: 2}}


def test_disabled_calls_do_nothing(tmp_path, quiet_logger):
    logger = quiet_logger(params={"mode": "disabled"})
    log(logger, "x", 1)
    wandb.log({"mine": 2})
    wandb.finish()
    log(logger, "x", 2, 1)
    logger.close()
    assert not list(tmp_path.iterdir())


def test_a_second_logger_has_a_run_of_its_own_and_finish_ends_the_global_one(
    tmp_path, quiet_logger
):
    first, second = quiet_logger(), quiet_logger()
    ids = first.run.id, second.run.id
    assert wandb.run is first.run
    log(first, "x", 1)
    log(second, "x", 2)
    wandb.finish()
    log(second, "x", 3, 1)
    second.close()
    assert rows_of(tmp_path, ids[0]) == {0: {"x": 1}}
    assert rows_of(tmp_path, ids[1]) == {0: {"x": 2}, 1: {"x": 3}}


SCRIPT = """
import sys, wandb
from avalanche_mas.logging import WandBLogger
from tests.logging.reading import log
logger = WandBLogger(save_code=False)
log(logger, "x", 1, 3)
wandb.log({"mine": 2})
if sys.argv[1] == "finish":
    wandb.finish()
"""


def run_script(script, folder, *words):
    """Run a script in a process of its own, offline."""
    environment = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    environment |= {"PYTHONPATH": python_path(), "WANDB_MODE": "offline", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-c", script, *words]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("end", ["finish", "leave"])
def test_a_script_that_closes_nothing(tmp_path, end):
    run_script(SCRIPT, tmp_path, end)
    found = history(tmp_path)
    assert found["x"] == {3: 1}
    assert list(found["mine"].values()) == [2]


SWEEP = """
import sys, threading, wandb
from wandb.agents import pyagent
from avalanche_mas.logging import WandBLogger
from tests.logging.reading import log

def train():
    if sys.argv[1] == "wandb.init":
        wandb.init()
    logger = WandBLogger(save_code=False)
    log(logger, "rate", wandb.config.rate, 3)
    wandb.log({"mine": 1})

wandb.Api = pyagent.InternalApi = lambda: None  # it is connected to no server
agent = pyagent.Agent(function=train)
agent._init()
agent._sweep_id = "tried"
for run, rate in (("one", 0.1), ("two", 0.2)):
    agent._run_status, agent._run_done = {run: "RUNNING"}, {run: threading.Event()}
    agent._run_job(pyagent.Job({"type": "run", "run_id": run, "args": {"rate": {"value": rate}}}))
    assert agent._exceptions == {}
"""


@pytest.mark.parametrize("begins", ["wandb.init", "the logger"])
def test_the_function_of_a_sweeps_agent(tmp_path, begins):
    """As users write it: nothing is closed, as the agent finishes each run."""
    run_script(SWEEP, tmp_path, begins)
    for trial, rate in {"one": 0.1, "two": 0.2}.items():
        rows = rows_of(tmp_path, trial)
        assert {step: row["rate"] for step, row in rows.items() if "rate" in row} == {3: rate}
        assert [row["mine"] for row in rows.values() if "mine" in row] == [1]


def test_rows_behind_own_ones_are_not_lost_when_a_run_goes_on(tmp_path, quiet_logger):
    """wandb's step of a row may be that of another row of the logger."""
    logger = quiet_logger()
    for step in range(3):
        log(logger, "x", step, step)
        wandb.log({"mine": step})
    state = pickle.dumps(logger)
    wandb.finish()
    copy = pickle.loads(state)
    log(copy, "x", 2, 2)
    log(copy, "x", 3, 3)
    copy.close()
    first, second = all_files(tmp_path)
    finished_records(second)
    rows = run_history(first, second)
    assert {step: row["x"] for step, row in rows.items() if "x" in row} == {0: 0, 1: 1, 2: 2, 3: 3}
    assert run_history(second) == {3: {"x": 3}}


def test_sections_have_their_axes(tmp_path, quiet_logger):
    logger = quiet_logger()
    log(logger, "Loss_MB/train_phase/train_stream", 0.5, 3)
    log(logger, EXP, 0.25, 4)
    log(logger, "mine", 1, 4)
    logger.close()
    records = finished_records(*all_files(tmp_path))
    found = [record.metric for record in records if record.HasField("metric")]
    axes = {m.glob_name: m.step_metric for m in found if m.glob_name}
    assert axes == {"train/*": STEP, "eval/*": TASK}
    assert {m.name for m in found if m.options.hidden} == {STEP, TASK}
    rows = run_history(*all_files(tmp_path))
    assert rows == {
        3: {"train/Loss_MB": 0.5},
        4: {"eval/Loss_Exp/Exp000": 0.25, "mine": 1, TASK: 0},
    }


def test_avalanches_names_can_be_kept(tmp_path, quiet_logger):
    logger = quiet_logger(names="avalanche")
    log(logger, EXP, 0.25, 4)
    logger.close()
    assert history(tmp_path) == {EXP: {4: 0.25}}
    with pytest.raises(ValueError, match="names is 'sections' or 'avalanche', got 'other'"):
        quiet_logger(names="other")
