"""The record of the tests with the oldest and the pinned version of wandb."""

import json
import re
from pathlib import Path

from benchmarks.commands.wandb_versions import RESULT, outcome

HOME = Path(__file__).parents[2]

REPORT = """<testsuites><testsuite>
<testcase classname="tests.a" name="good"/>
<testcase classname="tests.a" name="bad"><failure/></testcase>
<testcase classname="tests.a" name="worse"><error/></testcase>
<testcase classname="tests.a" name="no_gpu"><skipped/></testcase>
</testsuite></testsuites>"""


def test_what_came_of_the_tests_is_counted(tmp_path):
    (tmp_path / "report.xml").write_text(REPORT)
    assert outcome(tmp_path / "report.xml") == {
        "passed": 1,
        "failed": ["tests.a::bad", "tests.a::worse"],
        "skipped": ["tests.a::no_gpu"],
    }


def test_both_ends_are_recorded_and_passed():
    oldest = re.search(r'"wandb>=([\d.]+)"', (HOME / "pyproject.toml").read_text())[1]
    pinned = re.search(r"^wandb==([\d.]+)$", (HOME / "constraints.txt").read_text(), re.M)[1]
    recorded = json.loads(RESULT.read_text())["wandb"]
    assert set(recorded) >= {f"{oldest}.0", pinned}
    for result in recorded.values():
        assert result["passed"] > 0
        assert result["failed"] == []
