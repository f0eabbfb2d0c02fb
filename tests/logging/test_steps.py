"""When what is sent, and how a run ends and goes on, offline."""

import json
import pickle

import pytest
import torch
import wandb
from PIL import Image

from avalanche_mas.logging import run_history
from avalanche_mas.logging.names import STEP
from tests.logging.reading import (
    all_files,
    exit_codes,
    finished_records,
    history,
    log,
    only_records,
)


def test_a_step_is_sent_in_one_call(quiet_logger, monkeypatch):
    logger, calls = quiet_logger(), []

    def note(row, step, **_):
        assert row.pop(STEP) == step
        calls.append((step, row))

    monkeypatch.setattr(logger.run, "log", note)
    for step in (0, 0, 1, 4):
        for name in ("a", "b"):
            log(logger, name, step, step)
    assert calls == [(0, {"a": 0, "b": 0}), (1, {"a": 1, "b": 1})]
    logger.close()
    assert calls[2:] == [(4, {"a": 4, "b": 4})]


def test_late_values_join_the_latest_step(tmp_path, quiet_logger):
    logger = quiet_logger()
    log(logger, "a", 0.1, 5)
    with pytest.warns(UserWarning, match="b of iteration 3 comes after iteration 5"):
        log(logger, "b", 0.2, 3)
    log(logger, "a", 0.3, 6)
    logger.close()
    assert history(tmp_path) == {"a": {5: 0.1, 6: 0.3}, "b": {5: 0.2}}


def test_two_loggers_have_a_run_each(tmp_path, quiet_logger):
    first, second = quiet_logger(dir=tmp_path / "1"), quiet_logger(dir=tmp_path / "2")
    assert first.run.id != second.run.id
    log(first, "x", 1)
    log(second, "x", 2)
    first.close()
    second.close()
    assert history(tmp_path / "1") == {"x": {0: 1}}
    assert history(tmp_path / "2") == {"x": {0: 2}}


def test_closing(tmp_path, quiet_logger):
    with quiet_logger() as logger:
        log(logger, "x", 1)
    logger.close()
    with pytest.raises(RuntimeError, match="is closed"):
        log(logger, "x", 2)
    assert history(tmp_path) == {"x": {0: 1}}
    assert exit_codes(tmp_path) == [0]


def test_a_run_that_ends_with_an_exception_is_marked_as_failed(tmp_path, quiet_logger):
    logger = quiet_logger()
    log(logger, "x", 1)
    with pytest.raises(ZeroDivisionError), logger:
        _ = 1 / 0
    assert history(tmp_path) == {"x": {0: 1}}
    assert exit_codes(tmp_path) == [1]


def test_what_wandb_is_told_of_the_run(tmp_path, quiet_logger):
    params = {"mode": "offline", "tags": ["a"], "group": "g", "job_type": "j", "notes": "n"}
    quiet_logger(
        project_name="p", run_name="r", config={"deep": {"list": [1, 2]}}, params=params
    ).close()
    run = next(r.run for r in only_records(tmp_path) if r.HasField("run"))
    told = (run.project, run.display_name, list(run.tags), run.run_group, run.job_type, run.notes)
    assert told == ("p", "r", ["a"], "g", "j", "n")
    config = {item.key: item.value_json for item in run.config.update}
    assert json.loads(config["deep"]) == {"list": [1, 2]}


def test_a_pickled_copy_goes_on_with_the_run_when_it_logs(tmp_path, quiet_logger):
    logger = quiet_logger()
    log(logger, "x", 1, 6)
    log(logger, "x", 2, 7)
    state = pickle.dumps(logger)
    logger.close()
    copy = pickle.loads(state)
    assert len(all_files(tmp_path)) == 1
    log(copy, "y", 3, 7)
    log(copy, "x", 4, 8)
    assert (copy.run.id, copy.step) == (logger.init_arguments["id"], 8)
    copy.close()
    first, second = all_files(tmp_path)
    finished_records(second)
    assert run_history(first) == {6: {"x": 1}, 7: {"x": 2}}
    assert run_history(second) == {7: {"y": 3}, 8: {"x": 4}}


def test_a_pickled_copy_that_is_not_used_leaves_nothing(tmp_path, quiet_logger):
    logger = quiet_logger()
    log(logger, "x", 1)
    pickle.loads(pickle.dumps(logger))
    logger.close()
    assert len(all_files(tmp_path)) == 1


@pytest.mark.parametrize("on_disk", [True, False], ids=["on disk", "lost"])
@pytest.mark.parametrize("named", [True, False], ids=["of the same id", "that began another run"])
def test_a_logger_goes_on_with_the_run_of_a_state(tmp_path, quiet_logger, named, on_disk):
    logger = quiet_logger()
    log(logger, "x", 1, 6)
    log(logger, "picture", Image.new("RGB", (2, 3), (9, 8, 7)), 6)
    log(logger, "histogram", torch.arange(9), 6)
    log(logger, "table", wandb.Table(columns=["a", "b"], data=[["x", None], ["y", 2.5]]), 6)
    log(logger, "x", 2, 7)
    state = logger.state_dict()
    assert set(state["unsaved"][6]) == {"x", "picture", "histogram", "table"}
    first_id = logger.init_arguments["id"]
    logger._row = {}  # as if the process had been killed
    logger.close()
    if not on_disk:
        (file,) = all_files(tmp_path)
        file.unlink()
    params = (
        {"mode": "offline", "id": first_id, "resume": "allow"} if named else {"mode": "offline"}
    )
    other = quiet_logger(params=params)
    other.load_state_dict(state)
    log(other, "y", 3, 7)
    log(other, "x", 4, 8)
    assert (other.run.id, other.step) == (first_id, 8)
    other.close()
    files = [file for file in all_files(tmp_path) if first_id in file.name]
    for file in files:
        finished_records(file)
    rows = run_history(*files)
    assert {step: row.get("x") for step, row in rows.items()} == {6: 1, 7: 2, 8: 4}
    assert rows[7]["y"] == 3
    assert {"picture", "histogram", "table"} <= set(rows[6])
    assert run_history(files[-1]).keys() == ({7, 8} if on_disk else {6, 7, 8})
