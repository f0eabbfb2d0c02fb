"""The report on folders that another process fills at the same time."""

from __future__ import annotations

import io
from pathlib import Path

from benchmarks.report import print_report
from benchmarks.report.numbers.runs import read_runs
from benchmarks.report.pages.left_out import not_reported
from tests.benchmarks.sessions import python

WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from benchmarks.record.folders import start_folder
from benchmarks.run.runner import run
from tests.benchmarks.run.test_resume import job_on_three, three_tasks

folder = Path(sys.argv[1])
for seed in range(3):
    job = job_on_three("mas", folder / f"seed{seed}")
    job = replace(job, settings=replace(job.settings, seed=seed), tensorboard=True)
    run(job, lambda _: None, stream=three_tasks())
    print(seed, flush=True)
    unfinished = folder / "unfinished"
    for number in range(60):
        for depth in range(5):
            (unfinished / str(depth) / "tensorboard").mkdir(parents=True)
        (unfinished / "error.log").write_text("KeyError: 0")
        start_folder(unfinished, job.settings, 1)
"""


def test_runs_that_are_written_meanwhile_do_no_harm(tmp_path: Path) -> None:
    with python("-c", WRITER, tmp_path) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "0\n"
        found, reports = [1], 0
        try:
            while writer.poll() is None:
                print_report([tmp_path], stream=io.StringIO())
                found.append(len(read_runs([tmp_path])))
                reports += 1
        finally:
            writer.kill()
    assert writer.returncode == 0
    assert found == sorted(found)
    assert found[-1] == 3
    assert reports > 3
    left = not_reported(read_runs([tmp_path]), [tmp_path])
    assert left is not None
    assert [row[0].text for row in left.rows] == ["not finished"]
