"""Two processes at once."""

import os
import subprocess
import sys
import threading

from avalanche_mas.streams import TASKS
from tests.benchmarks.data.server import send


def test_two_at_once_fetch_once(published, root, server):
    from benchmarks.data.fetch import fetch as run

    said, outcomes = [], []
    content = published["CUB_200_2011.tgz"]
    both = threading.Barrier(2, timeout=10)
    waiting = threading.Event()

    def slowly(handler):
        waiting.wait(10)
        send(content)(handler)

    server.give("/0/CUB_200_2011.tgz", slowly)

    def say(line):
        said.append(line)
        if "waiting for process" in line:
            waiting.set()

    def one():
        both.wait()
        outcomes.extend(run([TASKS["birds"]], root, False, say))

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome.good for outcome in outcomes] == [True, True]
    assert len(server.asked) == 1
    [line] = [line for line in said if "waiting" in line]
    assert f"waiting for process {os.getpid()} on " in line
    assert [path.name for path in (root / "downloads").iterdir()] == []


WITHOUT = """
import runpy, sys
sys.modules["fcntl"] = None
sys.argv[1:] = ["data", "list"]
runpy.run_module("benchmarks", run_name="__main__")
"""


def test_without_fcntl_the_command_starts():
    """As on Windows."""
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "birds: " in done.stdout
