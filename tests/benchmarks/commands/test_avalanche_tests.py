"""Avalanche's own tests with our plugins: how they are run and recorded, and what the record says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.commands.avalanche_tests.__main__ import RESULT, main, outcomes, run_tests
from benchmarks.commands.docs import content
from benchmarks.report.pages import avalanche_tests as page
from benchmarks.report.pages.avalanche_tests import WAYS

STRATEGIES = """
import unittest

import torch
from avalanche.benchmarks import nc_benchmark
from avalanche.training import MAS, Naive
from torch import nn


def train(kind=Naive, experiences=2):
    data = torch.utils.data.TensorDataset(torch.randn(8, 3), torch.arange(8) % 4)
    data.targets = data.tensors[1].tolist()
    model = nn.Linear(3, 4)
    strategy = kind(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        criterion=nn.CrossEntropyLoss(),
        train_mb_size=4,
        train_epochs=2,
        evaluator=None,
    )
    stream = nc_benchmark(data, data, n_experiences=2, task_labels=False).train_stream
    for experience in stream[:experiences]:
        strategy.train(experience)
    return strategy


class StrategyTest(unittest.TestCase):
    def test_naive(self):
        train()

    def test_one_task(self):
        train(experiences=1)

    def test_mas(self):
        train(MAS)

    def test_alone(self):
        self.assertEqual(len(train(experiences=0).plugins), 3)

    def test_skipped(self):
        self.skipTest("nothing sparse here")

    def test_no_data(self):
        raise OSError("no such data")


def test_refused():
    strategy = train(experiences=0)
    strategy.optimizer = torch.optim.SparseAdam(list(strategy.model.parameters()))
    for plugin in strategy.plugins:
        if hasattr(plugin, "lambda_reg"):
            plugin.before_training_exp(strategy)


def test_without_a_strategy():
    pass
"""

SLOW = """
import time


def test_slow():
    while True:  # no strategy.train() ends this
        time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkout")
    tests = folder / "tests" / "training"
    tests.mkdir(parents=True)
    for package in (tests, tests.parent):
        (package / "__init__.py").touch()
    (folder / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\naddopts = "--no-such-option"\n'
    )
    (tests / "test_strategies.py").write_text(STRATEGIES)
    return folder


@pytest.fixture(scope="module")
def found(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    output = tmp_path_factory.mktemp("record") / "record.json"
    main([str(checkout), "--output", str(output)])
    recorded: dict[str, Any] = json.loads(output.read_text())
    return recorded


def test_what_came_of_each_test_is_recorded(found: dict[str, Any]) -> None:
    assert found["torch"]
    tests = {name.split("::")[-1]: ways for name, ways in found["tests"].items()}
    assert {name: [ways[way]["outcome"] for way in WAYS] for name, ways in tests.items()} == {
        "test_naive": ["passed"] * 3,
        "test_one_task": ["passed"] * 3,
        "test_mas": ["passed"] * 3,
        "test_alone": ["passed", "passed", "failed"],
        "test_skipped": ["skipped"] * 3,
        "test_no_data": ["failed"] * 3,
        "test_refused": ["passed", "passed", "refused"],
    }
    assert tests["test_refused"]["beside"]["message"] == (
        "ValueError: SparseAdam takes sparse gradients only, and the penalty's gradient is dense"
    )
    assert tests["test_skipped"]["as it is"]["message"] == "nothing sparse here"
    assert tests["test_no_data"]["as it is"]["message"] == "OSError: no such data"


def test_steps_that_the_penalty_changes_are_counted(found: dict[str, Any]) -> None:
    tests = {name.split("::")[-1]: ways for name, ways in found["tests"].items()}
    effect = {"strategies": 1, "begun": 2, "held": 1, "steps": 2}
    assert tests["test_naive"] == {
        "as it is": {"outcome": "passed", "strategies": 1},
        "in place": {"outcome": "passed", "strategies": 1},
        "beside": {"outcome": "passed", **effect},
    }
    assert tests["test_mas"]["as it is"] == {"outcome": "passed", "strategies": 1}
    assert tests["test_mas"]["in place"] == {"outcome": "passed", **effect}
    assert tests["test_one_task"]["beside"]["held"] == 0


def test_a_test_that_hangs_is_stopped(checkout: Path) -> None:
    (checkout / "slow_test.py").write_text(SLOW)
    assert run_tests(checkout, "slow_test.py", "as it is", limit=1, limit_file=600) == [
        {
            "test": "slow_test.py::test_slow",
            "outcome": "failed",
            "message": "TimeoutError: stopped after 1 s",
        }
    ]


def test_tests_that_were_not_reached_are_recorded(tmp_path: Path) -> None:
    (tmp_path / "record").write_text('["a", "b"]\n{"test": "a", "outcome": "passed"}\n')
    assert outcomes(tmp_path / "record", "stopped after 9 s") == [
        {"test": "a", "outcome": "passed"},
        {"test": "b", "outcome": "failed", "message": "stopped after 9 s"},
    ]


def test_tests_that_can_not_be_collected_are_told(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="could not collect"):
        outcomes(tmp_path / "record", "stopped after 9 s")


def test_a_folder_without_tests_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path)])
    assert f"no test_*.py below {tmp_path / 'tests'} trains a strategy" in capsys.readouterr().err


def test_the_table_shows_strategies_and_files(found: dict[str, Any]) -> None:
    table = page.table(found)
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}
    assert rows["naive"] == ["1", "1", "1", "1", "–", "1 of 1"]
    assert rows["one_task"] == ["1", "1", "1", "1", "–", "nothing to hold"]
    assert rows["alone"] == ["1", "1", "1", "0", "–", "nothing to hold"]
    assert rows["training/test_strategies.py"] == ["1", "1", "1", "0", "1", "nothing to hold"]
    assert rows["all"] == ["7", "5", "5", "3", "1", "2 of 2"]
    notes = "\n".join(table.notes)
    assert "built-in plugin: `test_mas` (2 steps changed)" in notes
    for said in ("`test_skipped` (nothing sparse here)", "`test_no_data` (OSError: no such data)"):
        assert said in notes


def test_a_failure_and_a_penalty_without_effect_need_a_reason(found: dict[str, Any]) -> None:
    file = "tests/training/test_strategies.py::StrategyTest"
    assert page.unexplained(found["tests"]) == [f"{file}::test_alone"]
    naive = found["tests"][f"{file}::test_naive"]
    idle = {**naive, "beside": {**naive["beside"], "steps": 0}}
    assert page.unexplained({f"{file}::test_naive": idle}) == [f"{file}::test_naive"]
    assert page.unexplained({f"{file}::test_pnn": idle}) == []


def test_the_record_is_whole_and_explained() -> None:
    tests = json.loads(RESULT.read_text())["tests"]
    assert len(tests) > 60
    assert all(set(ways) == set(WAYS) for ways in tests.values())
    assert page.unexplained(tests) == []
    names = {name.split("::")[-1] for name in tests}
    assert set(page.EXPLAINED) <= names
    mas = next(ways for name, ways in tests.items() if name.endswith("::test_mas"))
    assert mas["in place"]["steps"] > 0
    assert "| mas | 1 | 1 | 1 | 1 |" in content("avalanche-tests")
