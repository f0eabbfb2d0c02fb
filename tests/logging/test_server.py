"""Runs that go to a server: one that answers, one that fails, one that is not there."""

import os
import pickle
import socket
import subprocess
import sys
import threading

import pytest
import wandb
from wandb.errors import CommError

from avalanche_mas.logging import run_history
from avalanche_mas.logging.names import STEP
from avalanche_mas.logging.runs import ATTEMPTS, SYNC, unreachable
from tests.logging.reading import all_files, finished_records, log
from tests.logging.server import KEY

ROWS = {step: {"x": step / 7} for step in range(8)}


def train(logger, begin=0, end=8):
    for step in range(begin, end):
        log(logger, "x", step / 7, step)


def received(server, run_id):
    """The rows that the server was sent, in its order and by the logger's step, which is wandb's."""
    rows = server.history[run_id]
    assert [row["_step"] for row in rows] == [row[STEP] for row in rows]
    return [
        (row[STEP], {n: v for n, v in row.items() if n != STEP and not n.startswith("_")})
        for row in rows
    ]


def sync(server, *folders):
    """Send runs with wandb's own command."""
    command = [sys.executable, "-m", *SYNC.split(), *map(str, folders)]
    environment = {n: v for n, v in os.environ.items() if n != "WANDB_SERVICE"}
    environment |= {"WANDB_BASE_URL": server.address, "WANDB_API_KEY": KEY}
    where = folders[0].parents[1]  # wandb makes a folder there
    subprocess.run(command, cwd=where, env=environment, check=True, capture_output=True)


def test_a_run_online(server, online_logger):
    logger = online_logger(
        server.address, params={"group": "g", "tags": ["a"], "job_type": "j"}, config={"c": 1}
    )
    train(logger)
    run_id = logger.run.id
    logger.close(exit_code=3)
    assert received(server, run_id) == list(ROWS.items())
    assert server.exits == {run_id: 3}
    got = server.starts[run_id]
    assert (got["groupName"], got["tags"], got["jobType"]) == ("g", ["a"], "j")


def test_going_on_online_adds_to_the_same_run(server, online_logger, capfd):
    """What the server got after the checkpoint is not sent again, whatever is measured there."""
    logger = online_logger(server.address)
    train(logger, 0, 4)
    state = pickle.dumps(logger)
    train(logger, 4, 6)
    logger.close(exit_code=1)
    copy = pickle.loads(state)
    train(copy, 4, 8)
    copy.close()
    assert received(server, copy.init_arguments["id"]) == list(ROWS.items())
    assert list(server.exits.values()) == [0]
    assert "less than the current step" not in capfd.readouterr().err  # what wandb had to drop


def test_own_rows_do_not_hide_what_the_server_lacks(server, online_logger):
    """They move wandb's step ahead, so that it says no longer what the server has of the logger."""
    logger = online_logger(server.address)
    for step in range(4):
        train(logger, step, step + 1)
        for _ in range(5):
            wandb.log({"mine": step})
    state = pickle.dumps(logger)
    train(logger, 4, 6)
    logger.close(exit_code=1)
    copy = pickle.loads(state)
    train(copy, 4, 8)
    copy.close()
    rows = server.history[copy.init_arguments["id"]]
    assert [(row[STEP], row["x"]) for row in rows if "x" in row] == [
        (step, row["x"]) for step, row in ROWS.items()
    ]
    assert [row["mine"] for row in rows if "mine" in row] == 5 * [0] + 5 * [1] + 5 * [2] + 5 * [3]


def test_what_a_killed_process_had_not_sent_is_sent_when_it_goes_on(server, online_logger):
    logger = online_logger(server.address, finish_timeout=1)
    train(logger, 0, 4)
    state = pickle.dumps(logger)
    server.fails = True  # from here on nothing arrives, and wandb gives up at once
    with pytest.warns(UserWarning, match="did not receive all"):
        logger.close()
    server.fails = False
    server.history[logger.init_arguments["id"]] = []
    copy = pickle.loads(state)
    train(copy, 4, 8)
    copy.close()
    assert received(server, copy.init_arguments["id"]) == list(ROWS.items())


@pytest.mark.parametrize("case", ["nothing there", "fails"])
def test_without_a_server_the_run_goes_offline(server, online_logger, tmp_path, case):
    server.fails = case == "fails"
    address = server.address if server.fails else "http://127.0.0.1:9"
    with pytest.warns(UserWarning, match=f"{address}.*goes on offline.*{SYNC} "):
        logger = online_logger(address)
    train(logger)
    logger.close()
    (file,) = all_files(tmp_path)
    finished_records(file)
    assert file.parent.name.startswith("offline-")
    assert run_history(file) == ROWS


def test_what_answers_no_http_is_no_server():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)

        def answer():
            for _ in range(ATTEMPTS):
                connection, _ = listening.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"no HTTP\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        said = unreachable(f"http://127.0.0.1:{listening.getsockname()[1]}")
        thread.join()
    assert said.endswith("cannot be reached (no HTTP)")


def test_a_server_that_fails_while_the_run_starts(server, online_logger, monkeypatch, tmp_path):
    init = wandb.init

    def init_offline_only(**arguments):
        if arguments["mode"] == "online":
            raise CommError("no answer in time")
        return init(**arguments)

    monkeypatch.setattr(wandb, "init", init_offline_only)
    with pytest.warns(UserWarning, match="no answer in time; run .* goes on offline"):
        logger = online_logger(server.address)
    train(logger)
    logger.close()
    (file,) = all_files(tmp_path)
    finished_records(file)
    assert run_history(file) == ROWS


def test_a_run_begun_offline_stays_so_until_it_is_sent(server, online_logger, tmp_path):
    server.fails = True
    with pytest.warns(UserWarning, match="answers 500"):
        logger = online_logger(server.address)
    server.fails = False
    train(logger, 0, 4)
    state = pickle.dumps(logger)
    logger.close()
    copy = pickle.loads(state)
    with pytest.warns(UserWarning, match="was not sent to the wandb server"):
        train(copy, 4, 8)
    copy.close()
    files = all_files(tmp_path)
    for file in files:
        finished_records(file)
    assert run_history(*files) == ROWS
    sync(server, *(file.parent for file in files))
    assert sorted(received(server, copy.init_arguments["id"])) == list(ROWS.items())


def test_a_server_that_fails_later_stops_nothing(server, online_logger, tmp_path):
    logger = online_logger(server.address, finish_timeout=1)
    train(logger, 0, 4)
    server.fails = True
    train(logger, 4, 8)
    with pytest.warns(UserWarning, match=f"did not receive all of run .* {SYNC} "):
        logger.close()
    (file,) = all_files(tmp_path)
    finished_records(file)
    assert run_history(file) == ROWS
    server.fails = False
    sync(server, file.parent)
    assert received(server, logger.init_arguments["id"]) == list(ROWS.items())


def test_a_wrong_key_is_refused(server, online_logger):
    with pytest.raises(wandb.Error):
        online_logger(server.address, key="short")
    assert not server.history
