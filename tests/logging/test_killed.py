"""A run whose process is killed, or ends without closing it."""

import os
import signal
import subprocess
import sys

import pytest

from avalanche_mas.logging import run_history
from tests.logging.reading import all_files, exit_codes, finished_records
from tests.processes import python_path

NAME = "a long name of a value " * 4

PROCESSES = """
import os, pickle, signal, sys, traceback
from pathlib import Path
import psutil
from avalanche_mas.logging import WandBLogger
from tests.logging.reading import log
from tests.logging.test_killed import NAME

def train(kept, until, end):
    checkpoint = Path("checkpoint")
    if checkpoint.exists():
        logger = pickle.loads(checkpoint.read_bytes())
    else:
        logger = WandBLogger(dir=".", save_code=False, params={"mode": "offline"})
        for step in range(kept):
            log(logger, NAME, step / 7, step)
        log(logger, "task", 1, kept)
        checkpoint.write_bytes(pickle.dumps(logger))
    for step in range(kept, until):
        log(logger, NAME, step / 7, step)
    if end == "wandb":
        (service,) = psutil.Process().children()
        service.kill()
        service.wait()
        log(logger, NAME, until / 7, until)
        logger.close()
    if end == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if end == "close":
        logger.close()

for folder, kept, until, end in (
    ("few", 5, 8, "kill"),
    ("few", 5, 10, "close"),
    ("many", 500, 1500, "kill"),
    ("many", 500, 1600, "close"),
    ("left", 3, 5, "leave"),
    ("service", 3, 5, "wandb"),
):
    process = os.fork()
    if process:
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
    else:
        Path(folder).mkdir(exist_ok=True)
        os.chdir(folder)
        try:
            train(kept, until, end)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        sys.exit(0)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the processes above have logged, one after the other."""
    folder = tmp_path_factory.mktemp("killed")
    # WANDB_SERVICE would have them share the wandb process of this one
    environment = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROCESSES],
        cwd=folder,
        env={**environment, "PYTHONPATH": python_path(), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    killed = -signal.SIGKILL
    ends = [line for line in done.stdout.splitlines() if line.lstrip("-").isdigit()]
    assert ends == [str(code) for code in (killed, 0, killed, 0, 0, 0)], done.stderr
    return folder


@pytest.mark.parametrize(("case", "kept", "steps"), [("few", 5, 10), ("many", 500, 1600)])
def test_after_kill_9_every_value_is_there_once(folder, case, kept, steps):
    """Whether wandb had written nothing when it was killed, or rows beyond the checkpoint."""
    first, second = all_files(folder / case)
    finished_records(second)
    expected = {step: {NAME: step / 7} for step in range(steps)}
    expected[kept]["task"] = 1
    assert run_history(first, second) == expected
    assert not set(run_history(first)) & set(run_history(second))
    assert (len(run_history(first)) > kept) == (case == "many")


def test_a_process_that_ends_without_closing(folder):
    (file,) = all_files(folder / "left")
    assert list(run_history(file)) == [0, 1, 2, 3, 4]
    assert exit_codes(folder / "left") == [0]


def test_the_end_of_wandbs_own_process_loses_nothing(folder):
    first, second = all_files(folder / "service")
    finished_records(second)
    expected = {step: {NAME: step / 7} for step in range(6)}
    expected[3]["task"] = 1
    assert run_history(first, second) == expected
